"""Functions in threads: all at once, with their results, their errors, and a word on hangs."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, CowstateError
from cowstate.testing import HangError, run_threads, running


def test_results_come_in_the_order_of_the_functions() -> None:
    gate = threading.Event()

    def first() -> int:
        gate.wait(300)
        return 1

    def second() -> int:
        gate.set()
        return 2

    assert run_threads(first, second) == [1, 2]
    assert run_threads() == []


def test_all_of_them_run_at_once() -> None:
    together = threading.Barrier(4)
    assert sorted(run_threads(*[lambda: together.wait(300)] * 4)) == [0, 1, 2, 3]


def raising(error: BaseException) -> Any:
    def fails() -> None:
        raise error

    return fails


def test_an_error_comes_as_it_is() -> None:
    error = KeyError("a")
    with pytest.raises(KeyError) as caught:
        run_threads(lambda: 1, raising(error))
    assert caught.value is error
    assert error.__notes__ == ["in fails-2"]


def test_of_several_errors_the_first_function_s_is_raised_and_tells_the_others() -> None:
    both = threading.Barrier(2)

    def late() -> None:
        both.wait(300)
        raise LookupError("late")

    def early() -> None:
        try:
            raise ValueError("early")
        finally:
            both.wait(300)

    with pytest.raises(LookupError) as caught:
        run_threads(late, early)
    first, second = caught.value.__notes__
    assert first == "in late-1"
    assert second.startswith("and in early-2:\nTraceback")
    assert second.endswith("ValueError: early")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), pytest.skip.Exception("no")])
def test_what_is_no_exception_comes_through_too(error: BaseException) -> None:
    with pytest.raises(type(error)):
        run_threads(raising(error))


def test_one_error_of_two_threads_is_noted_once() -> None:
    error = KeyError("a")
    with pytest.raises(KeyError):
        run_threads(raising(error), raising(error))
    assert error.__notes__ == ["in fails-1", "and in fails-2, the same"]


def time_passes_when(true: Callable[[], object]) -> SimpleNamespace:
    """A clock that stands still until then: how fast the machine is does not matter."""
    return SimpleNamespace(monotonic=lambda: time.monotonic() if true() else 0.0)


def test_threads_that_wait_for_each_other_are_shown_with_where_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, right = threading.Lock(), threading.Lock()
    both = threading.Barrier(2)
    over = threading.Event()
    met: list[None] = []
    ended: list[threading.Thread] = []

    def take(one: threading.Lock, other: threading.Lock) -> None:
        with one:
            both.wait(300)
            met.append(None)
            while not other.acquire(timeout=0.01):  # waits for the other one
                if over.is_set():
                    return
            other.release()

    def ends() -> None:
        """It is not among those that hang."""
        ended.append(threading.current_thread())

    def one() -> None:
        take(left, right)

    def two() -> None:
        take(right, left)

    def all_is_as_it_stays() -> bool:
        return len(met) == 2 and bool(ended) and not ended[0].is_alive()

    monkeypatch.setattr(running, "time", time_passes_when(all_is_as_it_stays))
    with pytest.raises(HangError) as caught:
        run_threads(one, two, ends, timeout=0.2)
    over.set()
    error = caught.value
    assert error.hanging == ("one-1", "two-2")
    assert str(error).startswith("2 threads have not ended in 0.2 s\none-1:\n")
    assert str(error).count("while not other.acquire(timeout=0.01):") == 2
    assert isinstance(error, CowstateError)
    assert isinstance(error, TimeoutError)


def test_the_error_of_one_for_whom_another_waits_for_ever_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = threading.Event()
    ended: list[threading.Thread] = []

    def fails() -> None:
        ended.append(threading.current_thread())
        raise KeyError("why")

    def waits() -> None:
        given.wait(300)

    monkeypatch.setattr(
        running, "time", time_passes_when(lambda: ended and not ended[0].is_alive())
    )
    with pytest.raises(HangError) as caught:
        run_threads(waits, fails, timeout=0.2)
    given.set()
    hang = caught.value
    assert hang.hanging == ("waits-1",)
    assert isinstance(hang.__cause__, KeyError)
    (note,) = hang.__notes__
    assert note.startswith("in fails-2:\nTraceback")
    assert note.endswith("KeyError: 'why'")


def test_turns_are_as_short_as_is_asked_for_and_as_before_then() -> None:
    before = sys.getswitchinterval()
    assert run_threads(sys.getswitchinterval, switch_interval=1e-4) == [pytest.approx(1e-4)]
    with pytest.raises(KeyError):
        run_threads(raising(KeyError()), switch_interval=1e-4)
    assert sys.getswitchinterval() == before


def test_where_a_thread_cannot_be_started_those_that_were_do_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    ran: list[int] = []
    with pytest.raises(RuntimeError, match="can't start"):
        run_threads(lambda: ran.append(1), lambda: ran.append(2))
    started[0].join(300)
    assert not started[0].is_alive()
    assert ran == []


def test_an_error_that_takes_no_notes_comes_all_the_same() -> None:
    @dataclass(frozen=True)
    class FrozenError(Exception):
        n: int

    error = FrozenError(1)
    with pytest.raises(FrozenError) as caught:
        run_threads(raising(error), raising(KeyError()))
    assert caught.value is error


async def tasked() -> None:
    """Would not be run by a thread."""


@pytest.mark.parametrize(
    ("functions", "options", "error"),
    [
        ([3], {}, ArgumentTypeError),
        ([tasked], {}, ArgumentTypeError),
        ([print], {"timeout": 0}, ArgumentValueError),
        ([print], {"timeout": "5"}, ArgumentTypeError),
        ([print], {"timeout": None}, ArgumentTypeError),
        ([print], {"switch_interval": 0}, ArgumentValueError),
        ([print], {"switch_interval": "1"}, ArgumentTypeError),
        ([print], {"timeout": float("nan")}, ArgumentValueError),
    ],
)
def test_a_slip_is_refused(functions: Any, options: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_threads(*functions, **options)
