"""The place where a file of SQLite stands: whose it is, whether it is still there, and its end."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from cowstate.showing import shown

from . import tables
from .directory import Directory
from .ended import never_freed
from .errors import JournalError, JournalFileError, JournalNotFoundError
from .inode import Inode

__all__ = [
    "LACKS",
    "Place",
    "ensure_file",
    "ensure_not_inherited",
    "ensure_one_name",
    "ensure_ours",
    "is_new",
    "keep_for_ever",
    "not_opened",
    "only",
]

GONE: Final = (
    "was deleted or replaced while it was open; nothing that is written now would be found. What "
    "is in memory can still be read: save it, and open a new file"
)


HOLLOW: Final = (
    "is a database with nothing in it: the file of a store that was copied without its -wal file "
    "looks like that. Copy both, or close the store before; if there was nothing in it, delete it"
)

LACKS: Final = (
    "lacks a row that the file of every store has, so somebody else wrote it; go back to a copy"
)

FOREIGN: Final = "is not as a store wrote it"
RESTORED: Final = "somebody else changed its tables; go back to a copy"
DROPPED: Final = (
    "what it would do nobody here knows, so nothing is read or written; drop it, if you know that "
    "it did no harm, or go back to a copy"
)


INHERITED: Final = (
    "was open in the process that this one was forked from, so SQLite cannot use it here; what is "
    "in memory can be read. Start a process of its own for it: multiprocessing's 'spawn', say"
)


class Place:
    """Where the file at *path*, and its write-ahead log, were when it was opened.

    What is deleted or replaced stays open, and would be written to without an error; and what is
    newest stands in the write-ahead log alone.

    Args:
        path: the file, open and written to.
        clock: the time, in seconds, that never goes back.

    Raises:
        JournalFileError: one of them is not there any more.
    """

    def __init__(self, path: str, clock: Callable[[], float] = monotonic) -> None:
        self._path = path
        self._directory = Directory(os.path.dirname(path), clock)
        try:
            self._file, self._log = Inode(path), Inode(path + "-wal")
        except FileNotFoundError:
            raise JournalFileError(path, GONE) from None

    def ensure_there(self) -> None:
        """Raise `JournalFileError` if they are not there any more."""
        if not self._directory.still(self._look):
            raise JournalFileError(self._path, GONE)

    def _look(self) -> bool:
        return self._file.is_there() and self._log.is_there()


def is_new(connection: sqlite3.Connection, path: str, making: bool) -> bool:
    """Whether nothing is in the file yet; raise if what is there is not ours to write.

    Until the first checkpoint all that was written stands in the write-ahead log. So of a file that
    was copied without it there is a header, and nothing else; and likewise if who made it was
    struck, which *making* says.
    """
    [(application,)] = connection.execute("PRAGMA application_id")
    [(layout,)] = connection.execute("PRAGMA user_version")
    [(count,)] = connection.execute("SELECT count(*) FROM sqlite_master")
    [(pages,)] = connection.execute("PRAGMA page_count")
    if (application, layout, count) == (0, 0, 0):
        if pages and not making:
            raise JournalFileError(path, HOLLOW)
        return True
    if application != tables.APPLICATION:
        raise JournalFileError(
            path,
            f"is a database of another program (its application id is {application}); name "
            "another file",
        )
    if layout > tables.LAYOUT:
        raise JournalFileError(
            path,
            f"was written by a newer version of cowstate (layout {layout}, and this one knows "
            f"{tables.LAYOUT}); install that one",
        )
    ensure_ours(connection, path)
    return False


def ensure_ours(connection: sqlite3.Connection, path: str) -> None:
    """Raise `JournalFileError` if what is read and written there is not the tables of a store.

    A file is a program, too: a view in the place of a table gives rows without an end, and a
    trigger does what it likes with the next write. Tables, views and indexes that somebody put
    beside ours are asked nothing.
    """
    connection.execute("PRAGMA trusted_schema = OFF")  # what an index of theirs may call
    connection.execute("PRAGMA cell_size_check = ON")
    # To SQLite RECORDS is records, and a TRIGGER a trigger.
    of_all = "SELECT lower(type), name, lower(name), sql FROM sqlite_master"
    for kind, name, known, text in connection.execute(of_all):
        if kind == "trigger":
            raise JournalFileError(path, f"{FOREIGN} (a trigger, {shown(name, 60)}); {DROPPED}")
        if known in tables.MADE and (kind != "table" or not tables.is_made(known, text)):
            raise JournalFileError(path, f"{FOREIGN} (the {shown(kind, 20)} {name}); {RESTORED}")


def ensure_file(path: str) -> None:
    """Raise `JournalFileError` if no file is at *path*: SQLite does not say so, or waits."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise JournalNotFoundError(
            path, "is not there; name the file that a store was opened on"
        ) from None
    except OSError:
        return  # of which SQLite has its own words
    if stat.S_ISDIR(mode):
        raise JournalFileError(path, "is a directory; name a file in it")
    if not stat.S_ISREG(mode):
        raise JournalFileError(path, "is a pipe or a device; name a file")


def ensure_one_name(path: str) -> None:
    """Raise `JournalFileError` if the file at *path*, if any, has another name (a hard link).

    Each name would have a write-ahead log of its own, and a claim.
    """
    try:
        names = os.stat(path).st_nlink
    except OSError:
        return  # of which SQLite has its own words
    if names > 1:
        raise JournalFileError(
            path,
            f"has {names} names (hard links), and what is written by one would be missing by the "
            "others; copy it, or make the others symbolic links",
        )


def not_opened(path: str, error: sqlite3.Error | UnicodeError) -> JournalError:
    """Return what to say of an *error* that the file at *path* was opened, or read, with."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return JournalFileError(path, "is no database; name another file")
    # What SQLite gives as text, and is none, has no number, or not even an error of SQLite's.
    broken = isinstance(error, UnicodeError) or "Could not decode to UTF-8" in str(error)
    if code == sqlite3.SQLITE_CORRUPT or broken:
        return JournalFileError(
            path, f"is cut or damaged ({error}); go back to a copy of it, with its -wal file"
        )
    if code == sqlite3.SQLITE_ERROR:
        return JournalFileError(
            path, f"is not as a store wrote it ({error}), so somebody else did; go back to a copy"
        )
    return JournalError(f"{path} cannot be opened: {error}")


def only(path: str, cursor: sqlite3.Cursor) -> Any:
    """Return the only value of the row that each file of a store has.

    Raises:
        JournalFileError: it is not there.
    """
    row = cursor.fetchone()
    if row is None:
        raise JournalFileError(path, LACKS)
    return row[0]


_inherited: set[str] = set()


def ensure_not_inherited(path: str) -> None:
    """Raise `JournalFileError` if *path* was open in the process that this one was forked from.

    SQLite knows in the child of locks that only the parent has. What is opened here would take
    them for its own, and be read while it is written.
    """
    if os.path.realpath(path) in _inherited:
        raise JournalFileError(path, INHERITED)


def keep_for_ever(connection: Any, path: str) -> None:
    """Never let *connection* be closed, not even at the end: it is the parent's of a fork.

    To close it makes SQLite take back what was open, and try to put its log away, in memory and
    files that are the parent's. A reference that nobody has is never given back.
    """
    _inherited.add(path)
    never_freed(connection)
