"""The commit: one atomic reference, one lock, and everything that happens under it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from threading import RLock
from typing import Any, Final, Generic, TypeVar

from .audience import Audience, Bell, OnError, Subscription
from .changes import MISSING, Absent, Delta
from .derived import Derivation
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    RecordNotFoundError,
    ReentrantWriteError,
)
from .history import History, Pin, Retention
from .invariants import Invariant, Invariants
from .maps import MapKind
from .process import register
from .records import check_immutable
from .ring import Ring
from .snapshot import Commit, Lineage, Snapshot, Written, delta_of
from .transaction import Draft, Transaction, ensure_findable, ensure_hashable

__all__ = ["BY_FUNCTION", "Core"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
C = TypeVar("C")

BY_FUNCTION: Final[Any] = object()
"""Given to ``_write`` for a record that is yet to be made from the old one."""


class Core(Generic[K, V]):
    """The reference, the lock and the commit of a store; `Store` is what users see of it.

    Methods whose name starts with an underscore expect the lock to be held. Before taking it to
    write, ask ``_owned()``: the lock itself knows who holds it, so there is no flag that an
    exception at the wrong place could leave behind, and the answer cannot change under us, for
    it is us or it is not.

    Kept in an instance dict, not in slots: on a free-threaded build another thread reads an
    instance attribute in about a third of the time of a slot.
    """

    def __init__(
        self,
        records: Mapping[K, V] | Iterable[tuple[K, V]] | None,
        derivation: Derivation,
        invariants: Mapping[str, Invariant] | None,
        meta: Any,
        history: History,
    ) -> None:
        kind: MapKind = derivation.kind
        self._invariants = Invariants(invariants)
        self._asks = bool(invariants)
        self._derivation = derivation
        self._derives = bool(derivation)
        self._put, self._drop, self._apply = kind.put, kind.drop, kind.apply
        self._accepted: set[type] = set()
        self._ring: Ring[Commit[K, V]] = Ring(history.versions)
        self._retention: Retention[K, V] = Retention(history, self._ring)
        self._slots, self._capacity = self._ring.slots, self._ring.capacity
        self._aging = self._retention.aging
        self._lineage = Lineage(derivation, self._ring)
        start = _as_dict(records)
        for key in start:
            ensure_findable(key)
        for record in start.values():
            if type(record) not in self._accepted:
                self._accept(record)
        self._accept(meta)
        delta: Delta[K, V] = {key: (MISSING, record) for key, record in start.items()}
        indexes, totals = derivation.step(*derivation.start(), delta)
        self._current: Snapshot[K, V] = Snapshot(
            0, meta, kind.build(start), indexes, totals, self._lineage
        )
        if self._asks:
            self._invariants.ask(self._current, delta)
        self._audience: Audience[K, V] = Audience(lambda: self._current)
        self._heard = False
        self._note_more()
        self._undelivered = self._audience.undelivered
        self.ended = False
        # Reentrant in kind, so that it knows its owner; never entered twice to write (_owned).
        self._lock = RLock()
        self._owned: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        register(self)

    def _commit(self, write: Callable[..., C], *args: Any) -> C:
        """Run ``write(*args)`` under the lock, and then, outside it, deliver what it did."""
        if self._owned():
            raise ReentrantWriteError
        try:
            with self._lock: commit = write(*args)  # fmt: skip  # noqa: E701
        except BaseException:
            self._give_back()
            raise
        if self._undelivered:
            self._audience.deliver()
        return commit

    def _give_back(self) -> None:
        # For after a write. From CPython 3.14 on an asynchronous exception, such as Ctrl-C, may
        # come between the lock's __enter__ and the block that it is for, whose __exit__ is then
        # never called. Before the write the lock was not ours, so if it is now, this is why.
        if self._owned():
            self._lock.release()

    # Every entry into the lock and what is done in it stand on ONE line. A with statement gives
    # its lock back whatever is raised inside it, but not if a trace function raises on the line
    # event of its own exit; with a single line there is no such event. That is what lets the
    # tests raise an exception at every line and still find the lock free.

    def join(self, member: Bell | Subscription[K, V]) -> None:
        """Let *member* know of every commit from now on. Takes the lock."""
        with self._lock: self._join(member)  # fmt: skip  # noqa: E701

    def leave(self, member: Bell | Subscription[K, V]) -> None:
        """Undo `join`; no harm if it was undone before. Takes the lock."""
        with self._lock: self._leave(member)  # fmt: skip  # noqa: E701

    def wake_all(self) -> None:
        """Wake every sleeper, to look again at whether it should go on. Takes the lock."""
        # Whoever hangs a bell after this look sees why to go on before it sleeps. Without one there
        # is nothing to wait for a lock for, which a daemon thread may hold for ever.
        if self._audience.bells:
            with self._lock: self._audience.wake()  # fmt: skip  # noqa: E701

    def _release(self, pin: Pin[K, V]) -> None:
        with self._lock: self._retention.unpin(pin)  # fmt: skip  # noqa: E701

    def _subscribe(
        self,
        callback: Callable[[Commit[K, V]], object],
        keys: frozenset[K] | None,
        on_error: OnError,
    ) -> Subscription[K, V]:
        # In one step with the version: nothing in between is missed or doubled.
        subscription: Subscription[K, V] = Subscription(
            self._current.version, callback, keys, on_error, self._at, self.leave
        )
        self._join(subscription)
        return subscription

    def _at(self, version: int) -> Snapshot[K, V]:
        return self._retention.at(version, self._current)

    def _pin(self, version: int | Snapshot[K, V] | None, why: str) -> Pin[K, V]:
        if version is None:
            version = self._current
        found = version if isinstance(version, Snapshot) else self._at(version)
        pin = Pin(found, why, self._release)
        self._retention.pins += (pin,)
        return pin

    def _join(self, member: Bell | Subscription[K, V]) -> None:
        audience = self._audience
        if isinstance(member, Subscription):
            audience.subscriptions += (member,)
        else:
            audience.bells += (member,)
        self._heard = True
        self._note_more()

    def _leave(self, member: Bell | Subscription[K, V]) -> None:
        audience = self._audience
        audience.subscriptions = tuple(s for s in audience.subscriptions if s is not member)
        audience.bells = tuple(b for b in audience.bells if b is not member)
        self._heard = bool(audience)
        self._note_more()

    def _end_waits(self) -> None:
        self.ended = True
        self.wake_all()

    def _after_fork_in_child(self) -> None:
        # A lock held by this very thread is in the middle of a write that goes on in the child
        # and will be given back by it. Any other owner does not exist here.
        if not self._owned():
            self._lock = RLock()
            self._owned = self._lock._is_owned  # type: ignore[attr-defined]
        self._audience.after_fork_in_child()

    def _note_more(self) -> None:
        """Note whether a commit has more to do than to publish the records."""
        self._more = self._derives or self._asks or self._heard or self._aging

    def _old(self, key: K) -> V | Absent:
        try:
            return self._current._map.get(key, MISSING)  # type: ignore[no-any-return]
        except TypeError:
            ensure_hashable(key)
            raise

    def _write(self, key: K, record: V | Any, fn: Callable[[V], V] | None = None) -> Commit[K, V]:
        """Set *key* to *record*, or where that is `BY_FUNCTION` to ``fn`` of the old one.

        The hot path, so in one piece: the common case calls nothing that it can do itself.
        """
        before = self._current
        if record is BY_FUNCTION:
            try:
                old: V | Absent = before._map[key]
            except KeyError:
                raise RecordNotFoundError(key, before.version) from None
            except TypeError:
                ensure_hashable(key)
                raise
            try:
                record = fn(old)  # type: ignore[misc, arg-type]
            except TypeError:
                if not callable(fn):
                    raise ArgumentTypeError(f"update takes a function, not {fn!r}") from None
                raise
        else:
            old = self._old(key)
            if old is MISSING:
                ensure_findable(key)
        if record is old:
            return Commit(before, before, None)
        if type(record) not in self._accepted:
            self._accept(record)
        records = self._put(before._map, key, record)
        if self._more:
            return self._publish(before, records, before.meta, (key, old, record))
        version = before.version + 1
        after = Snapshot(version, before.meta, records, (), (), self._lineage)
        commit = Commit(before, after, (key, old, record))
        self._slots[version % self._capacity] = commit
        self._current = after  # the publication: see _publish
        return commit

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
            return self._write(key, record)
        return self._unchanged() if old is MISSING else self._remove(key, old)

    def _remove(self, key: K, old: V) -> Commit[K, V]:
        before = self._current
        records = self._drop(before._map, key)
        return self._publish(before, records, before.meta, (key, old, MISSING))

    def _unchanged(self) -> Commit[K, V]:
        return Commit(self._current, self._current, None)

    def _begin(self) -> Transaction[K, V]:
        return Transaction(self._current, self._accepted, self._accept)

    def _finish(self, transaction: Transaction[K, V]) -> None:
        transaction._result = self._write_all(transaction)

    def _run_draft(
        self, new_draft: Callable[[], Draft[K, V]], fn: Callable[[Draft[K, V]], object]
    ) -> Commit[K, V]:
        draft = new_draft()
        fn(draft)
        return self._write_draft(draft, None)

    def _write_draft(self, draft: Draft[K, V], expected_version: int | None) -> Commit[K, V]:
        draft.check_against(self._current, expected_version)
        commit = self._write_all(draft)
        draft._closed = f"the draft was committed as version {commit.version}; make another one"
        return commit

    def _write_all(self, work: Transaction[K, V] | Draft[K, V]) -> Commit[K, V]:
        # A copy: the commit keeps it, and the work could be written on.
        meta = self._current.meta if work._meta is work.base.meta else work._meta
        return self._write_many(dict(work._writes), meta)

    def _revert(self, to: Snapshot[K, V]) -> Commit[K, V]:
        delta = self._lineage.difference(self._current, to)
        return self._write_many({key: new for key, (_, new) in delta.items()}, to.meta)

    def _write_many(self, writes: dict[K, V | Absent], meta: Any) -> Commit[K, V]:
        before = self._current
        base = before._map
        changes = False
        for key, new in writes.items():
            if base.get(key, MISSING) is not new:
                changes = True
                break
        if not changes and meta is before.meta:
            return self._unchanged()
        records = self._apply(base, writes) if changes else base
        return self._publish(before, records, meta, writes)

    def _publish(
        self, before: Snapshot[K, V], records: Any, meta: Any, written: Written[K, V]
    ) -> Commit[K, V]:
        version = before.version + 1
        indexes, totals = before._indexes, before._totals
        if self._derives:
            if isinstance(written, tuple):
                indexes, totals = self._derivation.step_one(indexes, totals, *written)
            else:
                delta = delta_of(before._map, written)
                indexes, totals = self._derivation.step(indexes, totals, delta)
        after = Snapshot(version, meta, records, indexes, totals, self._lineage)
        commit = Commit(before, after, written)
        if self._asks:
            self._invariants.ask(after, commit._delta)
        if self._heard:
            self._audience.announce(commit)
        self._slots[version % self._capacity] = commit
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


def _as_dict(records: Any) -> dict[Any, Any]:
    if records is None:
        return {}
    if isinstance(records, Mapping):
        return dict(records)
    try:
        pairs = iter(records)
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
