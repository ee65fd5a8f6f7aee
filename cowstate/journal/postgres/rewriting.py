"""A migration on a server, in a transaction of the caller's: `rewrite`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..log import Rewritten
from ..view import Encoded

__all__ = ["rewrite"]

Do = Callable[..., Any]


def rewrite(do: Do, record: Rewritten, meta: Rewritten, schema: int) -> None:
    """Rewrite every record and meta value, of now and in the log; they are of *schema* then.

    Args:
        do: says to the server what has a name.
        record: what an encoded record is now.
        meta: what an encoded meta value is now.
        schema: the number of the schema.
    """
    _records(do, record)
    _changes(do, record)
    _metas(do, meta)
    do("is_of", (schema,))


def _records(do: Do, rewritten: Rewritten) -> None:
    # In parts, by key, so that no more than one is in memory.
    last: Encoded | None = None
    while rows := do("records_from", {"key": last}).fetchall():
        do("rewrite", ([key for key, _ in rows], [rewritten(value) for _, value in rows]))
        last = rows[-1][0]


def _changes(do: Do, rewritten: Rewritten) -> None:
    version, key = 0, None
    while rows := do("changes_from", {"version": version, "key": key}).fetchall():
        olds = [None if old is None else rewritten(old) for _, _, old, _ in rows]
        news = [None if new is None else rewritten(new) for _, _, _, new in rows]
        do("rewrite_changes", ([row[0] for row in rows], [row[1] for row in rows], olds, news))
        version, key = rows[-1][:2]


def _metas(do: Do, rewritten: Rewritten) -> None:
    [(current,)] = do("meta").fetchall()
    if current is not None:
        do("rewrite_meta", (rewritten(current),))
    version = 0
    while rows := do("metas_from", (version,)).fetchall():
        olds = [None if old is None else rewritten(old) for _, old, _ in rows]
        do("rewrite_metas", ([row[0] for row in rows], olds, [rewritten(row[2]) for row in rows]))
        version = rows[-1][0]
