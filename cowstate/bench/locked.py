"""The lock-based twin of `cowstate.Store`, as one would write it with care.

Records are mutable and changed in place; a snapshot is a deep copy of them all. Two levels of
locks, always taken in this order:

1. the store's: every write, and the copying of everything. It guards the table of slots, the
   version, the indexes and the totals.
2. a slot's: while its one record is changed or copied. So who reads a single record waits for
   a change of that record at most, not for a snapshot.

That is one acquisition more for a write than a single lock would cost, and what a program with
single reads wants. What locks cannot give is said where it differs from `cowstate.Store`, and
marked in the tests.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from copy import deepcopy
from threading import Lock, RLock
from typing import Any, Generic, NamedTuple, TypeVar

from cowstate import (
    MISSING,
    Index,
    RecordNotFoundError,
    ReentrantWriteError,
)

from .locked_index import LockedIndex

__all__ = ["LockedCommit", "LockedSnapshot", "LockedStore", "LockedTransaction"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = logging.getLogger(__name__)


class LockedCommit(NamedTuple, Generic[K, V]):
    """What a subscriber is told: the version, and copies of the records before and after."""

    version: int
    changes: dict[K, tuple[Any, Any]]


class _Slot(Generic[V]):
    __slots__ = ("lock", "record")

    def __init__(self, record: V) -> None:
        self.lock = Lock()
        self.record = record


class LockedSnapshot(dict[K, V]):
    """A deep copy of everything at one moment. The caller's own: nothing keeps it as it is."""

    __slots__ = ("_indexes", "_totals", "version")

    def __init__(
        self,
        records: dict[K, V],
        version: int,
        indexes: dict[str, dict[Any, Any]],
        totals: dict[str, Any],
    ) -> None:
        super().__init__(records)
        self.version = version
        self._indexes = indexes
        self._totals = totals

    def find(self, index: str, value: object) -> V | None:
        """Return the record with *value* in the unique *index*, or None."""
        key = self.find_key(index, value)
        return None if key is None else self[key]

    def find_key(self, index: str, value: object) -> K | None:
        """Return the key of the record with *value* in the unique *index*, or None."""
        key: K | None = self._indexes[index].get(value)
        return key

    def find_all(self, index: str, value: object) -> dict[K, V]:
        """Return ``{key: record}`` of all with *value* in an *index* that is not unique."""
        return {key: self[key] for key in self._indexes[index].get(value, ())}

    def total(self, aggregate: str) -> Any:
        """Return the value of an *aggregate*."""
        return self._totals[aggregate]

    def diff(self, older: LockedSnapshot[K, V]) -> dict[K, tuple[Any, Any]]:
        """Return ``{key: (old, new)}`` of what is not equal. O(N): copies share nothing."""
        changes: dict[K, tuple[Any, Any]] = {}
        for key, new in self.items():
            old = older.get(key, MISSING)
            if old is MISSING or old != new:
                changes[key] = (old, new)
        for key, gone in older.items():
            if key not in self:
                changes[key] = (gone, MISSING)
        return changes


class LockedTransaction(MutableMapping[K, V]):
    """A mutable mapping over the store, under its lock, with the changes laid aside."""

    def __init__(self, store: LockedStore[K, V]) -> None:
        self._store = store
        self.writes: dict[K, Any] = {}

    def __getitem__(self, key: K) -> V:
        record = self.writes.get(key)
        if record is None:
            slot = self._store._slots.get(key)
            if slot is not None:
                # A copy: the caller will change it in place, and may yet raise.
                return self._store._copy(slot.record)
        elif record is not MISSING:
            return record  # type: ignore[no-any-return]
        raise RecordNotFoundError(key, self._store.version)

    def __setitem__(self, key: K, record: V) -> None:
        self.writes[key] = record

    def __delitem__(self, key: K) -> None:
        if key not in self:
            raise RecordNotFoundError(key, self._store.version)
        self.writes[key] = MISSING

    def __contains__(self, key: object) -> bool:
        record = self.writes.get(key)  # type: ignore[arg-type]
        return key in self._store._slots if record is None else record is not MISSING

    def __iter__(self) -> Iterator[K]:
        keys = [key for key in self._store._slots if self.writes.get(key) is not MISSING]
        keys += [
            key
            for key, record in self.writes.items()
            if record is not MISSING and key not in self._store._slots
        ]
        return iter(keys)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LockedStore(Generic[K, V]):
    """Shared mutable records, each under a lock, all under another; see the module.

    A record handed to the store is the store's from then on, and what an update function
    returns, too. What `get` and `snapshot` return are copies.

    Args:
        records: what to start with.
        indexes: `Index` by name, as for `cowstate.Store`.
        totals: sums by name: a function from a record to its amount.
        copy: makes a deep copy of one record; give the cheapest there is for yours.

    >>> class Level:
    ...     def __init__(self, quantity): self.quantity = quantity
    ...     def copy(self): return Level(self.quantity)
    >>> def add(level):
    ...     level.quantity += 1
    ...     return level
    >>> store = LockedStore({"a": Level(1)}, copy=Level.copy)
    >>> before = store.snapshot()
    >>> store.update("a", add)
    1
    >>> before["a"].quantity, store.snapshot()["a"].quantity
    (1, 2)
    """

    def __init__(
        self,
        records: Mapping[K, V] | None = None,
        *,
        indexes: Mapping[str, Index[V]] | None = None,
        totals: Mapping[str, Callable[[V], Any]] | None = None,
        copy: Callable[[V], V] = deepcopy,
    ) -> None:
        self.version = 0
        self._copy = copy
        self._lock = RLock()
        # Reentrant in kind only so that it knows its owner, as in `cowstate.Store`.
        self._owned: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        self._slots = {key: _Slot(record) for key, record in (records or {}).items()}
        self._indexes = [LockedIndex(name, index) for name, index in (indexes or {}).items()]
        self._totals = dict.fromkeys(totals or (), 0)
        self._amounts = dict(totals or {})
        self._subscribers: tuple[Callable[[LockedCommit[K, V]], object], ...] = ()
        self._undelivered: deque[LockedCommit[K, V]] = deque()
        self._delivering = Lock()
        for index in self._indexes:
            moves = [(key, (), index.values(slot.record)) for key, slot in self._slots.items()]
            index.check(moves)
            index.move(moves)
        for name, amount in self._amounts.items():
            self._totals[name] = sum(amount(slot.record) for slot in self._slots.values())
        self._note_more()

    def _note_more(self) -> None:
        self._more = bool(self._indexes or self._amounts or self._subscribers)

    # Reading

    def get(self, key: K) -> V:
        """Return a copy of the record under *key*. Waits for a write of that record only."""
        try:
            slot = self._slots[key]
        except KeyError:
            raise RecordNotFoundError(key, self.version) from None
        with slot.lock:
            return self._copy(slot.record)

    def snapshot(self) -> LockedSnapshot[K, V]:
        """Return a deep copy of everything. O(N), and no write happens meanwhile."""
        copy = self._copy
        with self._lock:
            # Every change of a record happens under the lock held here, so the slots' own
            # need not be taken.
            return LockedSnapshot(
                {key: copy(slot.record) for key, slot in self._slots.items()},
                self.version,
                {index.name: index.copied() for index in self._indexes},
                self._totals.copy(),
            )

    @contextmanager
    def reading(self) -> Generator[Iterator[V]]:
        """Give the live records, to be read and not kept, while all writers wait. No copy."""
        with self._lock:
            yield (slot.record for slot in self._slots.values())

    # Writing

    def set(self, key: K, record: V) -> int:
        """Store *record* under *key*, and return the version."""
        if self._owned():
            raise ReentrantWriteError
        with self._lock:
            if self._more or key not in self._slots:
                version = self._write({key: record})
            else:
                slot = self._slots[key]
                with slot.lock:
                    slot.record = record
                version = self.version = self.version + 1
        if self._undelivered:
            self._deliver()
        return version

    def update(self, key: K, fn: Callable[[V], V]) -> int:
        """Have ``fn(record)`` change the record in place and return it; return the version.

        Without an index, total or subscriber there is no copy, so what *fn* has changed before
        it raises stays changed.
        """
        if self._owned():
            raise ReentrantWriteError
        with self._lock:
            try:
                slot = self._slots[key]
            except KeyError:
                raise RecordNotFoundError(key, self.version) from None
            if self._more:
                version = self._write({key: fn(self._copy(slot.record))})
            else:
                with slot.lock:
                    slot.record = fn(slot.record)
                version = self.version = self.version + 1
        if self._undelivered:
            self._deliver()
        return version

    def delete(self, key: K) -> int:
        """Remove the record under *key*, and return the version."""
        if self._owned():
            raise ReentrantWriteError
        with self._lock:
            if key not in self._slots:
                raise RecordNotFoundError(key, self.version)
            version = self._write({key: MISSING})
        if self._undelivered:
            self._deliver()
        return version

    def compare_and_set(self, key: K, expected: Any, record: Any) -> int | None:
        """Store *record* if *key* holds one *equal* to *expected*, else return None.

        By value: a record that is changed in place keeps its identity, so that says nothing.
        A record that has changed and changed back since is taken for unchanged.
        """
        if self._owned():
            raise ReentrantWriteError
        with self._lock:
            slot = self._slots.get(key)
            found = MISSING if slot is None else slot.record
            if found is not expected and (found is MISSING or found != expected):
                return None
            if slot is None or record is MISSING or self._more:
                version = self._write({key: record})
            else:
                with slot.lock:
                    slot.record = record
                version = self.version = self.version + 1
        if self._undelivered:
            self._deliver()
        return version

    @contextmanager
    def transaction(self) -> Generator[LockedTransaction[K, V]]:
        """Open a transaction: all changes at the end of the block, or none if it raises."""
        if self._owned():
            raise ReentrantWriteError
        with self._lock:
            transaction = LockedTransaction(self)
            yield transaction
            if transaction.writes:
                self._write(transaction.writes)
        if self._undelivered:
            self._deliver()

    def subscribe(self, callback: Callable[[LockedCommit[K, V]], object]) -> None:
        """Have ``callback(commit)`` called for each write, in order, outside the locks."""
        with self._lock:
            self._subscribers += (callback,)
            self._note_more()

    def _write(self, records: dict[K, Any]) -> int:
        """Put whole records in the place of others: first all that may fail, then the change."""
        slots = self._slots
        changes: dict[K, tuple[Any, Any]] = {}
        for key, new in records.items():
            slot = slots.get(key)
            old = MISSING if slot is None else slot.record
            if old is not new:
                changes[key] = (old, new)
        index_moves = []
        for index in self._indexes:
            moves = [
                (key, index.values(old), index.values(new)) for key, (old, new) in changes.items()
            ]
            index.check(moves)
            index_moves.append((index, moves))
        totals = dict(self._totals)
        for name, amount in self._amounts.items():
            for old, new in changes.values():
                was = 0 if old is MISSING else amount(old)
                now = 0 if new is MISSING else amount(new)
                totals[name] += now - was
        for key, (old, new) in changes.items():
            if new is MISSING:
                del slots[key]
            elif old is MISSING:
                slots[key] = _Slot(new)
            else:
                slot = slots[key]
                with slot.lock:
                    slot.record = new
        for index, moves in index_moves:
            index.move(moves)
        self._totals = totals
        version = self.version = self.version + 1
        if self._subscribers:
            # The old records are nobody's any more; the new ones will be changed in place.
            told = {
                key: (old, new if new is MISSING else self._copy(new))
                for key, (old, new) in changes.items()
            }
            self._undelivered.append(LockedCommit(version, told))
        return version

    def _deliver(self) -> None:
        # Whoever finds the other lock taken leaves its commit to the thread that holds it.
        while self._undelivered and self._delivering.acquire(blocking=False):
            try:
                while self._undelivered:
                    commit = self._undelivered.popleft()
                    for callback in self._subscribers:
                        try:
                            callback(commit)
                        except Exception:
                            _log.exception("a subscriber failed at version %d", commit.version)
            finally:
                self._delivering.release()
