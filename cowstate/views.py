"""What `Snapshot.keys`, `values` and `items` give where the map's own views would not do."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import Any, TypeVar

__all__ = ["Items", "Keys", "Values"]

K = TypeVar("K")
V = TypeVar("V")


class Keys(KeysView[K]):
    """The keys of a snapshot."""

    _mapping: Any

    def __iter__(self) -> Iterator[K]:
        return iter(self._mapping._map)


class Values(ValuesView[V]):
    """The records of a snapshot."""

    _mapping: Any

    def __iter__(self) -> Iterator[V]:
        return iter(self._mapping._map.values())


class Items(ItemsView[K, V]):
    """The ``(key, record)`` pairs of a snapshot."""

    _mapping: Any

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return iter(self._mapping._map.items())
