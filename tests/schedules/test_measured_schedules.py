"""In every schedule of writers and callers, what a store measures of itself adds up."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from cowstate import Meter
from cowstate.errors import ScheduleError
from cowstate.testing.schedules import Program, explore
from tests.schedules.exploring import Explored, exhaust

MEASURING = ("cowstate.measured", "cowstate.meter")


def still() -> float:
    return 0.0


def measured(records: dict[str, int]) -> Explored:
    return Explored(records, meter=Meter(still))


def two_writers(make: Any) -> Program:
    """Each write is counted, and so is each call of the subscriber."""

    def program() -> Any:
        store = make({"n": 0})
        called: list[Any] = []
        store.subscribe(called.append)

        def writer() -> None:
            store.update("n", lambda n: n + 1)

        def check() -> Any:
            store.served()
            figures = store.statistics().measured
            assert figures.holds.count == figures.waits.count == 2
            assert figures.callbacks.count == len(called) == 2
            return figures.holds.count

        return [writer, writer], check

    return program


def writer_and_block(make: Any) -> Program:
    """So is a transaction, which takes the lock twice, and the block."""

    def program() -> Any:
        store = make({"n": 0})

        def writer() -> None:
            store.update("n", lambda n: n + 1)

        def block() -> None:
            with store.transaction() as tx:
                tx["n"] += 1

        def check() -> Any:
            figures = store.statistics().measured
            assert (figures.holds.count, figures.blocks.count) == (3, 1)
            return store.snapshot()["n"]

        return [writer, block], check

    return program


def test_every_write_and_call_is_counted_in_every_schedule() -> None:
    assert set(exhaust(two_writers(measured), 1, MEASURING).outcomes) == {2}


def test_so_is_every_block() -> None:
    assert set(exhaust(writer_and_block(measured), 1, MEASURING).outcomes) == {2}


class NotedAfterTheLock(Explored):
    """A store with a bug: it counts when the lock is given back, by a look and a store."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, meter=Meter(still))
        self.counted = 0

    def update(self, *args: Any) -> Any:
        commit = super().update(*args)
        before = self.counted
        self.counted = self.one_more(before)
        return commit

    def one_more(self, before: int) -> int:
        return before + 1

    def statistics(self) -> Any:
        told = super().statistics()
        assert told.measured is not None
        holds = told.measured.holds.replace(count=self.counted)
        return told.replace(measured=told.measured.replace(holds=holds))


def test_counting_outside_of_the_lock_would_be_noticed() -> None:
    with pytest.raises(ScheduleError) as caught:
        explore(
            two_writers(NotedAfterTheLock),
            modules=[sys.modules[__name__]],
            preemptions=2,
            reduction=False,
        )
    assert isinstance(caught.value.error, AssertionError)
