"""What the versions of one store have in common: `Lineage`, and `Origin` of several of these."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, TypeVar

from .changes import MISSING, Absent, Delta, compose_all
from .derivation import Derivation
from .maps import PersistentMap
from .ring import Ring
from .sameness import Equal

__all__ = ["Lineage", "Origin", "delta_of"]

K = TypeVar("K")
V = TypeVar("V")


class Origin:
    """What all versions of one store have in common, whatever they derive: the recent commits.

    The ring is the store's, and only referred to: a snapshot that outlives its store must not
    keep every version in the ring alive.

    Attributes:
        scans: how many differences reached beyond the ring.
    """

    __slots__ = ("_ring", "scans")

    def __init__(self, ring: Ring[Any]) -> None:
        self._ring = weakref.ref(ring)
        self.scans = 0

    def commits(self, after: int, upto: int) -> Any:
        """Return the commits of the versions from *after* + 1 to *upto*; None if one is gone."""
        ring = self._ring()
        return None if ring is None else ring.span(after, upto)


class Lineage:
    """What versions that follow one upon the other have in common: what is derived of them.

    And what makes a write one: *equal*, see `Schema`. Immutable. When an index or aggregate is
    added to a store, the next version begins another lineage of the same origin.

    Attributes:
        origin: that of all versions of the store. Two snapshots are of one store if it is the same.
        derivation: the indexes and aggregates.
        derives: whether there are any.
        shift: `Derivation.shift`.
    """

    __slots__ = ("derivation", "derives", "equal", "origin", "shift")

    def __init__(self, derivation: Derivation, origin: Origin, equal: Equal | None = None) -> None:
        self.derivation = derivation
        self.derives = bool(derivation)
        self.equal = equal
        self.origin = origin
        # Bound once, for every write of a record looks at it.
        self.shift = derivation.shift

    def deriving(self, derivation: Derivation) -> Lineage:
        """Return the lineage of the versions that derive *derivation* from now on."""
        return Lineage(derivation, self.origin, self.equal)

    def difference(self, older: Any, newer: Any) -> Delta[Any, Any]:
        """Return the delta from *older* to *newer*, from the ring if it reaches that far."""
        if older._map is newer._map:
            return {}
        if older.version > newer.version:
            return {key: (old, new) for key, (new, old) in self.difference(newer, older).items()}
        commits = self.origin.commits(older.version, newer.version)
        # A snapshot that an invariant was shown and vetoed has a version that became another's.
        if commits and commits[0].before is older and commits[-1].after is newer:
            return compose_all([commit._delta for commit in commits])
        # A figure for people: that two of these at one instant may count as one is no reason for a
        # lock, which a fork could leave held.
        self.origin.scans += 1
        return self.derivation.kind.diff(older._map, newer._map)


def delta_of(
    base: PersistentMap[K, V], writes: Mapping[K, V | Absent], equal: Equal | None = None
) -> Delta[K, V]:
    """Return what writing *writes*, `MISSING` for a deletion, over *base* changes.

    Where *equal* says that two records are the same, nothing.
    """
    delta: Delta[K, V] = {}
    for key, new in writes.items():
        old = base.get(key, MISSING)
        if old is new:
            continue
        if equal is None or old is MISSING or new is MISSING or not equal(old, new):
            delta[key] = (old, new)
    return delta
