"""How much of the write-ahead log of SQLite a group of rows takes: `pages_of`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .log import Row
from .view import Encoded

__all__ = ["pages_of"]

PAGE: Final = 4_096
"""How many bytes a page has."""

ROW: Final = 40
"""How many bytes a change takes beside its key and its record."""

TABLES: Final = 3
"""In how many tables what is written stands: records, changes, commits."""


def pages_of(rows: Sequence[Row]) -> int:
    """Estimate how many pages *rows*, written in one transaction, take; rather too many.

    >>> pages_of([Row(1, 0.0, [("a", "1")], None)])
    4
    >>> pages_of([Row(1, 0.0, [("a", "x" * 1_000_000)], None)])
    736
    """
    size = 0
    records = set()
    for row in rows:
        if row.meta is not None:
            size += _bytes_of(row.meta)
        for key, value in row.writes:
            records.add(key)
            # As `_bytes_of`, written out for what most are: it is asked of all that is written.
            size += ROW + (len(key) if key.isascii() else _bytes_of(key))
            if value is not None:
                size += len(value) if value.isascii() else _bytes_of(value)
    # Each record may lie on a page of its own, and the last page of each table is written anew.
    # What was written stands there thrice: as the record, as what a commit changed it to, and as
    # what the next one changed; and so do meta values.
    return len(records) + TABLES + 3 * size // PAGE


def _bytes_of(value: Encoded) -> int:
    """Return how many bytes *value* takes at most: of a text, without a look at all of it."""
    return len(value) if isinstance(value, bytes) or value.isascii() else 4 * len(value)
