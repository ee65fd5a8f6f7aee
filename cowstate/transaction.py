"""Several changes as one: `Transaction`, under the lock, and `Draft`, outside it."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterator, MutableMapping
from contextlib import AbstractContextManager
from itertools import chain
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, overload

from .changes import MISSING, Absent, ChangeSet, Delta
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    ConflictError,
    IterationError,
    RecordNotFoundError,
    UnhashableKeyError,
    UnknownAggregateError,
)
from .snapshot import Commit, Snapshot, delta_of

__all__ = ["Draft", "Transaction"]

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_UNWRITTEN: Final[Any] = object()


def ensure_hashable(key: object) -> None:
    """Raise `UnhashableKeyError` if *key* cannot be a key; what its hash raises is the user's."""
    if type(key).__hash__ is None:
        raise UnhashableKeyError(key)
    try:
        hash(key)
    except TypeError:
        raise UnhashableKeyError(key) from None


def ensure_findable(key: object) -> None:
    """Raise `ArgumentValueError` for a key that is not equal to itself.

    Maps disagree upon whether such a key can be found again: pyrsistent's cannot.
    """
    if key != key:  # noqa: PLR0124
        raise ArgumentValueError(f"{key!r} cannot be a key: it equals nothing, itself included")


class Workspace(MutableMapping[K, V], Generic[K, V]):
    """A snapshot with changes laid over it: what `Transaction` and `Draft` have in common.

    Reads see the changes made here. Nothing is visible to anybody else until the commit.
    For one thread at a time.
    """

    def __init__(
        self, base: Snapshot[K, V], accepted: Container[type], check: Callable[[Any], None]
    ) -> None:
        self._base = base
        self._map = base._map
        self._accepted = accepted
        self._check = check
        self._writes: dict[K, V | Absent] = {}
        self._deletions = 0
        self._meta = base.meta
        self._closed: str | None = None

    @property
    def base(self) -> Snapshot[K, V]:
        """The snapshot that the changes are laid over."""
        return self._base

    @property
    def meta(self) -> Any:
        """The store's meta value; assign to publish another one with the commit."""
        return self._meta

    @meta.setter
    def meta(self, value: Any) -> None:
        self._ensure_open()
        self._check(value)
        self._meta = value

    @property
    def changes(self) -> ChangeSet[K, V]:
        """What a commit would change now."""
        return ChangeSet._of(self._delta())

    def __getitem__(self, key: K) -> V:
        # Written out, like __setitem__, because these two are what a transaction mostly does.
        try:
            record: Any = self._writes.get(key, _UNWRITTEN)
        except TypeError:
            ensure_hashable(key)
            raise
        if record is _UNWRITTEN:
            record = self._map.get(key, MISSING)
        if record is MISSING:
            raise RecordNotFoundError(key, self._base.version)
        return record  # type: ignore[no-any-return]

    @overload
    def get(self, key: K, /) -> V | None: ...

    @overload
    def get(self, key: K, /, default: V) -> V: ...

    @overload
    def get(self, key: K, /, default: D) -> V | D: ...

    def get(self, key: K, /, default: Any = None) -> Any:
        """Return the record under *key*, or *default*."""
        record = self._record(key)
        return default if record is MISSING else record

    def __contains__(self, key: object) -> bool:
        return self._record(key) is not MISSING  # type: ignore[arg-type]

    def __setitem__(self, key: K, record: V) -> None:
        if self._closed is not None:
            raise ClosedError(self._closed)
        if type(record) not in self._accepted:
            self._check(record)
        if key != key:  # noqa: PLR0124
            ensure_findable(key)
        try:
            self._writes[key] = record
        except TypeError:
            ensure_hashable(key)
            raise

    def __delitem__(self, key: K) -> None:
        self._ensure_open()
        if self._record(key) is MISSING:
            raise RecordNotFoundError(key, self._base.version)
        self._writes[key] = MISSING
        self._deletions += 1

    def __iter__(self) -> Iterator[K]:
        writes, base = self._writes, self._map
        size, shape = len(self), self._shape()
        for key in chain(base, [key for key in writes if key not in base]):
            if writes.get(key, _UNWRITTEN) is MISSING:
                continue
            yield key
            if self._shape() != shape:
                if len(self) != size:
                    raise IterationError
                shape = self._shape()

    def __len__(self) -> int:
        base = self._map
        grown = 0
        for key, record in self._writes.items():
            grown += (record is not MISSING) - (key in base)
        return len(base) + grown

    def _shape(self) -> tuple[int, int]:
        """Return what differs whenever a key may have been added or deleted."""
        return len(self._writes), self._deletions

    def clear(self) -> None:
        """Delete every key. Costs O(N)."""
        for key in list(self):
            del self[key]

    def find(self, index: str, value: object) -> V | None:
        """Return the record with *value* in the unique *index*, changes here included, or None."""
        key = self._holder(index, value)
        return None if key is MISSING else self[key]

    def find_key(self, index: str, value: object) -> K | None:
        """Return the key of the record with *value* in the unique *index*, or None."""
        key = self._holder(index, value)
        return None if key is MISSING else key

    def find_all(self, index: str, value: object) -> dict[K, V]:
        """Return ``{key: record}`` of all with *value* in *index*, changes here included.

        Costs O(records found + changes made here).
        """
        return {key: self[key] for key in self._found(index, value)}

    def total(self, aggregate: str) -> Any:
        """Return the value of an *aggregate*, changes here included. Costs O(changes made here)."""
        base = self._base
        derivation = base._lineage.derivation
        position = derivation.total_positions.get(aggregate)
        if position is None:
            raise UnknownAggregateError(aggregate, derivation.total_positions)
        return derivation.step_total(position, base._totals[position], self._delta())

    def _record(self, key: K) -> V | Absent:
        try:
            record: Any = self._writes.get(key, _UNWRITTEN)
        except TypeError:
            ensure_hashable(key)
            raise
        if record is _UNWRITTEN:
            record = self._map.get(key, MISSING)
        return record  # type: ignore[no-any-return]

    def _holder(self, index: str, value: object) -> K | Absent:
        self._base.find_key(index, value)  # refuses an index that is not unique
        # Of two records that have the value for now, the one written here counts.
        return next(reversed(self._found(index, value)), MISSING)

    def _found(self, index: str, value: object) -> dict[K, None]:
        derivation = self._base._lineage.derivation
        found: dict[K, None] = dict.fromkeys(self._base.find_all(index, value))
        if self._writes:
            spec = derivation.index(derivation.index_positions[index])
            for key, record in self._writes.items():
                found.pop(key, None)
                if record is not MISSING and value in spec.entries(spec.fn(record)):
                    found[key] = None
        return found

    def _delta(self) -> Delta[K, V]:
        return delta_of(self._map, self._writes)

    def _ensure_open(self) -> None:
        if self._closed is not None:
            raise ClosedError(self._closed)

    def __repr__(self) -> str:
        name, count = type(self).__name__, len(self._writes)
        return f"<{name} over version {self._base.version}, {count} keys written>"


class Transaction(Workspace[K, V]):
    """A mutable mapping over the current version, inside the store's lock: all or nothing.

    Made by ``with store.transaction() as tx``. No other writer comes between, so it cannot
    conflict; they wait, so it must be short. When the block ends, everything becomes visible as
    one version; when it raises, nothing does. Readers are never held up.
    """

    _result: Commit[K, V] | None = None

    @property
    def result(self) -> Commit[K, V]:
        """The commit, once the block has ended well."""
        if self._result is None:
            raise ClosedError("the transaction has no result before its block has ended well")
        return self._result


class TransactionBlock(AbstractContextManager[Transaction[K, V]], Generic[K, V]):
    """The ``with`` block of a transaction: runs a generator that holds the lock while it yields.

    As `contextlib.contextmanager` would, and for a third of its cost, since nothing that is
    raised in the block ever enters the generator: it is closed, which gives the lock back, and
    the exception goes on its way. So does a block that is dropped half way into its entry.
    """

    __slots__ = ("_steps",)

    def __init__(self, steps: Generator[Transaction[K, V]]) -> None:
        self._steps = steps

    def __enter__(self) -> Transaction[K, V]:
        for transaction in self._steps:
            return transaction
        raise ClosedError("a transaction is entered once; call transaction() for another one")

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None:
            self._steps.close()
        else:
            for _ in self._steps:
                pass


class Draft(Workspace[K, V]):
    """A mutable mapping over any snapshot, outside the lock, that remembers what it relied on.

    It may take as long as it likes: work out a change from a snapshot, ask a slow peer, then
    `commit`. The commit succeeds only if everything that the draft read or wrote is still what
    it was in the base snapshot:

    - each key read or written still holds the very object (or still none);
    - each index entry looked up is still the same;
    - if it was iterated or counted, the set of keys is; if a total was read, the total is;
      if ``meta`` was read or set, the meta value is.

    Other keys may have changed: that is no conflict. For one thread at a time.
    """

    def __init__(
        self,
        base: Snapshot[K, V],
        accepted: Container[type],
        check: Callable[[Any], None],
        commit: Callable[[Draft[K, V], int | None], Commit[K, V]],
    ) -> None:
        super().__init__(base, accepted, check)
        self._commit = commit
        self._keys_read: set[K] = set()
        self._entries_read: set[tuple[str, Any]] = set()
        self._totals_read: set[str] = set()
        self._key_set_read = False
        self._meta_used = False

    def commit(self, *, expected_version: int | None = None) -> Commit[K, V]:
        """Publish the changes as one version, or raise `ConflictError` and change nothing.

        Thread-safe towards other writers. Costs O((keys read + written) log N), under the lock.
        A draft that changed nothing is checked all the same, and makes no version. After a
        success the draft is closed. After a conflict it stays open, to be looked at; it would
        conflict again: derive a new one from a new snapshot.

        Args:
            expected_version: commit only if the store is still at this version, that is, if
                *nothing at all* has changed since.

        Raises:
            ConflictError: something that the draft relied on has changed.
            ClosedError: the draft was committed before.
        """
        self._ensure_open()
        if not isinstance(expected_version, int | None):
            raise ArgumentTypeError(f"a version is a whole number, not {expected_version!r}")
        return self._commit(self, expected_version)

    @property
    def meta(self) -> Any:
        """The store's meta value; assign to publish another one with the commit."""
        self._meta_used = True
        return self._meta

    @meta.setter
    def meta(self, value: Any) -> None:
        self._ensure_open()
        self._check(value)
        self._meta_used = True
        self._meta = value

    def __getitem__(self, key: K) -> V:
        # Before the look: that there is no record is relied on, too.
        try:
            self._keys_read.add(key)
        except TypeError:
            ensure_hashable(key)
            raise
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[K]:
        self._key_set_read = True
        return super().__iter__()

    def __len__(self) -> int:
        self._key_set_read = True
        return super().__len__()

    def total(self, aggregate: str) -> Any:
        """Return the value of an *aggregate*, changes here included, and rely on it."""
        total = super().total(aggregate)
        self._totals_read.add(aggregate)
        return total

    def _record(self, key: K) -> V | Absent:
        record = super()._record(key)
        self._keys_read.add(key)
        return record

    def _found(self, index: str, value: object) -> dict[K, None]:
        found = super()._found(index, value)
        self._entries_read.add((index, value))
        return found

    def check_against(self, current: Snapshot[K, V], expected_version: int | None) -> None:
        """Raise `ConflictError` if *current* differs from the base in what the draft relied on."""
        base = self._base
        if current is base and expected_version in (None, current.version):
            return
        then, now = base._map, current._map
        keys = [
            key
            for key in self._keys_read.union(self._writes)
            if now.get(key, MISSING) is not then.get(key, MISSING)
        ]
        entries = [
            (index, value)
            for index, value in self._entries_read
            if not _same_entry(base, current, index, value)
        ]
        reasons = [
            f"total:{name}" for name in self._totals_read if base.total(name) != current.total(name)
        ]
        if self._key_set_read and any(
            old is MISSING or new is MISSING
            for old, new in base._lineage.difference(base, current).values()
        ):
            reasons.append("keys")
        if self._meta_used and current.meta is not base.meta:
            reasons.append("meta")
        if expected_version is not None and current.version != expected_version:
            reasons.append("version")
        if keys or entries or reasons:
            raise ConflictError(
                keys, base.version, current.version, entries=entries, reasons=reasons
            )


def _same_entry(
    base: Snapshot[Any, Any], current: Snapshot[Any, Any], index: str, value: object
) -> bool:
    position = base._lineage.derivation.index_positions[index]
    then = base._indexes[position].get(value, MISSING)
    return current._indexes[position].get(value, MISSING) is then
