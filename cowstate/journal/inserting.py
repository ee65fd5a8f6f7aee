"""How rows come into the tables: `enter`, which is the fence as well, and `insert`."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from . import tables
from .log import Row
from .view import Encoded

__all__ = ["enter", "insert"]


def enter(connection: sqlite3.Connection, rows: Sequence[Row], epoch: int) -> bool:
    """Enter *rows* as commits; whether that was done: it is for who writes by *epoch*, or for none.

    The first statement of a transaction, so nothing is written by who may not write any more.
    """
    first = rows[0]
    entered = (first.version, epoch, first.time)
    if connection.execute(tables.COMMITTED, entered).rowcount != 1:
        return False
    if len(rows) > 1:  # in this transaction nobody else can take the file over
        rest = [(row.version, epoch, row.time) for row in rows[1:]]
        connection.executemany(tables.COMMITTED_TOO, rest)
    return True


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Put what *rows*, which are entered, have written."""
    if len(rows) == 1 and len(rows[0].writes) == 1:
        _insert_one(connection, rows[0])
    else:
        _insert_all(connection, rows)
    for row in rows:
        if row.meta is not None:
            connection.execute(tables.MOVED, (row.meta, row.version))
            connection.execute(tables.META, (row.meta, row.version))


def _insert_one(connection: sqlite3.Connection, row: Row) -> None:
    # The same as of all, for what most commits are.
    [(key, value)] = row.writes
    connection.execute(tables.CHANGED, (row.version, key, value))
    if value is None:
        connection.execute(tables.DELETE, (key,))
    else:
        connection.execute(tables.PUT, (key, value, row.version))


def _insert_all(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    # What a row changes is what the one before it left: of a key that one of these has written,
    # that is known here, and its record is put once.
    do_all = connection.executemany
    left: dict[Encoded, tuple[Encoded | None, int]] = {}
    first: list[tuple[int, Encoded, Encoded | None]] = []
    again: list[tuple[int, Encoded, Encoded | None, Encoded | None]] = []
    for row in rows:
        version = row.version
        for key, value in row.writes:
            if key in left:
                again.append((version, key, left[key][0], value))
            else:
                first.append((version, key, value))
            left[key] = (value, version)
    do_all(tables.CHANGED, first)
    if again:
        do_all(tables.CHANGED_AGAIN, again)
    put = [(key, value, at) for key, (value, at) in left.items() if value is not None]
    do_all(tables.PUT, put)
    if len(put) < len(left):
        do_all(tables.DELETE, [(key,) for key, (value, _) in left.items() if value is None])
