"""What opening and following a file have in common: checks of arguments, and how much is read."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from threading import TIMEOUT_MAX
from typing import TypeVar

from cowstate.errors import ArgumentTypeError, ArgumentValueError
from cowstate.showing import shown

__all__ = ["ensure_nameless", "ensure_path", "ensure_seconds", "ensure_wait", "without_collecting"]

R = TypeVar("R")


def ensure_path(path: object) -> None:
    """Raise if *path* is no name of a file."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise ArgumentTypeError(f"path must be the name of a file, not {shown(path)}")
    if "\0" in os.fspath(path):
        # Not repeated, for a URL may have a password in it.
        raise ArgumentValueError("path must be without a null character, and this one has one")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise ArgumentValueError("path has a letter in it that no file's name can have") from None


def ensure_nameless(name: object) -> None:
    """Raise if a file was given a *name*, which is for what is on a server."""
    if name is not None:
        raise ArgumentValueError(
            f"a file holds one store, which needs no name; {shown(name)} is for one on a server, "
            "whose URL begins with postgresql://"
        )


def ensure_seconds(name: str, seconds: object) -> None:
    """Raise if *seconds*, which was given as *name*, is no time."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ArgumentTypeError(f"{name} must be a number of seconds, not {shown(seconds)}")
    # Not NaN either, which is in no order; and no more than fits a clock, and a wait.
    if not 0 < seconds <= TIMEOUT_MAX:
        raise ArgumentValueError(
            f"{name} must be seconds above 0 and at most {TIMEOUT_MAX:.0f}, not {shown(seconds)}"
        )


def ensure_wait(seconds: object) -> None:
    """Raise if *seconds*, which was given as ``wait``, is no time, which may be none at all."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ArgumentTypeError(
            f"wait must be a number of seconds, or None for ever, not {shown(seconds)}"
        )
    if not 0 <= seconds <= TIMEOUT_MAX:
        raise ArgumentValueError(
            f"wait must be seconds, at least 0 and at most {TIMEOUT_MAX:.0f}, or None for ever, "
            f"not {shown(seconds)}"
        )


def without_collecting(read: Callable[[], R]) -> R:
    """Return ``read()``, of which all is new and stays.

    To collect garbage meanwhile would look at all of it again and again, for nothing.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return read()
    finally:
        if collects:
            gc.enable()
