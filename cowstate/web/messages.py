"""What browsers are told, from what is seen: pure functions to what stands in JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final, TypeAlias

from cowstate import MISSING, Commit, Lagged, Snapshot
from cowstate.journal.view import Changed, Committed

from .seen import Brief, Head, Row, brief_of
from .texts import LONG, name_of, text_of
from .trader import ladder_row, position_of

__all__ = ["Board", "Change", "change_of", "encoded", "item_of", "state_of", "version_of"]

Board: TypeAlias = Snapshot[str, Row, Head]
"""All that the page shows, as one version of a store."""

Change: TypeAlias = Commit[str, Row, Head]
"""What leads from one such version to a later one."""

CHANGES: Final = 200
"""How many changes of one version are told."""


def item_of(item: Change | Lagged[str, Row, Head]) -> dict[str, Any]:
    """Return what a browser is told of one item of its feed: what changed, or all there is.

    All, where it has nothing yet, or is so far behind that nobody knows what it has.
    """
    if isinstance(item, Lagged):
        return state_of(item.snapshot)
    return state_of(item.after) if item.before.version < 0 else change_of(item)


def state_of(board: Board) -> dict[str, Any]:
    """Return all that is shown: what a browser begins with. O(rows)."""
    rows = [_row(name, row) for name, row in board.items()]
    return {"kind": "state", "to": board.version, **_head(board), "rows": rows}


def change_of(change: Change) -> dict[str, Any]:
    """Return what a browser that shows one version is to do to show another. O(changes)."""
    put = [_row(name, new) for name, (_, new) in change.changes.items() if new is not MISSING]
    drop = [name for name, (_, new) in change.changes.items() if new is MISSING]
    told = {"kind": "change", "from": change.before.version, "to": change.after.version}
    return {**told, **_head(change.after), "put": put, "drop": drop}


def version_of(commit: Committed, changes: Iterable[Changed]) -> dict[str, Any]:
    """Return what one commit of the log did. O(what is told of it).

    >>> commit = Committed(7, 1.0, "process 1", 1, None, None)
    >>> version_of(commit, [Changed('"a"', "1", None)])["changes"]
    [{'key': '"a"', 'old': '1', 'new': None}]
    """
    told = [
        {"key": name_of(key), "old": _long(old), "new": _long(new)}
        for key, old, new in islice(changes, CHANGES)
    ]
    meta = None
    if commit.new_meta is not None:
        meta = {"old": _long(commit.old_meta), "new": _long(commit.new_meta)}
    more = max(0, commit.keys - len(told))
    return {**_brief(brief_of(commit)), "changes": told, "more": more, "meta": meta}


def encoded(message: Mapping[str, Any]) -> bytes:
    r"""Return *message* as one line of ASCII, whatever stands in it.

    >>> encoded({"a": "\u2028\n"})
    b'{"a":"\\u2028\\n"}'
    """
    return json.dumps(message, separators=(",", ":")).encode("ascii")


def _head(board: Board) -> dict[str, Any]:
    head = board.meta
    slots = [row.slot for row in board.values() if row.slot is not None]
    position = None
    # Of a part of the slots nothing can be said of the whole.
    if head.account is not None and len(slots) == head.records:
        with suppress(ArithmeticError):  # somebody else wrote numbers that are none
            position = position_of(slots, head.account)
    return {
        "name": head.name,
        "version": head.version,
        "oldest": head.oldest,
        "records": head.records,
        "rate": round(head.rate, 1),
        "lag": None if head.lag is None else round(head.lag, 3),
        "totals": [[name[:LONG], text[:LONG]] for name, text in head.totals],
        "commits": [_brief(each) for each in head.commits],
        "meta": head.meta,
        "trouble": head.trouble,
        "position": position,
    }


def _brief(brief: Brief) -> dict[str, Any]:
    return {"version": brief.version, "time": brief.time, "who": brief.who, "keys": brief.keys}


def _row(name: str, row: Row) -> list[Any]:
    told: list[Any] = [name, row.text]
    if row.slot is not None:
        with suppress(ArithmeticError):
            told.append(ladder_row(row.slot))
    return told


def _long(value: object) -> str | None:
    return None if value is None else text_of(value, LONG)
