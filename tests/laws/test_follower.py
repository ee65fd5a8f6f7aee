"""Ctrl-C at the points of a follower: what it is made by, what it does itself, and who reads it.

Its thread is struck by nobody but another thread, and then ends; here it goes on, which is more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import enumerate as enumerate_threads
from types import CodeType
from typing import Any

import pytest

from cowstate import Aggregate, CowstateError, Index, Lagged
from cowstate.codec import Codec
from cowstate.journal.tail import FileTail
from cowstate.journal.touched import Touched
from cowstate.journal.waking import Waking
from tests.journal.files import Slot, opened
from tests.journal.followed import SOON, following
from tests.journal.plainly_followed import Unthreaded, unthreaded
from tests.laws.interrupts import CAN_GO_ASTRAY, Strike, Struck
from tests.laws.points import count_points, in_package, spread, undisturbed
from tests.sweeps import at_least

__all__ = ["unthreaded"]

DERIVED: dict[str, Any] = {
    "indexes": {"value": Index[int](lambda n: n)},
    "aggregates": {"sum": Aggregate[int, int].sum(lambda n: n)},
}


EVERY, AT_REST = 0.001, 0.002

_SLEEPERS = (
    FileTail.sleep,
    *(method for kind in (Touched, Waking) for method in vars(kind).values() if callable(method)),
)
_CODES = {method.__code__ for method in _SLEEPERS}


def in_sleep(code: CodeType) -> bool:
    return code in _CODES


def refused(act: Callable[[], object]) -> None:
    with pytest.raises(CowstateError):
        act()


def two_looks(world: Unthreaded) -> None:
    world.chase.step()
    world.store.set("n", 3)
    world.chase.step()


def a_leap(world: Unthreaded) -> None:
    world.store.journal.compact(versions=1)
    world.chase.step()


ACTS: dict[str, Callable[[Unthreaded], object]] = {
    "look": two_looks,
    "leap": a_leap,
    "wait in vain": lambda world: refused(lambda: world.follower.wait_for(version=9, timeout=0)),
    "wait for what is there": lambda world: world.follower.wait_for(version=0),
    "feed": lambda world: world.follower.feed(since=0).poll(),
    "subscribe": lambda world: world.follower.subscribe(str).close(),
    "close": lambda world: world.follower.close(),
}


def check(world: Unthreaded, heard: list[Any], feed: Any) -> None:
    """It is whole, it goes on, and nobody has missed or been told twice."""
    follower = world.follower
    now = follower.snapshot()
    assert now.get("n", 0) == now.total("sum") == now.version
    assert len(follower.source.waiters) == 0
    if not follower.closed:
        world.store.update("n", lambda n: n + 1)
        world.caught_up()
        last = follower.snapshot()
        assert last == world.store.snapshot()
        assert last.find_all("value", last["n"]) == {"n": last["n"]}
        follower.flush()
        for items in (heard, [*iter(feed.poll, None)]):
            at = 0
            for item in items:
                if isinstance(item, Lagged):
                    assert item.missed_from == at + 1
                    at = item.snapshot.version
                else:
                    assert item.version == at + 1
                    at = item.version
            assert at == last.version
    follower.close()
    assert follower.closed
    assert follower.failure is None


@pytest.mark.usefixtures("unthreaded")
@pytest.mark.parametrize("name", ACTS)
def test_ctrl_c_at_any_point_leaves_it_whole_and_able_to_go_on(name: str) -> None:
    act = ACTS[name]
    world = Unthreaded(written=2, **DERIVED)
    points = count_points(lambda: act(world), in_package)
    came_up = 0
    with undisturbed():
        for point in spread(points, 60):
            world = Unthreaded(written=2, **DERIVED)
            heard: list[Any] = []
            world.follower.subscribe(heard.append, on_lagged=heard.append)
            feed = world.follower.feed()
            strike = Strike(point, None, in_package, patient=True)
            try:
                strike.run(lambda world=world: act(world))  # type: ignore[misc]
            except Struck:
                came_up += 1
            # Else it came up when it was published, and counts as a subscriber's: that is logged.
            check(world, heard, feed)
    assert came_up >= at_least(6)


# What is struck between the call that opens a file to read and the next instruction is let go of by
# whoever drops it, which Python warns of from 3.13 on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_when_it_is_made_leaves_nobody_who_follows(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
        Codec(key=str, record=Slot, meta=str)  # which remembers what it has made
        points = count_points(lambda: following(path).close())
        before = {*enumerate_threads()}
        came_up = 0
        with undisturbed():
            for point in spread(points, 60):
                strike = Strike(point, None, in_package, patient=True)
                try:
                    strike.run(lambda: following(path).close())
                except Struck:
                    came_up += 1
                else:
                    assert not strike.armed or (strike.astray and CAN_GO_ASTRAY)
                for thread in {*enumerate_threads()} - before:
                    thread.join(SOON)
                    assert not thread.is_alive()
        assert came_up >= at_least(31)
        store.set("a", Slot(2))
        with following(path) as follower:
            assert follower.snapshot()["a"] == Slot(2)
    assert not path.with_name("slots.db-wal").exists()  # nobody has it open


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_ctrl_c_in_its_sleep_leaves_nothing_open_and_it_hears_on(tmp_path: Path) -> None:
    files = Path("/dev/fd")

    with opened(tmp_path / "slots.db") as store:
        store.set("a", Slot(1))
        path = store.journal.path

        def rest(tail: FileTail) -> None:
            tail.sleep(AT_REST)  # which begins to listen, if that can be
            tail.wake()
            tail.sleep(AT_REST)
            store.set("a", Slot(2))
            tail.sleep(AT_REST)

        def whole() -> None:
            tail = FileTail(path, EVERY)
            rest(tail)
            tail.close()

        points = count_points(whole, in_sleep)
        before = len([*files.iterdir()])
        came_up = 0
        with undisturbed():
            for point in spread(points, 60):
                tail = FileTail(path, EVERY)
                strike = Strike(point, None, in_sleep, patient=True)
                try:
                    strike.run(lambda tail=tail: rest(tail))  # type: ignore[misc]
                except Struck:
                    came_up += 1
                tail.look()
                tail.done()
                store.set("a", Slot(point))
                tail.sleep(AT_REST)
                assert tail.look() is not None
                tail.close()
                assert len([*files.iterdir()]) == before
        assert came_up >= at_least(31)
