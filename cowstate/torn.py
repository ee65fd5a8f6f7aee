"""Blocks that an exception has left without anybody being told."""

from __future__ import annotations

import contextlib
import sys
from os.path import dirname
from types import FrameType, MethodType
from typing import Any

from .process import locals_of, of_all_threads
from .reservation import Reservation

__all__ = ["was_left_by_an_exception"]


def was_left_by_an_exception(reservation: Reservation) -> bool:
    """Whether some thread handles an exception that tore the block out of contextlib's hands.

    A plain ``with`` needs no such question, see `cowstate.scope`. In a `contextlib.ExitStack`, or
    where a generator with `contextlib.contextmanager` holds the block, somebody else's Python
    function stands between. Ctrl-C may come before the first instruction of *its* exit: then
    nobody calls ours, while the stack, or the generator, lives on in a variable or in the
    traceback. What is left is that traceback: it shows contextlib's frame, from which the way leads
    to the block. Only who waits asks this, for it looks into all threads.
    """
    # In CPython 3.11 the values are the triples of `sys.exc_info`.
    for found in of_all_threads(sys._current_exceptions).values():
        error = found[1] if isinstance(found, tuple) else found
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            if _tore(error, reservation):
                return True
            error = error.__context__
    return False


_PACKAGE = dirname(__file__)
_EXITS = ("__exit__", "__aexit__", "_leave", "_end", "leave")
_ENTRIES = ("__enter__", "enter_context", "_push_cm_exit", "_push_exit_callback")


def _tore(error: BaseException, reservation: Reservation) -> bool:
    traceback = error.__traceback__
    while traceback is not None:
        if any(_leads_to(manager, reservation) for manager in _lost_in(traceback.tb_frame)):
            return True
        traceback = traceback.tb_next
    return False


def _lost_in(frame: FrameType) -> list[object]:
    """Return what is over, or was never entered, because *frame* was left by an exception."""
    code = frame.f_code
    if code.co_filename != contextlib.__file__ and not code.co_filename.startswith(_PACKAGE):
        return []
    if code.co_name not in _EXITS + _ENTRIES:
        return []
    held = dict(locals_of(frame))
    if code.co_name in _ENTRIES and hasattr(held.get("self"), "_exit_callbacks"):
        del held["self"]  # a stack that could not enter one more still holds the others
    return list(held.values())


def _leads_to(manager: Any, reservation: Reservation) -> bool:
    if manager is None:
        return False
    if manager is reservation or manager is reservation.block():
        return True
    if isinstance(manager, MethodType):
        return _leads_to(manager.__self__, reservation)
    generator = getattr(manager, "gen", None)
    frame = getattr(generator, "gi_frame", None) or getattr(generator, "ag_frame", None)
    if frame is not None and id(frame) == reservation.frame:
        return True
    calls = [call for _, call in getattr(manager, "_exit_callbacks", ())]
    return any(_leads_to(call, reservation) for call in calls)
