"""A group of commits as what one statement is given: `values_of`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..log import Row
from ..view import Encoded

__all__ = ["values_of"]


def values_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the values that a group of rows is written by.

    What a key held before the group is for the server to look up. What it held between two commits
    of the group is here; and each key is put, or deleted, once, as the last of them left it.

    >>> values = values_of([Row(1, 0.5, [("a", "1")], None), Row(2, 0.5, [("a", None)], None)])
    >>> values["keys"], values["firsts"], values["olds"], values["news"], values["gone"]
    (['a', 'a'], [True, False], [None, '1'], ['1', None], ['a'])
    """
    left: dict[Encoded, tuple[Encoded | None, int]] = {}
    changes: list[tuple[int, Encoded, bool, Encoded | None, Encoded | None]] = []
    metas: list[tuple[bool, Encoded | None]] = []
    meta: Encoded | None = None
    for row in rows:
        for key, new in row.writes:
            known = left.get(key)
            changes.append((row.version, key, known is None, known and known[0], new))
            left[key] = new, row.version
        metas.append((row.meta is not None and meta is None, None if row.meta is None else meta))
        meta = meta if row.meta is None else row.meta
    puts = [(key, new, version) for key, (new, version) in left.items() if new is not None]
    return {
        "versions": [row.version for row in rows],
        "times": [row.time for row in rows],
        "first_metas": [first for first, _ in metas],
        "old_metas": [old for _, old in metas],
        "new_metas": [row.meta for row in rows],
        "of": [each[0] for each in changes],
        "keys": [each[1] for each in changes],
        "firsts": [each[2] for each in changes],
        "olds": [each[3] for each in changes],
        "news": [each[4] for each in changes],
        "put_keys": [each[0] for each in puts],
        "put_values": [each[1] for each in puts],
        "put_versions": [each[2] for each in puts],
        "gone": [key for key, (new, _) in left.items() if new is None],
        "meta": meta,
    }
