"""The store: what users see of the one reference and the one lock."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, NoReturn, TypeVar

from .audience import OnError, Subscription, checked_keys, checked_on_error
from .changes import MISSING, Absent
from .core import BY_FUNCTION, Core
from .derived import Aggregate, Derivation, Index
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ConflictError,
    ForeignSnapshotError,
    ReentrantWriteError,
)
from .feeds import Feed, FeedMode, wait_for
from .history import History, Pin, checked_pin
from .invariants import Invariant
from .maps import map_kind
from .observation import Observation
from .snapshot import Commit, Snapshot
from .statistics import Statistics, statistics_of
from .transaction import Draft, Transaction, TransactionBlock

__all__ = ["Store"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Store(Core[K, V], Generic[K, V]):
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
        history: how much of the past is kept; see `History`.
        maps: which persistent map holds the records: ``"pyrsistent"``, ``"immutables"`` (extra
            ``fast``), either with ``"dict+"`` before it, which holds few records in a plain
            dict; ``"auto"`` is the fastest to be had. It changes nothing but speed.

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
        history: History | None = None,
        maps: str = "auto",
    ) -> None:
        history = History() if history is None else history
        if not isinstance(history, History):
            raise ArgumentTypeError(f"history must be a History(versions=...), not {history!r}")
        derivation = Derivation(
            map_kind(maps),
            {} if indexes is None else indexes,
            {} if aggregates is None else aggregates,
        )
        super().__init__(
            records, derivation, {} if invariants is None else invariants, meta, history
        )

    # Reading

    def snapshot(self) -> Snapshot[K, V]:
        """Return the current version of everything. No lock, no copy, O(1), never blocks."""
        return self._current

    def observe(self) -> Observation[K, V]:
        """Open a window around a slow look at the outside world; use it in a ``with``."""
        return Observation(self.snapshot, self.draft)

    def statistics(self) -> Statistics:
        """Return figures of the current version and of what serves it. Costs O(retained)."""
        return statistics_of(self)

    # Writing
    #
    # `set` and `update` are `_commit` written out, for their speed.

    def set(self, key: K, record: V) -> Commit[K, V]:
        """Store *record* under *key*, whether or not there was one. Costs O(log N).

        Raises:
            MutableRecordError: the record's type is known to be mutable.
            UnhashableKeyError: the key cannot be a key.
            UniqueViolationError, InvariantError: the commit was refused.
        """
        if self._owned():
            raise ReentrantWriteError
        try:
            with self._lock: commit = self._write(key, record)  # fmt: skip  # noqa: E701
        except BaseException:
            self._give_back()
            raise
        if self._undelivered:
            self._audience.deliver()
        return commit

    def update(self, key: K, fn: Callable[[V], V]) -> Commit[K, V]:
        """Replace the record under *key* by ``fn(record)``. Costs O(log N).

        Nobody else writes between the read and the write. *fn* runs under the lock, once.

        Raises:
            RecordNotFoundError: there is no such record.
            MutableRecordError, UniqueViolationError, InvariantError: as for `set`.
        """
        if self._owned():
            raise ReentrantWriteError
        try:
            with self._lock: commit = self._write(key, BY_FUNCTION, fn)  # fmt: skip  # noqa: E701
        except BaseException:
            self._give_back()
            raise
        if self._undelivered:
            self._audience.deliver()
        return commit

    def delete(self, key: K) -> Commit[K, V]:
        """Remove the record under *key*. Costs O(log N).

        Raises:
            RecordNotFoundError: there is no such record.
            InvariantError: the commit was refused.
        """
        return self._commit(self._delete, key)

    def compare_and_set(
        self, key: K, expected: V | Absent, record: V | Absent
    ) -> Commit[K, V] | None:
        """Store *record* if *key* still holds the very object *expected*; else return None.

        `MISSING` stands for no record, on either side: expected, to add; new, to delete.
        Compared by identity: an equal record that was stored since is another one.

        >>> from cowstate import MISSING, Store
        >>> store = Store()
        >>> store.compare_and_set("leader", MISSING, "me") is None
        False
        >>> store.compare_and_set("leader", MISSING, "me too") is None
        True
        """
        return self._commit(self._set_if, key, expected, record)

    def transaction(self) -> AbstractContextManager[Transaction[K, V]]:
        """Open a transaction: ``with store.transaction() as tx``, a mutable mapping.

        All changes become visible as one version at the end of the block, or none if it raises.
        The lock is held for the length of the block. Costs O(k log N) for k keys.

        Raises:
            ReentrantWriteError: at entry, if this thread is already writing to the store.

        >>> store = Store({"a": 5, "b": 0})
        >>> with store.transaction() as tx:
        ...     tx["a"] -= 3
        ...     tx["b"] += 3
        >>> store.snapshot().version, dict(store.snapshot()) == {"a": 2, "b": 3}
        (1, True)
        """
        return TransactionBlock(self._transact())

    def _transact(self) -> Generator[Transaction[K, V]]:
        if self._owned():
            raise ReentrantWriteError
        tx: Transaction[K, V] | None = None
        try:
            with self._lock: tx = self._begin(); yield tx; self._finish(tx)  # fmt: skip  # noqa: E701, E702
        finally:
            self._give_back()
            if tx is not None:
                tx._closed = "the transaction is over; open another one"
        if self._undelivered:
            self._audience.deliver()

    def draft(self, base: Snapshot[K, V] | None = None) -> Draft[K, V]:
        """Return a draft over *base*, any snapshot of this store, or the current one. O(1).

        Raises:
            ForeignSnapshotError: *base* is no snapshot of this store.
        """
        if base is None:
            base = self._current
        return Draft(self._own(base), self._accepted, self._accept, self._commit_draft)

    def _commit_draft(self, draft: Draft[K, V], expected_version: int | None) -> Commit[K, V]:
        return self._commit(self._write_draft, draft, expected_version)

    def retry(self, fn: Callable[[Draft[K, V]], object], attempts: int = 5) -> Commit[K, V]:
        """Run ``fn(draft)`` and commit, again from a new snapshot after each conflict.

        The last attempt runs under the lock, where nothing can conflict, so that it always
        ends. *fn* may therefore run up to *attempts* times, and must have no effects besides.

        Raises:
            ArgumentValueError: *attempts* is not at least 1.
        """
        if not isinstance(attempts, int) or attempts < 1:
            raise ArgumentValueError(f"attempts must be a whole number from 1, not {attempts!r}")
        if not callable(fn):
            raise ArgumentTypeError(f"retry runs a function of a draft, not {fn!r}")
        for _ in range(attempts - 1):
            draft = self.draft()
            fn(draft)
            try:
                return draft.commit()
            except ConflictError:
                continue
        return self._commit(self._run_draft, self.draft, fn)

    # Following

    def subscribe(
        self,
        callback: Callable[[Commit[K, V]], object],
        *,
        keys: Iterable[K] | None = None,
        on_error: OnError = "log",
    ) -> Subscription[K, V]:
        """Have ``callback(commit)`` called for every commit from now on, once, in version order.

        It is called by whichever thread writes, after the lock was given back. A commit made by
        a callback is delivered after the current one, to everybody. A slow callback holds up
        the writer that runs it and nobody else; the commits of the others wait for it, in
        memory. What a callback raises reaches neither the writer nor other subscribers, but
        for exceptions that are no `Exception`, such as KeyboardInterrupt.

        Args:
            callback: what to call with each `Commit`.
            keys: only commits that change one of these keys; None for all.
            on_error: ``"log"`` what it raises and go on, ``"stop"`` to log and end the
                subscription, or a function of ``(error, commit)``.

        >>> store = Store({"a": 1})
        >>> with store.subscribe(lambda commit: print(commit.version, commit.changes)) as seen:
        ...     commit = store.set("a", 2)
        1 ChangeSet({'a': Change(old=1, new=2)})
        """
        if not callable(callback):
            raise ArgumentTypeError(f"a subscriber is a function of a commit, not {callback!r}")
        wanted, on_error = checked_keys(keys), checked_on_error(on_error)
        with self._lock: return self._subscribe(callback, wanted, on_error)  # fmt: skip  # noqa: E701

    def feed(
        self,
        mode: FeedMode = "every",
        *,
        keys: Iterable[K] | None = None,
        since: int | Snapshot[K, V] | None = None,
    ) -> Feed[K, V]:
        """Return an iterator over what changes, to be read at the reader's own pace.

        Args:
            mode: ``"every"`` yields the `ChangeSet` of each version; ``"latest"`` one for all
                that has happened since the last look.
            keys: only changes of these keys; None for all.
            since: the version, or snapshot, after which to start; None for the current one.

        >>> store = Store({"a": 1})
        >>> start = store.snapshot()
        >>> for n in (2, 3):
        ...     commit = store.set("a", n)
        >>> store.feed(since=start).poll()
        ChangeSet({'a': Change(old=1, new=2)})
        >>> store.feed("latest", since=start).poll()
        ChangeSet({'a': Change(old=1, new=3)})
        """
        if mode not in ("every", "latest"):
            raise ArgumentValueError(f"mode must be 'every' or 'latest', not {mode!r}")
        current = self._current.version
        version = current if since is None else since
        if isinstance(version, Snapshot):
            version = self._own(version).version
        if not isinstance(version, int) or not 0 <= version <= current:
            raise ArgumentValueError(
                f"since must be a version from 0 to {current}, or a snapshot, not {since!r}"
            )
        return Feed(self, mode, checked_keys(keys), version)

    def wait_for(
        self,
        predicate: Callable[[Snapshot[K, V]], object],
        timeout: float | None = None,
        *,
        keys: Iterable[K] | None = None,
    ) -> Snapshot[K, V]:
        """Sleep until *predicate* is true of the current snapshot, and return that snapshot.

        It is asked at once, and again after each change; never under the lock. Versions that
        come and go between two looks are not looked at: follow a feed to see every one. No
        wake-up is lost and nothing polls. What the predicate raises is raised here.

        Args:
            predicate: a function of a `Snapshot`.
            timeout: in seconds; None for ever.
            keys: ask again only if one of these keys has changed.

        Raises:
            WaitTimeoutError: it was not true in time (it is also a `TimeoutError`).
            ReentrantWriteError: called inside a write to this store.
        """
        return wait_for(self, predicate, timeout, checked_keys(keys))

    # The past

    def at(self, version: int) -> Snapshot[K, V]:
        """Return the snapshot of a retained or pinned *version*. O(1).

        Raises:
            CompactedError: it is no longer retained.
            ArgumentValueError: there has been no such version yet.
        """
        return self._retention.at(version, self._current)

    def pin(self, version: int | Snapshot[K, V] | None = None, *, why: str = "") -> Pin[K, V]:
        """Keep a *version*, the current one for None, within reach of `at` until unpinned.

        Use the pin in a ``with``, or pass it to `unpin`. *why* shows in ``statistics()``.
        """
        if isinstance(version, Snapshot):
            self._own(version)
        with self._lock: return self._pin(version, why)  # fmt: skip  # noqa: E701

    def unpin(self, pin: Pin[K, V]) -> None:
        """Let go what `pin` returned.

        Raises:
            ClosedError: it was let go before.
        """
        self._release(checked_pin(pin, self._retention))

    def undo(self, commit: Commit[K, V]) -> Commit[K, V]:
        """Take back what one *commit* changed, as a new commit.

        Raises:
            ConflictError: something that it changed has been changed again since.
        """
        if not isinstance(commit, Commit):
            raise ArgumentTypeError(f"undo takes the Commit that a write returned, not {commit!r}")
        draft = self.draft(commit.after)
        for key, (old, _) in commit.changes.items():
            if old is MISSING:
                del draft[key]
            else:
                draft[key] = old
        if commit.before.meta is not commit.after.meta:
            draft.meta = commit.before.meta
        return draft.commit()

    def revert(self, to: int | Snapshot[K, V]) -> Commit[K, V]:
        """Make everything as it was in version *to*, as a new commit, whatever came since."""
        target = self._own(to) if isinstance(to, Snapshot) else self.at(to)
        return self._commit(self._revert, target)

    def _own(self, snapshot: Snapshot[K, V]) -> Snapshot[K, V]:
        if not isinstance(snapshot, Snapshot) or snapshot._lineage is not self._lineage:
            raise ForeignSnapshotError(f"{snapshot!r} is no snapshot of this very store")
        return snapshot

    def __repr__(self) -> str:
        current = self._current
        return f"<Store version={current.version} records={len(current)}>"

    def __reduce__(self) -> NoReturn:
        raise ArgumentTypeError(
            "a store cannot be pickled or copied, for it is a place, not a value; "
            "pickle store.snapshot(), and make a new Store of it"
        )
