"""What living stores must do when their process forks, and when it ends."""

from __future__ import annotations

import os
import threading
import weakref
from functools import partial
from typing import Protocol

__all__ = ["Living", "register"]


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
