"""An index of the lock-based twin: plain dicts, changed in place under the store's lock."""

from __future__ import annotations

from typing import Any, TypeAlias

from cowstate import MISSING, Index, UniqueViolationError

__all__ = ["LockedIndex", "Move"]

Move: TypeAlias = tuple[Any, tuple[Any, ...], tuple[Any, ...]]
"""One key, and its index values before and after."""


class LockedIndex:
    """Which keys have a value; who calls its methods holds the store's lock."""

    __slots__ = ("entries", "fn", "many", "name", "unique")

    def __init__(self, name: str, index: Index[Any]) -> None:
        self.name = name
        self.fn = index.fn
        self.unique = index.unique
        self.many = index.many
        self.entries: dict[Any, Any] = {}

    def values(self, record: Any) -> tuple[Any, ...]:
        """Return the index values of *record*; of `MISSING` none."""
        result = None if record is MISSING else self.fn(record)
        if result is None:
            return ()
        return tuple(result) if self.many else (result,)

    def check(self, moves: list[Move]) -> None:
        """Refuse moves after which two records had one value of a unique index."""
        if not self.unique:
            return
        given_up = {value for _, was, _ in moves for value in was}
        taken: dict[Any, Any] = {}
        for key, _, now in moves:
            for value in now:
                holder = taken.get(value, MISSING)
                if holder is MISSING and value not in given_up:
                    holder = self.entries.get(value, MISSING)
                if holder is not MISSING and holder != key:
                    raise UniqueViolationError(self.name, value, (holder, key))
                taken[value] = key

    def move(self, moves: list[Move]) -> None:
        """Bring the entries up to date; out first, so that values may pass each other."""
        entries = self.entries
        for key, was, now in moves:
            if was != now:
                for value in was:
                    if self.unique:
                        del entries[value]
                        continue
                    keys = entries[value]
                    keys.discard(key)
                    if not keys:
                        del entries[value]
        for key, was, now in moves:
            if was != now:
                for value in now:
                    if self.unique:
                        entries[value] = key
                    else:
                        entries.setdefault(value, set()).add(key)

    def copied(self) -> dict[Any, Any]:
        """Return the entries as nobody else will change them. O(N)."""
        if self.unique:
            return self.entries.copy()
        return {value: set(keys) for value, keys in self.entries.items()}
