"""The only room that knows which persistent map holds the records.

A persistent map is never changed: setting a key gives a new map that shares all but one path
with the old one. The rest of the package reads maps through `PersistentMap` and writes them
through the functions of a `MapKind`, so that a faster implementation is one more kind, not one
more branch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from pyrsistent import PMap, pmap

from .changes import MISSING, Delta

__all__ = ["MapKind", "PersistentMap", "map_kind"]

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
        name: as shown in ``statistics().map``.
        build: a map of the items of a mapping. O(N).
        put: ``put(map, key, value)``, the map with one key set. O(log N).
        drop: ``drop(map, key)``, the map without a key; `KeyError` if it is absent. O(log N).
        apply: ``apply(map, delta)``, the map with a whole delta applied. O(k log N).
    """

    name: str
    build: Callable[[Mapping[Any, Any]], Any]
    put: Callable[[Any, Any, Any], Any]
    drop: Callable[[Any, Any], Any]
    apply: Callable[[Any, Delta[Any, Any]], Any]


def _pmap_apply(base: PMap[Any, Any], delta: Delta[Any, Any]) -> PMap[Any, Any]:
    evolver = base.evolver()
    for key, (_, new) in delta.items():
        if new is MISSING:
            evolver.remove(key)
        else:
            evolver.set(key, new)
    return evolver.persistent()


PYRSISTENT = MapKind("pyrsistent", pmap, PMap.set, PMap.remove, _pmap_apply)


def map_kind() -> MapKind:
    """Return the kind of map that a store uses."""
    return PYRSISTENT
