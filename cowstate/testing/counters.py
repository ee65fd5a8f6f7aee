"""Semaphores and barriers that a `Scheduler` knows, as those of `threading`."""

from __future__ import annotations

from collections.abc import Callable
from threading import BrokenBarrierError

from .primitives import Guard, Primitive
from .scheduler import Scheduler
from .workers import Worker

__all__ = ["Barrier", "BoundedSemaphore", "Semaphore"]


class Semaphore(Guard):
    """As `threading.Semaphore`."""

    def __init__(self, scheduler: Scheduler, value: int = 1) -> None:
        super().__init__(scheduler)
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        self._value = value

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take one, if need be after waiting."""
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        self.scheduler.operate(self)
        blocking = blocking and not (timeout is not None and timeout <= 0)
        while not self._value:
            if not blocking or not self.scheduler.block(
                lambda: self._value > 0, timeout is not None, f"{self.name} to be released"
            ):
                return False
        self._value -= 1
        return True

    def release(self, n: int = 1) -> None:
        """Give *n* back."""
        if n < 1:
            raise ValueError("n must be one or more")
        self.scheduler.operate(self)
        self._value += n

    def holds_up(self, _worker: Worker) -> bool:
        """Whether none is left."""
        return not self._value


class BoundedSemaphore(Semaphore):
    """As `threading.BoundedSemaphore`: no more can be given back than were taken."""

    def __init__(self, scheduler: Scheduler, value: int = 1, bound: int | None = None) -> None:
        super().__init__(scheduler, value)
        self._bound = value if bound is None else bound

    def release(self, n: int = 1) -> None:
        """Give *n* back."""
        if n < 1:
            raise ValueError("n must be one or more")
        self.scheduler.operate(self)
        if self._value + n > self._bound:
            raise ValueError("Semaphore released too many times")
        self._value += n


class _Round:
    """Those who wait at a barrier together."""

    def __init__(self) -> None:
        self.come = 0
        self.passed = False
        self.broken = False

    def is_over(self) -> bool:
        return self.passed or self.broken


class Barrier(Primitive):
    """As `threading.Barrier`."""

    def __init__(
        self,
        scheduler: Scheduler,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(scheduler)
        if parties < 1:
            raise ValueError("parties must be >= 1")
        self._parties = parties
        self._action = action
        self._timeout = timeout
        self._round = _Round()
        self._broken = False

    def wait(self, timeout: float | None = None) -> int:
        """Wait until all have come; return which one this was."""
        timed = timeout is not None or self._timeout is not None
        scheduler = self.scheduler
        scheduler.operate(self)
        # While the action runs, the next round has not begun.
        while self._round.come == self._parties and not self._broken:
            scheduler.block(self._round.is_over, False, f"the action of {self.name}")
        if self._broken:
            raise BrokenBarrierError
        mine = self._round
        place = mine.come
        mine.come += 1
        if mine.come == self._parties:
            self._pass(mine)
        else:
            awaited = f"{self.name}, where {mine.come} of {self._parties} have come"
            if not scheduler.block(mine.is_over, timed, awaited):
                self._break()
        if mine.broken:
            raise BrokenBarrierError
        return place

    def _pass(self, mine: _Round) -> None:
        if self._action is not None:
            try:
                self._action()
            except BaseException:
                self._break()
                raise
        mine.passed = True
        if self._round is mine:
            self._round = _Round()

    def _break(self) -> None:
        self._broken = self._round.broken = True

    def reset(self) -> None:
        """Send away those who wait, with an error, and begin anew."""
        self.scheduler.operate(self)
        self._round.broken = self._round.come > 0
        self._round, self._broken = _Round(), False

    def abort(self) -> None:
        """Break it: an error for all who wait and will wait."""
        self.scheduler.operate(self)
        self._break()

    @property
    def parties(self) -> int:
        """How many it takes."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many wait."""
        self.scheduler.operate(self)
        return 0 if self._broken else self._round.come % self._parties

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        self.scheduler.operate(self)
        return self._broken
