"""Every schedule of writers that the disk follows, within a bound; and bugs that it would catch."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate import Codec
from cowstate.errors import ScheduleError
from cowstate.journal import JournalClosedError, JournaledStore, JournalError
from cowstate.journal.behind import BehindCommitter
from cowstate.journal.encoded import Encoder
from cowstate.journal.group import GroupCommit
from cowstate.testing.schedules import Program, explore
from tests.journal.plain import PlainLog, versions
from tests.schedules.exploring import SHARED, exhaust

JOURNAL = [
    f"cowstate.journal.{name}"
    for name in ("begun", "behind", "committer", "group", "staging", "turn")
]

DUE = 1e-9
"""An interval that every write finds over."""

NEVER = 1e9


def bump(n: int) -> int:
    return n + 1


def behind(log: PlainLog, interval: float) -> JournaledStore[str, int]:
    encoder = Encoder(Codec[str, int](key=str, record=int, meta=str), str, True, lambda: 0.0)
    return JournaledStore(log, encoder, "interval", {}, interval=interval)


def writers(faults: tuple[str, ...] = (), interval: float = DUE) -> Program:
    """A write succeeds whatever the disk does, and what is said to be on disk is."""

    def program() -> Any:
        log = PlainLog(faults)
        store = behind(log, interval)
        heard: list[int] = []
        store.subscribe(lambda commit: heard.append(commit.version))
        made: list[int] = []

        def writer() -> None:
            made.append(store.update("n", bump, default=0).version)
            # In this order: what is on disk only grows.
            durable = store.journal.durable
            assert durable <= len(log.rows)

        def check() -> Any:
            assert sorted(made) == heard == [1, 2]
            before = store.journal.durable
            log.faults.clear()
            store.journal.flush()
            assert versions(log) == [1, 2]
            assert store.journal.durable == store.snapshot()["n"] == 2
            return before

        return [writer, writer], check

    return program


def asking(faults: tuple[str, ...] = ()) -> Program:
    """Who asks for what it wrote finds it on disk, or is told that it is not there yet."""

    def program() -> Any:
        log = PlainLog(faults)
        store = behind(log, NEVER)
        answers: list[str] = []

        def asker() -> None:
            version = store.update("n", bump, default=0).version
            try:
                store.journal.wait_durable(version)
            except JournalError:
                assert faults
                answers.append("failed")
            else:
                assert version in versions(log)
                assert store.journal.durable >= version
                answers.append("there")

        def check() -> Any:
            assert store.snapshot().version == 2
            log.faults.clear()
            store.journal.flush()
            assert versions(log) == [1, 2]
            return tuple(sorted(answers))

        return [asker, asker], check

    return program


def closing(faults: tuple[str, ...] = ()) -> Program:
    """What was written before the end is on disk, or the end says that it is not."""

    def program() -> Any:
        log = PlainLog(faults)
        store = behind(log, NEVER)
        results: list[str] = []

        def writer() -> None:
            try:
                store.set("n", 1)
            except JournalClosedError:
                results.append("closed")
            else:
                results.append("written")

        def closer() -> None:
            try:
                store.close()
            except JournalError as error:
                results.append("lost" if "in memory alone" in str(error) else str(error))

        def check() -> Any:
            assert store.snapshot().version == results.count("written")
            if "lost" not in results:
                assert versions(log) == [1] * results.count("written")
            return tuple(sorted(results))

        return [writer, closer], check

    return program


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (writers(), {1, 2}),
        (writers(interval=NEVER), {0}),
        (writers(("before",)), {0, 1, 2}),
        (writers(("before", "before", "mute")), {0, 1, 2}),
        (writers(("after",)), {1, 2}),
        (asking(), {("there", "there")}),
        # Tried again by the other one before who failed has looked, it is there after all.
        (asking(("before",)), {("failed", "there"), ("failed", "failed"), ("there", "there")}),
        (asking(("after",)), {("there", "there")}),
        (closing(), {("written",), ("closed",)}),
        (closing(("before",)), {("lost", "written"), ("closed",)}),
        (closing(("after",)), {("written",), ("closed",)}),
    ],
    ids=[
        "writers",
        "nothing is due",
        "a write to the disk fails",
        "two fail and nobody answers",
        "found after all",
        "asking",
        "asking where one fails",
        "asking, found after all",
        "closing",
        "closing fails",
        "closing, found after all",
    ],
)
def test_every_schedule_of_writers_that_the_disk_follows(
    program: Program, outcomes: set[Any]
) -> None:
    assert set(exhaust(program, 1, JOURNAL).outcomes) <= outcomes


PREPARE = BehindCommitter._prepare


class SaysSoAtOnce(BehindCommitter[str, int]):
    def prepare(self, commit: Any) -> None:
        """Take what is staged for what is on disk."""
        PREPARE(self, commit)
        self._durable.current = commit.after


class EndsFirst(GroupCommit[str, int]):
    def close_at_once(self, publish: Any) -> None:
        """Write what is staged before others are kept from staging."""
        self._turn.take(self._flush_and_close, publish)
        self.refused = JournalClosedError


class AnswersForOthers(BehindCommitter[str, int]):
    def flush_what_is_due(self) -> None:
        """Leave it to whoever is at it."""
        self.group.lead(self._note_durable)


TWINS: dict[str, tuple[Any, str, Any, Program]] = {
    "what is staged is said to be on disk": (
        BehindCommitter,
        "_prepare",
        SaysSoAtOnce.prepare,
        writers(),
    ),
    "what comes beside the end is staged and never written": (
        GroupCommit,
        "close",
        EndsFirst.close_at_once,
        closing(),
    ),
    "who asks does not wait for whoever is at it": (
        BehindCommitter,
        "flush",
        AnswersForOthers.flush_what_is_due,
        asking(),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken, program = TWINS[name]
    monkeypatch.setattr(owner, attribute, broken)
    with pytest.raises(ScheduleError):
        explore(program, modules=[*SHARED, *JOURNAL], preemptions=1)
