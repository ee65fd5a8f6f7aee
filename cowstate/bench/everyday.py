"""Shared records as most programs have them: a dict, a lock, and what the standard library gives.

Neither is what the lock-based twin is, written with care for speed. They are what one meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from threading import Lock
from typing import Self

from .levels import records_of
from .rivals import CopyOnRead

__all__ = ["FrozenLevel", "LockedDict", "PlainLevel", "ReplacedDict", "replace_with_one_more"]


@dataclass
class PlainLevel:
    """The record of the workloads as a plain class: anybody who has one can change it."""

    price: int
    order_id: int | None = None
    quantity: int = 0

    @classmethod
    def several(cls, size: int) -> dict[str, Self]:
        """Return as many as `records_of`, new ones."""
        return {key: cls(level.price) for key, level in records_of(size).items()}


@dataclass(frozen=True)
class FrozenLevel:
    """The same, frozen."""

    price: int
    order_id: int | None = None
    quantity: int = 0

    @classmethod
    def several(cls, size: int) -> dict[str, Self]:
        """Return as many as `records_of`."""
        return {key: cls(level.price) for key, level in records_of(size).items()}


def replace_with_one_more(level: FrozenLevel) -> FrozenLevel:
    """Return the record with one more, as the standard library has it."""
    return replace(level, quantity=level.quantity + 1)


class ReplacedDict(CopyOnRead):
    """One lock and a dict of frozen dataclasses; a snapshot is a copy of the dict."""


class LockedDict:
    """One lock and a dict of plain objects, changed in place; a snapshot is a `copy.deepcopy`.

    >>> store = LockedDict({"a": PlainLevel(1)})
    >>> before = store.snapshot()
    >>> store.set("a", PlainLevel(2))
    >>> before["a"].price, store.get("a").price
    (1, 2)
    """

    def __init__(self, records: dict[str, PlainLevel]) -> None:
        self._lock = Lock()
        self._records = records

    def snapshot(self) -> dict[str, PlainLevel]:
        """Return a deep copy of everything; no write happens meanwhile."""
        with self._lock:
            return deepcopy(self._records)

    def get(self, key: str) -> PlainLevel:
        """Return a deep copy of one record."""
        with self._lock:
            return deepcopy(self._records[key])

    def set(self, key: str, record: PlainLevel) -> None:
        """Put one record into the dict."""
        with self._lock:
            self._records[key] = record

    def update(self, key: str, fn: Callable[[PlainLevel], PlainLevel]) -> None:
        """Have one record changed in place by *fn*, which returns it."""
        with self._lock:
            self._records[key] = fn(self._records[key])

    def update_all(self, keys: Iterable[str], fn: Callable[[PlainLevel], PlainLevel]) -> None:
        """Have several changed in place, under one lock."""
        with self._lock:
            for key in keys:
                self._records[key] = fn(self._records[key])

    def compare_and_set(self, key: str, expected: PlainLevel, record: PlainLevel) -> bool:
        """Replace one record if it *equals* what was expected: copies have no identity."""
        with self._lock:
            if self._records[key] != expected:
                return False
            self._records[key] = record
            return True
