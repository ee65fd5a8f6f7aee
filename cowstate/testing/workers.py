"""The pooled threads that a scheduler runs, each when it is given the baton."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import CellType, FrameType, FunctionType
from typing import Final

from .tracing import TraceFunction

__all__ = ["Aborted", "Worker"]


_GRACE: Final = 1000
# While a program runs, threads that are started are the program's.
_START: Final = threading.Thread.start


class Aborted(BaseException):
    """Raised in a thread whose schedule is over, to unwind it."""


class Worker:
    """One thread of the pool, which runs one function in each schedule.

    Attributes:
        number: its place among the threads of the program.
        name: what the thread is called in this schedule.
        job: the function.
        idle: whether the program may end while it waits: a daemon, or a thread of a pool.
        over: whether its function has returned or raised.
        begun: whether it has come to its first switch point.
        fresh: whether it has used no lock since its latest one.
        frame: the frame of that point; None before the first, and where nobody can tell.
        rest: whether the frame stands in the middle of a line.
        at: the primitive that it is about to use, or waits at; None if it stands at a line.
        entered: the primitives whose ``with`` blocks it is in.
        ready: what must become true before it can go on; None if nothing need.
        timed: whether it may go on all the same, by a timeout.
        expired: whether it does so.
        awaited: what it waits for, in words.
        grace: how many more switch points it may pass once the schedule is over.
        settled: the variables of other functions that *job* uses and that were bound when it began.
        lost: whether it did not come back in time, and is not to be given another function.
    """

    def __init__(
        self, number: int, trace: TraceFunction, perform: Callable[[Worker], None]
    ) -> None:
        self.number = number
        self.lost = False
        self.awaited = ""
        self.ident = -1
        self._perform = perform
        self._trace = trace
        # Not a lock: on a free-threaded build who waits for one spins before it sleeps, and on a
        # busy machine gives its turn away each time.
        self._baton: SimpleQueue[None] = SimpleQueue()
        self.begin("", None)
        self._thread = threading.Thread(
            target=self._work, name=f"cowstate-schedule-{number}", daemon=True
        )
        _START(self._thread)
        # What it starts is a daemon only if it says so.
        vars(self._thread)["_daemonic"] = False

    def begin(self, name: str, job: Callable[[], object] | None, idle: bool = False) -> None:
        """Be called *name*, and run *job* when given the baton; end for None."""
        self.name, self.job, self.idle = name, job, idle
        self.over = self.fresh = self.begun = self.timed = self.expired = self.rest = False
        self.grace = _GRACE
        self.ready: Callable[[], bool] | None = None
        self.frame: FrameType | None = None
        self.at: object = None
        self.entered: list[object] = []
        self.settled = _bound_variables(job)

    def can_go_on(self, by_timeout: bool) -> bool:
        """Whether it may be given the baton, if *by_timeout* also because a wait is up."""
        if self.over:
            return False
        return self.ready is None or self.ready() or (by_timeout and self.timed)

    def go(self) -> None:
        """Give it the baton."""
        self._baton.put(None)

    def park(self) -> None:
        """Wait for the baton; called by the thread itself, which has handed it on."""
        self._baton.get()

    def close(self, patience: float) -> None:
        """End the thread; it must be parked, or lost, which is given *patience* seconds."""
        self.begin("", None)
        if not self.lost:
            self.go()
        self._thread.join(patience if self.lost else None)

    def _work(self) -> None:
        self.ident = threading.get_ident()
        before = sys.gettrace()
        # Once for the life of the thread: from 3.12 on, each change makes the interpreter
        # instrument all code anew.
        sys.settrace(self._trace)
        try:
            self._serve()
        finally:
            sys.settrace(before)

    def _serve(self) -> None:
        while not self.lost:
            self.park()
            if self.job is None:
                return
            self._perform(self)


def _bound_variables(job: Callable[[], object] | None) -> frozenset[str]:
    if not isinstance(job, FunctionType):
        return frozenset()
    cells = zip(job.__code__.co_freevars, job.__closure__ or (), strict=True)
    return frozenset(name for name, cell in cells if _is_bound(cell))


def _is_bound(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
