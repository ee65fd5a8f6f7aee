"""Every schedule of a follower beside who writes and who waits, within a bound; and bugs caught."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate import Aggregate, Commit, Index, Lagged
from cowstate.errors import CowstateError
from cowstate.journal import JournalClosedError
from cowstate.journal.chase import Chase, Replica
from cowstate.journal.tail import FileTail
from cowstate.testing.schedules import Program, explore
from cowstate.waits import Source
from tests.journal.plainly_followed import Unthreaded, unthreaded
from tests.schedules.exploring import SHARED, exhaust

__all__ = ["unthreaded"]

JOURNAL = [
    f"cowstate.journal.{name}"
    for name in ("chase", "committer", "follower", "group", "staging", "tail", "turn")
]

pytestmark = pytest.mark.usefixtures("unthreaded")

DERIVED: dict[str, Any] = {
    "indexes": {"value": Index[int](lambda n: n)},
    "aggregates": {"sum": Aggregate[int, int].sum(lambda n: n)},
}


def keeping_up() -> Program:
    """What is written beside a look is found by it or the next one; each commit once, in order."""

    def program() -> Any:
        world = Unthreaded(written=1, **DERIVED)
        heard: list[int] = []
        world.follower.subscribe(lambda commit: heard.append(commit.version))
        early: list[int] = []

        def writer() -> None:
            world.store.set("n", 2)
            world.store.set("n", 3)

        def looker() -> None:
            world.chase.step()
            now = world.follower.snapshot()
            early.append(now.version)
            assert now.version <= len(world.log.rows)
            assert now.get("n", 0) == now.total("sum") == now.version
            world.chase.step()

        def check() -> Any:
            world.caught_up()
            now = world.follower.snapshot()
            assert now == world.store.snapshot()
            assert now.find_all("value", 3) == {"n": 3}
            assert heard == [1, 2, 3]
            assert world.follower.synced
            return early[0]

        return [writer, looker], check

    return program


def beside_compaction() -> Program:
    """What is compacted beside a look comes as its commits, or as one gap that is told."""

    def program() -> Any:
        world = Unthreaded(written=2)
        feed = world.follower.feed()

        def writer() -> None:
            world.store.set("n", 3)
            world.store.journal.compact(versions=1)

        def check() -> Any:
            world.caught_up()
            assert world.follower.snapshot() == world.store.snapshot()
            at, gaps = 0, 0
            for item in iter(feed.poll, None):
                if isinstance(item, Commit):
                    assert item.version == at + 1
                    at = item.version
                else:
                    assert isinstance(item, Lagged)
                    assert item.missed_from == at + 1
                    at, gaps = item.snapshot.version, gaps + 1
            assert at == 3
            return gaps

        return [writer, world.chase.step], check

    return program


def waiting(leaping: bool) -> Program:
    """Who waits for a key that a look finds is woken, also if its commit is not in the log."""

    def program() -> Any:
        world = Unthreaded(written=2)
        world.store.set("m", 1)
        if leaping:
            world.store.journal.compact(versions=1)
        seen: list[int] = []

        def waiter() -> None:
            now = world.follower.wait_for(lambda now: now.get("n") == 2, keys=["n"])
            seen.append(now.version)

        def check() -> Any:
            assert world.follower.snapshot().version == 3
            return seen[0]

        return [waiter, world.chase.step], check

    return program


def ending() -> Program:
    """Who waits is told that it has ended."""

    def program() -> Any:
        world = Unthreaded()
        told: list[CowstateError] = []

        def waiter() -> None:
            try:
                world.follower.wait_for(lambda now: "n" in now)
            except JournalClosedError as error:
                told.append(error)

        def check() -> Any:
            assert world.follower.closed
            return len(told)

        return [waiter, world.follower.close], check

    return program


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (keeping_up(), {1, 2, 3}),
        (beside_compaction(), {0, 1}),
        (waiting(leaping=False), {2, 3}),
        (waiting(leaping=True), {2, 3}),
        (ending(), {1}),
    ],
    ids=["keeping up", "beside compaction", "waiting", "waiting for what leaps", "ending"],
)
def test_every_schedule_of_a_follower(program: Program, outcomes: set[Any]) -> None:
    assert set(exhaust(program, 1, JOURNAL).outcomes) <= outcomes


DONE = FileTail.done


class AsksAfterwards(FileTail):
    def done_and_asked(self, to_its_end: bool = True) -> None:
        """Take what the file is after the look for what was looked at."""
        self._looked = self._reader.state()
        DONE(self, to_its_end)


class LeapsWithoutAWord(Replica[str, int]):
    def leap_only(self, commit: Any, _: None = None) -> None:
        """Wake nobody."""
        self.timeline.leap(commit.after)


class NeverLeaps(Chase[str, int]):
    def stay(self, reader: Any, reach: Any) -> None:
        """Go on from where it is, though what comes next was compacted."""


class LooksTwice(Source[str, int]):
    def refuse_after_two_looks(self) -> None:
        """Look whether it has ended, and, if not, whether all has."""
        if self.ended and self.why is not None:
            raise self.why()
        self.end_with_main_thread()


class TellsTooEarly(Chase[str, int]):
    def tell_and_end(self, why: Any) -> None:
        """Wake who waits before it is over."""
        self._source.waiters.notify_all()
        self._source.why = why
        self._source.ended = True


TWINS: dict[str, tuple[Any, str, Any, Program]] = {
    "the file is asked after the look": (
        FileTail,
        "done",
        AsksAfterwards.done_and_asked,
        keeping_up(),
    ),
    "a leap wakes nobody": (Replica, "leap", LeapsWithoutAWord.leap_only, waiting(leaping=True)),
    "what was compacted is waited for": (Chase, "_leap", NeverLeaps.stay, beside_compaction()),
    "the end of one is taken for that of all": (
        Source,
        "refuse_what_is_over",
        LooksTwice.refuse_after_two_looks,
        ending(),
    ),
    "who waits is told too early": (Chase, "end", TellsTooEarly.tell_and_end, ending()),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken, program = TWINS[name]
    monkeypatch.setattr(owner, attribute, broken)
    # In a leap the check of the program itself fails, or the store's own.
    with pytest.raises((CowstateError, AssertionError)):
        explore(program, modules=[*SHARED, *JOURNAL], preemptions=1)
