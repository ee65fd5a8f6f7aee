"""A clock that stands until it is set on."""

from __future__ import annotations

import sys
from types import FrameType
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
        (float("inf"), ArgumentValueError),
        (10**400, ArgumentValueError),
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


@pytest.mark.parametrize("start", [float("nan"), float("inf"), -(10**400)])
def test_it_starts_at_some_time(start: Any) -> None:
    with pytest.raises(ArgumentValueError, match="start must be a finite number of seconds"):
        ManualClock(start)


def test_it_is_set_on_in_the_midst_of_being_set_on() -> None:
    """As by a signal handler or a finalizer, which come up between two lines."""

    def set_on(at: int) -> tuple[float, bool]:
        clock, left = ManualClock(), at

        def trace(frame: FrameType, event: str, arg: object) -> Any:
            nonlocal left
            if frame.f_code is not ManualClock.advance.__code__:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    clock.advance(10)
            return trace

        sys.settrace(trace)
        try:
            clock.advance(1)
        finally:
            sys.settrace(None)
        return clock(), left <= 0

    for at in range(1, 5):
        assert run_threads(lambda at=at: set_on(at), timeout=300) == [(11, True)]
