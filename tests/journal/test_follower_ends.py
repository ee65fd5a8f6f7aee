"""A follower ends with a word: who waits is told why, and what it held can be read."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import math
import os
import sqlite3
import weakref
from pathlib import Path
from threading import TIMEOUT_MAX
from threading import enumerate as enumerate_threads

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    Index,
    Record,
    aio,
)
from cowstate.journal import (
    Follower,
    JournalClosedError,
    JournalError,
    JournalFileError,
    follow,
    open_store,
)
from tests.journal.files import Slot, Slots, opened
from tests.journal.followed import SOON, at_rest, following


def test_closed_it_ends_whoever_waits_and_reads_on(
    both: tuple[Slots, Follower[str, Slot]],
) -> None:
    store, follower = both
    feed = follower.feed()
    follower.subscribe(lambda _: follower.close())  # out of its own thread
    store.set("a", Slot(2))
    with pytest.raises(JournalClosedError, match="follow the file again"):
        follower.wait_for(version=3, timeout=SOON)
    with pytest.raises(JournalClosedError):
        feed.get(SOON)
    assert [*feed] == []
    follower.close()
    assert follower.closed
    assert not follower.synced
    assert follower.failure is None
    assert follower.snapshot()["a"] == Slot(2)
    with pytest.raises(JournalClosedError):
        asyncio.run(aio.wait_for(follower, lambda now: now.version == 3, timeout=SOON))


# The exception goes on out of the thread, where pytest warns of it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_struck_by_another_thread_it_ends_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
        follower = following(path, every=100 * SOON)
        feed = follower.feed()
        at_rest(follower)
        [thread] = [each for each in enumerate_threads() if each.name.endswith(follower.path)]
        strike = ctypes.pythonapi.PyThreadState_SetAsyncExc
        strike(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        store.set("a", Slot(2))
        with pytest.raises(JournalError, match="was struck"):
            follower.wait_for(version=2, timeout=SOON)
        thread.join(SOON)
        assert not thread.is_alive()
        assert follower.closed
        assert "was struck" in str(follower.failure)
        with pytest.raises(JournalError, match="was struck"):
            feed.get(SOON)
        assert not follower.synced
        assert follower.snapshot()["a"] == Slot(1)
    assert not path.with_name("slots.db-wal").exists()  # it has let go of the file


def test_dropped_it_ends(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, _ = both
    before = {*enumerate_threads()}
    follower = following(Path(store.journal.path))
    feed, known = follower.feed(), weakref.ref(follower)
    [mine] = {*enumerate_threads()} - before
    del follower
    gc.collect()
    assert known() is None
    # Not without a word: somebody may read its feed in the belief that it goes on.
    with pytest.raises(JournalError, match="nobody holds the follower"):
        next(feed)
    mine.join(SOON)
    assert not mine.is_alive()


def test_a_feed_that_its_reader_has_closed_says_that_however_the_follower_ended(
    tmp_path: Path,
) -> None:
    path = tmp_path / "slots.db"
    opened(path).close()
    with following(path) as follower:
        feed, front = follower.feed(), aio.feed(follower)
        feed.close()
        front.close()
        path.unlink()
        with pytest.raises(JournalFileError):
            follower.wait_for(version=1, timeout=SOON)

        async def main() -> None:
            assert [item async for item in front] == []
            with pytest.raises(ClosedError, match="feed is closed"):
                await front.get()

        asyncio.run(main())
        assert [*feed] == []
        with pytest.raises(ClosedError, match="feed is closed"):
            feed.get()


@pytest.mark.parametrize("how", ["deleted", "replaced"])
def test_a_file_that_goes_away_ends_it_with_an_error(how: str, tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    opened(path).close()
    opened(tmp_path / "other.db").close()
    with following(path) as follower:
        feed = follower.feed()
        if how == "deleted":
            path.unlink()
        else:
            (tmp_path / "other.db").replace(path)
        with pytest.raises(JournalFileError, match="deleted or replaced"):
            follower.wait_for(version=1, timeout=SOON)
        with pytest.raises(JournalFileError):
            next(feed)
        with pytest.raises(JournalFileError):
            feed.get(SOON)
        assert isinstance(follower.failure, JournalFileError)
        assert dict(follower.snapshot()) == {}

        async def main() -> None:
            async for _ in aio.feed(follower):
                raise AssertionError("nothing comes")

        with pytest.raises(JournalFileError):
            asyncio.run(main())


def test_a_file_that_was_put_back_ends_it(tmp_path: Path) -> None:
    path, copy = tmp_path / "slots.db", tmp_path / "copy.db"
    with opened(path) as store:
        store.set("a", Slot(1))
    copy.write_bytes(path.read_bytes())
    for count in (1, 3):  # to less than was read, and, written further since, to more
        with opened(path) as store:
            store.set("a", Slot(2))
            store.set("a", Slot(3))
        with following(path, every=SOON) as follower:
            at_rest(follower)  # else it may read what is half written, which is another trouble
            path.write_bytes(copy.read_bytes())  # in place, as cp does
            with opened(path) as store:
                for n in range(count):
                    store.set("b", Slot(n))
            follower.look_soon()
            with pytest.raises(JournalFileError, match="put back to an older state"):
                follower.wait_for(version=9, timeout=SOON)


class Other(Record):
    name: str


def test_a_log_with_a_gap_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store, following(path, every=SOON) as follower:
        at_rest(follower)  # else it may read the one that is about to go
        for n in range(4):
            store.set("a", Slot(n))
        connection = sqlite3.connect(path)
        connection.execute("DELETE FROM commits WHERE version = 3")
        connection.commit()
        connection.close()
        follower.look_soon()
        with pytest.raises(JournalFileError, match="lacks version 3"):
            follower.wait_for(version=4, timeout=SOON)
        assert follower.snapshot().version == 2


def test_a_migration_ends_it_by_name(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1))
    with following(path) as follower:
        steps = {0: lambda old: {"name": old["owner"]}}
        open_store(path, key=str, record=Other, meta=str, schema=1, migrate=steps).close()
        with pytest.raises(JournalFileError, match="of schema 1, and this program knows 0"):
            follower.wait_for(version=2, timeout=SOON)
    with pytest.raises(JournalFileError, match="of schema 1, and this program knows 0"):
        following(path)
    with follow(path, key=str, record=Other, meta=str, schema=1) as moved:
        assert moved.snapshot()["a"] == Other("")


def test_what_fails_in_it_ends_it_and_says_so(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, _ = both

    def picky(slot: Slot) -> str:
        return str(1 // (3 - slot.quantity))

    with following(Path(store.journal.path), indexes={"picky": Index(picky)}) as follower:
        store.set("a", Slot(2))
        follower.wait_for(version=2, timeout=SOON)
        store.set("a", Slot(3))
        with pytest.raises(JournalError, match="ZeroDivisionError"):
            follower.wait_for(version=3, timeout=SOON)
        assert follower.snapshot().version == 2


def test_a_subscriber_that_raises_harms_nobody(
    both: tuple[Slots, Follower[str, Slot]], caplog: pytest.LogCaptureFixture
) -> None:
    store, follower = both

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    follower.subscribe(interrupted)
    follower.subscribe(lambda _: 1 // 0)
    for n in range(3):
        store.set("a", Slot(n))
    assert follower.wait_for(version=4, timeout=SOON)["a"] == Slot(2)
    follower.close()
    assert "a subscriber raised in the thread of a follower" in caplog.text


def test_what_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with pytest.raises(JournalFileError):
        following(path)
    assert not path.exists()
    with opened(path) as store:
        store.set("a", Slot(1))
    with pytest.raises(JournalFileError, match="not of these types"):
        follow(path, key=str, record=Other)
    wrong_times = (0, -1, math.nan, math.inf, 1e10, 10**400)
    for wrong in (*({"every": time} for time in wrong_times), {"maps": "none"}, {"schema": -1}):
        with pytest.raises(ArgumentValueError):
            following(path, **wrong)
    for kind in ({"every": "soon"}, {"every": True}, {"history": 5}, {"schema": "1"}):
        with pytest.raises(ArgumentTypeError):
            following(path, **kind)
    following(path, every=TIMEOUT_MAX).close()  # which wakes it
    with pytest.raises(ArgumentTypeError):
        follow(5, key=str, record=Slot)  # type: ignore[call-overload]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_in_the_child_of_a_fork_it_has_ended(both: tuple[Slots, Follower[str, Slot]]) -> None:
    store, follower = both
    other = Path(store.journal.path).with_name("other.db")
    opened(other).close()
    closed = following(other)
    closed.close()
    child = os.fork()
    if not child:
        status = 1
        try:
            try:
                follower.wait_for(version=2, timeout=SOON)
            except JournalClosedError:
                status = 0 if follower.closed and follower.snapshot()["a"] == Slot(1, "me") else 2
            with opened(other) as mine, following(other) as own:  # which nobody had open
                mine.set("a", Slot(5))
                own.wait_for(version=1, timeout=SOON)
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    store.set("a", Slot(2))
    assert follower.wait_for(version=2, timeout=SOON)["a"] == Slot(2)
