"""The commit: one atomic reference, one lock, and everything that happens under it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from threading import RLock
from typing import Any, Generic, TypeVar

from .audience import Audience, Bell, Subscription
from .changes import MISSING, Absent, Delta
from .derived import Derivation
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    RecordNotFoundError,
    ReentrantWriteError,
)
from .history import History, Retention
from .invariants import Invariant, Invariants
from .maps import MapKind
from .process import register
from .records import check_immutable
from .ring import Ring
from .snapshot import Commit, Lineage, Snapshot
from .transaction import Draft, Transaction, ensure_hashable

__all__ = ["Core"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Core(Generic[K, V]):
    """The reference, the lock and the commit of a store; `Store` is what users see of it.

    Methods whose name starts with an underscore expect the lock to be held, but for
    ``_refuse_reentry``, which comes before it.

    Kept in an instance dict, not in slots: on a free-threaded build another thread reads an
    instance attribute in about a third of the time of a slot.
    """

    def __init__(
        self,
        records: Mapping[K, V] | Iterable[tuple[K, V]] | None,
        derivation: Derivation,
        invariants: Mapping[str, Invariant],
        meta: Any,
        history: History,
    ) -> None:
        kind: MapKind = derivation.kind
        self._invariants = Invariants(invariants)
        self._derivation = derivation
        self._derives = bool(derivation)
        self._put, self._drop, self._apply = kind.put, kind.drop, kind.apply
        self._accepted: set[type] = set()
        self._ring: Ring[Commit[K, V]] = Ring(history.versions)
        self._retention: Retention[K, V] = Retention(history, self._ring)
        self._aging = self._retention.aging
        self._lineage = Lineage(derivation, self._ring)
        start = _as_dict(records)
        for record in start.values():
            if type(record) not in self._accepted:
                self._accept(record)
        self._accept(meta)
        delta: Delta[K, V] = {key: (MISSING, record) for key, record in start.items()}
        indexes, totals = derivation.step(*derivation.start(), delta)
        self._current: Snapshot[K, V] = Snapshot(
            0, meta, kind.build(start), indexes, totals, self._lineage
        )
        if self._invariants:
            self._invariants.ask(self._current, delta)
        self._audience: Audience[K, V] = Audience(lambda: self._current)
        self._heard = False
        self._undelivered = self._audience.undelivered
        self.ended = False
        # Reentrant in kind, so that it knows its owner; never entered twice (_refuse_reentry).
        self._lock = RLock()
        register(self)

    def join(self, member: Bell | Subscription[K, V]) -> None:
        """Let *member* know of every commit from now on. Takes the lock."""
        audience = self._audience
        with self._lock:
            if isinstance(member, Subscription):
                audience.subscriptions += (member,)
            else:
                audience.bells += (member,)
            self._heard = True

    def leave(self, member: Bell | Subscription[K, V]) -> None:
        """Undo `join`; no harm if it was undone before. Takes the lock."""
        audience = self._audience
        with self._lock:
            audience.subscriptions = tuple(s for s in audience.subscriptions if s is not member)
            audience.bells = tuple(b for b in audience.bells if b is not member)
            self._heard = bool(audience)

    def wake_all(self) -> None:
        """Wake every sleeper, to look again at whether it should go on. Takes the lock."""
        with self._lock:
            for bell in self._audience.bells:
                bell.ring()

    def _end_waits(self) -> None:
        self.ended = True
        self.wake_all()

    def _after_fork_in_child(self) -> None:
        # A lock held by this very thread is in the middle of a write that goes on in the child
        # and will be given back by it. Any other owner does not exist here.
        if not self._lock._is_owned():  # type: ignore[attr-defined]
            self._lock = RLock()
        self._audience.after_fork_in_child()

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

    def _transaction_body(self) -> Iterator[Transaction[K, V]]:
        transaction = Transaction(self._current, self._accept)
        try:
            yield transaction
            transaction._result = self._write_all(transaction)
        finally:
            transaction._closed = "the transaction is over; open another one"

    def _run_draft(self, draft: Draft[K, V], fn: Callable[[Draft[K, V]], object]) -> Commit[K, V]:
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

    def _revert(self, to: Snapshot[K, V]) -> Commit[K, V]:
        before = self._current
        delta = self._lineage.difference(before, to)
        if not delta and to.meta is before.meta:
            return self._unchanged()
        return self._publish(before, self._apply(before._map, delta), to.meta, delta)

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
        if self._heard:
            self._audience.announce(commit)
        ring = self._ring
        ring.slots[version % ring.capacity] = commit
        if self._aging:
            self._retention.age(version)
        # The publication. One store of one reference, which CPython does atomically, with or
        # without the GIL: a reader gets the old snapshot or the new one, and each is complete
        # and never written again. All that may fail lies above this line, on objects nobody
        # else has seen (for the ring and the audience, see there), so an exception there leaves
        # the old version; nothing that must happen lies below it.
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


def _as_dict(records: Any) -> dict[Any, Any]:
    try:
        return dict(records or ())
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(
            f"records must be a mapping, or an iterable of (key, record) pairs with hashable "
            f"keys: {error}"
        ) from error
