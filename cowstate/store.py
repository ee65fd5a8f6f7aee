"""The store: what users see of the one reference and the one lock."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeAlias, TypeVar, overload

from .aggregate import Aggregate
from .blocks import JointBlock, TransactionBlock
from .changes import MISSING
from .commit import Commit
from .committer import Committer
from .deferral import deferral
from .draft import Draft
from .errors import ArgumentTypeError, ArgumentValueError, ConflictError
from .immutability import Immutability
from .index import Index
from .invariants import Invariant
from .maps import map_kind
from .meta import M
from .meter import Meter
from .observation import Observation
from .ring import Ring
from .sameness import Sameness
from .schema import Schema
from .showing import shown
from .slips import ensure_function, plain
from .snapshot import Snapshot
from .timeline import BACKLOG, History, Timeline
from .transactions import Transaction
from .waits import checked_timeout
from .writelock import WriteLock
from .writestore import WriteStore

__all__ = ["Store", "transaction"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

# With Any beside V, for an ``Index(attrgetter("x"))`` is an ``Index[Any]`` for type checkers, and
# mypy would take that for the type of the records. So it is only the records that tell it.
Indexes: TypeAlias = Mapping[str, Index[V] | Index[Any]]
Aggregates: TypeAlias = Mapping[str, Aggregate[V, Any] | Aggregate[Any, Any]]


class Store(WriteStore[K, V, M], Generic[K, V, M], sealed=True):
    """Shared state for many writers and readers: immutable records under keys, in versions.

    The store holds one reference, to the current `Snapshot`, in which everything hangs together:
    records, version, ``meta``, indexes, totals. Reading it takes no lock and copies nothing.
    Writers take turns under one lock; each builds the next snapshot aside and publishes it by
    storing that one reference. So a reader sees the old version or the new one, whole, whatever
    happens to the writer.

    Every method may be called from any thread. Functions that a write calls (update functions,
    index functions, invariants, what `transact` runs) run under the lock, and for the block of a
    transaction others wait as well. So these must be short, and must not write to the same store:
    that raises `ReentrantWriteError`. They may read it. After ``os.fork`` the child's store works,
    whatever the parent's threads were doing.

    Args:
        records: what to start with, a mapping or an iterable of pairs; version 0.
        indexes: `Index` by name; see also `add_index`.
        aggregates: `Aggregate` by name; see also `add_aggregate`.
        invariants: functions by name that may veto a commit; see `Invariant`.
        meta: one immutable value of yours, published together with the records. Its type is the
            third of ``Store[str, Slot, Mode]``; without one it is Any.
        history: how much of the past is kept; see `History`.
        maps: which persistent map holds the records: ``"tree"``, ``"pyrsistent"`` or
            ``"immutables"`` (extra ``fast``), each with ``"dict+"`` before it, if few records are
            to be held in a plain dict; ``"auto"`` is the fastest to be had. ``"frozen+"`` before
            all that builds it as a dict, at once, and has it thaw: each write puts one more record
            into the map. It changes nothing but speed, and the order of keys.
        immutability: how closely the store looks at what it is given. ``"type"``: at the type of a
            record, once for each type. ``"deep"``: at all that each record holds, each time; for
            tests and small stores. ``"trusted"``: not at all, for objects of other people's
            libraries of which you know that nobody changes them.
        allow_none: whether an update function may return None as the next record. By default that
            is taken for a ``return`` that was forgotten, and refused.
        same: which write is none, and makes no version: of the very object that is there
            (``"identity"``), or of one that is equal to it (``"equality"``), where the one that
            is there stays. Conflicts of drafts are by identity in either.
        lock_timeout: how many seconds a write waits for others at the most, before it raises
            `LockTimeoutError`; None for ever, with a warning in the log after ten seconds.
        deferred_refcount: whether many threads may read at once without waiting for each other,
            on a free-threaded build of CPython 3.14 or later. The versions that they read are
            then freed by the garbage collector, not by who drops them last, and so is the store.
            None for yes where it is to be had. While the collector is switched off, nothing is.
        meter: has the store measure itself, for `statistics`; see `Meter`.

    Raises:
        MutableRecordError: a record is known to be mutable.

    >>> store = Store({"a": 1})
    >>> before = store.snapshot()
    >>> store.update("a", lambda n: n + 1).version
    1
    >>> before["a"], store.snapshot()["a"]
    (1, 2)
    """

    _committer: Committer[K, V]  # what `transaction` below takes from several
    _begins_at = 0
    _derives_later = False

    # Who gives no ``meta``, or None to begin with, may set any later. Pyright wants parameters of
    # the function there; with those mypy loses `Store[str, Slot]()`, and pyright what is annotated.
    @overload
    def __init__(
        self: Store[K, V, Any],  # pyright: ignore[reportInvalidTypeVarUse]
        records: Mapping[K, V] | Iterable[tuple[K, V]] | None = None,
        *,
        indexes: Indexes[V] | None = None,
        aggregates: Aggregates[V] | None = None,
        invariants: Mapping[str, Invariant] | None = None,
        meta: None = None,
        history: History | None = None,
        maps: str = "auto",
        immutability: Immutability = "type",
        allow_none: bool = False,
        same: Sameness = "identity",
        lock_timeout: float | None = None,
        deferred_refcount: bool | None = None,
        meter: Meter | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        records: Mapping[K, V] | Iterable[tuple[K, V]] | None = None,
        *,
        indexes: Indexes[V] | None = None,
        aggregates: Aggregates[V] | None = None,
        invariants: Mapping[str, Invariant] | None = None,
        meta: M,
        history: History | None = None,
        maps: str = "auto",
        immutability: Immutability = "type",
        allow_none: bool = False,
        same: Sameness = "identity",
        lock_timeout: float | None = None,
        deferred_refcount: bool | None = None,
        meter: Meter | None = None,
    ) -> None: ...

    def __init__(
        self,
        records: Mapping[K, V] | Iterable[tuple[K, V]] | None = None,
        *,
        indexes: Indexes[V] | None = None,
        aggregates: Aggregates[V] | None = None,
        invariants: Mapping[str, Invariant] | None = None,
        meta: Any = None,
        history: History | None = None,
        maps: str = "auto",
        immutability: Immutability = "type",
        allow_none: bool = False,
        same: Sameness = "identity",
        lock_timeout: float | None = None,
        deferred_refcount: bool | None = None,
        meter: Meter | None = None,
    ) -> None:
        history = History() if history is None else history
        if not isinstance(history, History):
            raise ArgumentTypeError(
                f"history must be a History(versions=...), not {shown(history)}"
            )
        if not isinstance(meter, Meter | None):
            raise ArgumentTypeError(f"meter must be a Meter(), or None, not {shown(meter)}")
        lock = WriteLock(checked_timeout(lock_timeout))
        ring: Ring[Commit[K, V]] = Ring(max(history.versions, BACKLOG))
        schema: Schema[K, V] = Schema(
            map_kind(maps), indexes, aggregates, invariants, ring, immutability, allow_none, same
        )
        defers = deferral(deferred_refcount, schema.trunk_of)
        first = schema.first(records, meta, self._begins_at, later=self._derives_later)
        timeline = Timeline(history, ring, first, schema.size_of, defers)
        super().__init__(schema, timeline, lock, meter)
        if defers is not None:
            defers.of(self)

    # Several changes as one version

    def transact(
        self, fn: Callable[[Transaction[K, V, M]], R], *, timeout: float | None = None
    ) -> R:
        """Run ``fn(tx)``, publish what it did to *tx* as one version, and return its result.

        All changes become visible at once when *fn* returns, or none if it raises. It runs once,
        under the lock, so it must be short; it must not write to the store but through the
        mapping. Costs O(k log N) for k keys. The form to prefer: no instruction lies between the
        lock and its release at which anything could be lost, and it costs less than a block.

        Args:
            fn: a function of a `Transaction`.
            timeout: how long to wait for other writes, in seconds; None for what the store says.

        Raises:
            ReentrantWriteError: called inside a write to this store.
            LockTimeoutError, DeadlockError: another write was in the way.
            UniqueViolationError, InvariantError: the commit was refused.

        >>> store = Store({"a": 5, "b": 0})
        >>> def move(tx):
        ...     tx["a"] -= 3
        ...     tx["b"] += 3
        ...     return tx["b"]
        >>> store.transact(move), store.snapshot().version
        (3, 1)
        """
        if not callable(fn):
            raise ArgumentTypeError(f"transact runs a function of a transaction, not {shown(fn)}")
        answer: list[R] = []
        limit = None if timeout is None else checked_timeout(timeout)
        self._write(self._transact, fn, answer, None, limit)
        return answer[0]

    def transaction(
        self, *, timeout: float | None = None
    ) -> AbstractContextManager[Transaction[K, V, M], None]:
        """Open a transaction: ``with store.transaction() as tx``, a mutable mapping.

        All changes become visible as one version at the end of the block, or none if it raises.
        Other writes wait meanwhile, or for as long as their timeouts allow. The transaction
        belongs to its block, not to a thread: it may be left in another thread than it was entered
        in, and when the block is torn, by whatever exception at whatever instruction, the store
        is free before the first ``except`` around it begins. Do not ``await`` in it. Costs
        O(k log N) for k keys.

        Args:
            timeout: how long to wait for other writes, in seconds; None for what the store says.

        Raises:
            ReentrantWriteError: at entry, if this is inside a write to the store already.
            LockTimeoutError, DeadlockError: at entry, if another write was in the way.

        >>> store = Store({"a": 5, "b": 0})
        >>> with store.transaction() as tx:
        ...     tx["a"] -= 3
        ...     tx["b"] += 3
        >>> store.snapshot().version, dict(store.snapshot()) == {"a": 2, "b": 3}
        (1, True)
        """
        limit = None if timeout is None else checked_timeout(timeout)
        return TransactionBlock(self._committer, limit)

    def draft(self, base: Snapshot[K, V, M] | None = None) -> Draft[K, V, M]:
        """Return a draft over *base*, any snapshot of this store, or the current one. O(1).

        Commit it with `Draft.commit`, or use it in a ``with``, at whose end it is committed.

        Raises:
            ForeignSnapshotError: *base* is no snapshot of this store.

        >>> store = Store({"a": 1})
        >>> draft = store.draft()
        >>> draft["a"] += 1
        >>> draft.commit().after["a"]
        2
        """
        base = self._timeline.current if base is None else self._own(base)
        return Draft(base, self._schema.accepted, self._schema.accept, self._commit_draft)

    def _commit_draft(self, draft: Draft[K, V, M], expected_version: int | None) -> Commit[K, V, M]:
        return self._write(self._committer.commit_draft, draft, expected_version)  # type: ignore[no-any-return]

    def retry(self, fn: Callable[[Draft[K, V, M]], R], attempts: int = 5) -> R:
        """Run ``fn(draft)``, commit, and return its result; again after each conflict.

        Each time from a new snapshot. The last attempt runs under the lock, where nothing can
        conflict, so that it always ends. *fn* may therefore run up to *attempts* times, and must
        have no effects besides. For the commit, return the draft: ``store.retry(fn).result``.

        Raises:
            ArgumentTypeError: *fn* is no plain function.
            ArgumentValueError: *attempts* is not at least 1.
            UniqueViolationError, InvariantError: the commit was refused.
            ReentrantWriteError, LockTimeoutError, DeadlockError: as for `set`.

        >>> store = Store({"a": 5, "b": 0})
        >>> def move(draft):
        ...     draft["a"] -= 3
        ...     draft["b"] += 3
        ...     return draft["b"]
        >>> store.retry(move)
        3
        """
        if not isinstance(attempts, int) or attempts < 1:
            raise ArgumentValueError(
                f"attempts must be a whole number from 1, not {shown(attempts)}"
            )
        ensure_function(fn, "retry runs a function of a draft")
        for _ in range(attempts - 1):
            draft = self.draft()
            result = plain(fn(draft), "retry")
            try:
                draft.commit()
            except ConflictError:
                continue
            return result
        answer: list[R] = []
        self._write(self._committer.run_draft, self.draft, (fn, answer))
        return answer[0]

    def observe(self) -> Observation[K, V, M]:
        """Open a window around a slow look at the outside world; use it in a ``with``.

        >>> store = Store({"a": 1, "b": 1})
        >>> with store.observe() as window:
        ...     commit = store.set("b", 2)
        >>> sorted(window.stable)
        ['a']
        """
        return Observation(self.snapshot, self.draft)

    # Taking back

    def undo(self, commit: Commit[K, V, M]) -> Commit[K, V, M]:
        """Take back what one *commit* changed, as a new commit.

        Raises:
            ArgumentTypeError: that is no commit.
            ForeignSnapshotError: it is one of another store.
            ConflictError: something that it changed has been changed again since.
            UniqueViolationError, InvariantError: the records as they were are refused now.

        >>> store = Store({"a": 1, "b": 1})
        >>> mistake = store.set("a", -1)
        >>> commit = store.set("b", 2)
        >>> store.undo(mistake).version
        3
        >>> store.snapshot()["a"], store.snapshot()["b"]
        (1, 2)
        """
        if not isinstance(commit, Commit):
            raise ArgumentTypeError(
                f"undo takes the Commit that a write returned, not {shown(commit)}"
            )
        draft = self.draft(commit.after)
        for key, (old, _) in commit.changes.items():
            if old is MISSING:
                del draft[key]
            else:
                draft[key] = old
        if commit.before.meta is not commit.after.meta:
            draft.meta = commit.before.meta
        return draft.commit()

    def revert(self, to: int | Snapshot[K, V, M]) -> Commit[K, V, M]:
        """Make everything as it was in version *to*, as a new commit, whatever came since.

        Raises:
            CompactedError: that version is no longer retained; a snapshot of it will do.
            ForeignSnapshotError: it is a snapshot of another store.
            UniqueViolationError, InvariantError: the records as they were are refused now.

        >>> store = Store({"a": 1})
        >>> for n in (2, 3, 4):
        ...     commit = store.set("a", n)
        >>> store.revert(1).after["a"], store.snapshot().version
        (2, 4)
        """
        target = self._own(to) if isinstance(to, Snapshot) else self.at(to)
        return self._write(self._committer.revert, target)  # type: ignore[no-any-return]


def transaction(
    *stores: Store[Any, Any], timeout: float | None = None
) -> AbstractContextManager[tuple[Transaction[Any, Any], ...], None]:
    """Open transactions over several stores, which all commit or none.

    They are reserved in the order in which the stores were made, whatever the order here, so two
    threads that do this never wait for each other in a ring. Each store publishes a version of
    its own: a reader of two of them may see one before the other.

    Args:
        stores: the stores, each once.
        timeout: how long to wait for other writes to each, in seconds.

    Raises:
        ArgumentTypeError, ArgumentValueError: that is no list of different stores.
        ReentrantWriteError, LockTimeoutError, DeadlockError: at entry, as for `Store.transaction`.

    >>> import cowstate
    >>> a, b = cowstate.Store({"n": 1}), cowstate.Store({"n": 0})
    >>> with cowstate.transaction(a, b) as (one, other):
    ...     one["n"] -= 1
    ...     other["n"] += 1
    >>> a.snapshot()["n"], b.snapshot()["n"]
    (0, 1)
    """
    for store in stores:
        if not isinstance(store, Store):
            raise ArgumentTypeError(f"transaction opens stores, not {shown(store)}")
        if not store._committer.joins:
            raise ArgumentValueError(
                f"{shown(store)} has a file of its own, and nothing makes two of them change as "
                "one: a crash could come between. Keep what changes together in one store"
            )
    if len({id(store) for store in stores}) < len(stores):
        raise ArgumentValueError("transaction was given the same store twice; give each once")
    return JointBlock([store._committer for store in stores], checked_timeout(timeout))
