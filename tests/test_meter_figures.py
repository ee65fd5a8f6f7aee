"""How what is measured is added up, and what is told of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, History, Measures, Meter, Store, Timing
from cowstate.meter import Figures, Stopwatch
from tests.metered import Clock, figures_of, measured


def test_nothing_has_happened_in_a_new_store() -> None:
    nothing = Timing(0, 0.0, 0.0, None)
    assert figures_of(measured(Clock())) == Measures(*[nothing] * 4, 0, ())


def test_what_the_versions_take_is_told_without_a_bound_too() -> None:
    bounded, free = measured(Clock(), history=History(bytes=10**9)), measured(Clock())
    for store in (bounded, free):
        for n in range(20):
            store.set("a", n + 100)
    told = [store.statistics().retained_bytes or 0 for store in (bounded, free)]
    assert told[0] == told[1] > 0


@given(st.lists(st.integers(0, 100).map(float)))
def test_a_stopwatch_keeps_the_count_the_total_and_the_longest(seconds: list[float]) -> None:
    watch = Stopwatch()
    for each in seconds:
        watch.note(each, lambda each=each: str(each))
    count, total, longest, who = watch.state
    assert count == len(seconds)
    assert total == sum(seconds)
    assert longest == max(seconds, default=0.0)
    assert who == (str(longest) if seconds else None)


def test_what_is_noted_while_a_name_is_asked_for_is_not_lost() -> None:
    watch = Stopwatch()

    def who() -> str:
        watch.note(1.0, lambda: "inner")
        return "outer"

    watch.note(2.0, who)
    assert watch.state == (2, 3.0, 2.0, "outer")


def test_each_store_has_figures_of_its_own_by_one_meter() -> None:
    meter = Meter()
    one, other = Store({"a": 1}, meter=meter), Store({"a": 1}, meter=meter)
    one.set("a", 2)
    assert (figures_of(one).holds.count, figures_of(other).holds.count) == (1, 0)


def test_the_figures_of_groups_add_up() -> None:
    figures = Figures(Meter())
    figures.callbacks_by("writer").note(0.0, lambda: "none")
    assert figures.told().callbacks == Timing(1, 0.0, 0.0, "none")
    figures = Figures(Meter())
    figures.callbacks_by("writer").note(1.0, lambda: "one")
    figures.callbacks_by("thread").note(3.0, lambda: "three")
    figures.callbacks_by(object()).note(2.0, lambda: "two")
    assert figures.told().callbacks == Timing(3, 6.0, 3.0, "three")


@pytest.mark.parametrize("meter", [True, 5, Meter])
def test_what_is_no_meter_is_refused(meter: Any) -> None:
    with pytest.raises(ArgumentTypeError, match=r"Meter\(\)"):
        Store(meter=meter)


def test_a_clock_that_cannot_be_called_is_refused() -> None:
    clock: Any = 5
    with pytest.raises(ArgumentTypeError, match="seconds"):
        Meter(clock)


def test_what_is_told_is_immutable_and_of_plain_values() -> None:
    told = measured(Clock()).statistics()
    with pytest.raises(AttributeError):
        figures_of(measured(Clock())).conflicts = 5
    assert hash(told) == hash(told.replace())


def test_those_who_call_at_the_same_time_note_it_apart() -> None:
    # A stopwatch is for one hand: whoever serves a group has its turn.
    figures = Figures(Meter())
    loop = asyncio.new_event_loop()
    loop.close()
    watches = [figures.callbacks_by(via) for via in ("writer", "thread", loop)]
    assert len({id(watch) for watch in watches}) == 3
