"""The one who looks at the file for all browsers: `Watcher`, a thread that keeps a board."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic, time
from typing import Final

from cowstate import History, Store, Transaction
from cowstate.errors import CowstateError
from cowstate.journal.place import not_opened
from cowstate.journal.tail import FileTail
from cowstate.showing import cut

from .seen import Head, Row, Seen, rested, seen_in

__all__ = ["Watcher", "board_of", "show"]

VERSIONS: Final = 64
"""How many versions of the board a slow browser may be behind, before it begins anew."""


def board_of(seen: Seen) -> Store[str, Row, Head]:
    """Return a store that holds what is seen."""
    # What is in it was made here, of immutable parts.
    return Store(
        seen.rows, meta=seen.head, immutability="trusted", history=History(versions=VERSIONS)
    )


def show(board: Store[str, Row, Head], seen: Seen) -> None:
    """Have *board* hold what is seen: one version, or none if it is the same. O(rows)."""

    def write(tx: Transaction[str, Row, Head]) -> None:
        for name in before.keys() - seen.rows.keys():
            del tx[name]
        for name, row in seen.rows.items():
            if before.get(name) is not row:
                tx[name] = row
        if tx.meta != seen.head:
            tx.meta = seen.head

    before = board.snapshot()
    board.transact(write)


class Watcher:
    """Looks at a file again and again, and keeps a board of what is there.

    A thread of its own looks, and it alone writes the board. Nobody is held up between two looks,
    and a look costs what has changed since the last one. When the file cannot be read for now the
    board says so; when it never will, *ended* is called and `failure` says why.

    Args:
        path: the file.
        fields: the names of fields to sum up.
        every: how long it is from one look to the next, in seconds.
        ended: called, in its thread, when it ends by an error.

    Attributes:
        board: what is there.
        seen: the same, and what the next look goes on from.
        failure: the error that it ended by.

    Raises:
        JournalFileError: it is no file of a store, or cannot be followed.
    """

    def __init__(
        self, path: str, fields: Sequence[str], every: float, ended: Callable[[], object]
    ) -> None:
        self._fields = tuple(fields)
        self._every = every
        self._ended = ended
        self._stop = Event()
        self._tail = FileTail(path)
        self.path = self._tail.path
        self.failure: CowstateError | None = None
        try:
            found = self._look(None)
        except BaseException as error:
            self._tail.close()
            if isinstance(error, sqlite3.Error | UnicodeError):
                raise not_opened(self.path, error) from error
            raise
        assert found is not None  # the first look finds something
        self.seen = found
        self.board = board_of(found)
        self._thread = Thread(target=self._run, name=f"looks at {self.path}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End it, and let go of the file. May be called twice, from any thread but its own."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._tail.close()

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every):
                self._step()
        except Exception as error:
            self.failure = self._lost(error)
            self._ended()

    def _step(self) -> None:
        try:
            found = self._look(self.seen)
        except sqlite3.OperationalError as error:
            head = self.seen.head.replace(trouble=cut(f"the file cannot be read: {error}"))
            self.seen = self.seen._replace(head=head)
        else:
            self.seen = rested(self.seen, monotonic()) if found is None else found
        show(self.board, self.seen)

    def _look(self, before: Seen | None) -> Seen | None:
        """Return what is there; None if nothing was written since."""
        reader = self._tail.look()
        if reader is None:
            return None
        found = None
        try:
            found = seen_in(reader, before, self._fields, time(), monotonic())
        finally:
            self._tail.done(found is not None)
        return found

    def _lost(self, error: Exception) -> CowstateError:
        if isinstance(error, CowstateError):
            return error
        if isinstance(error, sqlite3.Error | UnicodeError):
            return not_opened(self.path, error)
        what = cut(f"{type(error).__name__}: {error}")
        return CowstateError(f"{self.path} is not shown any more, for something failed: {what}")
