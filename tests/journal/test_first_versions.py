"""The first versions of a store that was opened: damage, forks, threads, and what is let go of."""

from __future__ import annotations

import gc
import os
import pickle
import sqlite3
import threading
import weakref
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cowstate import Aggregate, History, Index, Record
from cowstate.cli import main
from cowstate.journal import JournalFileError, open_store
from tests.faults.test_fork import held_up, in_child

SIZE = 120


class Slot(Record, weakref=True):
    n: int
    side: str = "buy"


DERIVED: dict[str, Any] = {
    "indexes": {
        "n": Index(lambda slot: slot.n, unique=True),
        "side": Index(lambda slot: slot.side),
    },
    "aggregates": {"sum": Aggregate.sum(lambda slot: slot.n)},
}


def opened(path: Path, **options: Any) -> Any:
    return open_store(path, key=str, record=Slot, sync="normal", **{**DERIVED, **options})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "slots.db"
    with opened(found) as store:
        store.replace_all({f"k{n:03}": Slot(n, "buy" if n % 3 else "sell") for n in range(SIZE)})
    return found


DAMAGE = {
    "half a record": """UPDATE records SET value = '{"n": 1' WHERE key = '"k077"'""",
    "another type": """UPDATE records SET value = '{"n": "one"}' WHERE key = '"k077"'""",
    "a number": """UPDATE records SET value = 7 WHERE key = '"k077"'""",
    "half a key": """UPDATE records SET key = '"k077' WHERE key = '"k077"'""",
}


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_record_that_cannot_be_read_is_refused_at_the_opening(
    path: Path, damage: str, eager: bool
) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(DAMAGE[damage]).rowcount == 1
    for _ in range(2):  # and nobody has the file
        with pytest.raises(JournalFileError, match="k077"):
            opened(path, eager=eager)
    assert main(["verify", str(path)]) == 1


def test_a_record_that_somebody_changed_is_found_by_verify(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("""UPDATE records SET value = '{"n": 900}' WHERE key = '"k077"'""")
    with opened(path) as store:
        assert store.snapshot()["k077"].n == 900  # it is one of the type
    assert main(["verify", str(path)]) == 1


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing to fork with")


def whole(now: Any) -> None:
    assert [now.find_key("n", n) for n in range(SIZE)] == [f"k{n:03}" for n in range(SIZE)]
    assert len(now.find_all("side", "sell")) == SIZE // 3
    assert now.total("sum") == sum(range(SIZE))


@needs_fork
def test_the_child_of_a_fork_builds_for_itself(path: Path) -> None:
    with opened(path) as store:
        in_child(lambda: whole(store.snapshot()))
        whole(store.snapshot())


@needs_fork
def test_so_it_does_while_a_thread_of_the_parent_builds(path: Path) -> None:
    stop: list[Callable[[], None]] = []

    def n_of(slot: Slot) -> int:
        if stop:
            stop.pop()()
        return slot.n

    with opened(path, indexes={**DERIVED["indexes"], "n": Index(n_of, unique=True)}) as store:

        def build(stop_here: Callable[[], None]) -> None:
            stop.append(stop_here)
            whole(store.snapshot())

        with held_up(build):
            in_child(lambda: whole(store.snapshot()))
        whole(store.snapshot())


def test_threads_that_read_and_write_at_once_see_whole_versions(path: Path) -> None:
    count, rounds = 4, 6
    for number in range(rounds):
        failed: list[BaseException] = []
        with opened(path) as store:
            start = threading.Barrier(count + 1)
            now = store.snapshot()
            records = dict(now)

            def read(now: Any = now, start: Any = start, failed: Any = failed) -> None:
                start.wait()
                try:
                    whole(now)
                    assert list(now) == [f"k{n:03}" for n in range(SIZE)]
                except BaseException as error:
                    failed.append(error)

            threads = [threading.Thread(target=read) for _ in range(count)]
            for thread in threads:
                thread.start()
            start.wait()
            after = store.set("k000", records["k000"].replace(n=1000 + number)).after
            store.set("k000", records["k000"])
            for thread in threads:
                thread.join()
            assert after.find_key("n", 1000 + number) == "k000"
            assert after.total("sum") == sum(range(SIZE)) + 1000 + number
            whole(now)
            whole(store.snapshot())
        assert not failed, failed[0]


def test_the_first_version_can_be_sent_elsewhere_before_anything_is_built(path: Path) -> None:
    with opened(path) as store:
        now = store.snapshot()
        there = pickle.loads(pickle.dumps(now))
        whole(there)
        assert there == now
        assert list(there) == list(now)
        assert not now.diff(now)


def test_what_was_overwritten_is_let_go_of_when_as_much_was_written_as_there_was(
    path: Path,
) -> None:
    with opened(path, history=History(versions=1)) as store:
        overwritten = weakref.ref(store.snapshot()["k119"])
        dropped = weakref.ref(store.snapshot()["k118"])
        store.set("k119", Slot(900))
        store.delete("k118")
        for n in range(SIZE - 3):
            store.set("new", Slot(1000 + n))
        assert None not in (overwritten(), dropped())
        for n in range(3):  # the last one thaws, and then it leaves the ring
            store.set("new", Slot(2000 + n))
        gc.collect()
        assert (overwritten(), dropped()) == (None, None)
        assert len(store.snapshot()) == SIZE


def test_so_it_is_when_all_was_built_and_no_write_moves_any_of_it(path: Path) -> None:
    still: dict[str, Any] = {
        "indexes": {"side": Index(lambda slot: slot.side), "last": Index(lambda slot: slot.n > 7)},
        "aggregates": {"buys": Aggregate.count(lambda slot: slot.side == "buy")},
    }
    with opened(path, history=History(versions=1), **still) as store:
        first = store.snapshot()
        overwritten = weakref.ref(first["k119"])
        for name in still["indexes"]:
            first.find_all(name, "buy")
        assert first.total("buys") == SIZE * 2 // 3
        del first
        for n in range(SIZE + 3):
            store.set("k119", Slot(1000 + n))
        gc.collect()
        assert overwritten() is None


def test_a_store_that_is_dropped_takes_along_what_was_never_built(path: Path) -> None:
    store = opened(path)
    record = weakref.ref(store.snapshot()["k000"])
    store.close()
    assert record() is not None
    del store
    gc.collect()
    assert record() is None


def test_a_finalizer_may_ask_for_what_is_being_built(path: Path) -> None:
    asked: list[Any] = []

    class Dying:
        def __init__(self, store: Any) -> None:
            self.store = store

        def __del__(self) -> None:
            asked.append(self.store.snapshot().find_key("n", 7))

    holder: list[Any] = []

    def n_of(slot: Slot) -> int:
        if holder:
            holder.clear()  # in the middle of it
        return slot.n

    with opened(path, indexes={**DERIVED["indexes"], "n": Index(n_of, unique=True)}) as store:
        holder.append(Dying(store))
        whole(store.snapshot())
        gc.collect()
        assert asked == ["k007"]


@pytest.mark.parametrize("role", ["index", "aggregate"])
def test_a_function_that_asks_for_its_own_ends_with_an_error_that_says_so(
    path: Path, role: str
) -> None:
    asks = [True]

    def n_of(slot: Slot) -> int:
        if asks:
            look = store.snapshot()
            return int(len(look.find_all("own", 1)) if role == "index" else look.total("own"))
        return slot.n

    own: dict[str, Any] = (
        {"indexes": {"own": Index(n_of)}, "aggregates": {}}
        if role == "index"
        else {"indexes": {}, "aggregates": {"own": Aggregate.sum(n_of)}}
    )
    with opened(path, **own) as store:
        for look in (
            lambda: store.draft().total("own") if role == "aggregate" else store.statistics(),
            lambda: store.set("k000", Slot(5)),
        ):
            with pytest.raises(RecursionError) as caught:
                look()
            notes = caught.value.__notes__
            assert any("may not ask for that very one" in note for note in notes)
            assert len(notes) < 5
        asks.clear()
        assert store.set("k000", Slot(5)).version == store.snapshot().version
