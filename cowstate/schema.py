"""What follows from a write: the next version, worked out from the last one. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from sys import getsizeof
from types import CoroutineType
from typing import Any, Final, Generic, TypeVar

from .aggregate import Aggregate
from .changes import MISSING, Absent, Delta
from .commit import Commit
from .derivation import Derivation
from .errors import ArgumentTypeError, ArgumentValueError
from .immutability import Immutability, check_deeply, check_immutable, is_inert
from .index import Index
from .invariants import Invariant, Invariants
from .keys import PLAIN, ensure_findable
from .later import Later
from .lineage import Lineage, Origin, delta_of
from .maps import MapKind
from .ring import Ring
from .sameness import Sameness, rule_of
from .showing import shown
from .slips import plain
from .snapshot import Snapshot

__all__ = ["Schema"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Schema(Generic[K, V]):
    """The map, indexes, aggregates and invariants of one store: how a version leads to the next.

    No lock and no thread; but for the set of types known to be immutable, which only grows, it is
    immutable. `advance` either returns a `Commit` between two complete snapshots, or raises and
    has done nothing.

    Attributes:
        kind: the kind of map that holds the records.
        origin: what the snapshots of the store share.
        accepted: the types that were found to be immutable, by `accept`.
        equal: what is asked of two records that are not one object, to know whether a write of
            one over the other is none; None for nothing.
        free: nobody may veto what a write leads to.
    """

    def __init__(
        self,
        kind: MapKind,
        indexes: Mapping[str, Index[V]] | None,
        aggregates: Mapping[str, Aggregate[V, Any]] | None,
        invariants: Mapping[str, Invariant] | None,
        ring: Ring[Commit[K, V]],
        immutability: Immutability,
        allow_none: bool,
        same: Sameness,
    ) -> None:
        if immutability not in ("type", "deep", "trusted"):
            raise ArgumentValueError(
                f"immutability must be 'type', 'deep' or 'trusted', not {shown(immutability)}"
            )
        self._immutability = immutability
        self._allow_none = allow_none
        self.equal = rule_of(same)
        self.kind = kind
        self._invariants = Invariants(invariants)
        self.free = not self._invariants
        self.origin = Origin(ring)
        self._first = Lineage(Derivation(kind, indexes, aggregates), self.origin, self.equal)
        self.accepted: set[type] = set()

    def first(self, records: Any, meta: object, version: int, *, later: bool) -> Snapshot[K, V]:
        """Return the version that a store begins with. Costs O(N).

        Args:
            records: a mapping or pairs; None for none.
            meta: the meta value.
            version: its number.
            later: whether what is derived is built when it is first asked for, see `Later`.
        """
        start = {} if records is None else self.checked(records)
        self.accept(meta)
        held = self.kind.build(start)
        derivation = self._first.derivation
        indexes, totals = (
            derivation.build_later(held) if later and start else derivation.build(start)
        )
        snapshot: Snapshot[K, V] = Snapshot(
            version, meta, held, indexes, totals, object(), self._first
        )
        if not self.free:
            self._invariants.ask(
                snapshot, {key: (MISSING, record) for key, record in start.items()}
            )
        return snapshot

    def make(self, version: Snapshot[K, V]) -> None:
        """Have all built that is derived of *version*, if it is not. O(N), once."""
        for states in (version._indexes, version._totals):
            if isinstance(states, Later):
                tuple(states)

    def checked(self, records: Any) -> dict[K, V]:
        """Return *records*, a mapping or pairs, as a new dict; raise if one may not be stored."""
        found: dict[K, V] = _as_dict(records)
        if not PLAIN.issuperset(map(type, found)):
            for key in found:
                ensure_findable(key)
        kinds = {*map(type, found.values())}
        if len(kinds) == 1:
            key = next(iter(found))
            self.accept(found[key], key)
        if not kinds <= self.accepted:
            for key, record in found.items():
                if type(record) not in self.accepted:
                    self.accept(record, key)
        return found

    def advance(
        self, before: Snapshot[K, V], writes: Mapping[K, V | Absent], meta: object
    ) -> Commit[K, V]:
        """Return the commit that writes *writes* and *meta* over *before*. O(k log N).

        Args:
            before: the last version.
            writes: a record for each key, or `MISSING` for none.
            meta: the meta value.
        """
        old_map = before._map
        if self.equal is not None:
            writes = {key: new for key, (_, new) in delta_of(old_map, writes, self.equal).items()}
            if meta is not before.meta and self.is_same(before.meta, meta):
                meta = before.meta
        if len(writes) == 1 and meta is before.meta:
            [(one, new)] = writes.items()
            old = old_map.get(one, MISSING)
            return self.unchanged(before) if old is new else self.advance_one(before, one, old, new)
        delta: Delta[K, V] = {}
        deletes = False
        key_set = before._key_set
        for key, new in writes.items():
            old = old_map.get(key, MISSING)
            if new is MISSING:
                deletes = True
            if old is not new:
                delta[key] = (old, new)
                if old is MISSING or new is MISSING:
                    key_set = object()
        if not delta and meta is before.meta:
            return self.unchanged(before)
        return self.step(before, writes, delta, meta, key_set, deletes)

    def step(
        self,
        before: Snapshot[K, V],
        writes: Mapping[K, V | Absent],
        delta: Delta[K, V],
        meta: object,
        key_set: object,
        deletes: bool,
    ) -> Commit[K, V]:
        """Return the commit of what is known to change: the end of `advance`. O(k log N).

        Args:
            before: the last version.
            writes: as for `advance`.
            delta: what they change over *before*.
            meta: the meta value.
            key_set: that of *before*, or another object, if a key is added or deleted.
            deletes: whether one may be.
        """
        version = before.version + 1
        records = self.kind.apply(before._map, writes, deletes) if delta else before._map
        indexes, totals = before._indexes, before._totals
        lineage = before._lineage
        if lineage.derives:
            indexes, totals = lineage.derivation.step(indexes, totals, delta)
        after = Snapshot(version, meta, records, indexes, totals, key_set, lineage)
        if not self.free:
            self._invariants.ask(after, delta)
        return Commit(before, after, delta)

    def advance_one(
        self, before: Snapshot[K, V], key: K, old: V | Absent, new: V | Absent
    ) -> Commit[K, V]:
        """Return the same as `advance` of one key, with less to do; *old* is what it holds."""
        version = before.version + 1
        records: Any
        if new is MISSING:
            records = self.kind.drop(before._map, key)
        else:
            records = self.kind.put(before._map, key, new)
        indexes, totals = before._indexes, before._totals
        lineage = before._lineage
        if lineage.derives:
            indexes, totals = lineage.derivation.step_one(indexes, totals, key, old, new)
        key_set = object() if old is MISSING or new is MISSING else before._key_set
        after = Snapshot(version, before.meta, records, indexes, totals, key_set, lineage)
        if not self.free:
            self._invariants.ask(after, {key: (old, new)})
        return Commit(before, after, (key, old, new))

    def derive(
        self,
        before: Snapshot[K, V],
        derivation: Derivation,
        indexes: Sequence[Any],
        totals: Sequence[Any],
    ) -> Commit[K, V]:
        """Return the commit of a version of the same records, from which other things are derived.

        Args:
            before: the last version.
            derivation: what is derived from now on.
            indexes: the states of its indexes.
            totals: the states of its aggregates.
        """
        lineage = before._lineage.deriving(derivation)
        after = Snapshot(
            before.version + 1,
            before.meta,
            before._map,
            indexes,
            totals,
            before._key_set,
            lineage,
        )
        # One that looks at what is gone would fail at every write from now on.
        self._invariants.ask(after, {})
        return Commit(before, after, {})

    def replay(
        self, start: Snapshot[K, V], writes: Mapping[K, V | Absent], meta: object, version: int
    ) -> Commit[K, V]:
        """Return the commit from *start* to a *version* that is known to have been there.

        It may be an older one: then it leads back. Nobody is asked whether it may be. O(k log N).

        Args:
            start: another version of the same store.
            writes: in what it differs from that: a record for each key, or `MISSING` for none.
            meta: its meta value.
            version: its number.
        """
        delta = delta_of(start._map, writes)
        records, lineage = start._map, start._lineage
        indexes, totals, key_set = start._indexes, start._totals, start._key_set
        if delta:
            known = {key: new for key, (_, new) in delta.items()}
            records = self.kind.apply(records, known, True)
            if lineage.derives:
                indexes, totals = lineage.derivation.step(indexes, totals, delta)
            if any(old is MISSING or new is MISSING for old, new in delta.values()):
                key_set = object()
        after = Snapshot(version, meta, records, indexes, totals, key_set, lineage)
        return Commit(start, after, delta)

    def is_same(self, old: object, new: object) -> bool:
        """Whether a write of *new* over *old*, another object, is none."""
        if self.equal is None or old is MISSING or new is MISSING:
            return False
        return self.equal(old, new)

    def unchanged(self, current: Snapshot[K, V]) -> Commit[K, V]:
        """Return the commit of a write that changed nothing."""
        return Commit(current, current, {})

    def accept(self, value: Any, *key: Any) -> None:
        """Raise if *value* may not be stored; remember its type if any other of it may.

        Args:
            value: a record, or a meta value.
            key: the key of the record, for the error; nothing for a meta value.
        """
        kind = type(value)
        if kind in self.accepted:
            return
        if value is MISSING:
            raise ArgumentValueError("MISSING stands for no record; use delete to remove one")
        if self._immutability == "deep":
            check_deeply(value, f"records[{shown(key[0], 60)}]" if key else "meta")
            if not is_inert(kind):
                return  # the next one may hold something else
        elif self._immutability == "type":
            check_immutable(value)
        elif isinstance(value, CoroutineType):  # trusted, but no record in any store
            return
        if value is not None or self._allow_none:
            self.accepted.add(kind)

    def accept_returned(self, value: Any, *key: Any) -> None:
        """The same as `accept` of what an update function returned: if that is no slip.

        A type that may be one is never among `accepted`, so it costs the others nothing.
        """
        if plain(value, "update") is None and not self._allow_none:
            raise ArgumentTypeError(
                "the update function returned None. Return the new record, or the one that was "
                "given, to change nothing; if None is a record here, make the store with "
                "allow_none=True"
            )
        self.accept(value, *key)

    def trunk_of(self, version: Snapshot[K, V]) -> list[object]:
        """Return the objects in *version* that its readers have in common, whatever they read."""
        lineage = version._lineage
        derived = lineage.derivation.trunk(version._indexes, version._totals)
        return [version, lineage, *self.kind.trunk(version._map), *derived]

    def size_of(self, commit: Commit[K, V]) -> int:
        """Estimate how many bytes *commit* keeps that the version before it does not."""
        before, after, delta = commit.before, commit.after, commit._delta
        size = _FIXED_BYTES + getsizeof(delta)
        size += sum(getsizeof(pair) + getsizeof(pair[1]) for pair in delta.values())
        if before._map is not after._map:
            size += self.kind.path_bytes(after._map, len(delta))
        if before._lineage is not after._lineage:  # what is new is no part of this version alone
            return size
        old, new = (before._indexes, before._totals), (after._indexes, after._totals)
        for parts, were, are in zip(after._lineage.derivation.roles, old, new, strict=True):
            if were is not are:
                for part, was, now in zip(parts, were, are, strict=True):
                    if was is not now:
                        size += part.bytes_of(now, len(delta), len(after))
        return size


_FIXED_BYTES: Final = 120
"""Of a version, whatever it changes: the snapshot and the commit."""


def _as_dict(records: Any) -> dict[Any, Any]:
    if isinstance(records, Mapping):
        return dict(records)
    try:
        pairs: Iterable[Any] = iter(records)
    except TypeError as error:
        raise ArgumentTypeError(_NO_RECORDS.format(error)) from None
    found = list(pairs)  # what an iterable of the user's raises is the user's
    try:
        return dict(found)
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(_NO_RECORDS.format(error)) from error


_NO_RECORDS: Final = (
    "records must be a mapping, or an iterable of (key, record) pairs with hashable keys: {}"
)
