"""A follower is what the writer wrote: each commit once, whole, in order."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Commit,
    CompactedError,
    Lagged,
    WaitTimeoutError,
    aio,
)
from cowstate.journal import (
    Follower,
)
from tests.commanding import interrupt
from tests.journal.files import INDEXES, Slot, Slots, opened
from tests.journal.followed import QUANTITY, SOON, following
from tests.standing import check_derived


def write_much(store: Slots) -> None:
    """Every kind of change."""
    store.set("b", Slot(2, "you"))
    store.update("a", lambda slot: slot.replace(quantity=5))
    store.set_meta("open")
    store.transact(lambda tx: tx.update({f"{n}": Slot(n, "me") for n in range(30)}))
    store.delete("b")
    store.replace_all({"a": Slot(7), "c": Slot(8, "you")})
    store.set_meta(None)
    for n in range(20):
        store.set("a", Slot(n, f"{n % 3}"))


def test_what_is_there_is_there_when_it_is_made(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, follower = both
    assert follower.snapshot() == store.snapshot()
    assert follower.snapshot().version == 1
    check_derived(follower, INDEXES, QUANTITY)
    assert follower.snapshot().total("quantity") == 1
    assert follower.path == store.journal.path
    with following(Path(follower.path), every=SOON) as another:
        assert another.synced


def test_every_commit_comes_once_whole_and_in_order(
    both: tuple[Slots, Follower[str, Slot]],
) -> None:
    store, follower = both
    feed, heard = follower.feed(), []
    follower.subscribe(heard.append)
    written = store.feed(since=1)
    write_much(store)
    version = store.snapshot().version
    now = follower.wait_for(version=version, timeout=SOON)
    follower.flush(SOON)
    assert now == store.snapshot()
    assert now.meta == store.snapshot().meta
    check_derived(follower, INDEXES, QUANTITY)
    seen = [feed.poll() for _ in range(version - 1)]
    assert feed.poll() is None
    told = [written.poll() for _ in range(version - 1)]
    assert [each.version for each in seen] == list(range(2, version + 1))  # type: ignore[union-attr]
    assert [each.version for each in heard] == list(range(2, version + 1))
    for one, other in zip(seen, told, strict=True):
        assert isinstance(one, Commit)
        assert isinstance(other, Commit)
        assert dict(one.changes) == dict(other.changes)
        assert one.after == other.after
        assert one.after.meta == other.after.meta
        assert one.before is follower.at(one.version - 1)


def test_a_feed_goes_back_into_the_log(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, _ = both
    write_much(store)
    with following(Path(store.journal.path)) as late:
        assert late.feed(since=1).poll().version == 2  # type: ignore[union-attr]
        assert late.at(1) == store.at(1)
        feed = late.feed(since=0)
        for version in range(1, store.snapshot().version + 1):
            item = feed.poll()
            assert isinstance(item, Commit)
            assert item.version == version


def test_what_was_compacted_before_it_was_read_is_one_lagged(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path, sync="normal") as store:
        store.replace_all({"a": Slot(1, "me"), "b": Slot(2, "me"), "gone": Slot(3)})
        held = Event()
        with following(path) as follower:
            feed, told = follower.feed(), []
            unchanged = follower.snapshot()["b"]
            follower.subscribe(lambda _: held.wait(SOON), keys=["a"])
            follower.subscribe(told.append, via="thread", on_lagged=told.append)
            store.set("a", Slot(9, "me"))
            follower.wait_for(version=2, timeout=SOON)
            # Its thread stands in a subscriber, so it does not look meanwhile.
            store.delete("gone")
            store.set_meta("moved")
            for n in range(10):
                store.set("a", Slot(n, "you"))
            oldest = store.journal.compact(versions=2)
            store.set("c", Slot(1))
            held.set()
            now = follower.wait_for(version=store.snapshot().version, timeout=SOON)
            follower.flush(SOON)
            assert now == store.snapshot()
            assert now.meta == "moved"
            assert now["b"] is unchanged
            check_derived(follower, INDEXES, QUANTITY)
            pulled: list[Any] = list(iter(feed.poll, None))
            assert pulled[1].snapshot.version == oldest
            for items in (told, pulled):
                before, lagged, *rest = items
                assert isinstance(before, Commit)
                assert isinstance(lagged, Lagged)
                assert (before.version, lagged.missed_from) == (2, 3)
                assert lagged.snapshot.version >= oldest
                assert [each.version for each in rest] == list(
                    range(lagged.snapshot.version + 1, now.version + 1)
                )
            with pytest.raises(CompactedError):
                follower.at(3)
            assert follower.at(1)["a"] == Slot(1, "me")


def test_who_waits_reads_what_was_written(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, follower = both
    for n in range(10):
        commit = store.set("a", Slot(n))
        assert follower.wait_for(version=commit.version, timeout=SOON)["a"] == Slot(n)
    assert follower.wait_for(lambda now: now["a"] == Slot(9), SOON, keys=["a"]).version == 11
    with pytest.raises(WaitTimeoutError):
        follower.wait_for(version=12, timeout=0)
    for wrong in ({}, {"predicate": bool, "version": 1}, {"version": True}, {"version": "1"}):
        with pytest.raises(ArgumentTypeError):
            follower.wait_for(**wrong, timeout=0)
    for out in ({"version": -1}, {"version": 1, "keys": ["a"]}):
        with pytest.raises(ArgumentValueError):
            follower.wait_for(**out, timeout=0)


def test_tasks_follow_it_too(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, follower = both

    async def main() -> list[int]:
        seen: list[int] = []
        async with aio.feed(follower) as commits:
            writing = asyncio.create_task(asyncio.to_thread(write_much, store))
            async for commit in commits:
                seen.append(commit.version)  # type: ignore[union-attr]
                if len(seen) == 20:
                    break
            await writing
        last = store.snapshot().version
        await aio.wait_for(follower, lambda now: now.version == last, timeout=SOON)
        return seen

    assert asyncio.run(main()) == list(range(2, 22))


def test_it_knows_how_far_it_is(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, follower = both
    held, stands = Event(), Event()

    def stand(_: object) -> None:
        stands.set()
        held.wait(SOON)

    follower.subscribe(stand)
    store.set("a", Slot(2))
    assert stands.wait(SOON)
    before = follower.lag
    store.set("a", Slot(3))
    assert follower.snapshot().version == 2
    assert follower.lag > before
    held.set()
    follower.wait_for(version=3, timeout=SOON)
    while not follower.synced:  # until the look that finds nothing new
        follower.flush()
    assert 0 <= follower.lag < SOON
    assert follower.failure is None


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell may have had ignored
from cowstate.journal import follow
from tests.journal.files import Slot
follower = follow(sys.argv[1], key=str, record=Slot, meta=str)
commits = follower.feed()  # from now on: whoever reads that it is ready, writes
print("ready", flush=True)
for commit in commits:
    print(commit.version, commit.after["a"].quantity, flush=True)
    if commit.version == 20:
        break
# And without a close, the end of the process is no trouble.
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_another_process_follows_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path, sync="normal") as store:
        command = [sys.executable, "-W", "error", "-c", PROGRAM, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
            try:
                assert other.stdout is not None
                assert other.stdout.readline() == "ready\n"
                for n in range(20):
                    store.set("a", Slot(n))
                assert other.stdout.read() == "".join(f"{n + 1} {n}\n" for n in range(20))
                assert other.wait(5 * SOON) == 0
            finally:
                other.kill()  # if it failed, it is not to hang
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as another:
            try:
                assert another.stdout is not None
                assert another.stdout.readline() == "ready\n"
                assert interrupt(another) != 0
            finally:
                another.kill()  # likewise
