"""The syncs of a store with a meter are timed: each once, whatever becomes of it, and by whom."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cowstate import Meter, Timing
from cowstate.journal import Bounds, JournalError
from tests.journal.files import Slot, opened, troubled
from tests.metered import Clock


def test_each_sync_is_noted_once_with_who_made_it(tmp_path: Path) -> None:
    clock = Clock()
    store, log = troubled(tmp_path / "slots.db", meter=Meter(clock))
    for seconds in (2, 5, 3):
        log.after = lambda seconds=seconds: clock.passes(seconds)
        store.set("a", Slot(seconds))
    syncs = store.statistics().measured.syncs  # type: ignore[union-attr]
    assert isinstance(syncs, Timing)
    assert (syncs.count, syncs.total, syncs.longest) == (3, 10.0, 5.0)
    assert syncs.who is not None
    assert "test_timed.py" in syncs.who
    store.close()


def test_one_that_fails_is_noted_too_and_fails_as_without_a_meter(tmp_path: Path) -> None:
    clock = Clock()
    store, log = troubled(tmp_path / "slots.db", meter=Meter(clock))

    def fails() -> None:
        clock.passes(4)
        raise sqlite3.OperationalError("disk I/O error")

    log.before = fails
    with pytest.raises(JournalError):
        store.set("a", Slot(1))
    log.before = bool
    store.set("a", Slot(2))
    measured = store.statistics().measured
    assert measured is not None
    assert measured.syncs is not None
    assert (measured.syncs.count, measured.syncs.total) == (2, 4.0)
    assert dict(measured.refused) == {"JournalError": 1}
    assert store.snapshot()["a"] == Slot(2)
    store.close()


def test_the_log_is_otherwise_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path, meter=Meter(), bounds=Bounds(versions=50)) as store:
        for n in range(20):
            store.set("a", Slot(n))
        assert store.journal.compact(versions=3) == store.journal.oldest == 17
        assert store.at(18)["a"] == Slot(17)
        epoch = store.journal.epoch
    with opened(path, meter=Meter(), sync="interval", interval=60) as store:
        assert store.journal.epoch == epoch + 1
        store.set("a", Slot(99))
        store.journal.flush()
        assert store.journal.durable == 21
        assert store.statistics().measured.syncs.count == 1  # type: ignore[union-attr]


def test_without_a_meter_or_a_file_there_are_none(tmp_path: Path) -> None:
    with opened(tmp_path / "slots.db") as store:
        assert store.statistics().measured is None
