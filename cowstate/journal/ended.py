"""What is left of a connection that is over: `Closed`, or a reference never given back."""

from __future__ import annotations

import ctypes
from typing import Any

from .errors import JournalClosedError

__all__ = ["Closed", "never_freed"]


class Closed:
    """Stands where a connection stood."""

    in_transaction = False
    closed = True

    def __init__(self, path: str) -> None:
        self._path = path

    def execute(self, *_: object) -> Any:
        """Say that it was closed."""
        raise JournalClosedError(f"{self._path} was closed; open it again")

    executemany = execute

    def close(self) -> None:
        """Do nothing more."""


def never_freed(connection: Any) -> None:
    """Never let *connection* be closed, not even at the end: it is the parent's of a fork.

    To close it would do to the parent's what nobody asked for there.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
