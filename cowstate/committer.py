"""One write from its start to its end: the lock, the next version, the publication, delivery."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar, Generic, TypeVar

from .changes import MISSING, Absent, Delta
from .commit import Commit
from .delivery import Delivery, debts, settle
from .derivation import Derivation
from .draft import Draft
from .errors import ArgumentTypeError, ClosedError, RecordNotFoundError
from .keys import ensure_findable, ensure_hashable
from .reservation import Reservation, go_inside
from .schema import Schema
from .showing import shown
from .slips import plain
from .snapshot import Snapshot
from .timeline import Timeline
from .transactions import Transaction
from .waiters import Waiters
from .writelock import GIVEN_UP, OVER, WriteLock

__all__ = ["Committer"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

_ranks = count(1)

COMMITTED = "the draft was committed; make another one"


class Committer(Generic[K, V]):
    """Writes to one store.

    Every write is a call of `write` with one of the functions below as its *work*, done while
    nobody else may write. Each works out the next version aside, from the current one, and ends
    with the publication; what it returns is the `Commit`. Outside the lock the commit is then
    delivered.

    Attributes:
        timeline: the versions of the store, as writers see them: each builds on the current one.
        rank: the place of the store in the order in which several are locked.
        joins: whether its commits can be published together with those of other stores.
    """

    joins: ClassVar[bool] = True

    def __init__(
        self,
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        lock: WriteLock,
        delivery: Delivery[K, V],
        waiters: Waiters[K],
    ) -> None:
        self.rank = next(_ranks)
        self._schema = schema
        self.timeline = timeline
        self._lock = lock
        self._delivery = delivery
        self._waiters = waiters
        # Bound once, for they are looked at in every write, and never change.
        self._subscribed = delivery.all
        self._run = lock.run
        self._put, self._accepted, self._free = schema.kind.put, schema.accepted, schema.free
        self._equal = schema.equal
        self._bounded, self._deferral = timeline.bounded, timeline.deferral
        self._prepares = timeline.bounded or timeline.deferral is not None
        self._slots, self._capacity = timeline.ring.slots, timeline.ring.capacity

    def write(
        self,
        work: Callable[[Any, Any], Commit[K, V] | None],
        a: Any = None,
        b: Any = None,
        holder: Reservation | None = None,
        timeout: float | None = None,
        /,
    ) -> Any:
        """Return ``work(a, b)``, done as by `WriteLock.run`; then deliver."""
        lock = self._lock
        if lock.owned():
            raise lock.reentrant()
        try:
            # `WriteLock.run` written out, for one call less in every write: see there.
            if timeout is None and (lock.acquire(False) or lock.acquire(True, lock.patience)):
                if lock.reserved is holder:
                    commit = work(a, b)
                    lock.release()
                else:
                    lock.release()
                    commit = lock.wait(work, a, b, holder, timeout)
            else:
                commit = lock.wait(work, a, b, holder, timeout)
        except BaseException:
            try:
                for _ in lock.unlock:
                    break
            except RuntimeError:  # it is not ours
                pass
            # It may have come after the publication.
            if self._delivery.all:
                self._delivery.catch_up()
            if debts:
                settle()
            raise
        if self._subscribed and commit is not None:
            self._delivery.after(commit)
        if debts:
            settle()
        return commit

    def _publish(self, commit: Commit[K, V]) -> Commit[K, V]:
        if commit.after is not commit.before:
            if self._prepares or self._waiters.parked.all:
                self._prepare(commit)
            self.timeline.publish(commit)
        return commit

    def _prepare(self, commit: Commit[K, V]) -> None:
        """Do what goes before the publication, and does no harm if that fails.

        The one place that every commit passes before it is published, if `_prepares` says so:
        what raises here keeps it from that. A journal takes it in hand here.
        """
        if self._waiters.parked.all:
            self._waiters.notify(commit)
        if self._bounded:
            self.timeline.expire(commit, self._delivery.needed())
        deferral = self._deferral
        if deferral is not None and deferral.due <= deferral.clock():
            deferral.of_version(commit.after)

    # The work of one-key writes. `_store` is the hot path, so in one piece: the common case calls
    # nothing that it can do itself.

    def set(self, key: K, record: V) -> Commit[K, V]:
        """Set *key*. As the work of `write`."""
        before = self.timeline.current
        try:
            old: V | Absent = before._map.get(key, MISSING)
        except TypeError:
            ensure_hashable(key)
            raise
        if old is MISSING:
            ensure_findable(key)
        if type(record) not in self._accepted:
            self._schema.accept(record, key)
        return self._store(before, key, old, record)

    def update(self, key: K, fn: Callable[[V], V]) -> Commit[K, V]:
        """Set *key* to ``fn`` of what it holds. As the work of `write`."""
        before = self.timeline.current
        try:
            old = before._map[key]
        except KeyError:
            raise RecordNotFoundError(key, before.version) from None
        except TypeError:
            ensure_hashable(key)
            raise
        try:
            record = fn(old)
        except TypeError:
            if not callable(fn):
                raise ArgumentTypeError(f"update takes a function, not {shown(fn)}") from None
            raise
        if type(record) not in self._accepted:
            self._schema.accept_returned(record, key)
        return self._store(before, key, old, record)

    def _store(self, before: Snapshot[K, V], key: K, old: V | Absent, record: V) -> Commit[K, V]:
        if record is old or (self._equal is not None and self._schema.is_same(old, record)):
            return Commit(before, before, {})
        version = before.version + 1
        if self._free and old is not MISSING:
            # What `Schema.advance_one` does, where nobody may veto.
            records = self._put(before._map, key, record)
            lineage = before._lineage
            if lineage.derives:
                indexes, totals = lineage.shift(before._indexes, before._totals, key, old, record)
                after = Snapshot(
                    version, before.meta, records, indexes, totals, before._key_set, lineage
                )
            else:
                after = Snapshot(version, before.meta, records, (), (), before._key_set, lineage)
            commit = Commit(before, after, (key, old, record))
        else:
            commit = self._schema.advance_one(before, key, old, record)
            after = commit.after
        if self._prepares or self._waiters.parked.all:
            self._prepare(commit)
        self._slots[version % self._capacity] = commit
        self.timeline.current = after  # the publication: see Timeline.publish
        return commit

    def delete(self, key: K, _: None = None) -> Commit[K, V]:
        """Remove *key*. As the work of `write`."""
        before = self.timeline.current
        old = _old(before, key)
        if old is MISSING:
            raise RecordNotFoundError(key, before.version)
        return self._publish(self._schema.advance_one(before, key, old, MISSING))

    def compare_and_set(self, key: K, change: tuple[V | Absent, V | Absent]) -> Commit[K, V] | None:
        """Set *key* if it holds what is expected. As the work of `write`."""
        expected, record = change
        before = self.timeline.current
        old = _old(before, key)
        if old is not expected and not self._schema.is_same(old, expected):
            return None
        if record is not MISSING:
            return self.set(key, record)
        return self._schema.unchanged(before) if old is MISSING else self.delete(key)

    # The work of writes of several keys.

    def commit(self, writes: Mapping[K, V | Absent], meta: object) -> Commit[K, V]:
        """Publish what *writes* and *meta* make of the current version. As the end of a work."""
        return self._publish(self._schema.advance(self.timeline.current, writes, meta))

    def commit_known(self, writes: Mapping[K, V], delta: Delta[K, V]) -> Commit[K, V]:
        """Publish what is known to change the records of known keys. As the end of a work."""
        before = self.timeline.current
        if not delta:
            return self._schema.unchanged(before)
        return self._publish(
            self._schema.step(before, writes, delta, before.meta, before._key_set, False)
        )

    def commit_derived(
        self, derivation: Derivation, indexes: Sequence[Any], totals: Sequence[Any]
    ) -> Commit[K, V]:
        """Publish a version from which this is derived. As the end of a work."""
        before = self.timeline.current
        return self._publish(self._schema.derive(before, derivation, indexes, totals))

    def commit_draft(self, draft: Draft[K, V], expected_version: int | None) -> Commit[K, V]:
        """Commit *draft* if nothing that it relied on has changed. As the work of `write`."""
        outcome = draft.outcome_over(self.timeline.current, expected_version)
        commit = self._publish(self._schema.advance(*outcome))
        draft.close(COMMITTED)
        draft.committed(commit)
        return commit

    def run_draft(
        self,
        new_draft: Callable[[Snapshot[K, V]], Draft[K, V]],
        run: tuple[Callable[[Draft[K, V]], object], list[Any]],
    ) -> Commit[K, V]:
        """Make a draft, run a function on it, append its answer, and commit. As work of `write`."""
        fn, answer = run
        draft = new_draft(self.timeline.current)
        answer.append(plain(fn(draft), "retry"))
        return self.commit_draft(draft, None)

    def revert(self, to: Snapshot[K, V], _: None = None) -> Commit[K, V]:
        """Make everything as in *to*. As the work of `write`."""
        current = self.timeline.current
        delta = current._lineage.difference(current, to)
        writes = {key: new for key, (_, new) in delta.items()}
        return self._publish(self._schema.advance(current, writes, to.meta))

    def run_transaction(
        self, fn: Callable[[Transaction[K, V]], object], answer: list[Any]
    ) -> Commit[K, V]:
        """Run *fn* on a transaction and commit it; append what it returns. As work of `write`."""
        transaction = Transaction(self.timeline.current, self._accepted, self._schema.accept)
        try:
            answer.append(plain(fn(transaction), "transact"))
            commit = self._publish(self._schema.advance(*transaction.outcome()))
        finally:
            transaction.close(OVER)
        transaction.committed(commit)
        return commit

    # Blocks. See `cowstate.blocks` for who calls this, `cowstate.reservation` for why.

    def open(self, reservation: Reservation, timeout: float | None) -> Transaction[K, V]:
        """Wait for the reservation, and return a transaction over it."""
        # Known to be inside before it is made: a call that comes in between is a call from inside.
        go_inside(reservation)
        try:
            self._run(self._lock.reserve, reservation, self.timeline, None, timeout)
            transaction = Transaction(reservation.base, self._accepted, self._schema.accept)  # type: ignore[arg-type]
        except BaseException:
            reservation.done = True
            raise
        reservation.work = transaction
        return transaction

    def leave(self, reservation: Reservation, commits: bool) -> None:
        """End *reservation*, after the commit if *commits*. From any thread."""
        try:
            if commits:
                self.write(self._finish, reservation, None, reservation)
        finally:
            reservation.done = True
            self.let_go(reservation)

    def let_go(self, reservation: Reservation) -> None:
        """End *reservation*; no harm if it is over. From any thread."""
        self._lock.cancel(reservation, OVER)
        if debts:
            settle(reservation.thread)

    def _finish(self, reservation: Reservation, _: None) -> Commit[K, V]:
        transaction = _work_of(reservation)
        commit = self._publish(self._schema.advance(*transaction.outcome()))
        self._lock.reserved = None  # it is over; this only spares the next write a look
        transaction.committed(commit)
        return commit

    # Blocks over several stores: the locks of all are held, one inside the other, while each
    # commit is made ready and all are published.

    def hold(self, reservation: Reservation, work: Callable[[Any, Any], R], a: Any, b: Any) -> R:
        """Return ``work(a, b)``, done under the lock, by who has the reservation."""
        return self._run(work, a, b, reservation)

    def ready(self, reservation: Reservation) -> Commit[K, V]:
        """Return the commit of *reservation*'s transaction, but for the publication."""
        transaction = _work_of(reservation)
        commit = self._schema.advance(*transaction.outcome())
        if commit.after is not commit.before:
            self._prepare(commit)
            self.timeline.place(commit)
        transaction.committed(commit)
        return commit

    def deliver(self) -> None:
        """Deliver what was published by other means than `write`."""
        if self._delivery.all:
            self._delivery.catch_up()
        if debts:
            settle()


def _old(before: Snapshot[K, V], key: K) -> V | Absent:
    try:
        return before._map.get(key, MISSING)  # type: ignore[no-any-return]
    except TypeError:
        ensure_hashable(key)
        raise


def _work_of(reservation: Reservation) -> Transaction[Any, Any]:
    if reservation.over() or not isinstance(reservation.work, Transaction):
        raise ClosedError(GIVEN_UP)
    return reservation.work
