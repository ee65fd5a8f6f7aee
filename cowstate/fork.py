"""What has locks gets new ones in a forked child, where their owners do not exist."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["survive_fork"]


class _Forkable(Protocol):
    def _after_fork_in_child(self) -> None: ...


# A plain dict of weak references: its operations are atomic, so a fork finds it whole.
_living: dict[int, weakref.ref[_Forkable]] = {}


def survive_fork(thing: _Forkable) -> None:
    """Have ``thing._after_fork_in_child()`` called in every forked child while *thing* lives."""
    number = id(thing)
    _living[number] = weakref.ref(thing, lambda _: _living.pop(number, None))


def _after_fork_in_child() -> None:
    for reference in list(_living.values()):
        thing = reference()
        if thing is not None:
            thing._after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
