"""To read the file of a store beside whoever writes it: `Reader`."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cowstate.errors import CodecError
from cowstate.showing import cut, shown

from . import tables
from .errors import JournalFileError
from .place import ensure_file, ensure_not_inherited, ensure_ours, keep_for_ever, only
from .view import Changed, Committed, Encoded, Reach

__all__ = ["Reader", "as_text"]

IMMUTABLE: Final = "&immutable=1"


def as_text(value: Encoded) -> str:
    r"""Return *value* as JSON, whatever the form of the file is.

    Raises:
        CodecError: it is no value that a store wrote.

    >>> as_text('{"a":1}'), as_text(b"\x81\xa1a\x01")
    ('{"a":1}', '{"a":1}')
    """
    try:
        if isinstance(value, str):
            msgspec.json.decode(value)
            return value
        return msgspec.json.encode(msgspec.msgpack.decode(value)).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise CodecError(shown(value), f"somebody else wrote it: {cut(str(error))}") from error


class Reader:
    """One look at the file of a store, as `View` says: all is of one moment, whoever writes.

    Close it, or `end` it and `begin` another one, for while it is open the file grows. One thread
    at a time.

    Args:
        path: the file.

    Attributes:
        path: the file.
        form: how values are encoded.
        schema: the number of the schema of the records.
        fixed: whether nobody can write the file, so that what is read is for ever.

    Raises:
        JournalFileError: there is none, or it is none of a store.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            ensure_not_inherited(path)
            ensure_file(path)
            uri = _uri(path)
            self.fixed = uri.endswith(IMMUTABLE)
            self._connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, ValueError) as error:
            raise JournalFileError(path, f"cannot be read: {error}") from error
        try:
            [(application,)] = self._connection.execute("PRAGMA application_id")
            [(layout,)] = self._connection.execute("PRAGMA user_version")
            if (application, layout) != (tables.APPLICATION, tables.LAYOUT):
                raise JournalFileError(path, "is no file of a store that this version knows")
            self.begin()
        except BaseException as error:
            self._connection.close()
            if isinstance(error, sqlite3.Error | UnicodeError):
                raise JournalFileError(path, f"cannot be read: {error}") from error
            raise

    def begin(self) -> None:
        """Begin a look: from here on all is of one moment. One that was not ended is over."""
        self.end()
        self._connection.execute("BEGIN")
        ensure_ours(self._connection, self.path)
        self.form = only(self.path, self._connection.execute("SELECT form FROM about"))
        self.schema = only(self.path, self._connection.execute("SELECT schema FROM about"))

    def end(self) -> None:
        """End the look, and keep the file open for another one."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def state(self) -> int:
        """Return a number that is another one when somebody has written since. Between two looks.

        It costs a few microseconds, and looks at no more than a page.
        """
        [(number,)] = self._connection.execute("PRAGMA data_version")
        return int(number)

    def close(self) -> None:
        """End the look, and let go of the file."""
        self._connection.close()

    def abandon(self) -> None:
        """Forget the file without a touch: it belongs to the parent of a fork."""
        keep_for_ever(self._connection, os.path.realpath(self.path))

    def reach(self) -> Reach:
        """Return how far back the log goes. O(1)."""
        [(first, last)] = self._connection.execute(tables.REACH)
        return Reach(0, 0) if first is None else Reach(first - 1, last)

    def version_at(self, time: float) -> int | None:
        """Return the version that was current at *time*; None if the log does not go back so far.

        A version has been there from its own time on. O(commits after it).
        """
        for version, when in self._connection.execute(tables.BACKWARD):
            if isinstance(when, int | float) and when <= time:  # no time, if somebody wrote it
                return int(version)
        oldest = self.reach().oldest
        return oldest if oldest == 0 else None

    def commits(self, after: int, upto: int) -> Iterator[Committed]:
        """Yield the commits of the versions from *after* + 1 to *upto*."""
        for row in self._connection.execute(tables.COMMITS, (after, upto)):
            yield Committed(*row)

    def backward(self) -> Iterator[Committed]:
        """Yield all commits, the newest first."""
        for row in self._connection.execute(tables.ALL):
            yield Committed(*row)

    def strays(self) -> list[int]:
        """Return the versions of which there are changes, and no commit."""
        return [version for (version,) in self._connection.execute(tables.STRAYS)]

    def changes(self, version: int) -> Iterator[Changed]:
        """Yield what one commit changed."""
        for row in self._connection.execute(tables.CHANGES, (version,)):
            yield Changed(*row)

    def moves(self, after: int, upto: int) -> Iterator[Changed]:
        """Yield what each commit of the versions from *after* + 1 to *upto* changed, in order."""
        for row in self._connection.execute(tables.MOVES, (after, upto)):
            yield Changed(*row)

    def first(self, most: int) -> list[tuple[Encoded, int]]:
        """Return the first keys, at most *most*, each with the version that its record is of.

        They are in the order of their bytes. O(most), however many there are.
        """
        return self._connection.execute(tables.FIRST, (most,)).fetchall()

    def values(self, keys: Sequence[Encoded]) -> Iterator[tuple[Encoded, Encoded]]:
        """Yield those of *keys* that are there, each with its record. O(log N) each."""
        for key in keys:
            for (value,) in self._connection.execute(tables.VALUE, (key,)):
                yield key, value

    def before(self, version: int, upto: int) -> list[tuple[Encoded, Encoded | None]]:
        """Return each key that was changed after *version*, *upto* another, with what it held then.

        Costs O(keys changed since).
        """
        found = self._connection.execute(tables.BEFORE, (version, upto)).fetchall()
        return [(key, old) for key, old, _ in found]

    def meta_before(self, version: int, upto: int) -> tuple[Encoded | None] | None:
        """Return the meta value of *version*, in a tuple, if that was changed since; else None."""
        found = self._connection.execute(tables.META_BEFORE, (version, upto)).fetchone()
        return None if found is None else (found[0],)

    def records(self) -> Iterator[tuple[Encoded, Encoded, int]]:
        """Yield each record, with its key before it and the version that it is of after it."""
        yield from self._connection.execute("SELECT key, value, version FROM records")

    def count(self) -> int:
        """Return how many records there are."""
        [(count,)] = self._connection.execute("SELECT count(*) FROM records")
        return int(count)

    def meta(self) -> Encoded | None:
        """Return the meta value."""
        found: Encoded | None = only(self.path, self._connection.execute("SELECT value FROM meta"))
        return found

    def integrity(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file."""
        found = [text for (text,) in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found


def _uri(path: str) -> str:
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    # To read beside a writer SQLite needs a file beside it. Where none can be made, nobody writes,
    # unless there is one already.
    beside = os.path.dirname(os.path.abspath(path))
    if os.access(beside, os.W_OK) or os.path.exists(path + "-wal"):
        return uri
    return uri + IMMUTABLE
