"""Run functions in real threads at once, and see what came of it: results, errors, hangs."""

from __future__ import annotations

import inspect
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

from ..errors import ArgumentTypeError, ArgumentValueError
from ..showing import shown
from .errors import HangError

__all__ = ["run_threads"]

_POLL: Final = 0.05


class _Runner:
    """One thread: what it runs, and what came of it."""

    def __init__(self, number: int, fn: Callable[[], Any], start: threading.Barrier) -> None:
        name = getattr(fn, "__name__", "thread")
        self.thread = threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
        self.result: Any = None
        self.error: BaseException | None = None
        self._fn = fn
        self._start = start

    def _run(self) -> None:
        try:
            self._start.wait()
        except threading.BrokenBarrierError:
            return
        try:
            self.result = self._fn()
        except BaseException as error:
            self.error = error


def run_threads(
    *functions: Callable[[], Any], timeout: float = 60.0, switch_interval: float | None = None
) -> list[Any]:
    """Run each function in a thread of its own, all at once; return what they returned, in order.

    They start together, at a barrier. What one raises is raised here when all have ended, as it is:
    that of the first function in order that raised, with what others raised as notes on it, so that
    a test may expect it whether one of them came to it or all did.

    Args:
        functions: called without arguments; the same one may be given several times.
        timeout: seconds from the start after which whoever has not ended hangs.
        switch_interval: how long a thread may run, in seconds, before another one gets its turn, in
            an interpreter with a GIL; None to leave it. A short one, ``1e-6``, finds more.

    Raises:
        HangError: not all have ended in time. It shows where each of them stands, the one that has
            the lock with the one that waits for it. They are daemon threads, and go on. If others
            raised, and may be why, the first one's error is its cause, and all are notes on it.
        ArgumentTypeError: something is not a function, or a coroutine function, or no number.
        ArgumentValueError: *timeout* or *switch_interval* is not above 0.

    >>> run_threads(lambda: 1, lambda: 2)
    [1, 2]
    """
    for fn in functions:
        if not callable(fn):
            raise ArgumentTypeError(f"run_threads needs functions, not {shown(fn)}")
        if inspect.iscoroutinefunction(fn):
            raise ArgumentTypeError(
                f"{shown(fn)} is a coroutine function, of which a thread would run nothing; give a "
                "function that runs it, `lambda: asyncio.run(...)`"
            )
    _check_seconds("timeout", timeout)
    if switch_interval is not None:
        _check_seconds("switch_interval", switch_interval)
    if not functions:
        return []
    start = threading.Barrier(len(functions))
    runners = [_Runner(number, fn, start) for number, fn in enumerate(functions, 1)]
    with _switching(switch_interval):
        try:
            _start_all(runners)
        except BaseException:
            # Those that wait for the others would wait for ever.
            start.abort()
            raise
        hanging = _join_all(runners, time.monotonic() + timeout)
    errors = [(runner, runner.error) for runner in runners if runner.error is not None]
    if hanging:
        hang = _hang(hanging, timeout)
        _note(hang, [_told(runner, error) for runner, error in errors])
        raise hang from (errors[0][1] if errors else None)
    if errors:
        raise _noted(errors)
    return [runner.result for runner in runners]


def _check_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a number of seconds, not {shown(value)}")
    if not value > 0:
        raise ArgumentValueError(f"{name} must be a number of seconds above 0, not {value}")


@contextmanager
def _switching(interval: float | None) -> Generator[None]:
    if interval is None:
        yield
        return
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _start_all(runners: Sequence[_Runner]) -> None:
    for runner in runners:
        runner.thread.start()


def _join_all(runners: Sequence[_Runner], deadline: float) -> list[_Runner]:
    """Wait for all until *deadline*; return those that have not ended."""
    for runner in runners:
        # In short turns: on some systems nothing interrupts a long one, not even Ctrl-C.
        while runner.thread.is_alive() and (left := deadline - time.monotonic()) > 0:
            runner.thread.join(min(left, _POLL))
    return [runner for runner in runners if runner.thread.is_alive()]


def _hang(hanging: Sequence[_Runner], timeout: float) -> HangError:
    frames = sys._current_frames()
    stacks = []
    for runner in hanging:
        frame = frames.get(runner.thread.ident or 0)
        stack = "".join(traceback.format_stack(frame)) if frame else "  at its end\n"
        stacks.append(f"{runner.thread.name}:\n{stack}")
    return HangError(timeout, [runner.thread.name for runner in hanging], "\n".join(stacks))


def _noted(errors: Sequence[tuple[_Runner, BaseException]]) -> BaseException:
    (first, error), *others = errors

    others_told = [
        f"and in {runner.thread.name}, the same"
        if other is error
        else f"and {_told(runner, other)}"
        for runner, other in others
    ]
    _note(error, [f"in {first.thread.name}", *others_told])
    return error


def _told(runner: _Runner, error: BaseException) -> str:
    text = "".join(traceback.format_exception(error)).rstrip()
    return f"in {runner.thread.name}:\n{text}"


def _note(error: BaseException, notes: Sequence[str]) -> None:
    # One whose class is frozen takes no notes, and is worth more than they are.
    for note in notes:
        with suppress(Exception):
            error.add_note(note)
