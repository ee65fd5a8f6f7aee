"""Writes and calls of subscribers that are measured, for a store that was given a `Meter`.

In place of `Committer` and `Subscription`: what is measured is what those do, unchanged, so all
that holds of them holds here, and a store without a meter runs none of this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from functools import partial
from os.path import dirname
from threading import get_ident
from typing import Any, Generic, TypeVar

from .commit import Commit
from .committer import Committer
from .meter import Figures
from .reservation import Reservation, place_of, thread_named
from .showing import shown
from .snapshot import Snapshot
from .subscribers import Subscription
from .transactions import Transaction

__all__ = ["MeasuredCommitter", "MeasuredSubscription", "caller"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
R = TypeVar("R")

_PACKAGE = dirname(__file__)


class _Timed(Generic[R]):
    """A work, to be done under the lock, with the time at which the lock was asked for."""

    __slots__ = ("_asked", "_figures", "_work")

    def __init__(self, figures: Figures, work: Callable[[Any, Any], R]) -> None:
        self._figures = figures
        self._work = work
        self._asked = figures.clock()

    def run(self, a: Any, b: Any) -> R:
        """Do the work; note how long it was waited for, and how long it took."""
        figures = self._figures
        began = figures.clock()
        try:
            return self._work(a, b)
        finally:
            # Still under the lock, so nobody else notes meanwhile.
            ended = figures.clock()
            figures.waits.note(began - self._asked, caller)
            figures.holds.note(ended - began, caller)


class MeasuredCommitter(Committer[K, V], Generic[K, V]):
    """Writes to one store, and notes how long each waited and took, and why it was refused."""

    def __init__(self, *parts: Any, figures: Figures) -> None:
        super().__init__(*parts)
        self._figures = figures
        self._opened: float | None = None
        # Of no method of its own, for a store that nobody holds is freed at once.
        self._run = partial(_run, figures, self._run)

    def write(
        self, work: Any, a: Any = None, b: Any = None, holder: Any = None, timeout: Any = None, /
    ) -> Any:
        """Do as `Committer.write`."""
        figures = self._figures
        try:
            commit = super().write(_Timed(figures, work).run, a, b, holder, timeout)
        except Exception as error:
            figures.failed(error)
            raise
        if commit is None:  # a comparison found something else
            figures.conflicts += 1
        return commit

    def open(self, reservation: Reservation, timeout: float | None) -> Transaction[K, V]:
        """Do as `Committer.open`."""
        transaction = super().open(reservation, timeout)
        self._opened = self._figures.clock()
        return transaction

    def leave(self, reservation: Reservation, commits: bool) -> None:
        """Do as `Committer.leave`."""
        self._note_end(reservation)
        super().leave(reservation, commits)

    def let_go(self, reservation: Reservation) -> None:
        """Do as `Committer.let_go`."""
        self._note_end(reservation)
        super().let_go(reservation)

    def hold(self, reservation: Reservation, work: Callable[[Any, Any], R], a: Any, b: Any) -> R:
        """Do as `Committer.hold`."""
        self._note_end(reservation)
        return super().hold(reservation, work, a, b)

    def _note_end(self, reservation: Reservation) -> None:
        # While it has the reservation, so that nobody else has opened one. Of a block that was
        # torn there is no end to note.
        opened = self._opened
        if opened is not None and self._lock.holder() is reservation:
            self._opened = None
            self._figures.blocks.note(
                self._figures.clock() - opened,
                lambda: f"{reservation.opened_at} by {thread_named(reservation.thread)}",
            )


class MeasuredSubscription(Subscription[K, V], Generic[K, V]):
    """A subscription that notes how long its calls take; whoever calls has the turn."""

    def __init__(self, *parts: Any, figures: Figures, via: object) -> None:
        super().__init__(*parts)
        self._clock = figures.clock
        self._watch = figures.callbacks_by(via)

    def offer(self, commit: Commit[K, V], current: Snapshot[K, V]) -> BaseException | None:
        """Do as `Subscription.offer`."""
        before = self._seen if self._seen >= 0 or self.begins else self.fix(current.version)
        began = self._clock()
        error = super().offer(commit, current)
        if self._seen > before:
            self._watch.note(self._clock() - began, self._name)
        return error

    def tell_lagged(self, position: int, snapshot: Snapshot[K, V]) -> BaseException | None:
        """Do as `Subscription.tell_lagged`."""
        if self.begins:
            return self.begin(snapshot)  # which is noted by `offer`
        before = self._seen
        began = self._clock()
        error = super().tell_lagged(position, snapshot)
        if self._seen > before:
            self._watch.note(self._clock() - began, self._name)
        return error

    def _name(self) -> str:
        return shown(self._callback, 120)


def _run(figures: Figures, run: Callable[..., R], work: Callable[[Any, Any], R], *rest: Any) -> R:
    """Have *run*, a `WriteLock.run`, do *work*."""
    try:
        return run(_Timed(figures, work).run, *rest)
    except Exception as error:
        figures.failed(error)
        raise


def caller() -> str:
    """Return the line outside of this package that called, and its thread, in words."""
    return f"{place_of(sys._getframe(), _PACKAGE)} by {thread_named(get_ident())}"
