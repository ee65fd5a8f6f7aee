"""A clock that stands until it is set on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, CompactedError, History, Store
from cowstate.testing import ManualClock, run_threads


@given(st.integers(0, 100), st.lists(st.integers(0, 1000)))
def test_it_shows_what_it_was_set_on_by(start: int, steps: list[int]) -> None:
    clock = ManualClock(start)
    for place, step in enumerate(steps, 1):
        assert clock.advance(step) == clock() == start + sum(steps[:place])


def test_set_on_by_several_threads_it_loses_nothing() -> None:
    clock = ManualClock()

    def work() -> None:
        for _ in range(2000):
            clock.advance(1)

    run_threads(work, work, work, switch_interval=1e-6)
    assert clock() == 6000


def test_a_history_goes_by_it() -> None:
    clock = ManualClock()
    store = Store({"a": 1}, history=History(seconds=60, clock=clock))
    store.set("a", 2)
    assert store.at(0)["a"] == 1
    clock.advance(61)
    store.set("a", 3)
    with pytest.raises(CompactedError):
        store.at(0)


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (-1, ArgumentValueError),
        (float("nan"), ArgumentValueError),
        ("1", ArgumentTypeError),
        (True, ArgumentTypeError),
    ],
)
def test_a_slip_is_refused_and_changes_nothing(seconds: Any, error: type[Exception]) -> None:
    clock = ManualClock(5)
    with pytest.raises(error):
        clock.advance(seconds)
    assert clock() == 5
    assert repr(clock) == "<ManualClock at 5 s>"
