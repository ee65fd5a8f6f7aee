"""The one who looks at a store for all browsers: `Watcher`, a thread that keeps a board."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic, time
from typing import Final

from cowstate import History, Store, Transaction
from cowstate.errors import CowstateError
from cowstate.journal.place import not_opened
from cowstate.journal.tails import tail_of
from cowstate.journal.view import View
from cowstate.showing import cut

from .seen import Head, Row, Seen, rested, seen_in
from .texts import KEY

__all__ = ["Watcher", "board_of", "show"]

PATIENCE: Final = 2.0
"""How long, in seconds, a look that has begun is waited for when all ends."""

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
    """Looks at a store again and again, and keeps a board of what is there.

    A thread of its own looks, and it alone writes the board. Nobody is held up between two looks,
    and a look costs what has changed since the last one. When the store cannot be read for now the
    board says so; when it never will, *ended* is called and `failure` says why.

    Args:
        path: the file, or the URL of a database on a server.
        fields: the names of fields to sum up.
        every: how long it is from one look to the next, in seconds.
        ended: called, in its thread, when it ends by an error.
        name: on a server, which of its stores.

    Attributes:
        path: where the store is, without what is secret.
        board: what is there.
        seen: the same, and what the next look goes on from.
        failure: the error that it ended by.

    Raises:
        ArgumentTypeError, ArgumentValueError: that names no store.
        JournalFileError: there is no such store, or it cannot be followed.
        JournalError: the server cannot be had.
    """

    def __init__(
        self,
        path: str,
        fields: Sequence[str],
        every: float,
        ended: Callable[[], object],
        name: str | None = None,
    ) -> None:
        self._fields = tuple(fields)
        self._every = every
        self._ended = ended
        self._stop = Event()
        self._tail, _ = tail_of(path, name, every)
        self.path = self._tail.path
        self._name = cut(name or os.path.basename(self.path), KEY)
        self.failure: CowstateError | None = None
        try:
            found = self._look(None)
        except BaseException as error:
            self._tail.close()
            refused = self.refused(error)
            if refused is not None:
                raise refused from error
            raise
        assert found is not None  # the first look finds something
        self.seen = found
        self.board = board_of(found)
        self._thread = Thread(target=self._run, name=f"looks at {self.path}", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End it, and let go of the store. May be called twice, from any thread but its own.

        A look at a server that does not answer is not waited for, and ends with the process.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(PATIENCE)
        if not self._thread.is_alive():
            self._tail.close()

    def view(self) -> View:
        """Return a look at the store of its own; whoever asks for it closes it. Any thread.

        Raises:
            JournalError: it cannot be looked at now.
        """
        return self._tail.view()

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
        except Exception as error:
            if not self._tail.passes(error):
                raise
            trouble = cut(f"it cannot be read now: {' '.join(str(error).split())}")
            self.seen = rested(self.seen, monotonic(), trouble)
        else:
            self.seen = rested(self.seen, monotonic()) if found is None else found
        show(self.board, self.seen)

    def _look(self, before: Seen | None) -> Seen | None:
        """Return what is there; None if nothing was written since."""
        view = self._tail.look()
        if view is None:
            return None
        whole = False
        try:
            found = seen_in(view, before, self._fields, time(), monotonic())
            whole = True
        finally:
            self._tail.done(whole)
        return found._replace(head=found.head.replace(name=self._name))

    def refused(self, error: BaseException) -> CowstateError | None:
        """Return what to say of an *error* of what the store is kept in; None if it is of ours."""
        if isinstance(error, CowstateError):
            return error
        if isinstance(error, UnicodeError):
            return not_opened(self.path, error)
        return self._tail.refused(error) if isinstance(error, Exception) else None

    def _lost(self, error: Exception) -> CowstateError:
        refused = self.refused(error)
        if refused is not None:
            return refused
        what = cut(f"{type(error).__name__}: {error}")
        return CowstateError(f"{self.path} is not shown any more, for something failed: {what}")
