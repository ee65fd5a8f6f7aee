"""A migration in a file of SQLite, in a transaction of the caller's: `rewrite`."""

from __future__ import annotations

import sqlite3

from . import tables
from .log import Rewritten
from .place import only
from .view import Encoded

__all__ = ["rewrite"]


def rewrite(
    path: str, connection: sqlite3.Connection, record: Rewritten, meta: Rewritten, schema: int
) -> None:
    """Rewrite every record and meta value, of now and in the log; they are of *schema* then.

    Args:
        path: the file, for errors.
        connection: to it; in a transaction.
        record: what an encoded record is now.
        meta: what an encoded meta value is now.
        schema: the number of the schema.

    Raises:
        JournalFileError: it lacks the row of the meta value.
    """
    _records(connection, record)
    _changes(connection, record)
    _metas(path, connection, meta)
    connection.execute(tables.SCHEMA, (schema,))


def _records(connection: sqlite3.Connection, rewritten: Rewritten) -> None:
    # In parts, by key: what is being read must not be written.
    last: Encoded | None = None
    while rows := connection.execute(tables.RECORDS_FROM, (last, last)).fetchall():
        made = [(rewritten(value), key) for key, value in rows]
        connection.executemany(tables.REWRITE, made)
        last = rows[-1][0]


def _changes(connection: sqlite3.Connection, rewritten: Rewritten) -> None:
    version: int | None = None
    key: Encoded | None = None
    while rows := connection.execute(tables.CHANGES_FROM, (version, key)).fetchall():
        made = [
            (*[None if each is None else rewritten(each) for each in both], at, name)
            for at, name, *both in rows
        ]
        connection.executemany(tables.REWRITE_CHANGE, made)
        version, key = rows[-1][:2]


def _metas(path: str, connection: sqlite3.Connection, rewritten: Rewritten) -> None:
    current = only(path, connection.execute("SELECT value FROM meta"))
    if current is not None:
        connection.execute(tables.REWRITE_META, (rewritten(current),))
    version = 0
    while rows := connection.execute(tables.METAS_FROM, (version,)).fetchall():
        made = [
            (None if old is None else rewritten(old), rewritten(new), at) for at, old, new in rows
        ]
        connection.executemany(tables.REWRITE_MOVE, made)
        version = rows[-1][0]
