"""The half of a store that writes by single calls: `WriteStore`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from .aggregate import Aggregate
from .bulk import Bulk, unique_keys
from .changes import MISSING, Absent
from .commit import Commit
from .committer import Committer
from .deriving import Deriving, Removal
from .errors import ArgumentTypeError
from .index import Index
from .measured import MeasuredCommitter
from .meta import M
from .meter import Figures, Meter
from .readstore import ReadStore
from .schema import Schema
from .showing import shown
from .timeline import Timeline
from .writelock import WriteLock

__all__ = ["WriteStore"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class WriteStore(ReadStore[K, V, M], Generic[K, V, M], sealed=True):
    """Writes of one call each, which return their `Commit`. Every method, from any thread."""

    def __init__(
        self, schema: Schema[K, V], timeline: Timeline[K, V], lock: WriteLock, meter: Meter | None
    ) -> None:
        figures = None if meter is None else Figures(meter)
        super().__init__(schema, timeline, lock, figures)
        parts = (schema, timeline, lock, self._delivery, self._waiters)
        self._committer: Committer[K, V] = self._new_committer(figures, *parts)
        # Bound once, for they are called in every write.
        self._write = self._committer.write
        self._set, self._update = self._committer.set, self._committer.update
        self._transact = self._committer.run_transaction
        self._bulk = Bulk(self._committer, schema)
        self._deriving = Deriving(self._committer)

    def _new_committer(self, figures: Figures | None, *parts: Any) -> Committer[K, V]:
        if figures is None:
            return Committer(*parts)
        return MeasuredCommitter(*parts, figures=figures)

    def set(self, key: K, record: V) -> Commit[K, V, M]:
        """Store *record* under *key*, whether or not there was one. Costs O(log N).

        Raises:
            MutableRecordError: the record's type is known to be mutable.
            UnhashableKeyError: the key cannot be a key.
            UniqueViolationError, InvariantError: the commit was refused.
            ReentrantWriteError: called inside a write to this store.
            LockTimeoutError, DeadlockError: another write was in the way.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> store.set("b", 2).changes
        ChangeSet({'b': Change(old=MISSING, new=2)})
        """
        return self._write(self._set, key, record, None, None)  # type: ignore[no-any-return]

    def update(
        self, key: K, fn: Callable[[V], V], default: V | Absent = MISSING
    ) -> Commit[K, V, M]:
        """Replace the record under *key* by ``fn(record)``. Costs O(log N).

        Nobody else writes between the read and the write. *fn* runs under the lock, once.

        Args:
            key: the key.
            fn: a plain function of the record that returns the next one; the same one, to change
                nothing.
            default: what *fn* is given where there is no record yet. `MISSING`, the default, says
                that there must be one.

        Raises:
            RecordNotFoundError: there is no such record, and no *default*.
            ArgumentTypeError: *fn* is no plain function, or returned None; see `Store`.
            MutableRecordError, UniqueViolationError, InvariantError, ReentrantWriteError,
            LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> store.update("a", lambda n: n + 1).after["a"]
        2
        >>> store.update("b", lambda n: n + 1, default=0).after["b"]
        1
        """
        if default is not MISSING:
            if not callable(fn):
                raise ArgumentTypeError(f"update takes a function, not {shown(fn)}")
            return self._write(self._bulk.update_or, key, (fn, default))  # type: ignore[no-any-return]
        # All arguments: to fill in defaults makes a call slower on 3.13.
        return self._write(self._update, key, fn, None, None)  # type: ignore[no-any-return]

    def delete(self, key: K) -> Commit[K, V, M]:
        """Remove the record under *key*. Costs O(log N).

        Raises:
            RecordNotFoundError: there is no such record.
            InvariantError: the commit was refused.
            ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Store
        >>> store = Store({"a": 1})
        >>> store.delete("a").changes
        ChangeSet({'a': Change(old=1, new=MISSING)})
        """
        return self._write(self._committer.delete, key)  # type: ignore[no-any-return]

    def compare_and_set(
        self, key: K, expected: V | Absent, record: V | Absent
    ) -> Commit[K, V, M] | None:
        """Store *record* if *key* still holds the very object *expected*; else return None.

        `MISSING` stands for no record, on either side: expected, to add; new, to delete.
        Compared by identity: an equal record that was stored since is another one, unless the
        store was made with ``same="equality"``.

        Raises:
            MutableRecordError, UnhashableKeyError, UniqueViolationError, InvariantError,
            ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import MISSING, Store
        >>> store = Store()
        >>> store.compare_and_set("leader", MISSING, "me") is None
        False
        >>> store.compare_and_set("leader", MISSING, "me too") is None
        True
        """
        return self._write(self._committer.compare_and_set, key, (expected, record))  # type: ignore[no-any-return]

    def update_all(self, keys: Iterable[K], fn: Callable[[V], V]) -> Commit[K, V, M]:
        """Replace the record under each of *keys* by ``fn(record)``, as one version, or none.

        The same as an `update` of each in one transaction, for much less: costs O(k log N) for k
        keys. A key that is given twice is updated once. *fn* runs under the lock, once for each
        key, in their order; a record that it returns as it is does not change.

        Raises:
            RecordNotFoundError: there is no record under one of them.
            ArgumentTypeError: *keys* is no iterable of keys; *fn* is no plain function, or
                returned None.
            MutableRecordError, UniqueViolationError, InvariantError, ReentrantWriteError,
            LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Store
        >>> store = Store({"a": 1, "b": 2, "c": 3})
        >>> store.update_all(["a", "b"], lambda n: n * 10).version
        1
        >>> sorted(store.snapshot().items())
        [('a', 10), ('b', 20), ('c', 3)]
        """
        if not callable(fn):
            raise ArgumentTypeError(f"update_all takes a function of a record, not {shown(fn)}")
        return self._write(self._bulk.update_all, unique_keys(keys), fn)  # type: ignore[no-any-return]

    def replace_all(self, records: Mapping[K, V] | Iterable[tuple[K, V]]) -> Commit[K, V, M]:
        """Make the records exactly these, as one version that holds only what changes by it.

        What is the same already (by identity, or by equality: see `Store`) stays the very object
        that it is, and is no change; keys that are not in *records* are deleted; ``meta`` stays.
        So a list that was asked for again changes what has changed, and nothing if nothing has.
        Costs O(N), a look at each record, under the lock; what is built is O(changes log N).

        Args:
            records: a mapping, or an iterable of pairs, with all records.

        Raises:
            ArgumentTypeError: it is neither.
            MutableRecordError, UnhashableKeyError, UniqueViolationError, InvariantError,
            ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Store
        >>> store = Store({"a": 1, "b": 2, "c": 3})
        >>> commit = store.replace_all({"a": 1, "b": 20, "d": 4})
        >>> commit.version, sorted(commit.changes)
        (1, ['b', 'c', 'd'])
        """
        return self._write(self._bulk.replace_all, self._schema.checked(records))  # type: ignore[no-any-return]

    def set_meta(self, value: M) -> Commit[K, V, M]:
        """Publish *value* as the ``meta`` of the next version. O(1).

        Raises:
            MutableRecordError: its type is known to be mutable.
            InvariantError, ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Store
        >>> store = Store({"a": 1}, meta="open")
        >>> store.set_meta("closed").after.meta
        'closed'
        """
        self._schema.accept(value)
        return self._write(self._bulk.set_meta, value)  # type: ignore[no-any-return]

    def update_meta(self, fn: Callable[[M], M]) -> Commit[K, V, M]:
        """Replace the ``meta`` value by ``fn(meta)``. O(1).

        Nobody else writes between the read and the write. *fn* runs under the lock, once. It must
        not return None unless the store was made with ``allow_none``: `set_meta` sets that.

        Raises:
            ArgumentTypeError: *fn* is no plain function, or returned None.
            MutableRecordError, InvariantError, ReentrantWriteError, LockTimeoutError,
            DeadlockError: as for `set`.

        >>> from cowstate import Store
        >>> store = Store(meta=41)
        >>> store.update_meta(lambda n: n + 1).after.meta
        42
        """
        if not callable(fn):
            raise ArgumentTypeError(f"update_meta takes a function of the meta, not {shown(fn)}")
        return self._write(self._bulk.update_meta, fn)  # type: ignore[no-any-return]

    # What is derived from the records

    def add_index(self, name: str, index: Index[V]) -> Commit[K, V, M]:
        """Add an index to a store that is in use, as a version with the same records.

        The returned commit changes nothing but that its ``after``, and every later version, has
        the index; `undo` and `revert` leave it. What was before does not have it: to ask an older
        snapshot, or a draft over one, raises `UnknownIndexError`; that draft commits all the same.

        All records are gone through once, from a snapshot, while others write; what they changed
        meanwhile is caught up with under the lock. Costs O(N) and O(changes meanwhile log N); O(N)
        under the lock if there were more than the ring holds.

        Args:
            name: a name that no index has.
            index: what to find records by.

        Raises:
            ArgumentValueError: there is an index of that name.
            ArgumentTypeError: *index* is no `Index`, or *name* no str.
            UniqueViolationError, IndexValueError: the records that there are do not allow it.
            InvariantError, ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Index, Store
        >>> store = Store({"a": 3, "b": 4})
        >>> commit = store.add_index("odd", Index(lambda n: n % 2 == 1))
        >>> commit.version, commit.changes, store.snapshot().find_all("odd", True)
        (1, ChangeSet({}), {'a': 3})
        """
        return self._deriving.add("index", name, index)

    def add_aggregate(self, name: str, aggregate: Aggregate[V, Any]) -> Commit[K, V, M]:
        """Add an aggregate to a store that is in use. As `add_index`.

        Raises:
            ArgumentValueError: there is an aggregate of that name, or a record has no value for it.
            ArgumentTypeError: *aggregate* is no `Aggregate`, or *name* no str.
            InvariantError, ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> from cowstate import Aggregate, Store
        >>> store = Store({"a": 3, "b": 4})
        >>> store.add_aggregate("sum", Aggregate.sum(lambda n: n)).after.total("sum")
        7
        """
        return self._deriving.add("aggregate", name, aggregate)

    def remove_index(self, name: str) -> Commit[K, V, M]:
        """Remove an index, as a version with the same records. O(1).

        Snapshots that have it keep it. A draft that has looked into it conflicts.

        Raises:
            UnknownIndexError: there is no index of that name.
            InvariantError, ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`;
                and what an invariant raises that asks for it.

        >>> from cowstate import Index, Store
        >>> store = Store({"a": 3}, indexes={"odd": Index(lambda n: n % 2 == 1)})
        >>> store.remove_index("odd").before.find_all("odd", True)
        {'a': 3}
        """
        return self._write(self._deriving.remove, Removal("index", name))  # type: ignore[no-any-return]

    def remove_aggregate(self, name: str) -> Commit[K, V, M]:
        """Remove an aggregate, as a version with the same records. O(1). As `remove_index`.

        Raises:
            UnknownAggregateError: there is no aggregate of that name.

        >>> from cowstate import Aggregate, Store
        >>> store = Store({"a": 3}, aggregates={"count": Aggregate.count()})
        >>> store.remove_aggregate("count").before.total("count")
        1
        """
        return self._write(self._deriving.remove, Removal("aggregate", name))  # type: ignore[no-any-return]
