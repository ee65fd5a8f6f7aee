"""The only room that knows which persistent map holds the records.

A persistent map is never changed: setting a key gives a new map that shares all but one path
with the old one. The rest of the package reads maps through `PersistentMap` and writes them
through the functions of a `MapKind`, so that a faster implementation is one more kind, not one
more branch.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from math import log
from sys import getsizeof
from typing import Any, NamedTuple, Protocol, TypeVar

from pyrsistent import PMap, pmap

from .changes import MISSING, Delta
from .errors import ArgumentTypeError, ArgumentValueError, MissingExtraError
from .showing import shown
from .tree import Tree

_pure_vector: Any = None
with suppress(ImportError):  # a later release may have moved it, or have no other
    from pyrsistent._pvector import python_pvector as _pure_vector

__all__ = ["MapKind", "PersistentMap", "available_maps", "map_kind"]

K = TypeVar("K", bound=Hashable)
V_co = TypeVar("V_co", covariant=True)

_PURE = None if _pure_vector is None else type(_pure_vector())


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


def _scan(older: PersistentMap[Any, Any], newer: PersistentMap[Any, Any]) -> Delta[Any, Any]:
    delta: Delta[Any, Any] = {}
    for key, new in newer.items():
        old = older.get(key, MISSING)
        if old is not new:
            delta[key] = (old, new)
    for key, old in older.items():
        if key not in newer:
            delta[key] = (old, MISSING)
    return delta


def _pure(made: PMap[Any, Any]) -> PMap[Any, Any]:
    """Return *made* over a bucket vector that is pure Python.

    The garbage collector cannot see into the C one: for each new version that is kept, it walks
    through all of the vector, shared or not, twice. A store keeps its recent versions, so a
    write would cost O(N). A node of the pure one is seen once in its life.
    """
    if _PURE is None or type(made._buckets) is _PURE:
        return made
    rebuilt: Any = PMap
    return rebuilt(len(made), _pure_vector(made._buckets))  # type: ignore[no-any-return]


def _pyrsistent() -> MapKind:
    def build(records: Mapping[Any, Any]) -> PMap[Any, Any]:
        return _pure(pmap(records))

    # A map that outgrows its buckets comes back with new ones, in C again.
    def put(base: PMap[Any, Any], key: Any, value: Any) -> PMap[Any, Any]:
        return _pure(base.set(key, value))

    def apply(
        base: PMap[Any, Any], writes: Mapping[Any, Any], _deletes: bool = True
    ) -> PMap[Any, Any]:
        evolver = base.evolver()
        for key, value in writes.items():
            if value is not MISSING:
                evolver.set(key, value)
            elif key in base:
                evolver.remove(key)
        return _pure(evolver.persistent())

    return MapKind(
        "pyrsistent",
        build,
        put,
        PMap.remove,
        apply,
        "pyrsistent",
        _path_bytes(400, 330),
        _scan,
        _itself,
    )


def _itself(base: object) -> tuple[object, ...]:
    return (base,)


def _tree() -> MapKind:
    return MapKind(
        "tree",
        Tree.of,
        Tree.put,
        Tree.drop,
        Tree.apply,
        "tree",
        Tree.path_bytes,
        _difference,
        Tree.trunk,
    )


def _difference(older: Tree[Any, Any], newer: Tree[Any, Any]) -> Delta[Any, Any]:
    return newer.difference(older)


def _immutables() -> MapKind:
    # The C type, not the package's pure Python stand-in, which is slower than pyrsistent.
    from immutables._map import Map

    def apply(base: Any, writes: Mapping[Any, Any], deletes: bool = True) -> Any:
        if not deletes:
            return base.update(writes)
        with base.mutate() as mutation:
            for key, value in writes.items():
                if value is not MISSING:
                    mutation[key] = value
                elif key in base:
                    del mutation[key]
            return mutation.finish()

    return MapKind(
        "immutables",
        Map,
        Map.set,
        Map.delete,
        apply,
        "immutables",
        _path_bytes(150, 330),
        _scan,
        _itself,
    )


def _path_bytes(fixed: int, level: int) -> Callable[[Any, int], int]:
    """Return an estimate for a tree of 32 branches: fitted to what was measured, see the tests."""

    def path_bytes(base: Any, keys: int) -> int:
        return int(keys * (fixed + level * log(len(base) + 1, 32)))

    return path_bytes


def _small_as_dict(large: MapKind, limit: int) -> MapKind:
    """Hold up to *limit* records in a plain dict that is copied, and more in a *large* map.

    Copying a small dict beats walking a tree, and reading one beats everything. A map that
    shrinks goes back to a dict only at half the limit, so that a store about the limit does not
    convert at every write.
    """
    large_build, large_put, large_drop, large_apply = large[1:5]

    def build(records: Mapping[Any, Any]) -> Any:
        return dict(records) if len(records) <= limit else large_build(records)

    def put(base: Any, key: Any, value: Any) -> Any:
        if type(base) is not dict:
            return large_put(base, key, value)
        base = base.copy()
        base[key] = value
        return base if len(base) <= limit else large_build(base)

    def drop(base: Any, key: Any) -> Any:
        if type(base) is dict:
            base = base.copy()
            del base[key]
            return base
        base = large_drop(base, key)
        return base if len(base) > limit // 2 else dict(base.items())

    def apply(base: Any, writes: Mapping[Any, Any], deletes: bool = True) -> Any:
        if type(base) is not dict:
            base = large_apply(base, writes, deletes)
            return base if len(base) > limit // 2 else dict(base.items())
        base = base.copy()
        base.update(writes)
        if deletes:
            for key in [key for key, value in writes.items() if value is MISSING]:
                del base[key]
        return base if len(base) <= limit else large_build(base)

    def path_bytes(base: Any, keys: int) -> int:
        return getsizeof(base) if type(base) is dict else large.path_bytes(base, keys)

    def diff(older: Any, newer: Any) -> Delta[Any, Any]:
        return (_scan if dict in (type(older), type(newer)) else large.diff)(older, newer)

    def trunk(base: Any) -> tuple[object, ...]:
        return (base,) if type(base) is dict else large.trunk(base)

    name = f"dict+{large.name}"
    return MapKind(name, build, put, drop, apply, large.large, path_bytes, diff, trunk)


SMALL_OVER_PYRSISTENT = 170
SMALL_OVER_TREE = 85
SMALL_OVER_IMMUTABLES = 42
"""Up to how many records a copied dict is at least as fast to write as the large map, on CPython
3.11 and 3.13, and a version still takes no more than 9.3, 4.7 or 2.3 KiB: the last sizes before a
dict doubles its table. The figures stand in docs/explanation/tree.md."""

_C_MAP = "immutables"

_KINDS: dict[str, Callable[[], MapKind]] = {
    "pyrsistent": _pyrsistent,
    "tree": _tree,
    "immutables": _immutables,
    "dict+pyrsistent": lambda: _small_as_dict(_pyrsistent(), SMALL_OVER_PYRSISTENT),
    "dict+tree": lambda: _small_as_dict(_tree(), SMALL_OVER_TREE),
    "dict+immutables": lambda: _small_as_dict(_immutables(), SMALL_OVER_IMMUTABLES),
}


def _switches_gil_on() -> bool:
    """Whether importing the C map would turn the GIL back on for the whole process."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def map_kind(name: str = "auto") -> MapKind:
    """Return a kind of map by *name*; ``"auto"`` is the fastest that is fit for this interpreter.

    Raises:
        ArgumentValueError: there is no such kind.
        MissingExtraError: it needs the extra ``fast``, which is not installed.
        ArgumentTypeError: *name* is no str.
    """
    if not isinstance(name, str):
        raise ArgumentTypeError(f"maps is the name of a kind of map, not {shown(name)}")
    return _kind(name)


@cache
def _kind(name: str) -> MapKind:
    if name == "auto":
        if not _switches_gil_on():
            try:
                return map_kind("dict+immutables")
            except MissingExtraError:
                pass
        return map_kind("dict+tree")
    make = _KINDS.get(name)
    if make is None:
        raise ArgumentValueError(
            f"maps must be 'auto' or one of {sorted(_KINDS)}, not {shown(name)}"
        )
    try:
        return make()
    except ImportError as error:
        raise MissingExtraError(f"maps={shown(name)}", "fast") from error


def available_maps() -> tuple[str, ...]:
    """Return the names of the kinds that can be had here without harm, the reference first."""
    found = []
    for name in _KINDS:
        if _C_MAP in name and _switches_gil_on():
            continue
        try:
            map_kind(name)
        except MissingExtraError:
            continue
        found.append(name)
    return tuple(found)
