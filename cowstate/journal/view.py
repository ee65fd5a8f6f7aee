"""What readers need of a log, whatever that is kept in: `View` of one moment, and `Tail`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

from cowstate.errors import CowstateError

__all__ = ["Changed", "Committed", "Encoded", "Form", "Reach", "Tail", "View"]

Encoded: TypeAlias = str | bytes
"""A value as it stands in a table: JSON as text, msgpack as bytes."""

Form: TypeAlias = Literal["json", "msgpack"]


class Reach(NamedTuple):
    """How far the log of a file goes.

    Attributes:
        oldest: the oldest version that can be gone back to.
        newest: the version that the records are of.
    """

    oldest: int
    newest: int


class Committed(NamedTuple):
    """One commit, as it stands in the log.

    Attributes:
        version: the version that it led to.
        time: when, in seconds since 1970.
        who: who wrote it, in words.
        keys: how many keys it changed.
        old_meta: the meta value before it, if it changed that.
        new_meta: the meta value after it, if it changed that.
    """

    version: int
    time: float
    who: str
    keys: int
    old_meta: Encoded | None
    new_meta: Encoded | None


class Changed(NamedTuple):
    """What one key held before, and after; None for nothing."""

    key: Encoded
    old: Encoded | None
    new: Encoded | None


class View(Protocol):
    """A log and its records as of one moment, whoever writes. One thread at a time.

    Attributes:
        path: where it is, for errors.
        form: how values are encoded.
        schema: the number of the schema of the records.
    """

    path: str
    form: Form
    schema: int

    def reach(self) -> Reach:
        """Return how far back the log goes."""
        raise NotImplementedError

    def version_at(self, time: float) -> int | None:
        """Return the version that was current at *time*; None if the log does not go back so far.

        A version has been there from its own time on.
        """

    def commits(self, after: int, upto: int) -> Iterator[Committed]:
        """Yield the commits of the versions from *after* + 1 to *upto*."""
        raise NotImplementedError

    def backward(self) -> Iterator[Committed]:
        """Yield all commits, the newest first."""
        raise NotImplementedError

    def changes(self, version: int) -> Iterator[Changed]:
        """Yield what one commit changed."""
        raise NotImplementedError

    def moves(self, after: int, upto: int) -> Iterator[Changed]:
        """Yield what each commit of the versions from *after* + 1 to *upto* changed, in order."""
        raise NotImplementedError

    def first(self, most: int) -> list[tuple[Encoded, int]]:
        """Return the first keys, at most *most*, each with the version that its record is of.

        They are in the order of their bytes. O(most), however many there are.
        """
        raise NotImplementedError

    def values(self, keys: Sequence[Encoded]) -> Iterator[tuple[Encoded, Encoded]]:
        """Yield those of *keys* that are there, each with its record, in any order."""
        raise NotImplementedError

    def strays(self) -> list[int]:
        """Return the versions of which there are changes, and no commit."""
        raise NotImplementedError

    def before(self, version: int, upto: int) -> list[tuple[Encoded, Encoded | None]]:
        """Return each key that was changed after *version*, *upto* another, with what it held then.

        Costs O(keys changed since).
        """
        raise NotImplementedError

    def meta_before(self, version: int, upto: int) -> tuple[Encoded | None] | None:
        """Return the meta value of *version*, in a tuple, if that was changed since; else None."""

    def records(self) -> Iterator[tuple[Encoded, Encoded, int]]:
        """Yield each record, with its key before it and the version that it is of after it."""
        raise NotImplementedError

    def count(self) -> int:
        """Return how many records there are."""
        raise NotImplementedError

    def meta(self) -> Encoded | None:
        """Return the meta value."""

    def integrity(self) -> list[str]:
        """Return what is wrong with what it is kept in, beside what the log can tell."""
        raise NotImplementedError

    def close(self) -> None:
        """End the look."""


class Tail(Protocol):
    """A log that somebody else writes, held open to be looked at whenever they have.

    One thread at a time, but for `wake` and `view`.

    Attributes:
        path: where it is, for errors.
        stirs: how often a sleep ended because somebody began to write.
    """

    path: str
    stirs: int

    def look(self) -> View | None:
        """Return what is there, as of one moment, if anything was written since the last look.

        None if nothing was; else `done` says that it is over.
        """

    def done(self, to_its_end: bool = True) -> None:
        """End the look; if it was not *to_its_end*, there is another one, whoever writes."""

    def view(self) -> View:
        """Return a look of its own, beside the others; whoever asks for it closes it."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*, or when it is time to look again, if that can be known."""

    def wake(self) -> None:
        """End the sleep now, or the next one. From any thread."""

    def passes(self, error: Exception) -> bool:
        """Whether *error*, of a look, may be gone at the next one."""
        raise NotImplementedError

    def refused(self, error: Exception) -> CowstateError | None:
        """Return what to say of an *error* of what it is kept in; None if it is none of that."""

    def close(self) -> None:
        """Let go of it. May be called twice."""

    def abandon(self) -> None:
        """Forget it without a touch: it belongs to the parent of a fork."""
