"""How rows come into the tables: in one statement, or in a transaction of several."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

from . import tables
from .log import Row
from .tables import Insert
from .view import Encoded

__all__ = ["enter", "insert", "is_small", "may_come_back", "write_as_one"]

SIZES: Final = (64, 32, 16, 8, 4, 2, 1)
"""How many rows a statement inserts: a call takes longer than most rows do, and gives the
interpreter away, and must have it back. Few sizes, for each is kept ready, and with it what it was
given last."""

FEW: Final = 8
"""Up to how many records are written by one statement, which has one size for each number."""

LONG: Final = 2_000
"""Keys and values that are longer than this are inserted one by one: what a statement inserts is
copied first."""

BEFORE: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_FULL,
}
"""What is said of a transaction before all of its commit is in the write-ahead log.

That the disk is full is said of a write, and of those the one that makes the rest a commit is the
last. Of a sync something else is said."""


def may_come_back(error: sqlite3.Error) -> bool:
    """Whether what failed with *error*, in its commit or before, may be there after a crash."""
    code = getattr(error, "sqlite_errorcode", None)  # of what was not even begun there is none
    return code is not None and code & 0xFF not in BEFORE


def is_small(rows: Sequence[Row]) -> bool:
    """Whether `write_as_one` will do for *rows*: a few short records, and nothing else."""
    count = 0
    for row in rows:
        if row.meta is not None or not row.writes:
            return False
        for key, value in row.writes:
            if value is None or len(value) > LONG or len(key) > LONG:
                return False
            count += 1
    return count <= FEW


def write_as_one(connection: sqlite3.Connection, rows: Sequence[Row], epoch: int) -> bool:
    """Write *rows*, which are small, by one statement, which is a transaction of its own.

    Returns whether that was done: nothing is written for who may not write by *epoch*, nor against
    any trigger that somebody has put into the file.
    """
    given: list[Any] = []
    count = 0
    for row in rows:
        enters = 1
        for key, value in row.writes:
            given += (row.version, epoch, row.time, key, value, enters)
            enters = 0
            count += 1
    try:
        connection.execute(_statement(tables.WRITTEN, count), given)
    except sqlite3.IntegrityError as error:
        # Of a table it says something else.
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
            return False
        raise
    return True


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
        _insert_many(connection, tables.COMMITTED_TOO, rest)
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
    left: dict[Encoded, tuple[Encoded | None, int]] = {}
    first: list[tuple[int, Encoded, Encoded, Encoded | None]] = []
    again: list[tuple[int, Encoded, Encoded | None, Encoded | None]] = []
    longest = 0
    for row in rows:
        version = row.version
        for key, value in row.writes:
            if key in left:
                again.append((version, key, left[key][0], value))
            else:
                first.append((version, key, key, value))
            left[key] = (value, version)
            if value is not None and len(value) > longest:
                longest = len(value)
    put = [(key, value, at) for key, (value, at) in left.items() if value is not None]
    together = max(longest, max(map(len, left), default=0)) <= LONG
    _insert_many(connection, tables.CHANGED_FIRST, first, together)
    _insert_many(connection, tables.CHANGED_AGAIN, again, together)
    _insert_many(connection, tables.PUTS, put, together)
    if len(put) < len(left):
        gone = [(key,) for key, (value, _) in left.items() if value is None]
        connection.executemany(tables.DELETE, gone)


def _insert_many(
    connection: sqlite3.Connection,
    insert: Insert,
    rows: Sequence[tuple[Any, ...]],
    together: bool = True,
) -> None:
    if not together:
        connection.executemany(_statement(insert, 1), rows)
        return
    done = 0
    for size in SIZES:
        while len(rows) - done >= size:
            part = rows[done : done + size]
            connection.execute(_statement(insert, size), tuple(chain.from_iterable(part)))
            done += size


@cache
def _statement(insert: Insert, count: int) -> str:
    return insert.of(count)
