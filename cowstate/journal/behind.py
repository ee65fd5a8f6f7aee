"""Writes that do not wait for the disk, which follows at an interval: `BehindCommitter`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from time import monotonic
from typing import Any, Generic, TypeVar

from cowstate.commit import Commit
from cowstate.delivery import Delivery
from cowstate.measured import MeasuredCommitter
from cowstate.reservation import Reservation
from cowstate.schema import Schema
from cowstate.timeline import Timeline
from cowstate.transactions import Transaction
from cowstate.waiters import Waiters
from cowstate.writelock import WriteLock, is_writing

from .begun import BegunCommitter
from .encoded import Encoder
from .group import GroupCommit
from .log import Log
from .staging import Backlog, Head, Staged

__all__ = ["BehindCommitter", "MeasuredBehindCommitter"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BehindCommitter(BegunCommitter[K, V], Generic[K, V]):
    """Writes to one store, published at once; the disk follows.

    The same staging as where writes wait, the other way round: what is staged is what is published
    and not on disk. The writer that finds the interval over writes it, with whatever others left.

    Args:
        schema, timeline, lock, delivery, waiters: as of a committer.
        log: where the commits go to.
        encoder: turns them into rows.
        interval: how far the disk may be behind, in seconds, while there are writers.
        clock: what time it is, in seconds.
    """

    def __init__(
        self,
        schema: Schema[K, V],
        timeline: Timeline[K, V],
        lock: WriteLock,
        delivery: Delivery[K, V],
        waiters: Waiters[K],
        log: Log,
        encoder: Encoder[K, V],
        interval: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(schema, timeline, lock, delivery, waiters, encoder)
        self._interval = interval
        self._clock = clock
        self._next = clock() + interval
        self._durable: Head[K, V] = Head(timeline, schema.size_of)
        self._staging: Backlog[K, V] = Backlog(self._durable, timeline)
        self.group: GroupCommit[K, V] = GroupCommit(self._staging, lock, log, keeps=True)

    def write(
        self, work: Any, a: Any = None, b: Any = None, holder: Any = None, timeout: Any = None, /
    ) -> Any:
        """Do as `Committer.write`; then have written what is due, if nobody else is at it."""
        if self._unbuilt:
            self._derive(a)
        result = super().write(work, a, b, holder, timeout)
        # Inside a write to another store the disk is let alone: what is due waits for the next one.
        if self._clock() >= self._next and not is_writing():
            self._next = self._clock() + self._interval
            self.group.lead(self._note_durable)
        return result

    def open(self, reservation: Reservation, timeout: float | None) -> Transaction[K, V]:
        """Do as `Committer.open`."""
        self._derive()
        return super().open(reservation, timeout)

    def _prepare(self, commit: Commit[K, V]) -> None:
        self.group.ensure_room(commit.after.version)
        self._staging.enter(Staged(self._row_of(commit)))
        if self._announces or self._waiters.parked.all:
            super()._prepare(commit)

    def _note_durable(self, group: Sequence[Staged[K, V]], _: None = None) -> None:
        after = group[-1].after
        assert after is not None  # it was the last of those that were given to the log
        self._durable.current = after
        self._staging.forget()

    @property
    def durable(self) -> Timeline[K, V]:
        """What is on disk."""
        return self._durable

    def flush(self) -> None:
        """Have on disk all that was written before."""
        self.group.ensure_outside()
        self.group.flush(self._note_durable)

    def close(self) -> None:
        """Have on disk all that was written, let go of the log, and refuse writes from then on."""
        self.group.ensure_outside()
        self.group.close(self._note_durable)


class MeasuredBehindCommitter(MeasuredCommitter[K, V], BehindCommitter[K, V], Generic[K, V]):
    """The same, measured."""
