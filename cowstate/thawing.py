"""A map that is made as quickly as a dict, and becomes another kind as it is written: `Frozen`.

What is read in bulk comes as a dict, and no persistent map of a million records is built in less
than the time that it took to read them. So that dict is the map, as it is, and is never changed.
The first write lays another map over it: what that holds, and what is noted as gone, comes first.

                 rest   {d: new, a: …, b: …}       of the kind that lies above
                 gone   {c}
    frozen  a b c d e f g h i …                    the dict; what is left of it begins at `at`
                  at ┘

Each key that is written *thaws* one more: the next one of the dict is put into the rest, too. So
after as many writes as there were records the dict is let go of, and what is there is a map of the
other kind, as if it had been one from the beginning. Until then a write costs two; whatever is
overwritten or deleted is kept for no longer than that; and to go through all costs no more than
what is there and what was written.

Why not all at once, some day: one writer would wait for a second or so. Why not for ever: a store
that was opened full and has been emptied since would keep, and go through, what it held then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, filterfalse, islice
from sys import getsizeof
from typing import Any, Final, Generic, TypeVar

import msgspec

from .changes import MISSING, Delta
from .kinds import MapKind, scan

__all__ = ["Frozen", "Thawing", "over_frozen"]

K = TypeVar("K")
V = TypeVar("V")

_NONE: Final[dict[Any, Any]] = {}
"""What nobody writes to; so it will do for an empty map of any kind, to be read."""


class Frozen(dict[K, V]):
    """A dict that nobody changes, and its keys in a list.

    Any number of threads may read it, on every build of CPython. Its order is that of a dict.
    """

    __slots__ = ("order",)

    def __init__(self, records: Mapping[K, V]) -> None:
        super().__init__(records)
        self.order = list(self)


class Thawing(msgspec.Struct, Generic[K, V], frozen=True, eq=False):
    """What is left of a `Frozen`, beneath a map of another kind; never changed, as that is not.

    Any number of threads may read it. The keys that were written, or have thawed, come last.
    """

    _kind: MapKind
    _frozen: Frozen[K, V]
    _at: int
    _rest: Any
    _gone: Any
    _count: int

    def __getitem__(self, key: K) -> V:
        found = self._rest.get(key, MISSING)
        if found is not MISSING:
            return found  # type: ignore[no-any-return]
        if key in self._gone:
            raise KeyError(key)
        return self._frozen[key]

    def get(self, key: K, default: Any = None, /) -> Any:
        """Return the record under *key*, or *default*. O(log N)."""
        found = self._rest.get(key, MISSING)
        if found is not MISSING:
            return found
        return default if key in self._gone else self._frozen.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._rest or (key in self._frozen and key not in self._gone)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        return chain(self._left(), self._rest)

    def values(self) -> Iterator[V]:
        """Iterate over the records, in the order of the keys."""
        return chain(map(self._frozen.__getitem__, self._left()), self._rest.values())

    def items(self) -> Iterator[tuple[K, V]]:
        """Iterate over the ``(key, record)`` pairs."""
        return zip(self, self.values(), strict=True)

    def _left(self) -> Iterable[K]:
        """Iterate over the keys that are in the dict alone."""
        left: Iterable[K] = islice(self._frozen.order, self._at, None)
        for other in (self._rest, self._gone):
            if other:
                left = filterfalse(other.__contains__, left)
        return left

    def put(self, key: K, record: V) -> Any:
        """Return the map with *record* under *key*. O(log N)."""
        kind, frozen, at = self._kind, self._frozen, self._at
        rest = kind.put(self._rest, key, record)
        thawed = frozen.order[at]
        if thawed not in rest and thawed not in self._gone:
            rest = kind.put(rest, thawed, frozen[thawed])
        at += 1
        if at == len(frozen.order):
            return rest
        return Thawing(kind, frozen, at, rest, self._gone, self._count + (key not in self))

    def drop(self, key: K) -> Any:
        """Return the map without *key*; `KeyError` if it is not there. O(log N)."""
        if key not in self:
            raise KeyError(key)
        return self.apply({key: MISSING})

    def apply(self, writes: Mapping[K, Any], deletes: bool = True) -> Any:
        """Return the map with all *writes*, where `MISSING` deletes. O(k log N)."""
        kind, frozen, gone = self._kind, self._frozen, self._gone
        count = self._count
        for key, record in writes.items():
            count += (record is not MISSING) - (key in self)
        if deletes:
            left = {key: None for key, new in writes.items() if new is MISSING and key in frozen}
            if left:
                gone = kind.apply(gone, left, False) if gone else kind.build(left)
        at = self._at + len(writes)
        thawed = frozen.order[self._at : at]
        both: dict[K, Any] = {
            key: frozen[key] for key in thawed if key not in self._rest and key not in gone
        }
        both.update(writes)
        rest = kind.apply(self._rest, both, deletes)
        if at >= len(frozen.order):
            return rest
        return Thawing(kind, frozen, at, rest, gone, count)

    def difference(self, older: Thawing[K, V]) -> Delta[K, V]:
        """Return what changed from *older*, over the same dict, to this. O(what was written)."""
        diff = self._kind.diff
        moved = [*diff(older._rest, self._rest)]
        if self._gone and older._gone:
            moved += diff(older._gone, self._gone)
        else:
            moved += chain(older._gone, self._gone)
        delta: Delta[K, V] = {}
        for key in moved:
            old, new = older.get(key, MISSING), self.get(key, MISSING)
            if old is not new:
                delta[key] = (old, new)
        return delta

    def is_over(self, frozen: object) -> bool:
        """Whether it is what is left of *frozen*."""
        return self._frozen is frozen

    def shares_with(self, other: Thawing[K, V]) -> bool:
        """Whether *other* is what is left of the same."""
        return other.is_over(self._frozen)

    def path_bytes(self, keys: int) -> int:
        """Estimate the bytes that a map takes that differs from this one by *keys* written."""
        return getsizeof(self) + self._kind.path_bytes(self._rest, 2 * keys)

    def trunk(self) -> tuple[object, ...]:
        """Return the objects that each look-up goes through, whatever the key."""
        return (self, self._frozen, *self._kind.trunk(self._rest))


def over_frozen(kind: MapKind, limit: int) -> MapKind:
    """Return the kind of a map that is built as a `Frozen`, and thaws into one of *kind*.

    Args:
        kind: the other kind.
        limit: up to how many records it is built as one of that at once.
    """
    empty = kind.build({})

    def begun(frozen: Frozen[Any, Any]) -> Thawing[Any, Any]:
        return Thawing(kind, frozen, 0, empty, _NONE, len(frozen))

    def build(records: Mapping[Any, Any]) -> Any:
        return Frozen(records) if len(records) > limit else kind.build(records)

    def put(base: Any, key: Any, value: Any) -> Any:
        if type(base) is Thawing:
            return base.put(key, value)
        if type(base) is Frozen:
            return begun(base).put(key, value)
        return kind.put(base, key, value)

    def drop(base: Any, key: Any) -> Any:
        if type(base) is Thawing:
            return base.drop(key)
        if type(base) is Frozen:
            return begun(base).drop(key)
        return kind.drop(base, key)

    def apply(base: Any, writes: Mapping[Any, Any], deletes: bool = True) -> Any:
        if type(base) is Frozen:
            base = begun(base)
        if type(base) is Thawing:
            return base.apply(writes, deletes) if writes else base
        return kind.apply(base, writes, deletes)

    def path_bytes(base: Any, keys: int) -> int:
        if type(base) is Frozen:
            base = begun(base)
        return base.path_bytes(keys) if type(base) is Thawing else kind.path_bytes(base, keys)

    def diff(older: Any, newer: Any) -> Delta[Any, Any]:
        if type(newer) is Frozen and type(older) is Thawing and older.is_over(newer):
            newer = begun(newer)
        elif type(older) is Frozen and type(newer) is Thawing and newer.is_over(older):
            older = begun(older)
        if type(newer) is Thawing and type(older) is Thawing and newer.shares_with(older):
            return newer.difference(older)
        ours = (Frozen, Thawing)
        return (scan if type(older) in ours or type(newer) in ours else kind.diff)(older, newer)

    def trunk(base: Any) -> tuple[object, ...]:
        if type(base) is Frozen:
            return (base,)
        return base.trunk() if type(base) is Thawing else kind.trunk(base)

    name = f"frozen+{kind.name}"
    return MapKind(name, build, put, drop, apply, kind.large, path_bytes, diff, trunk)
