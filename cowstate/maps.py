"""The only room that knows which persistent map holds the records: `map_kind`, by name."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from math import log
from sys import getsizeof
from typing import Any, Final

from pyrsistent import PMap, pmap

from .changes import MISSING, Delta
from .errors import ArgumentTypeError, ArgumentValueError, MissingExtraError
from .kinds import MapKind, PersistentMap, scan
from .paths import reached
from .showing import shown
from .thawing import over_frozen
from .tree import Tree

_pure_vector: Any = None
with suppress(ImportError):  # a later release may have moved it, or have no other
    from pyrsistent._pvector import python_pvector as _pure_vector

__all__ = ["FROZEN", "MapKind", "PersistentMap", "available_maps", "map_kind"]

_PURE = None if _pure_vector is None else type(_pure_vector())


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
        _path_bytes(150, 140, 330),
        scan,
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
        _path_bytes(65, 25, 330),
        scan,
        _itself,
    )


def _path_bytes(once: int, each: int, level: int) -> Callable[[Any, int], int]:
    """Return an estimate for a tree of 32 branches: fitted to what was measured, see the tests."""

    def path_bytes(base: Any, keys: int) -> int:
        if not keys:
            return 0
        size = len(base)
        levels, last = divmod(log(size + 1, 32), 1)
        paths = last * reached(32**levels, keys)
        for depth in range(int(levels)):
            paths += reached(32**depth, keys)
        return int(once + each * min(keys, max(1, size)) + level * paths)

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
        return (scan if dict in (type(older), type(newer)) else large.diff)(older, newer)

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

_LIMITS: Final = {
    "dict+pyrsistent": SMALL_OVER_PYRSISTENT,
    "dict+tree": SMALL_OVER_TREE,
    "dict+immutables": SMALL_OVER_IMMUTABLES,
}

_C_MAP = "immutables"

FROZEN: Final = "frozen+"
"""What stands before the name of a kind for one that is built as a dict, and thaws into that."""

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

    With ``frozen+`` before it, it is built as a dict and thaws into that kind, see `over_frozen`:
    made at once, however many records there are, and slower to write until it has thawed.

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
    if name.startswith(FROZEN) and not name.startswith(2 * FROZEN):
        kind = _kind(name.removeprefix(FROZEN))
        return over_frozen(kind, _LIMITS.get(kind.name, 0))
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
