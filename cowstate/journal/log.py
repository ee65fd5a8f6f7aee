"""What a store needs of a log, whatever that is kept in: `Log`; and what one holds: `Row`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from .errors import JournalError
from .view import Encoded, Form, View

__all__ = ["Log", "Outcome", "Rewritten", "Row", "Standing"]

Rewritten: TypeAlias = Callable[[Encoded], Encoded]
"""What an encoded value of an older schema is now."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """One commit, encoded: of text and numbers alone, so the garbage collector need not look at it.

    Attributes:
        version: the version that it led to.
        time: when, in seconds since 1970; never before that of the row before it.
        writes: each key that it changed, with its record, None for one that it deleted.
        meta: the meta value after it, if it changed that; else None.
    """

    version: int
    time: float
    writes: Sequence[tuple[Encoded, Encoded | None]]
    meta: Encoded | None


class Outcome(NamedTuple):
    """What `Log.resolve` found out, for good.

    Attributes:
        durable: the last version of this writer's that is on disk.
        refused: why nothing more can be written, if that is so.
    """

    durable: int
    refused: JournalError | None = None


class Standing(NamedTuple):
    """What a log holds when it is opened, but for the records.

    Attributes:
        version: the version.
        time: when that was written, in seconds since 1970; 0 if nothing ever was.
        meta: the meta value.
    """

    version: int
    time: float
    meta: Encoded | None


class Log(Protocol):
    """Rows of commits, in the order of their versions. One thread at a time."""

    @property
    def path(self) -> str:
        """Where it is, for errors."""
        raise NotImplementedError

    @property
    def epoch(self) -> int:
        """The number by which this one may write."""
        raise NotImplementedError

    @property
    def took(self) -> float:
        """How many seconds the last write took."""
        raise NotImplementedError

    @property
    def form(self) -> Form:
        """How values are encoded."""
        raise NotImplementedError

    @property
    def schema(self) -> int:
        """The number of the schema of the records."""
        raise NotImplementedError

    @property
    def longest_key(self) -> int:
        """How many bytes an encoded key may be."""
        raise NotImplementedError

    def standing(self) -> Standing:
        """Return what it holds, but for the records."""
        raise NotImplementedError

    def records(self) -> Iterator[list[tuple[Encoded, Encoded]]]:
        """Yield the key and the record of each record that is there, many at a time."""
        raise NotImplementedError

    def write(self, rows: Sequence[Row]) -> None:
        """Write *rows*, all or none. When this has returned, they are on disk.

        Whatever is raised, the rows may be there or not: `resolve` tells.
        """

    def resolve(self, after: int) -> Outcome:
        """Return which of the rows beyond version *after* are on disk.

        The answer is final: what it says is not there cannot come to be there. If it cannot be
        given, this raises, and is to be asked again before anything else is written.
        """
        raise NotImplementedError

    def rewrite(self, record: Rewritten, meta: Rewritten, schema: int) -> None:
        """Rewrite every record and meta value, of now and in the log; they are of *schema* then.

        One transaction: who is killed in it has changed nothing, and the next one begins anew.
        """

    def view(self) -> View:
        """Return a look at what is there now, beside the writing; whoever asks for it closes it.

        From any thread.
        """
        raise NotImplementedError

    def oldest(self) -> int:
        """Return the oldest version that can be gone back to."""
        raise NotImplementedError

    def drop(self, upto: int, most: int) -> bool:
        """Let go of the rows up to version *upto*, at most *most*; return whether there are more.

        One transaction. What it raises leaves all as it was.
        """
        raise NotImplementedError

    def tidy(self) -> None:
        """Do what is to be done now and then, after a write. What it raises ends the writing."""

    def close(self) -> None:
        """Let go of what it is kept in."""

    def abandon(self) -> None:
        """Forget what it is kept in, without a touch: that belongs to the parent of a fork."""
