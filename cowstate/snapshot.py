"""One version of everything: `Snapshot`, and `Commit`, the step between two."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar, overload

import msgspec
from msgspec.structs import force_setattr

from .changes import MISSING, Absent, ChangeSet, Delta
from .derived import Derivation
from .errors import (
    ForeignSnapshotError,
    RecordNotFoundError,
    UnknownAggregateError,
    UnknownIndexError,
)
from .keys import ensure_hashable, ensure_value
from .lineage import Lineage
from .maps import PersistentMap
from .ring import Ring
from .sameness import same
from .showing import shown
from .views import Items, Keys, Values

__all__ = ["Commit", "Snapshot"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


if TYPE_CHECKING:
    _MappingOf = Mapping
else:
    # A Mapping by registration, see below: as a base, its metaclass would make every commit
    # slower. All its methods are here.
    _MappingOf = Generic


class Snapshot(
    msgspec.Struct,
    _MappingOf[K, V],
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
    meta: Any
    _map: PersistentMap[K, V]
    _indexes: tuple[Any, ...]
    _totals: tuple[Any, ...]
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

    def total(self, aggregate: str) -> Any:
        """Return the value of an *aggregate*, as of this version. Costs O(1).

        >>> from cowstate import Aggregate, Store
        >>> Store({"a": 1, "b": 2}, aggregates={"sum": Aggregate.sum(int)}).snapshot().total("sum")
        3
        """
        position = self._lineage.derivation.total_positions.get(aggregate)
        if position is None:
            raise UnknownAggregateError(aggregate, self._lineage.derivation.total_positions)
        return self._totals[position]

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
        if not isinstance(older, Snapshot) or older._lineage is not self._lineage:
            raise ForeignSnapshotError(
                "diff compares two snapshots of one store by the identity of their records; "
                "this one is of another store, or was unpickled"
            )
        return ChangeSet._of(self._lineage.difference(older, self))

    def _index_position(self, index: str) -> int:
        position = self._lineage.derivation.index_positions.get(index)
        if position is None:
            raise UnknownIndexError(index, self._lineage.derivation.index_positions)
        return position

    def __repr__(self) -> str:
        parts = [
            _short(f"{shown(k, 90)}: {shown(v, 90)}")
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
            dict(state.items()) if unique else {value: tuple(keys) for value, keys in state.items()}
            for unique, state in zip(derivation.unique, self._indexes, strict=True)
        ]
        return _unpickled, (
            self.version,
            self.meta,
            dict(self.items()),
            dict(zip(derivation.index_positions, derivation.unique, strict=True)),
            indexes,
            dict(zip(derivation.total_positions, self._totals, strict=True)),
        )


Mapping.register(Snapshot)  # pyright: ignore[reportAttributeAccessIssue]


def _unpickled(
    version: int,
    meta: Any,
    records: dict[Any, Any],
    unique: dict[str, bool],
    indexes: list[dict[Any, Any]],
    totals: dict[str, Any],
) -> Snapshot[Any, Any]:
    # Hashes may differ from process to process, so maps are built anew; plain dicts will do for
    # maps of which no next version is ever derived.
    lineage = Lineage(Derivation.readable(unique, totals), Ring(1))
    return Snapshot(
        version, meta, records, tuple(indexes), tuple(totals.values()), object(), lineage
    )


OneKey: TypeAlias = tuple[K, V | Absent, V | Absent]
"""``(key, old, new)``: the delta of one key, in the form that is cheapest to make and to keep."""


class Commit(msgspec.Struct, Generic[K, V], frozen=True, eq=False, weakref=True):
    """What one successful write did.

    A write that changed nothing returns a commit too: its ``changes`` are empty and ``before``
    is ``after``. Immutable, so any thread may read it. It keeps its two snapshots alive, and
    no others.

    Who follows a store is given commits as well: where it asked for it, several of them as one,
    or with the changes of some keys alone, or all that was there when it began, over a `before`
    of version -1 that holds nothing.

    >>> from cowstate import Store
    >>> commit = Store({"a": 1}).set("a", 2)
    >>> commit.before["a"], commit.after["a"], commit.version, commit.changes
    (1, 2, 1, ChangeSet({'a': Change(old=1, new=2)}))

    Attributes:
        before: the snapshot of the version that the write started from.
        after: the snapshot that it published.
    """

    before: Snapshot[K, V]
    after: Snapshot[K, V]
    # Most commits are of one key, and are never asked for their changes. None stands for all that
    # is in `after`, until it is asked for.
    _changed: Delta[K, V] | OneKey[K, V] | None

    @property
    def _delta(self) -> Delta[K, V]:
        changed = self._changed
        if type(changed) is tuple:
            key, old, new = changed
            return {key: (old, new)}
        if changed is None:
            changed = {key: (MISSING, record) for key, record in self.after.items()}
            force_setattr(self, "_changed", changed)
        return changed  # type: ignore[return-value]

    @property
    def version(self) -> int:
        """The version that the store had after the write.

        >>> from cowstate import Store
        >>> Store().set("a", 1).version
        1
        """
        return self.after.version

    @property
    def changes(self) -> ChangeSet[K, V]:
        """What changed, as ``{key: Change(old, new)}``.

        >>> from cowstate import Store
        >>> Store().set("a", 1).changes
        ChangeSet({'a': Change(old=MISSING, new=1)})
        """
        return ChangeSet._of(self._delta)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<Commit version={self.version} {_short(repr(self.changes))}>"


def _short(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."
