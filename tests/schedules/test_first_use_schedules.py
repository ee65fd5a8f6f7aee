"""Every schedule of readers that build at once and a writer, within a bound; and broken twins."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from cowstate import Aggregate, Index
from cowstate.errors import ScheduleError
from cowstate.journal.behind import BehindCommitter
from cowstate.journal.committer import DurableCommitter
from cowstate.later import Later
from cowstate.testing.schedules import Program, explore
from cowstate.writelock import is_writing
from tests.journal.plain import PlainLog, plain_store
from tests.schedules.exploring import SHARED, exhaust

BEGUN = {"a": 1, "b": 2, "c": 3}
FIRST_USE = ["cowstate.later", "cowstate.thawing"]
WRITES = [f"cowstate.journal.{name}" for name in ("begun", "committer", "behind")]


def begun(sync: Any = "full") -> Any:
    """A store that was opened, of which nothing is built; no function is asked under its lock."""

    def asked(n: int) -> int:
        # "c" is written by nobody, so it is asked for when all is built, and only then.
        assert n != BEGUN["c"] or not is_writing()
        return n

    return plain_store(
        PlainLog(begun=BEGUN),
        {
            "indexes": {"n": Index(asked), "half": Index(lambda n: n // 2)},
            "aggregates": {"sum": Aggregate.sum(int), "least": Aggregate.min(int, by=lambda _: 0)},
        },
        sync=sync,
    )


def readers() -> Program:
    """Who asks at once is given the same: states are told apart by identity."""

    def program() -> Any:
        store = begun()
        now = store.snapshot()
        given: list[Any] = []

        def reader(key: str) -> None:
            draft = store.draft(now)
            assert draft.find_all("n", 2) == {"b": 2}
            given.append((now.find_all("half", 1), now.total("sum")))
            draft[key] = 9
            assert draft.commit().after[key] == 9  # what it found is what the others have

        def check() -> Any:
            assert given == [({"b": 2, "c": 3}, 6)] * 2
            return store.snapshot().version

        return [partial(reader, "x"), partial(reader, "y")], check

    return program


def looks(now: Any) -> Any:
    """What is derived of a version follows from its records, whichever it is."""
    records = dict(now)
    for value in (1, 2, 7):
        assert now.find_all("n", value) == {key: n for key, n in records.items() if n == value}
    assert now.total("sum") == sum(records.values())
    assert now.total("least", 0) == min(records.values())
    return records


def reader_and_writer(sync: Any, readers: int) -> Program:
    """A version that is read beside the first write is whole, and so is the one that follows."""

    def program() -> Any:
        store = begun(sync)
        seen: list[int] = []

        def reader() -> None:
            now = store.snapshot()
            looks(now)
            seen.append(now.version)

        def writer() -> None:
            after = store.set("a", 7).after
            assert looks(after) == {**BEGUN, "a": 7}

        def check() -> Any:
            assert looks(store.at(0)) == BEGUN
            assert looks(store.snapshot()) == {**BEGUN, "a": 7}
            assert store.set("b", 7).after.find_all("n", 7) == {"a": 7, "b": 7}
            return tuple(sorted(seen))

        return [reader] * readers + [writer], check

    return program


def writers(sync: Any) -> Program:
    """Two first writes: each builds, or finds it built, before it takes the lock."""

    def program() -> Any:
        store = begun(sync)

        def check() -> Any:
            assert looks(store.snapshot()) == {"a": 7, "b": 7, "c": 3}
            return store.snapshot().version

        return [lambda: store.set("a", 7), lambda: store.set("b", 7)], check

    return program


@pytest.mark.parametrize(
    ("program", "modules", "outcomes"),
    [
        (readers(), FIRST_USE, {2}),
        (reader_and_writer("full", 1), [*FIRST_USE, *WRITES], {(0,), (1,)}),
        (reader_and_writer("interval", 1), [*FIRST_USE, *WRITES], {(0,), (1,)}),
        (reader_and_writer("full", 2), FIRST_USE, {(0, 0), (0, 1), (1, 1)}),
        (writers("full"), [*FIRST_USE, *WRITES], {2}),
        (writers("interval"), [*FIRST_USE, *WRITES], {2}),
    ],
    ids=[
        "readers",
        "reader and writer",
        "and the disk follows",
        "readers and writer",
        "writers",
        "writers, and the disk follows",
    ],
)
def test_every_schedule_of_a_first_use(
    program: Program, modules: list[str], outcomes: set[Any]
) -> None:
    assert set(exhaust(program, 1, modules).outcomes) == outcomes


class LetsTheLastOneCount(Later):
    def make_again(self, place: int) -> None:
        """Put what was built in the place of what somebody else has built, and relied on."""
        records = self._records
        if records is not None:
            self._built[place] = self._parts[place].build(records)


class LetsGoOfTheRecordsTooSoon(Later):
    def make_last(self, place: int) -> None:
        """Let go of the records by the last one, before what it built is there."""
        records = self._records
        if records is None:
            return
        state = self._parts[place].build(records)
        if len(self._built) == len(self._parts) - 1:
            self._records = None
        self._built.setdefault(place, state)


class NotesItTooSoon(DurableCommitter[str, int]):
    def derive(self, _: object = None) -> None:
        """Note that all is built before it is."""
        unbuilt, self._unbuilt = self._unbuilt, False
        if unbuilt:
            self._schema.make(self.timeline.current)


TWINS: dict[str, tuple[Any, str, Any, Program]] = {
    "the last one that builds counts": (Later, "_make", LetsTheLastOneCount.make_again, readers()),
    "the records are let go of too soon": (
        Later,
        "_make",
        LetsGoOfTheRecordsTooSoon.make_last,
        readers(),
    ),
    "it is noted before all is built": (
        DurableCommitter,
        "_derive",
        NotesItTooSoon.derive,
        writers("full"),
    ),
    "so it is where the disk follows": (
        BehindCommitter,
        "_derive",
        NotesItTooSoon.derive,
        writers("interval"),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_broken_twin_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken, program = TWINS[name]
    monkeypatch.setattr(owner, attribute, broken)
    here = __name__  # the twins are to be struck at each of their lines, too
    with pytest.raises(ScheduleError):
        explore(program, modules=[*SHARED, *FIRST_USE, *WRITES, here], preemptions=1)
