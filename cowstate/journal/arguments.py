"""What opening and following a file have in common: checks of arguments, and how much is read."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import TypeVar

from cowstate.errors import ArgumentTypeError, ArgumentValueError
from cowstate.showing import shown

__all__ = ["ensure_path", "ensure_seconds", "without_collecting"]

R = TypeVar("R")


def ensure_path(path: object) -> None:
    """Raise if *path* is no name of a file."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise ArgumentTypeError(f"path must be the name of a file, not {shown(path)}")
    if "\0" in os.fspath(path):
        raise ArgumentValueError(f"path must be without a null character, not {shown(path)}")


def ensure_seconds(name: str, seconds: object) -> None:
    """Raise if *seconds*, which was given as *name*, is no time."""
    if not isinstance(seconds, int | float) or not seconds > 0:
        raise ArgumentValueError(f"{name} must be seconds above 0, not {shown(seconds)}")


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
