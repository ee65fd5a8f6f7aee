"""The store: one atomic reference, one lock, and the commit."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from threading import RLock
from typing import Any, Generic, NoReturn, TypeVar

from .changes import MISSING, Absent, Delta
from .derived import Aggregate, Derivation, Index
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConflictError,
    ForeignSnapshotError,
    RecordNotFoundError,
    ReentrantWriteError,
)
from .fork import survive_fork
from .invariants import Invariant, Invariants
from .maps import map_kind
from .observation import Observation
from .records import Record, check_immutable
from .ring import Ring
from .snapshot import Commit, Lineage, Snapshot
from .transaction import Draft, Transaction, ensure_hashable

__all__ = ["Statistics", "Store"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

RECENT = 1024
"""How many commits a store keeps for `Snapshot.diff`."""


class Statistics(Record):
    """What `Store.statistics` tells: a consistent look at one version and what serves it."""

    version: int
    records: int
    map: str
    index_entries: tuple[tuple[str, int], ...]
    ring_capacity: int
    diff_scans: int


class Store(Generic[K, V]):
    """Shared state for many writers and readers: immutable records under keys, in versions.

    The store holds one reference, to the current `Snapshot`, in which everything hangs together:
    records, version, ``meta``, indexes, totals. Reading it takes no lock and copies nothing.
    Writers take turns under one lock; each builds the next snapshot aside and publishes it by
    storing that one reference. So a reader sees the old version or the new one, whole, whatever
    happens to the writer.

    Every method may be called from any thread. Functions that a write calls (update functions,
    index functions, invariants, the body of a transaction) run under the lock, so they must be
    short, and must not write to the same store: that raises `ReentrantWriteError`. They may
    read it. After ``os.fork`` the child's store works, whatever the parent's threads were doing.

    Args:
        records: what to start with, a mapping or an iterable of pairs; version 0.
        indexes: `Index` by name.
        aggregates: `Aggregate` by name.
        invariants: functions by name that may veto a commit; see `Invariant`.
        meta: one immutable value of yours, published together with the records.

    Raises:
        MutableRecordError: a record's type is known to be mutable.

    >>> store = Store({"a": 1})
    >>> before = store.snapshot()
    >>> store.update("a", lambda n: n + 1).version
    1
    >>> before["a"], store.snapshot()["a"]
    (1, 2)
    """

    def __init__(
        self,
        records: Mapping[K, V] | Iterable[tuple[K, V]] | None = None,
        *,
        indexes: Mapping[str, Index[V]] | None = None,
        aggregates: Mapping[str, Aggregate[V, Any]] | None = None,
        invariants: Mapping[str, Invariant] | None = None,
        meta: Any = None,
    ) -> None:
        kind = map_kind()
        derivation = Derivation(kind, indexes or {}, aggregates or {})
        self._invariants = Invariants(invariants or {})
        self._derivation = derivation
        self._derives = bool(derivation)
        self._put, self._drop, self._apply = kind.put, kind.drop, kind.apply
        self._accepted: set[type] = set()
        self._ring: Ring[Commit[K, V]] = Ring(RECENT)
        self._lineage = Lineage(derivation, self._ring)
        start = _as_dict(records)
        for record in start.values():
            if type(record) not in self._accepted:
                self._accept(record)
        self._accept(meta)
        delta: Delta[K, V] = {key: (MISSING, record) for key, record in start.items()}
        indexed, totals = derivation.step(*derivation.start(), delta)
        self._current: Snapshot[K, V] = Snapshot(
            0, meta, kind.build(start), indexed, totals, self._lineage
        )
        if self._invariants:
            self._invariants.ask(self._current, delta)
        # Reentrant in kind, so that it knows its owner; never entered twice (see _enter).
        self._lock = RLock()
        survive_fork(self)

    # Reading

    def snapshot(self) -> Snapshot[K, V]:
        """Return the current version of everything. No lock, no copy, O(1), never blocks."""
        return self._current

    def observe(self) -> Observation[K, V]:
        """Open a window around a slow look at the outside world; use it in a ``with``."""
        return Observation(self.snapshot, self.draft)

    def statistics(self) -> Statistics:
        """Return figures of the current version and of what serves it. Costs O(indexes)."""
        current = self._current
        names = self._derivation.index_positions
        return Statistics(
            version=current.version,
            records=len(current),
            map=self._derivation.kind.name,
            index_entries=tuple(
                (name, len(current._indexes[place])) for name, place in names.items()
            ),
            ring_capacity=self._ring.capacity,
            diff_scans=self._lineage.scans,
        )

    # Writing
    #
    # Each public method enters the lock and does its work on ONE line. A with statement gives
    # its lock back whatever is raised inside it, but not if a trace function raises on the
    # line event of its own exit; with a single line there is no such event. That is what lets
    # the tests raise an exception at every line of every write and still find the lock free.

    def set(self, key: K, record: V) -> Commit[K, V]:
        """Store *record* under *key*, whether or not there was one. Costs O(log N).

        Raises:
            MutableRecordError: the record's type is known to be mutable.
            UnhashableKeyError: the key cannot be a key.
            UniqueViolationError, InvariantError: the commit was refused.
        """
        self._refuse_reentry()
        with self._lock: return self._set(key, record)  # fmt: skip  # noqa: E701

    def update(self, key: K, fn: Callable[[V], V]) -> Commit[K, V]:
        """Replace the record under *key* by ``fn(record)``. Costs O(log N).

        Nobody else writes between the read and the write. *fn* runs under the lock, once.

        Raises:
            RecordNotFoundError: there is no such record.
            MutableRecordError, UniqueViolationError, InvariantError: as for `set`.
        """
        self._refuse_reentry()
        with self._lock: return self._update(key, fn)  # fmt: skip  # noqa: E701

    def delete(self, key: K) -> Commit[K, V]:
        """Remove the record under *key*. Costs O(log N).

        Raises:
            RecordNotFoundError: there is no such record.
            InvariantError: the commit was refused.
        """
        self._refuse_reentry()
        with self._lock: return self._delete(key)  # fmt: skip  # noqa: E701

    def compare_and_set(
        self, key: K, expected: V | Absent, record: V | Absent
    ) -> Commit[K, V] | None:
        """Store *record* if *key* still holds the very object *expected*; else return None.

        `MISSING` stands for no record, on either side: expected, to add; new, to delete.
        Compared by identity: an equal record that was stored since is another one.
        """
        self._refuse_reentry()
        with self._lock: return self._set_if(key, expected, record)  # fmt: skip  # noqa: E701

    def transaction(self) -> AbstractContextManager[Transaction[K, V]]:
        """Open a transaction: ``with store.transaction() as tx``, a mutable mapping.

        All changes become visible as one version at the end of the block, or none if it raises.
        The lock is held for the length of the block. Costs O(k log N) for k keys.

        Raises:
            ReentrantWriteError: at entry, if this thread is already writing to the store.
        """
        return self._transact()

    def draft(self, base: Snapshot[K, V] | None = None) -> Draft[K, V]:
        """Return a draft over *base*, any snapshot of this store, or the current one. O(1).

        Raises:
            ForeignSnapshotError: *base* is no snapshot of this store.
        """
        if base is None:
            base = self._current
        elif not isinstance(base, Snapshot) or base._lineage is not self._lineage:
            raise ForeignSnapshotError(
                f"a draft must be over a snapshot of this very store, not {base!r}"
            )
        return Draft(base, self._accept, self)

    def retry(self, fn: Callable[[Draft[K, V]], object], attempts: int = 5) -> Commit[K, V]:
        """Run ``fn(draft)`` and commit, again from a new snapshot after each conflict.

        The last attempt runs under the lock, where nothing can conflict, so that it always
        ends. *fn* may therefore run up to *attempts* times, and must have no effects besides.

        Raises:
            ArgumentValueError: *attempts* is not at least 1.
        """
        if not isinstance(attempts, int) or attempts < 1:
            raise ArgumentValueError(f"attempts must be a whole number from 1, not {attempts!r}")
        for _ in range(attempts - 1):
            draft = self.draft()
            fn(draft)
            try:
                return draft.commit()
            except ConflictError:
                continue
        self._refuse_reentry()
        with self._lock: return self._run_draft(fn)  # fmt: skip  # noqa: E701

    def _after_fork_in_child(self) -> None:
        # A lock held by this very thread is in the middle of a write that goes on in the child
        # and will be given back by it. Any other owner does not exist here.
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock = RLock()

    # Under the lock

    def _old(self, key: K) -> V | Absent:
        try:
            return self._current._map.get(key, MISSING)  # type: ignore[no-any-return]
        except TypeError:
            ensure_hashable(key)
            raise

    def _set(self, key: K, record: V) -> Commit[K, V]:
        return self._write(key, self._old(key), record)

    def _update(self, key: K, fn: Callable[[V], V]) -> Commit[K, V]:
        old = self._old(key)
        if old is MISSING:
            raise RecordNotFoundError(key, self._current.version)
        return self._write(key, old, fn(old))

    def _delete(self, key: K) -> Commit[K, V]:
        old = self._old(key)
        if old is MISSING:
            raise RecordNotFoundError(key, self._current.version)
        return self._remove(key, old)

    def _set_if(self, key: K, expected: V | Absent, record: V | Absent) -> Commit[K, V] | None:
        old = self._old(key)
        if old is not expected:
            return None
        if record is not MISSING:
            return self._write(key, old, record)
        return self._unchanged() if old is MISSING else self._remove(key, old)

    def _write(self, key: K, old: V | Absent, record: V) -> Commit[K, V]:
        if old is record:
            return self._unchanged()
        if type(record) not in self._accepted:
            self._accept(record)
        before = self._current
        records = self._put(before._map, key, record)
        return self._publish(before, records, before.meta, {key: (old, record)})

    def _remove(self, key: K, old: V) -> Commit[K, V]:
        before = self._current
        records = self._drop(before._map, key)
        return self._publish(before, records, before.meta, {key: (old, MISSING)})

    def _unchanged(self) -> Commit[K, V]:
        return Commit(self._current, self._current, {})

    @contextmanager
    def _transact(self) -> Iterator[Transaction[K, V]]:
        self._refuse_reentry()
        with self._lock: yield from self._transaction_body()  # fmt: skip  # noqa: E701

    def _transaction_body(self) -> Iterator[Transaction[K, V]]:
        transaction = Transaction(self._current, self._accept)
        try:
            yield transaction
            transaction._result = self._write_all(transaction)
        finally:
            transaction._closed = "the transaction is over; open another one"

    def _commit_draft(self, draft: Draft[K, V], expected_version: int | None) -> Commit[K, V]:
        self._refuse_reentry()
        with self._lock: return self._write_draft(draft, expected_version)  # fmt: skip  # noqa: E701

    def _run_draft(self, fn: Callable[[Draft[K, V]], object]) -> Commit[K, V]:
        draft = self.draft()
        fn(draft)
        return self._write_draft(draft, None)

    def _write_draft(self, draft: Draft[K, V], expected_version: int | None) -> Commit[K, V]:
        draft.check_against(self._current, expected_version)
        commit = self._write_all(draft)
        draft._closed = f"the draft was committed as version {commit.version}; make another one"
        return commit

    def _write_all(self, work: Transaction[K, V] | Draft[K, V]) -> Commit[K, V]:
        before = self._current
        delta = work._delta()
        if not delta and work._meta is work.base.meta:
            return self._unchanged()
        records = self._apply(before._map, delta) if delta else before._map
        meta = before.meta if work._meta is work.base.meta else work._meta
        return self._publish(before, records, meta, delta)

    def _publish(
        self, before: Snapshot[K, V], records: Any, meta: Any, delta: Delta[K, V]
    ) -> Commit[K, V]:
        indexes, totals = before._indexes, before._totals
        if self._derives:
            indexes, totals = self._derivation.step(indexes, totals, delta)
        version = before.version + 1
        after = Snapshot(version, meta, records, indexes, totals, self._lineage)
        if self._invariants:
            self._invariants.ask(after, delta)
        commit = Commit(before, after, delta)
        ring = self._ring
        ring.slots[version % ring.capacity] = commit
        # The publication. One store of one reference, which CPython does atomically, with or
        # without the GIL: a reader gets the old snapshot or the new one, and each is complete
        # and never written again. All that may fail lies above this line, on objects nobody
        # else has seen (for the ring, see Ring), so an exception there leaves the old version;
        # nothing that must happen lies below it.
        self._current = after
        return commit

    def _accept(self, value: Any) -> None:
        kind = type(value)
        if kind in self._accepted:
            return
        if value is MISSING:
            raise ArgumentValueError("MISSING stands for no record; use delete to remove one")
        check_immutable(value)
        self._accepted.add(kind)

    def _refuse_reentry(self) -> None:
        # The lock itself knows who holds it, so there is no flag that an exception at the wrong
        # place could leave behind. Its owner cannot change under us: it is us or it is not.
        if self._lock._is_owned():  # type: ignore[attr-defined]
            raise ReentrantWriteError

    def __repr__(self) -> str:
        current = self._current
        return f"<Store version={current.version} records={len(current)}>"

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "a store cannot be pickled or copied, for it is a place, not a value; "
            "pickle store.snapshot(), and make a new Store of it"
        )


def _as_dict(records: Any) -> dict[Any, Any]:
    try:
        return dict(records or ())
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"records must be a mapping, or an iterable of (key, record) pairs with hashable "
            f"keys: {error}"
        ) from error
