"""One version of everything: `Snapshot`."""

from __future__ import annotations

from collections.abc import (
    Hashable,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    ValuesView,
)
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

import msgspec

from .aggregate import Aggregate
from .changes import MISSING, Absent, ChangeSet
from .derivation import Derivation
from .errors import ForeignSnapshotError, RecordNotFoundError, UnknownIndexError
from .index import Ordered
from .keys import ensure_hashable, ensure_value
from .lineage import Lineage, Origin
from .maps import PersistentMap
from .meta import M, WithMeta
from .ordered import Sorted, Span
from .ranges import Ranges
from .ring import Ring
from .sameness import same
from .showing import begun, shown
from .views import Items, Keys, Values

__all__ = ["Snapshot"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")
G = TypeVar("G", bound=Hashable)
S = TypeVar("S")


if TYPE_CHECKING:

    class _Mapping(Ranges[K, V], Mapping[K, V]): ...

else:
    # A Mapping by registration, see below: as a base, its metaclass would make every commit
    # slower. All its methods are here.
    _Mapping = Ranges


class Snapshot(
    msgspec.Struct,
    WithMeta,
    _Mapping[K, V],
    Generic[K, V, M],
    frozen=True,
    eq=False,
    weakref=True,
):
    """One version of a store: an immutable mapping, with everything derived from it.

    Made by a store, never by hand. It stays valid, and the same, for ever: whatever is written
    later goes into later versions. Any number of threads may read one snapshot at once, without
    a lock. The order of its keys is the same each time it is asked for, and not specified: it may
    be another in the next version, as where a store grows.

    Two snapshots are equal if they hold equal records under equal keys, as any two mappings
    are. A record that cannot be compared (whose ``==`` raises, or gives an array) is equal to
    itself only. A snapshot can be pickled; what comes out can be read like the original, and
    belongs to no store. ``copy`` and ``deepcopy`` return the snapshot itself.

    >>> from cowstate import Store
    >>> now = Store({"a": 1, "b": 2}, meta="open").snapshot()
    >>> now["a"], len(now), "c" in now, dict(now) == now, now.version, now.meta
    (1, 2, False, True, 0, 'open')

    Attributes:
        version: how many commits led here, from 0.
        meta: the one value of the user's that was published with this version.
    """

    version: int
    meta: M
    _map: PersistentMap[K, V]
    _indexes: Sequence[Any]
    _totals: Sequence[Any]
    # Another object whenever a key is added or deleted: whoever relied on the set of keys
    # compares two references, not two sets.
    _key_set: object
    _lineage: Lineage

    def __getitem__(self, key: K) -> V:
        try:
            return self._map[key]
        except KeyError:
            raise RecordNotFoundError(key, self.version) from None
        except TypeError:
            ensure_hashable(key)
            raise

    def __iter__(self) -> Iterator[K]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __contains__(self, key: object) -> bool:
        try:
            return key in self._map
        except TypeError:
            ensure_hashable(key)
            raise

    @overload
    def get(self, key: K, /) -> V | None: ...

    @overload
    def get(self, key: K, /, default: V) -> V: ...

    @overload
    def get(self, key: K, /, default: D) -> V | D: ...

    def get(self, key: K, /, default: Any = None) -> Any:
        """Return the record under *key*, or *default*. Costs O(log N).

        >>> from cowstate import Store
        >>> now = Store({"a": 1}).snapshot()
        >>> now.get("a"), now.get("b", 0)
        (1, 0)
        """
        try:
            return self._map.get(key, default)
        except TypeError:
            ensure_hashable(key)
            raise

    def keys(self) -> KeysView[K]:
        """Return a view of the keys, in no order that is promised.

        >>> from cowstate import Store
        >>> Store({"a": 1, "b": 2}).snapshot().keys() & {"b", "c"}
        {'b'}
        """
        # A dict's own views do all that a view must, and cannot be written through.
        records: Any = self._map
        return records.keys() if type(records) is dict else Keys(self)

    def values(self) -> ValuesView[V]:
        """Return a view of the records, in the order of the keys.

        >>> from cowstate import Store
        >>> sum(Store({"a": 1, "b": 2}).snapshot().values())
        3
        """
        records: Any = self._map
        return records.values() if type(records) is dict else Values(self)

    def items(self) -> ItemsView[K, V]:
        """Return a view of the ``(key, record)`` pairs.

        >>> from cowstate import Store
        >>> sorted(Store({"b": 1, "a": 2}).snapshot().items())
        [('a', 2), ('b', 1)]
        """
        records: Any = self._map
        return records.items() if type(records) is dict else Items(self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Mapping):
            return NotImplemented
        if isinstance(other, Snapshot) and other._map is self._map:
            return True
        return len(self) == len(other) and all(
            same(record, other.get(key, MISSING)) for key, record in self.items()
        )

    def __ne__(self, other: object) -> bool:
        # A Struct has one of its own, which does not ask `__eq__`.
        return not self == other

    __hash__ = None  # type: ignore[assignment]
    __reversed__ = None

    def find(self, index: str, value: object) -> V | None:
        """Return the record with *value* in the unique *index*, or None.

        Costs O(log N), as reading a key does.

        Raises:
            UnknownIndexError: no index of that name, or not a unique one.
            ArgumentTypeError: the value cannot be hashed.

        >>> from cowstate import Index, Store
        >>> store = Store({"a": "ann", "b": "bob"}, indexes={"name": Index(str, unique=True)})
        >>> now = store.snapshot()
        >>> now.find("name", "bob"), now.find_key("name", "bob"), now.find("name", "cem")
        ('bob', 'b', None)
        """
        key = self._holder(index, value)
        return None if key is MISSING else self._map[key]

    def find_key(self, index: str, value: object) -> K | None:
        """Return the key of the record with *value* in the unique *index*, or None.

        >>> from cowstate import Index, Store
        >>> Store({"a": 7}, indexes={"id": Index(int, unique=True)}).snapshot().find_key("id", 7)
        'a'
        """
        key = self._holder(index, value)
        return None if key is MISSING else key

    def _holder(self, index: str, value: object) -> K | Absent:
        position = self._index_position(index)
        if not self._lineage.derivation.unique[position]:
            raise UnknownIndexError(
                index,
                self._lineage.derivation.index_positions,
                "it is not unique, so there may be several records; use find_all",
            )
        return self._entry(index, position, value)  # type: ignore[no-any-return]

    def _entry(self, index: str, position: int, value: object) -> Any:
        try:
            return self._indexes[position].get(value, MISSING)
        except TypeError:
            ensure_value(index, value)
            raise

    def find_all(self, index: str, value: object) -> dict[K, V]:
        """Return ``{key: record}`` of all records with *value* in *index*, unique or not.

        The dict is new and the caller's own. Costs O(records found). Raises as `find` does.

        >>> from cowstate import Index, Store
        >>> store = Store({"ann": 30, "bob": 40, "cem": 30}, indexes={"age": Index(int)})
        >>> sorted(store.snapshot().find_all("age", 30))
        ['ann', 'cem']
        """
        position = self._index_position(index)
        entry = self._entry(index, position, value)
        if entry is MISSING:
            return {}
        keys = (entry,) if self._lineage.derivation.unique[position] else entry
        return {key: self._map[key] for key in keys}

    def _entries_in(self, index: str, span: Span) -> Iterator[tuple[Any, Iterable[K]]]:
        position = self._index_position(index)
        state = self._indexes[position]
        if not isinstance(state, Ordered):
            raise UnknownIndexError(
                index,
                self._lineage.derivation.index_positions,
                "it keeps no order; make it with Index(fn, ordered=True)",
            )
        found = state.between(span)
        if self._lineage.derivation.unique[position]:
            return ((value, (key,)) for value, key in found)
        return found

    @overload
    def total(self, aggregate: Aggregate[Any, S]) -> S: ...

    @overload
    def total(self, aggregate: Aggregate[Any, Mapping[G, S]], group: G) -> S: ...

    @overload
    def total(self, aggregate: str, group: object = MISSING) -> Any: ...

    def total(self, aggregate: Any, group: object = MISSING) -> Any:
        """Return the value of an *aggregate*, as of this version. Costs O(1).

        Args:
            aggregate: the name of it; or the very `Aggregate` that the store was given, of which
                type checkers know what it gives. Of a snapshot that was unpickled, the name.
            group: of one that was made with ``by``, the group to read, O(log groups); without it,
                all of them come, as an immutable mapping, still in O(1).

        Raises:
            UnknownAggregateError: no such aggregate in this version.
            ArgumentTypeError: it has no groups.

        >>> from cowstate import Aggregate, Store
        >>> SUM = Aggregate.sum(int)
        >>> now = Store({"a": 1, "b": 2}, aggregates={"sum": SUM}).snapshot()
        >>> now.total("sum"), now.total(SUM)
        (3, 3)
        """
        derivation = self._lineage.derivation
        try:
            position = derivation.total_positions.get(aggregate)
        except TypeError:  # it cannot be hashed, and is no name
            position = None
        if position is None:
            position = derivation.total_positions[derivation.name_of(aggregate, self.version)]
        state = self._totals[position]
        if group is MISSING and derivation.readers[position] is None:
            return state
        return derivation.value(position, state, group)

    def diff(self, older: Snapshot[K, V]) -> ChangeSet[K, V]:
        """Return what changed from *older* to this snapshot; either may be the newer one.

        ``s.diff(s)`` is empty, and ``c.diff(a)`` is the same as ``b.diff(a).then(c.diff(b))``.
        Costs O(keys changed between them) while the store still has the commits between them
        in its ring. Else the two maps are compared by identity: O(what they do not share) where
        they are trees, O(N) where they are not.

        Raises:
            ForeignSnapshotError: *older* is no snapshot of the same store.

        >>> from cowstate import Store
        >>> store = Store({"a": 1, "b": 2})
        >>> before = store.snapshot()
        >>> store.set("a", 3).after.diff(before)
        ChangeSet({'a': Change(old=1, new=3)})
        """
        if not isinstance(older, Snapshot) or older._lineage.origin is not self._lineage.origin:
            raise ForeignSnapshotError(
                "diff compares two snapshots of one store by the identity of their records; "
                "this one is of another store, or was unpickled"
            )
        return ChangeSet._of(self._lineage.difference(older, self))

    def _index_position(self, index: str) -> int:
        try:
            position = self._lineage.derivation.index_positions.get(index)
        except TypeError:  # it cannot be hashed, and is no name
            position = None
        if position is None:
            raise UnknownIndexError(
                index,
                self._lineage.derivation.index_positions,
                f"there is none in version {self.version}",
            )
        return position

    def __repr__(self) -> str:
        parts = [
            begun(f"{shown(k, 90)}: {shown(v, 90)}")
            for _, (k, v) in zip(range(3), self.items(), strict=False)
        ]
        if len(self) > 3:
            parts.append("...")
        return f"<Snapshot version={self.version} records={len(self)} {{{', '.join(parts)}}}>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        derivation = self._lineage.derivation
        indexes = [
            (
                isinstance(state, Ordered),
                {value: key if unique else tuple(key) for value, key in state.items()},
            )
            for unique, state in zip(derivation.unique, self._indexes, strict=True)
        ]
        return _unpickled, (
            self.version,
            self.meta,
            dict(self.items()),
            dict(zip(derivation.index_positions, derivation.unique, strict=True)),
            indexes,
            {name: self.total(name) for name in derivation.total_positions},
        )


Mapping.register(Snapshot)  # pyright: ignore[reportAttributeAccessIssue]


def _unpickled(
    version: int,
    meta: Any,
    records: dict[Any, Any],
    unique: dict[str, bool],
    indexes: list[tuple[bool, dict[Any, Any]]],
    totals: dict[str, Any],
) -> Snapshot[Any, Any]:
    # Hashes may differ from process to process, so maps are built anew; plain dicts will do for
    # maps of which no next version is ever derived.
    lineage = Lineage(Derivation.readable(unique, totals), Origin(Ring(1)))
    states = tuple(
        [
            Ordered(entries, Sorted.of(entries)) if ordered else entries
            for ordered, entries in indexes
        ]
    )
    return Snapshot(version, meta, records, states, tuple(totals.values()), object(), lineage)
