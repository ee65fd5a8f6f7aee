"""One look at a store on a server, beside whoever writes it: `PostgresView`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar, cast

from ..errors import JournalNotFoundError
from ..view import Changed, Committed, Encoded, Form, Reach
from .server import Server

__all__ = ["NOT_THERE", "PostgresView"]

R = TypeVar("R")

NOT_THERE: Final = "is not there: nobody has opened it for writing yet"

AT_ONCE: Final = 1_000
"""How many commits are asked for at a time, where all are gone through."""

FEW: Final = 100
"""How many records are, where some are asked for: each may be long."""


class PostgresView:
    """As `View` says: all that it gives is of one moment. One thread at a time.

    A transaction that only reads and sees what was there as it began; it holds nobody up.

    Args:
        server: the store's place.
        connection: to look through, and left open then; or None for one of its own.

    Attributes:
        path: what is said of the store's place.
        form: how values are encoded.
        schema: the number of the schema of the records.

    Raises:
        JournalNotFoundError: there is no such store.
        JournalError: the server cannot be had.
    """

    form: Form
    schema: int

    def __init__(self, server: Server, connection: Any = None) -> None:
        self.path = server.where
        self._server = server
        self._owns = connection is None
        # The changes of the commits that were asked for last, which are read all at once.
        self._span = 0, 0
        self._changes: dict[int, list[Changed]] | None = None
        self._connection = connection if connection is not None else self._guarded(server.connect)
        try:
            self._guarded(self._begin)
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found = self._server.about(self._connection)
        if found is None:
            raise JournalNotFoundError(self.path, NOT_THERE)
        self.form, self.schema = found
        self._texts = self._server.statements(self.form)

    def _guarded(self, work: Callable[[], R]) -> R:
        try:
            return work()
        except Exception as error:
            if self._server.is_of_server(error):
                raise self._server.refused(error) from error
            raise

    def _ask(self, name: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._guarded(
            lambda: self._server.ask(self._connection, self._texts[name], values or None)
        )

    def close(self) -> None:
        """End the look, and the connection, if it is its own."""
        if self._owns:
            self._connection.close()
        elif not self._connection.closed:
            self._guarded(lambda: self._connection.execute("ROLLBACK"))

    def reach(self) -> Reach:
        """Return how far back the log goes."""
        [(first, newest)] = self._ask("reach")
        return Reach(newest if first is None else first - 1, newest)

    def version_at(self, time: float) -> int | None:
        """Return the version that was current at *time*; None if the log does not go back so far.

        A version has been there from its own time on. O(commits after it).
        """
        for version, when in self._ask("backward"):
            if when <= time:
                return int(version)
        oldest = self.reach().oldest
        return oldest if oldest == 0 else None

    def commits(self, after: int, upto: int) -> Iterator[Committed]:
        """Yield the commits of the versions from *after* + 1 to *upto*."""
        self._span, self._changes = (after, upto), None
        return (Committed(*row) for row in self._ask("commits", (after, upto)))

    def backward(self) -> Iterator[Committed]:
        """Yield all commits, the newest first."""
        # A part at a time, with its changes.
        found = self._ask("last")
        upto = found[0][0] if found else 0
        while upto > 0:
            yield from reversed(list(self.commits(upto - AT_ONCE, upto)))
            [(upto,)] = self._ask("last_upto", (upto - AT_ONCE,))

    def strays(self) -> list[int]:
        """Return the versions of which there are changes, and no commit."""
        return [version for (version,) in self._ask("strays")]

    def changes(self, version: int) -> Iterator[Changed]:
        """Yield what one commit changed."""
        after, upto = self._span
        if not after < version <= upto:
            rows = self._ask("changes", (version - 1, version))
            return (Changed(*row[1:]) for row in rows)
        if self._changes is None:
            found: dict[int, list[Changed]] = {}
            for of, *rest in self._ask("changes", self._span):
                found.setdefault(of, []).append(Changed(*rest))
            self._changes = found
        return iter(self._changes.get(version, ()))

    def moves(self, after: int, upto: int) -> Iterator[Changed]:
        """Yield what each commit of the versions from *after* + 1 to *upto* changed, in order."""
        while after < upto:
            last = min(after + AT_ONCE, upto)
            yield from (Changed(*row[1:]) for row in self._ask("changes", (after, last)))
            after = last

    def first(self, most: int) -> list[tuple[Encoded, int]]:
        """Return the first keys, at most *most*, each with the version that its record is of.

        They are in the order of their bytes. O(most), however many there are.
        """
        return self._ask("first", (most,))

    def values(self, keys: Sequence[Encoded]) -> Iterator[tuple[Encoded, Encoded]]:
        """Yield those of *keys* that are there, each with its record. O(log N) each."""
        for start in range(0, len(keys), FEW):
            yield from self._ask("values", ([*keys[start : start + FEW]],))

    def before(self, version: int, upto: int) -> list[tuple[Encoded, Encoded | None]]:
        """Return each key that was changed after *version*, *upto* another, with what it held then.

        Costs O(keys changed since).
        """
        return self._ask("before", (version, upto))

    def meta_before(self, version: int, upto: int) -> tuple[Encoded | None] | None:
        """Return the meta value of *version*, in a tuple, if that was changed since; else None."""
        found = self._ask("meta_before", (version, upto))
        return found[0] if found else None

    def records(self) -> Iterator[tuple[Encoded, Encoded, int]]:
        """Yield each record, with its key before it and the version that it is of after it."""
        return iter(self._ask("records"))

    def count(self) -> int:
        """Return how many records there are."""
        [(count,)] = self._ask("count")
        return int(count)

    def integrity(self) -> list[str]:
        """Return what is wrong with the row of the writer: the server keeps what it was given."""
        newest, found = self.reach().newest, self._ask("last")
        if not found or found[0][0] == newest:
            return []
        return [f"the newest version in the log is {found[0][0]}, and the writer's was {newest}"]

    def meta(self) -> Encoded | None:
        """Return the meta value."""
        [(found,)] = self._ask("meta")
        return cast("Encoded | None", found)
