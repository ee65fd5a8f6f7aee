"""How far back a log goes, and how it is kept to that by those who write it: `Bounds`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from cowstate.errors import ArgumentTypeError, ArgumentValueError
from cowstate.records import Record
from cowstate.showing import shown

from . import tables

__all__ = ["Bounds", "Trimming"]

AT_ONCE: Final = 8
"""How many versions a write lets go at the most, but for twice as many as it makes."""


class Bounds(Record):
    """How far back the log of a store may go. What is beyond any of them is let go by writing.

    Each write lets go of a few versions more than it makes, in its own transaction; so none waits
    for it, and a log that was opened with narrower bounds comes to them by and by. The newest
    commit is always kept.

    Args:
        versions: how many versions before the current one; None for no bound.
        seconds: how long after it was superseded a version is kept; None for no bound.
        bytes: how much the keys, records and meta values in the log may take together, as they are
            written; None for no bound. What SQLite adds to each comes on top.

    Raises:
        ArgumentTypeError, ArgumentValueError: those are no bounds.

    >>> import os, tempfile
    >>> from cowstate import journal
    >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
    >>> bounds = journal.Bounds(versions=100)
    >>> with journal.open_store(path, key=str, record=int, bounds=bounds) as counts:
    ...     for n in range(1, 501):
    ...         commit = counts.set("a", n)
    ...     counts.journal.oldest, counts.at(400)["a"]
    (400, 400)
    """

    versions: int | None = None
    seconds: float | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        for name, most in (("versions", self.versions), ("bytes", self.bytes)):
            if not isinstance(most, int | None) or isinstance(most, bool):
                raise ArgumentTypeError(
                    f"{name} must be a whole number, or None, not {shown(most)}"
                )
            if most is not None and most < 1:
                raise ArgumentValueError(f"{name} must be at least 1, or None, not {shown(most)}")
        if not isinstance(self.seconds, int | float | None) or isinstance(self.seconds, bool):
            raise ArgumentTypeError(f"seconds must be a number, or None, not {shown(self.seconds)}")
        if self.seconds is not None and not self.seconds > 0:
            raise ArgumentValueError(f"seconds must be above 0, or None, not {shown(self.seconds)}")


class Trimming:
    """Keeps a log within its bounds. One thread at a time, as the log.

    Args:
        bounds: they.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        # What the log takes; None while a transaction is open, or if one failed: it is asked then.
        self._size: int | None = None
        self._within = 0

    def trim(self, do: Callable[..., Any], newest: int, made: int, now: float) -> int:
        """Let go of what is beyond the bounds; return how many versions. In a transaction.

        Args:
            do: executes a statement.
            newest: the newest version, which the transaction wrote.
            made: how many versions the transaction wrote.
            now: what time it is.
        """
        size, self._size = self._size, None
        if self._bounds.bytes is not None:
            size = self._measured(do, size, newest - made)
        most = min(newest - 1, self._oldest(do) + 2 * made + AT_ONCE)
        last = None
        for version, when, taken in do(tables.OLDEST, (most,)).fetchall():
            if not self._is_beyond(newest - version, now - when, size):
                break
            last = version
            if size is not None:
                size -= taken
        self._within = 0 if size is None else size
        if last is None:
            return 0
        return sum(do(statement, (last,)).rowcount for statement in tables.DROP)

    def forget(self) -> None:
        """Ask the log what it takes: somebody else is about to shorten it."""
        self._size = None

    def committed(self) -> None:
        """Note that the transaction was committed."""
        self._size = self._within if self._bounds.bytes is not None else None

    def _measured(self, do: Callable[..., Any], size: int | None, before: int) -> int:
        [(taken,)] = do(tables.TAKEN, (-1 if size is None else before,))
        return int((size or 0) + taken)

    def _oldest(self, do: Callable[..., Any]) -> int:
        [(first, _)] = do(tables.REACH)
        return int(first) - 1

    def _is_beyond(self, behind: int, age: float, size: int | None) -> bool:
        versions, seconds, taken = self._bounds.versions, self._bounds.seconds, self._bounds.bytes
        return (
            (versions is not None and behind >= versions)
            or (seconds is not None and age >= seconds)
            or (taken is not None and size is not None and size > taken)
        )
