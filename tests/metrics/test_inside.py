"""A call in the middle of another one, at every point of it: nothing is lost, doubled or half."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import CodeType
from typing import Any

import pytest

from cowstate import ArgumentValueError, ReentrantWriteError, Store
from cowstate.metrics import Figure, Metrics
from tests.laws.calls import call_inside
from tests.metrics.watched import values
from tests.sweeps import step

RECORDS = Figure("test.records", len, "How many.")
OTHERWISE = Figure("test.records", len, "How many.", kind="counter")
VERSION = Figure("test.version", lambda now: now.version, "Which.")


def in_metrics(code: CodeType) -> bool:
    return "/cowstate/metrics/" in code.co_filename.replace("\\", "/")


class Program:
    """A store that is watched, and another one."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.added = False
        self.store, self.other = Store({1: 1}), Store({1: 1, 2: 2})
        self.metrics.add_store("s", self.store, figures=[RECORDS])

    def add_anew(self) -> None:
        with suppress(ReentrantWriteError):
            self.metrics.add_store("s", self.store, figures=[RECORDS])

    def add_other(self) -> None:
        # It may be refused for one that is about to be refused itself.
        with suppress(ReentrantWriteError, ArgumentValueError):
            self.metrics.add_store("other", self.other, figures=[RECORDS, VERSION])
            self.added = True

    def add_under_the_same_name(self) -> None:
        with suppress(ArgumentValueError):
            self.metrics.add_store("s", self.other)

    def add_of_another_metric(self) -> None:
        with suppress(ReentrantWriteError, ArgumentValueError):
            self.metrics.add_store("wrong", self.other, figures=[OTHERWISE])

    def read(self) -> None:
        told = self.metrics.read()
        assert values(told, "test.records")[("s",)] == 1
        assert values(told, "cowstate.store.records")[("s",)] == 1
        assert not values(told, "test_records_total")
        assert not any("wrong" in sample.labels for sample in told)
        keys = [(sample.metric.exposed, sample.labels) for sample in told]
        assert len(set(keys)) == len(keys)


ADDS = [
    Program.add_anew,
    Program.add_other,
    Program.add_under_the_same_name,
    Program.add_of_another_metric,
]


@pytest.mark.parametrize("inner", [*ADDS, Program.read])
@pytest.mark.parametrize("outer", [*ADDS, Program.read])
def test_what_was_added_is_watched_and_what_was_refused_never_was(
    outer: Callable[[Any], None], inner: Callable[[Any], None]
) -> None:
    reached = 0
    every = 1 if outer is inner in ADDS else step(11)
    for point in range(1, 1_000_000, every):
        program = Program()
        found = call_inside(
            lambda: outer(program),  # noqa: B023
            *(point, lambda: inner(program), in_metrics),  # noqa: B023
        )
        if isinstance(found, int):
            break
        reached += 1
        program.read()
        told = values(program.metrics.read(), "test.version")
        assert (("other",) in told) == program.added, found
        if {outer, inner} <= {*ADDS[:3]} and Program.add_other in (outer, inner):
            assert program.added, found
    assert reached > 5
