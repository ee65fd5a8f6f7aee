"""The log of one store in a file of SQLite: `SqliteLog`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from time import perf_counter, time
from typing import Any, Final, Literal, TypeAlias

from . import tables
from .bounds import Bounds, Statements, Trimming
from .claim import Claim, here
from .encoded import MOST
from .ended import Closed
from .errors import FencedError, JournalError, JournalFileError, WriterActiveError
from .inserting import enter, insert, is_small, may_come_back, write_as_one
from .log import Outcome, Rewritten, Row, Standing
from .pages import pages_of
from .place import (
    LACKS,
    Place,
    ensure_not_inherited,
    ensure_one_name,
    ensure_ours,
    is_new,
    keep_for_ever,
    not_opened,
    only,
)
from .reading import Reader
from .rewriting import rewrite
from .view import Encoded, Form

__all__ = ["SqliteLog", "Sync"]

Sync: TypeAlias = Literal["full", "normal"]

CHECKPOINT: Final = 2_000
"""After how many pages, or so, what stands in the write-ahead log is copied into the file."""

BUSY: Final = 5.0
"""For how many seconds another program may hold the file's lock before that is an error."""

TRIMMING: Final = Statements(tables.TAKEN, tables.OLDEST, tables.REACH, tables.DROP)

AT_ONCE: Final = 1_000
"""How many rows are read at a time: so few that they are still at hand when they are decoded."""

CLAIM: Final = "-writer"
"""What the name of the file is followed by in the name of the one that says who writes."""


class SqliteLog:
    """As `Log` says. One thread at a time, and one process.

    Each group of rows is one transaction of SQLite's, over a write-ahead log; the first thing in it
    is to look whether this is still the one who may write.

    Args:
        path: the file; made if it is not there.
        form: how values are encoded in a file that is made.
        schema: the number of the schema of the records in a file that is made.
        sync: ``"full"`` if a row is to be on disk when it is written, ``"normal"`` if it is to be
            with the operating system.
        bounds: how far back it may go.

    Attributes:
        path: the file, whole.
        epoch: the number by which this one may write.
        took: how many seconds the last write took.
        form: how values are encoded.
        schema: the number of the schema of the records.

    Raises:
        WriterActiveError: somebody writes it.
        JournalFileError: it is another program's, cut, damaged, or of a newer version.
        JournalError: it cannot be opened or made.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        form: Form,
        sync: Sync,
        schema: int = 0,
        bounds: Bounds | None = None,
    ) -> None:
        self.path = os.path.realpath(path)
        ensure_not_inherited(self.path)
        self._who = here()
        self._connection: Any = None
        # Whether a COMMIT was begun and not answered, and the last version of one that was.
        self._committing = False
        self._durable = 0
        self._fenced: FencedError | None = None
        self._trimming = None if bounds is None else Trimming(bounds, TRIMMING)
        self._due = 0
        self.longest_key = MOST
        self.took = 0.0
        self._claim = _claimed(self.path)
        try:
            self._open(form, sync, schema)
        except BaseException as error:
            self.close()
            if isinstance(error, sqlite3.Error | UnicodeError):
                raise not_opened(self.path, error) from error
            raise

    def _open(self, form: Form, sync: Sync, schema: int) -> None:
        # What was opened is closed by `close`, whatever is raised from here on.
        self._connection = sqlite3.connect(
            self.path, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        do = self._connection.execute
        makes = is_new(self._connection, self.path, self._claim.making)
        if makes:
            self._claim.note_making(True)
            do("PRAGMA auto_vacuum = INCREMENTAL")
        [(mode,)] = do("PRAGMA journal_mode = WAL")
        if mode != "wal":
            raise JournalFileError(
                self.path, f"cannot have a write-ahead log (it is in mode {mode}); put it on a disk"
            )
        do(f"PRAGMA synchronous = {sync}")
        do("PRAGMA wal_autocheckpoint = 0")  # which hides its errors; see `tidy`
        do("BEGIN IMMEDIATE")
        if makes:
            _run_all(do, tables.MAKE)
            do("INSERT INTO about VALUES (1, ?, ?)", (form, schema))
        do(tables.RAISE)
        self.epoch = only(self.path, do(tables.EPOCH))
        do(tables.TAKE, (self.epoch, self._who, time()))
        do("COMMIT")
        if self._claim.making:
            self._claim.note_making(False)
        self.form = only(self.path, do("SELECT form FROM about"))
        self.schema = only(self.path, do("SELECT schema FROM about"))
        if self.form not in ("json", "msgpack") or not isinstance(self.schema, int):
            raise JournalFileError(self.path, LACKS)
        self._place = Place(self.path)
        # What a statement of several rows would take back is kept there, not in a file in /tmp:
        # that may be full, or not be there, and is nothing to leave records in.
        do("PRAGMA temp_store = MEMORY")
        _run_all(do, tables.AS_ONE)

    def standing(self) -> Standing:
        """Return what the file holds, but for the records.

        Raises:
            JournalFileError: the file is damaged.
        """
        do = self._connection.execute
        try:
            version, when = do(tables.LAST).fetchone() or (0, 0.0)
            meta = only(self.path, do("SELECT value FROM meta"))
        except sqlite3.DatabaseError as error:
            raise not_opened(self.path, error) from error
        if not isinstance(when, int | float):
            raise JournalFileError(self.path, LACKS)
        return Standing(version, when, meta)

    def records(self) -> Iterator[list[tuple[Encoded, Encoded]]]:
        """Yield the key and the record of each row, many at a time.

        Raises:
            JournalFileError: the file is damaged.
        """
        try:
            found = self._connection.execute("SELECT key, value FROM records")
            while rows := found.fetchmany(AT_ONCE):
                yield rows
        except sqlite3.DatabaseError as error:
            raise not_opened(self.path, error) from error

    def rewrite(self, record: Rewritten, meta: Rewritten, schema: int) -> None:
        """Rewrite every record and meta value, of now and in the log; they are of *schema* then.

        One transaction: who is killed in it has changed nothing, and the next one begins anew.
        """
        do = self._connection.execute
        self._begin()
        try:
            self._ensure_mine()
            rewrite(self.path, self._connection, record, meta, schema)
            do("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                do("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise JournalError(f"{self.path} could not be migrated: {error}") from error
            raise
        self.schema = schema

    def write(self, rows: Sequence[Row]) -> None:
        """Write *rows*, all or none. When this has returned, they are on disk."""
        self._committing = False
        began = perf_counter()
        self._place.ensure_there()  # so that nothing of what is refused is there
        self._end_what_was_struck()
        trimmed = 0
        if self._trimming is not None or not is_small(rows) or not self._write_as_one(rows):
            trimmed = self._write_in_steps(rows)
        self._durable = rows[-1].version
        self._committing = False
        if self._trimming is not None:
            self._trimming.committed()
        self.took = perf_counter() - began
        self._place.ensure_there()  # so that what has returned is
        self._due += pages_of(rows) + trimmed

    def _write_as_one(self, rows: Sequence[Row]) -> bool:
        """Write *rows* by one statement; False if that wrote nothing, for whatever a trigger says.

        Then somebody else may write, or somebody has put a trigger into the file since: in steps
        it is found out which, while nobody else can come in between.
        """
        self._committing = True
        try:
            written = write_as_one(self._connection, rows, self.epoch)
        except sqlite3.Error as error:
            self._committing = may_come_back(error)
            raise
        self._committing = False
        return written

    def _write_in_steps(self, rows: Sequence[Row]) -> int:
        """Return how many versions were let go."""
        do = self._connection.execute
        do("BEGIN IMMEDIATE")
        if not enter(self._connection, rows, self.epoch):
            self._ensure_mine()
            enter(self._connection, rows, self.epoch)
        insert(self._connection, rows)
        trimmed = 0
        if self._trimming is not None:
            trimmed = self._trimming.trim(do, rows[-1].version, len(rows), rows[-1].time)
        self._committing = True
        try:
            do("COMMIT")
        except sqlite3.Error as error:
            self._committing = may_come_back(error)
            raise
        return trimmed

    def _begin(self) -> None:
        self._end_what_was_struck()
        self._connection.execute("BEGIN IMMEDIATE")

    def _end_what_was_struck(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _ensure_mine(self) -> None:
        epoch = only(self.path, self._connection.execute(tables.EPOCH))
        if epoch == self.epoch:
            return
        who = only(self.path, self._connection.execute(tables.WHO))
        if who != self._who:
            text = f"{self.path} is written by {who} now; this store only reads"
            self._fenced = FencedError(text)
            raise self._fenced
        self.epoch = epoch  # raised by `resolve`, which was struck before it could note it

    def resolve(self, after: int) -> Outcome:
        """Return which of the rows beyond version *after* are on disk, for good."""
        connection = self._connection
        do = connection.execute
        if connection.in_transaction:
            do("ROLLBACK")
        try:
            self._place.ensure_there()
        except JournalFileError as error:
            return Outcome(after, error)
        if not self._committing:
            # Nothing was asked to be made durable, or that was answered.
            return Outcome(max(after, self._durable), self._fenced)
        # A COMMIT that failed at its sync is not there for anybody who looks, and *is* there after
        # a crash: its frames lie whole at the end of the log. So something else is written and
        # synced in their place. That it raises the epoch says, whoever wrote before, that what is
        # not there now was never written.
        self._begin()
        [(found,)] = do(tables.MINE, (after, self._who))
        durable = max(after, found or 0)
        try:
            self._ensure_mine()
        except FencedError as error:
            do("ROLLBACK")
            self._committing = False
            return Outcome(durable, error)
        do(tables.RAISE)
        epoch = only(self.path, do(tables.EPOCH))
        do(tables.TAKE, (epoch, self._who, time()))
        do("COMMIT")
        self.epoch = epoch
        self._durable = durable
        self._committing = False
        return Outcome(durable)

    def view(self) -> Reader:
        """Return a look at what is in the file now, beside the writing. From any thread."""
        return Reader(self.path)

    def oldest(self) -> int:
        """Return the oldest version that can be gone back to."""
        [(first, _)] = self._connection.execute(tables.REACH)
        return 0 if first is None else first - 1

    def drop(self, upto: int, most: int) -> bool:
        """Let go of the rows up to version *upto*, at most *most*; return whether more are left."""
        do = self._connection.execute
        last = min(upto, self.oldest() + most)
        if self._trimming is not None:
            self._trimming.forget()
        try:
            self._begin()
            self._ensure_mine()
            for statement in tables.DROP:
                do(statement, (last,))
            do("COMMIT")
            do(tables.SHRINK).fetchall()
        except sqlite3.Error as error:
            # Should it come back after a crash, what is gone then is what was to go.
            if self._connection.in_transaction:
                do("ROLLBACK")
            raise JournalError(f"nothing was dropped from {self.path}: {error}") from error
        except FencedError:
            do("ROLLBACK")
            raise
        self._due += most
        return last < upto

    def tidy(self) -> None:
        """Copy what stands in the write-ahead log into the file, if that has become much."""
        if self._due < CHECKPOINT:
            return
        self._due = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            # Tried again, it may seem to work, without the data: a system that could not write a
            # page may take it for clean from then on.
            self._keep_log()
            raise JournalError(
                f"what was written to {self.path} is safe in its write-ahead log, but could not be "
                f"copied from there ({error}); see to the disk, and open the file again"
            ) from error

    def _keep_log(self) -> None:
        keep = getattr(self._connection, "setconfig", None)  # from Python 3.12 on
        if keep is not None:
            keep(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)  # type: ignore[attr-defined, unused-ignore]

    def close(self) -> None:
        """Let go of the file, and of the right to write it. May be called twice."""
        connection, self._connection = self._connection, Closed(self.path)
        if connection is not None:
            connection.close()
        self._claim.release()

    def abandon(self) -> None:
        """Forget the file without a touch: it belongs to the parent of a fork."""
        if not isinstance(self._connection, Closed):
            keep_for_ever(self._connection, self.path)
        self._connection = Closed(self.path)
        self._claim.release()


def _claimed(path: str) -> Claim:
    if os.path.isdir(path):
        raise JournalFileError(path, "is a directory; name a file in it")
    ensure_one_name(path)
    try:
        return Claim(path + CLAIM)
    except BlockingIOError:
        raise WriterActiveError(path, _writer_of(path)) from None


def _writer_of(path: str) -> str:
    """Return who last took the file, in words."""
    try:
        connection = sqlite3.connect(path, timeout=BUSY)
        try:
            ensure_ours(connection, path)
            [(who,)] = connection.execute(tables.WHO)
        finally:
            connection.close()
    except (JournalFileError, sqlite3.Error, ValueError):
        return "somebody who has just begun"
    return str(who)


def _run_all(do: Any, statements: Sequence[str]) -> None:
    for statement in statements:
        do(statement)
