"""What a persistent map is to the rest of the package: `PersistentMap`, and `MapKind`.

A persistent map is never changed: setting a key gives a new map that shares all but one path
with the old one. The rest of the package reads maps through `PersistentMap` and writes them
through the functions of a `MapKind`, so that a faster implementation is one more kind, not one
more branch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from .changes import MISSING, Delta

__all__ = ["MapKind", "PersistentMap", "scan"]

K = TypeVar("K", bound=Hashable)
V_co = TypeVar("V_co", covariant=True)


class PersistentMap(Protocol[K, V_co]):
    """What the package asks of a map that it reads: a mapping that nobody changes."""

    def __getitem__(self, key: K, /) -> V_co: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __iter__(self) -> Iterator[K]: ...
    def __len__(self) -> int: ...
    def get(self, key: K, default: Any = ..., /) -> Any: ...  # noqa: D102
    def items(self) -> Any: ...  # noqa: D102
    def values(self) -> Any: ...  # noqa: D102


class MapKind(NamedTuple):
    """One implementation: how its maps are built and how the next one is derived.

    Attributes:
        name: as given to ``Store(maps=...)``.
        build: a map of the items of a mapping. O(N).
        put: ``put(map, key, value)``, the map with one key set. O(log N).
        drop: ``drop(map, key)``, the map without a key; `KeyError` if it is absent. O(log N).
        apply: ``apply(map, writes, deletes=True)``, the map with several keys set, or absent where
            the value is `MISSING`; *deletes* False says that none is. O(k log N).
        large: the name of the implementation of a map that is not a plain dict.
        path_bytes: ``path_bytes(map, k)``, an estimate of the bytes that the map does not share
            with the one before k of its keys were set.
        diff: ``diff(older, newer)``, what changed, by identity. O(N); a kind that can tell what
            two of its maps share skips that.
        trunk: ``trunk(map)``, the objects in it that each read of it goes through.
    """

    name: str
    build: Callable[[Mapping[Any, Any]], Any]
    put: Callable[[Any, Any, Any], Any]
    drop: Callable[[Any, Any], Any]
    apply: Callable[..., Any]
    large: str
    path_bytes: Callable[[Any, int], int]
    diff: Callable[[Any, Any], Delta[Any, Any]]
    trunk: Callable[[Any], tuple[object, ...]]

    def name_of(self, base: object) -> str:
        """Return the name of the implementation that holds *base*."""
        return "dict" if type(base) is dict else self.large


def scan(older: PersistentMap[Any, Any], newer: PersistentMap[Any, Any]) -> Delta[Any, Any]:
    """Return what changed from *older* to *newer*, by identity. O(N)."""
    delta: Delta[Any, Any] = {}
    for key, new in newer.items():
        old = older.get(key, MISSING)
        if old is not new:
            delta[key] = (old, new)
    for key, old in older.items():
        if key not in newer:
            delta[key] = (old, MISSING)
    return delta
