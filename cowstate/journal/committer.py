"""One write to a store with a journal, from its start to its end: `DurableCommitter`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from cowstate.commit import Commit
from cowstate.delivery import Delivery, debts, settle
from cowstate.errors import ClosedError, ReentrantWriteError
from cowstate.measured import MeasuredCommitter
from cowstate.reservation import Reservation
from cowstate.schema import Schema
from cowstate.timeline import Timeline
from cowstate.transactions import Transaction
from cowstate.waiters import Waiters
from cowstate.writelock import WriteLock, is_writing

from .begun import BegunCommitter
from .encoded import Encoder
from .group import ELSEWHERE, GroupCommit
from .log import Log
from .staging import Head, Staged, StagedCommit, Staging

__all__ = ["DurableCommitter", "MeasuredDurableCommitter"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Attempt(Generic[K, V]):
    """A work, to be done under the lock, with what its answer was derived from."""

    __slots__ = ("_staging", "_work", "entry")

    def __init__(self, staging: Staging[K, V], work: Callable[[Any, Any], Any]) -> None:
        self._staging = staging
        self._work = work
        self.entry: Staged[K, V] | None = None

    def run(self, a: Any, b: Any) -> Any:
        """Do the work; note the newest version that it saw, or made."""
        self.entry = self._staging.newest()
        result = self._work(a, b)
        self.entry = self._staging.newest()
        return result


class DurableCommitter(BegunCommitter[K, V], Generic[K, V]):
    """Writes to one store, each of which returns when it is on disk.

    The works are those of `Committer`, unchanged; what they publish to is the `Head`. So each one
    builds on the newest version that was staged, and what a committer does last, one store of one
    reference, stages. What is staged is written, published and then delivered outside of the lock.

    Args:
        schema, timeline, lock, delivery, waiters: as of a committer.
        log: where the commits go to.
        encoder: turns them into rows.
    """

    joins = False

    def __init__(
        self,
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        lock: WriteLock,
        delivery: Delivery[K, V],
        waiters: Waiters[K],
        log: Log,
        encoder: Encoder[K, V],
    ) -> None:
        head: Head[K, V] = Head(timeline, schema.size_of)
        super().__init__(schema, head, lock, delivery, waiters, encoder)
        self._published = timeline
        self._staging: Staging[K, V] = Staging(timeline, head)
        self.group: GroupCommit[K, V] = GroupCommit(self._staging, lock, log)

    def write(
        self, work: Any, a: Any = None, b: Any = None, holder: Any = None, timeout: Any = None, /
    ) -> Any:
        """Return ``work(a, b)``, done as by `WriteLock.run`, when it is on disk; then deliver.

        An answer is a result, too: that nothing was changed, that there is no such record, what an
        invariant or a function of the user's raises was derived from the newest version, and is
        told when that is on disk.
        """
        group, publish = self.group, self._publish_staged
        if holder is None and is_writing():
            self._refuse_inside()
        if self._unbuilt:
            self._derive(a)
        attempt = _Attempt(self._staging, work)
        try:
            if holder is not None:
                group.ensure_not_inside()
            group.ensure_ready(publish)
            try:
                commit = self._lock.run(attempt.run, a, b, holder, timeout)
            except Exception:
                group.settle(attempt.entry, publish)
                raise
            group.settle(attempt.entry, publish)
        except BaseException:
            self.deliver()
            raise
        if self._subscribed and commit is not None:
            self._delivery.after(commit)
        if debts:
            settle()
        return commit

    def _refuse_inside(self) -> None:
        self.group.ensure_not_inside()
        reserved = self._lock.holder()
        # For a transaction of this very store the lock has better words.
        if reserved is None or not reserved.is_here():
            raise ReentrantWriteError(ELSEWHERE)

    def _prepare(self, commit: Commit[K, V]) -> None:
        self.group.ensure_room(commit.after.version)
        self._staging.enter(StagedCommit(commit, self._row_of(commit)))

    def _publish_staged(self, group: Sequence[StagedCommit[K, V]], _: None = None) -> None:
        """Publish what is on disk. As the work of `WriteLock.run`, in the turn."""
        for entry in group:
            if self._announces or self._waiters.parked.all:
                super()._prepare(entry.commit)
            self._published.place(entry.commit)
        # The publication, as in `Timeline.publish`, of the whole group. If it is not reached, all
        # of it is done again.
        self._published.current = group[-1].commit.after
        self._staging.forget()

    # Blocks.

    def open(self, reservation: Reservation, timeout: float | None) -> Transaction[K, V]:
        """Do as `Committer.open`."""
        if is_writing():
            self._refuse_inside()
        self._derive()
        self.group.ensure_ready(self._publish_staged)
        return super().open(reservation, timeout)

    def leave(self, reservation: Reservation, commits: bool) -> None:
        """Do as `Committer.leave`; when this returns, what the block saw is on disk."""
        base = reservation.base
        try:
            super().leave(reservation, commits)
        except ClosedError:
            if base is not None:
                self.group.settle_at(base, self._publish_staged)  # if that was lost, it says why
            raise
        if not commits and base is not None:
            self.group.settle_at(base, self._publish_staged)

    # What the store's owner asks for.

    @property
    def durable(self) -> Timeline[K, V]:
        """What is on disk."""
        return self._published

    def flush(self) -> None:
        """Have on disk all that was written before."""
        self.group.ensure_outside()
        self.group.flush(self._publish_staged)
        self.deliver()

    def close(self) -> None:
        """Have on disk all that was written, let go of the log, and refuse writes from then on."""
        self.group.ensure_outside()
        try:
            self.group.close(self._publish_staged)
        finally:
            self.deliver()


class MeasuredDurableCommitter(MeasuredCommitter[K, V], DurableCommitter[K, V], Generic[K, V]):
    """The same, measured."""
