"""The syncs of a store with a meter are timed: each once, whatever becomes of it, and by whom."""

from __future__ import annotations

import sqlite3
from inspect import signature
from pathlib import Path
from typing import Any, cast

import pytest

from cowstate import Meter, Timing
from cowstate.journal import Bounds, JournalError
from cowstate.journal.log import Log
from cowstate.journal.sqlite import SqliteLog
from cowstate.journal.timed import TimedLog
from cowstate.meter import Figures
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


def members_of(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


class Answers:
    """A log that notes every call, and answers with its name."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        if isinstance(vars(Log)[name], property):
            return name

        def answer(*given: Any) -> str:
            self.calls.append((name, *given))
            return name

        return answer


@pytest.mark.parametrize("name", members_of(Log))
def test_all_that_a_log_has_is_passed_through_as_it_is(name: str) -> None:
    answers, member = Answers(), vars(Log)[name]
    log: Any = TimedLog(cast(Log, answers), Figures(Meter()))
    if isinstance(member, property):
        assert getattr(log, name) == name
        return
    _, *given = signature(member).parameters
    told = getattr(log, name)(*given)
    assert answers.calls == [(name, *given)]
    assert told == (None if signature(member).return_annotation == "None" else name)


def test_what_changes_in_the_log_is_seen_to_have_changed(tmp_path: Path) -> None:
    with troubled(tmp_path / "slots.db", meter=Meter())[0] as store:
        store.set("a", Slot(1))
    log = SqliteLog(str(tmp_path / "slots.db"), "json", "full")
    timed: Log = TimedLog(log, Figures(Meter()))
    timed.rewrite(lambda value: value, lambda value: value, 7)
    assert (timed.schema, timed.epoch) == (log.schema, log.epoch) == (7, log.epoch)
    timed.close()


def test_without_a_meter_or_a_file_there_are_none(tmp_path: Path) -> None:
    with opened(tmp_path / "slots.db") as store:
        assert store.statistics().measured is None
