"""Without the GIL: have readers not count their references to what all of them read."""

from __future__ import annotations

import gc
import sys
import sysconfig
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final

from .errors import ArgumentTypeError, ArgumentValueError
from .showing import shown

__all__ = ["BURST", "PERIOD", "Deferral", "deferral"]

PERIOD: Final = 0.001
"""For one version in so many seconds it is deferred, in the long run."""

BURST: Final = 0.1
"""So many seconds' worth of versions may come at once."""


class Deferral:
    """Makes the interpreter defer the counting of references to some objects.

    Every thread that reads a store takes and drops references to the same few objects: the store,
    its current version, the map in that. Without the GIL each of these is an atomic addition to
    one place in memory, for which the cores wait for one another, so that two readers together
    may be slower than one. CPython spares its own functions and modules this by *deferred*
    counting (see PEP 703): a reference on the stack of a running function is not counted at all,
    and the garbage collector, which stops all threads, finds out that nobody has one any more.

    That is the price as well: what is deferred is not freed by whoever drops it last, but by the
    next collection. So of a store that is written to all the time, only one version in `PERIOD` is;
    the others live for so short a time that it does not pay. A store that was quiet may make
    `BURST` / `PERIOD` versions before that begins, since the last one of them may be there to stay.

    Args:
        enable: has the interpreter do so for one object.
        clock: in seconds.
        trunk_of: the objects in a version that all who read it go through.

    Attributes:
        clock: the same.
        due: from when on the next version is to be deferred. Asked before `of_version` is called,
            it spares most writes the call.
    """

    __slots__ = ("_enable", "_trunk_of", "clock", "due")

    def __init__(
        self,
        enable: Callable[[object], object],
        clock: Callable[[], float],
        trunk_of: Callable[[Any], Iterable[object]],
    ) -> None:
        self._enable = enable
        self.clock = clock
        self._trunk_of = trunk_of
        self.due = 0.0

    def of(self, *things: object) -> None:
        """Defer counting for *things*, which live as long as the store."""
        if gc.isenabled():
            for thing in things:
                # What the collector does not look at, it would never free.
                if gc.is_tracked(thing):
                    self._enable(thing)

    def of_version(self, version: object) -> None:
        """Defer counting for what readers of *version* have in common, if that is due.

        Called under the store's lock, before the version is published. What is raised in the
        middle of it leaves nothing behind but a version that is counted as any other object.
        """
        now, due = self.clock(), self.due
        if due <= now:
            self.due = max(due, now - BURST) + PERIOD
            self.of(*self._trunk_of(version))


def _find() -> Callable[[object], object] | None:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        return None
    try:
        import ctypes

        enable = ctypes.pythonapi.PyUnstable_Object_EnableDeferredRefcount
    except (ImportError, AttributeError):
        return None
    enable.argtypes = [ctypes.py_object]
    enable.restype = ctypes.c_int
    return enable


_enable = _find()


def deferral(wanted: bool | None, trunk_of: Callable[[Any], Iterable[object]]) -> Deferral | None:
    """Return what defers for one store, or None if nothing is to be deferred.

    Args:
        wanted: True and False say so; None says: where it pays, without the GIL.
        trunk_of: the objects in a version that all who read it go through.

    Raises:
        ArgumentTypeError: it is none of these.
        ArgumentValueError: it is True, and this interpreter cannot.
    """
    if wanted is not None and not isinstance(wanted, bool):
        raise ArgumentTypeError(
            f"deferred_refcount must be True, False or None, not {shown(wanted)}"
        )
    if wanted and _enable is None:
        raise ArgumentValueError(
            "deferred_refcount=True needs a free-threaded build of CPython 3.14 or later; "
            "leave it out, and it is used where it is to be had"
        )
    if wanted is None:
        wanted = not getattr(sys, "_is_gil_enabled", lambda: True)()
    if not wanted or _enable is None:
        return None
    return Deferral(_enable, monotonic, trunk_of)
