"""What is told of threads that do not go on: where each stands, what it waits for, what to do."""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Final

from ..errors import DeadlockError, UnscheduledError
from .workers import Worker

__all__ = ["deadlock_of", "endless", "stuck"]

_HERE: Final = __file__.removesuffix("telling.py")


def stuck(worker: Worker, files: frozenset[str], names: Iterable[str]) -> UnscheduledError:
    """Return the error for a *worker* that does not come to its next switch point.

    *files* and *names* are those of the modules that were named.
    """
    told = f"{worker.name} does not go on at {_position(worker, files)}: "
    frame = _inner(worker)
    where = "" if frame is None else str(frame.f_globals.get("__name__", ""))
    if frame is not None and frame.f_code.co_filename not in files and where:
        return UnscheduledError(
            f"{told}it is in {where}, at a lock that this search does not know, or at something "
            f"slow; if that module makes locks, add {where!r} to `modules`"
        )
    return UnscheduledError(
        f"{told}it waits for a lock that was made where this search does not see it, or loops "
        "where there is no switch point. The locks that it knows are those that "
        f"{', '.join(names)} make while the program runs, and those that their names, classes and "
        "objects hold when it begins. Make this one in the function that is explored, or name the "
        "module that makes it in `modules`"
    )


def endless(worker: Worker, steps: int) -> UnscheduledError:
    """Return the error for a *worker* that has passed so many points and is not at its end."""
    return UnscheduledError(
        f"{worker.name} has not ended after {steps} switch points; a loop "
        "that waits for another thread must wait for a lock or a condition"
    )


def deadlock_of(workers: Iterable[Worker], files: frozenset[str]) -> DeadlockError:
    """Return the error for *workers* that all wait: who waits for what, and where."""
    waits = "\n".join(
        f"  {worker.name} waits for {worker.awaited} at {_position(worker, files)}"
        for worker in workers
    )
    error = DeadlockError()
    # Whole, however many threads: a line for each.
    error.args = (f"every thread that is left waits for another:\n{waits}",)
    return error


def _inner(worker: Worker) -> FrameType | None:
    """The innermost frame that is neither the search's nor `threading`'s."""
    frame: FrameType | None = sys._current_frames().get(worker.ident)
    while frame is not None:
        if not frame.f_code.co_filename.startswith((_HERE, threading.__file__)):
            return frame
        frame = frame.f_back
    return None


def _position(worker: Worker, files: frozenset[str]) -> str:
    frame: FrameType | None = sys._current_frames().get(worker.ident)
    while frame is not None and frame.f_code.co_filename not in files:
        frame = frame.f_back
    frame = frame or _inner(worker)
    if frame is None:
        return "its start"
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}: {linecache.getline(file, line).strip()}"
