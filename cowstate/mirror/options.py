"""What a mirror was given, looked at."""

from __future__ import annotations

from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from math import isfinite
from typing import Any

from ..errors import ArgumentTypeError, ArgumentValueError
from ..showing import shown
from ..store import Store

__all__ = ["checked_seconds", "checked_source", "checked_store", "is_async"]


def checked_store(store: Any) -> Any:
    """Return *store*, if it is one that can be written."""
    if not isinstance(store, Store):
        raise ArgumentTypeError(f"a mirror keeps a Store, not {shown(store)}")
    return store


def checked_source(source: Any, *, for_task: bool) -> Any:
    """Return *source*, if it has what a source must have, for a thread or for a task."""
    if isinstance(source, type):
        raise ArgumentTypeError(f"a source is an object, and {shown(source)} a class: make one")
    for name in ("list", "watch"):
        if not callable(getattr(source, name, None)):
            raise ArgumentTypeError(
                f"a source has the methods list() and watch(revision); {shown(source)} has no "
                f"{name}()"
            )
    if is_async(source) and not for_task:
        raise ArgumentTypeError(
            f"{shown(source)} is a source for an event loop; keep it with AsyncMirror"
        )
    if iscoroutinefunction(source.watch):
        raise ArgumentTypeError(
            f"watch() of {shown(source)} is a coroutine function, of which nothing can be taken; "
            "let it yield, or return an asynchronous iterator without async"
        )
    if is_async(source) and isgeneratorfunction(source.watch):
        raise ArgumentTypeError(
            f"{shown(source)} has an asynchronous list() and a plain watch(); let both be async, "
            "or neither"
        )
    return source


def is_async(source: Any) -> bool:
    """Whether *source* is to be awaited."""
    return iscoroutinefunction(source.list) or isasyncgenfunction(source.watch)


def checked_seconds(name: str, seconds: Any, *, above_zero: bool = False) -> float:
    """Return *seconds*, if that is a time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ArgumentTypeError(f"{name} must be a number of seconds, not {shown(seconds)}")
    if not isfinite(seconds) or seconds < 0 or (above_zero and not seconds):
        kind = "more than 0" if above_zero else "0 or more"
        raise ArgumentValueError(f"{name} must be {kind} seconds, not {shown(seconds)}")
    return float(seconds)
