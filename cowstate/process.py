"""What living stores must do when their process forks, and when it ends."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from functools import partial
from operator import call
from types import FrameType
from typing import Any, Protocol, TypeVar

__all__ = ["Living", "caller_of", "locals_of", "of_all_threads", "register", "without_collection"]

T = TypeVar("T")


class Living(Protocol):
    """Something with locks and waiting threads."""

    def _after_fork_in_child(self) -> None:
        """Replace what belongs to threads that do not exist in the child."""

    def _end_waits(self) -> None:
        """Wake every thread that waits, for good: the interpreter is going down."""


# A plain dict of weak references: its operations are atomic, so a fork finds it whole.
_living: dict[int, weakref.ref[Living]] = {}


def register(thing: Living) -> None:
    """Have the two methods of *thing* called at their time, as long as it lives."""
    number = id(thing)
    # A partial of a C method, in which nothing can be raised half way: called with the dead
    # reference, which serves as the default.
    _living[number] = weakref.ref(thing, partial(_living.pop, number))


def of_all_threads(look: Callable[[], dict[int, T]]) -> dict[int, T]:
    """Return ``look()``, which is `sys._current_frames` or `sys._current_exceptions`.

    Both make objects while they hold a lock of the interpreter's. Until CPython 3.11 any new object
    may set off a garbage collection, and a finalizer that then asks the same, or starts a thread,
    waits for that lock for ever, and the whole process with it.
    """
    return without_collection(look)


def locals_of(frame: FrameType) -> Mapping[str, Any]:
    """Return the local variables of *frame*, which may be one of another thread's.

    Until CPython 3.11 a collection may come up while they are gathered, in which that thread may
    have its turn and go on, so that what is gathered is not there any more. Without the GIL nobody
    can ask this of a thread that goes on meanwhile.
    """
    return without_collection(partial(getattr, frame, "f_locals"))


def caller_of(frame: FrameType) -> FrameType | None:
    """Return the frame that called *frame*, of which the same is true as for `locals_of`."""
    found: FrameType | None = without_collection(partial(getattr, frame, "f_back"))
    return found


def without_collection(look: Callable[[], T]) -> T:
    """Return ``look()``, a call of C code, in which no garbage collection comes up.

    From CPython 3.12 on one comes up between instructions only.
    """
    if sys.version_info >= (3, 12):
        return look()
    collects = gc.isenabled()
    steps: tuple[Any, ...] = (gc.disable, look, gc.enable if collects else gc.disable)
    try:
        # All of it is C code, what takes the three among it, so that no other thread has its turn
        # and no exception comes in between.
        _, found, _ = map(call, steps)
    except BaseException:
        if collects:
            gc.enable()
        raise
    return found  # type: ignore[no-any-return]


def _each() -> list[Living]:
    return [thing for reference in list(_living.values()) if (thing := reference()) is not None]


def _after_fork_in_child() -> None:
    for thing in _each():
        thing._after_fork_in_child()


def _at_exit() -> None:
    for thing in _each():
        thing._end_waits()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

# atexit runs only after every non-daemon thread has ended, which a thread that waits on a feed
# never would. concurrent.futures ends its workers with the same hook.
if hasattr(threading, "_register_atexit"):
    threading._register_atexit(_at_exit)  # pyright: ignore[reportAttributeAccessIssue]
