"""Every schedule of writers to a journal, within a bound; and the bugs that this would catch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cowstate.errors import ScheduleError
from cowstate.journal import JournalClosedError, JournalError, UnknownOutcomeError
from cowstate.journal.committer import DurableCommitter
from cowstate.journal.group import GroupCommit
from cowstate.journal.staging import StagedCommit, Staging, tell
from cowstate.testing.schedules import Program, explore
from tests.journal.plain import PlainLog, plain_store, versions
from tests.schedules.exploring import SHARED, exhaust

JOURNAL = [
    f"cowstate.journal.{name}" for name in ("begun", "committer", "group", "staging", "turn")
]
FAILED = "failed"


def bump(n: int) -> int:
    return n + 1


def told(act: Callable[[], Any]) -> Any:
    """What came of a write, in a word."""
    try:
        return act().version
    except UnknownOutcomeError:
        return "unknown"
    except JournalClosedError:
        return "closed"
    except JournalError:
        return FAILED


def writers(faults: tuple[str, ...], count: int = 2) -> Program:
    """What was acknowledged is on disk, what failed is not, and memory is what disk is."""

    def program() -> Any:
        log = PlainLog(faults)
        store = plain_store(log, {})
        heard: list[int] = []
        store.subscribe(lambda commit: heard.append(commit.version))
        results: list[Any] = []
        seen: list[int] = []

        def writer() -> None:
            result = told(lambda: store.update("n", bump, default=0))
            results.append(result)
            if isinstance(result, int):
                assert store.snapshot().version >= result
                assert result in versions(log)
            # What a reader sees is on disk.
            seen.append(store.snapshot().version)
            assert store.snapshot().version <= len(log.rows)

        def check() -> Any:
            log.faults.clear()
            last = store.update("n", bump, default=0)  # it goes on, whatever went before
            now = store.snapshot()
            assert last.after is now
            assert versions(log) == list(range(1, now.version + 1)) == heard
            assert now["n"] == now.version
            there = [result for result in results if isinstance(result, int)]
            assert len(set(there)) == len(there)
            if "unknown" not in results:
                assert len(there) == now.version - 1
            return tuple(sorted(map(str, results)))

        return [writer] * count, check

    return program


def closing(faults: tuple[str, ...] = ()) -> Program:
    """A write beside the end is on disk or was refused."""

    def program() -> Any:
        log = PlainLog(faults)
        store = plain_store(log, {})
        results: list[Any] = []

        def writer() -> None:
            results.append(told(lambda: store.set("n", 1)))

        def check() -> Any:
            assert versions(log) == ([1] if results == [1] else [])
            assert store.snapshot().version == len(log.rows)
            return results[0]

        return [writer, store.close], check

    return program


def reading(faults: tuple[str, ...]) -> Program:
    """A draft's conflict, and a sleeper, know only what is on disk."""

    def program() -> Any:
        log = PlainLog(faults)
        store = plain_store(log, {})
        answers: list[Any] = []

        def writer() -> None:
            answers.append(told(lambda: store.set("n", 1)))

        def other() -> None:
            found = store.compare_and_set("n", 1, 2) if answers != [FAILED] else None
            now = store.snapshot()
            if found is None and now.get("n") == 1:
                assert len(log.rows) >= 1
            if found is not None:
                assert found.version == 2 == len(log.rows)

        def safe_other() -> None:
            try:
                other()
            except JournalError:
                assert faults

        def check() -> Any:
            return (answers[0], store.snapshot().version)

        return [writer, safe_other], check

    return program


def following() -> Program:
    """Where the disk follows, whoever asks for it finds its own write there."""

    def program() -> Any:
        log = PlainLog()
        store = plain_store(log, {}, sync="interval")

        def writer() -> None:
            version = store.update("n", bump, default=0).version
            store.journal.flush()
            assert version in versions(log)

        def check() -> Any:
            assert versions(log) == [1, 2]
            return store.journal.durable

        return [writer, writer], check

    return program


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (following(), {2}),
        (writers(()), {("1", "2")}),
        (writers(("before",)), {("1", FAILED), (FAILED, FAILED)}),
        (writers(("after",)), {("1", "2")}),
        (closing(), {1, "closed"}),
        (closing(("before",)), {FAILED, "closed"}),
        (reading(()), {(1, 1), (1, 2)}),
    ],
    ids=[
        "following",
        "writers",
        "a sync fails",
        "found after all",
        "closing",
        "closing fails",
        "reading",
    ],
)
def test_every_schedule_of_a_journal(program: Program, outcomes: set[Any]) -> None:
    assert set(exhaust(program, 1, JOURNAL).outcomes) <= outcomes


def test_every_schedule_in_which_nobody_answers() -> None:
    found = exhaust(writers(("after", "mute")), 1, JOURNAL)
    assert ("2", "unknown") in found.outcomes or ("unknown", "unknown") in found.outcomes


ORIGINAL = DurableCommitter._prepare


class PublishesFirst(DurableCommitter[str, int]):
    def prepare(self, commit: Any) -> None:
        """Show a version when it is staged."""
        ORIGINAL(self, commit)
        self._publish_staged([StagedCommit(commit, self._row_of(commit))])


class StaysAhead(Staging[str, int]):
    def fail_in_place(self, failure: Any) -> None:
        """Do not go back to what is published."""
        for entry in self.waiting():
            entry.failure = failure


class DoesNotWait(GroupCommit[str, int]):
    def settle_once(self, entry: Any, publish: Any) -> None:
        """Leave the waiting to whoever has the turn."""
        if entry is not None and not self._is_published(entry):
            self.lead(publish)


class ForgivesOutsideOfTheTurn(GroupCommit[str, int]):
    def flush_at_once(self, publish: Any) -> None:
        """Look through what is staged while somebody else may be writing it."""
        tell(self._staging.waiting(), None)
        self.settle(self._staging.newest(), publish)


TWINS: dict[str, tuple[Any, str, Any, Program]] = {
    "published before the sync": (
        DurableCommitter,
        "_prepare",
        PublishesFirst.prepare,
        writers(("before",)),
    ),
    "the head stays ahead": (Staging, "fail", StaysAhead.fail_in_place, writers(("before",))),
    "who has not the turn does not wait": (
        GroupCommit,
        "settle",
        DoesNotWait.settle_once,
        writers(()),
    ),
    "what is staged is looked through without the turn": (
        GroupCommit,
        "flush",
        ForgivesOutsideOfTheTurn.flush_at_once,
        following(),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken, program = TWINS[name]
    monkeypatch.setattr(owner, attribute, broken)
    with pytest.raises(ScheduleError):
        explore(program, modules=[*SHARED, *JOURNAL], preemptions=1)
