"""A store that the disk follows at an interval: what is where, when, and what fails for whom."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

import cowstate
from cowstate import ArgumentTypeError, Commit, History, Meter, Store
from cowstate.journal import JournalClosedError, JournalError, group
from cowstate.timeline import BACKLOG
from tests.journal.files import Slot, Slots, check_slots, on_disk, opened, raising, troubled

LONG = 1e9


def behind(path: Path, interval: float = LONG, **options: object) -> Slots:
    return opened(path, sync="interval", interval=interval, **options)


def add(slot: Slot) -> Slot:
    return slot.replace(quantity=slot.quantity + 1)


def test_a_write_does_not_wait_and_the_disk_follows(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with behind(path, meter=Meter()) as store:
        heard: list[int] = []
        store.subscribe(lambda commit: heard.append(commit.version))
        for n in range(1, 4):
            store.set("a", Slot(n))
        assert store.snapshot()["a"] == Slot(3)
        assert (heard, store.journal.durable, on_disk(path)[1]) == ([1, 2, 3], 0, [])
        store.journal.wait_durable(2)
        assert (store.journal.durable, on_disk(path)[1]) == (3, [1, 2, 3])
        for version in (None, "4", 4.0, True):
            with pytest.raises(ArgumentTypeError, match="a version is a whole number"):
                store.journal.wait_durable(version)  # type: ignore[arg-type]
        store.set_meta("open")
        check_slots(store)
    with opened(path) as again:
        assert (again.snapshot()["a"], again.snapshot().meta) == (Slot(3), "open")
        assert again.at(2)["a"] == Slot(2)


def test_the_write_that_finds_the_interval_over_writes_what_others_left(tmp_path: Path) -> None:
    store, log = troubled(tmp_path / "slots.db", "interval", 1e-9)
    with store:
        for n in range(1, 4):
            store.set("a", Slot(n))
        assert log.groups == [1, 1, 1]
        assert store.journal.durable == 3
        # Inside a write to another store the disk is let alone.
        other: Store[str, int] = Store()
        other.transact(lambda tx: store.set("a", Slot(4)))
        assert store.journal.durable == 3
        with cowstate.transaction(store, other) as (ours, theirs):
            ours["b"] = Slot(1)
            theirs["b"] = 1
        store.set("a", Slot(5))
        assert log.groups == [1, 1, 1, 3]


def test_threads_that_write_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with behind(path, 0.002) as store:
        store.set("a", Slot(0))

        def work() -> None:
            for _ in range(200):
                store.update("a", add)

        threads = [Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert on_disk(path)[1] == list(range(1, 602))
    with opened(path) as again:
        assert again.snapshot()["a"] == Slot(600)


def test_what_cannot_be_written_stays_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "MOST", 3)
    path = tmp_path / "slots.db"
    store, log = troubled(path, "interval", 1e-9)
    with store:
        log.before = raising(OSError("full"), times=5)
        for n in range(1, 4):
            store.set("a", Slot(n))  # no writer is told: it is published
        assert (store.snapshot()["a"], on_disk(path)[1]) == (Slot(3), [])
        with pytest.raises(JournalError, match="memory is 3 versions ahead of"):
            store.set("a", Slot(4))
        with pytest.raises(JournalError, match="full"):
            store.journal.flush()
        assert store.snapshot()["a"] == Slot(3)
        with pytest.raises(JournalError, match="full"):
            store.journal.wait_durable(3)
        store.journal.flush()
        assert on_disk(path)[1] == [1, 2, 3]
        check_slots(store)


def test_the_end_says_what_could_not_be_written(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    store, log = troubled(path, "interval", LONG)
    store.set("a", Slot(1))
    store.set("a", Slot(2))
    log.before = raising(OSError("full"), times=9)
    with pytest.raises(JournalError, match="the last 2 versions are in memory alone") as caught:
        store.close()
    assert "full" in str(caught.value.__cause__)
    with pytest.raises(JournalClosedError):
        store.set("a", Slot(3))
    opened(path).close()  # the file is free all the same


def test_what_was_is_found_beside_what_is_not_written_yet(tmp_path: Path) -> None:
    with behind(tmp_path / "slots.db", history=History(versions=1)) as store:
        for n in range(1, 4):
            store.set("a", Slot(n))
        assert store.at(1)["a"] == Slot(1)  # neither in memory nor on disk, so it is written now
        assert store.journal.durable == 3
        for n in range(4, 7):
            store.set("a", Slot(n))
        assert [store.at(n).get("a") for n in range(4)] == [None, Slot(1), Slot(2), Slot(3)]
        assert store.journal.durable == 3
        assert store.as_of(1e10)["a"] == Slot(6)
        assert store.journal.durable == 6
        assert store.revert(3).after["a"] == Slot(3)


@pytest.mark.parametrize("since", [0, 1, 2])
def test_a_feed_goes_back_beyond_what_is_in_memory_and_on_disk(since: int, tmp_path: Path) -> None:
    with behind(tmp_path / "slots.db", history=History(versions=1)) as store:
        for n in range(1, 3):
            store.set("a", Slot(n))
        store.journal.flush()
        for n in range(3, BACKLOG + 5):  # more than the ring has places
            store.set("a", Slot(n))
        feed = store.feed(since=since)
        for n in range(since + 1, BACKLOG + 5):
            item = feed.poll()
            assert isinstance(item, Commit), item
            assert (item.version, item.changes["a"].new) == (n, Slot(n))
        assert feed.poll() is None


def test_a_feed_of_what_is_in_memory_writes_nothing(tmp_path: Path) -> None:
    with behind(tmp_path / "slots.db") as store:
        for n in range(1, 4):
            store.set("a", Slot(n))
        feed = store.feed(since=0)
        assert [item.version for item in (feed.poll(), feed.poll()) if item] == [1, 2]
        assert store.journal.durable == 0


def test_the_end_of_the_program_writes_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "counts.db"
    program = (
        "import sys\n"
        "from cowstate.journal import open_store\n"
        "store = open_store(sys.argv[1], key=str, record=int, sync='interval', interval=1e9)\n"
        "store.set('a', 1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(path)], capture_output=True, check=True
    )
    assert done.stderr == b""
    assert on_disk(path) == ({'"a"': "1"}, [1])
