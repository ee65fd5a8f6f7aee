"""Time as a thing one passes in: a virtual clock, for one thread or for several.

A replay of six minutes of trades must not take six minutes, and a test of a race must not
depend on luck. So everything that waits or happens later does it through a `Clock`: a number
of milliseconds and a queue of events. Time moves only when somebody *drives* it
(`Clock.run_until`, `Clock.settle`): the driver takes the events out of the queue in order of
time, ties in order of insertion, sets the clock to each one's time and calls it.

There are two clocks with one interface, so that what runs on one runs on the other.

`VirtualClock`: everything on one thread, deterministic.
    Code that is called from an event may block: `wait_until` there processes what is due in
    the meantime, whoever it concerns, and then returns. That is how orders fill in the middle
    of a reconciler's request. The price of having one stack: code that blocked outside goes on
    only when code that blocked inside it has ended, so its wait may last longer than it asked
    for (never shorter). `Clock.participant` keeps that within bounds: the code of one
    participant never runs inside itself.

`cowstate.positions.simulation.threaded.ThreadedClock`: real threads.
    The driver is the feed thread; matching and deliveries happen on it. Each participant has a
    thread of its own. A thread that waits for a time sleeps on a condition until the driver
    gets there. A participant is *busy since* a time: the time when it was given something to
    do, or the time that it is waiting for. The driver never passes the earliest of these by
    more than `lead_ms`, so that the tape does not run away from the strategy; a participant
    with nothing to do holds nobody back. `close` wakes everybody.

An event or a participant that raises stops the clock: the exception comes out of the
outermost `run_until` or `settle`, even where code in between swallowed it (or, if nobody
drives any more, out of the ``with`` block of the clock).
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from cowstate import ArgumentTypeError, ClosedError

__all__ = ["Clock", "Inbox", "VirtualClock"]

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
Event = Callable[[], None]
Queue = list[tuple[int, int, Event]]


class Inbox(Protocol[T_contra]):
    """Where a participant is given its work."""

    def put(self, item: T_contra) -> None:
        """Add *item*; never blocks and never runs the handler itself."""
        ...


class Clock(Protocol):
    """A time in milliseconds, a queue of events, and those who live by them."""

    @property
    def now_ms(self) -> int:
        """The present."""
        ...

    def call_at(self, time_ms: int, fn: Event) -> None:
        """Have the driver call *fn* at *time_ms*; a time in the past means now.

        Events of one time are called in the order in which they were added.
        """
        ...

    def wait_until(self, time_ms: int) -> None:
        """Block until it is *time_ms* and all that was due by then when called has happened.

        Raises:
            ClosedError: the clock was closed, before or meanwhile.
        """
        ...

    def run_until(self, time_ms: int) -> None:
        """Drive: call every event that is due up to *time_ms* and leave the clock there."""
        ...

    def settle(self) -> None:
        """Drive until no event is left and every participant has nothing to do.

        Does not return while something keeps adding events, such as a timer that renews itself.
        """
        ...

    def participant(self, name: str, handler: Callable[[tuple[T, ...]], None]) -> Inbox[T]:
        """Add somebody who works on what is put in an inbox, apart from the driver.

        *handler* is called with all that has been put since its last call, and is never called
        while it runs. It may block on this clock.
        """
        ...

    def close(self) -> None:
        """End it: whoever waits gets a `ClosedError`, participants end. May be called twice."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def check_time(time_ms: int) -> int:
    """Return *time_ms*, or raise `ArgumentTypeError` if it is not an int."""
    if type(time_ms) is not int:
        raise ArgumentTypeError(
            f"a time is a whole number of milliseconds, an int; not {time_ms!r}"
        )
    return time_ms


def closed_error() -> ClosedError:
    """Make the error for whoever waits on a clock that is closed."""
    return ClosedError("the clock is closed; no time passes on it any more")


class VirtualClock:
    """A `Clock` for one thread: the same program gives the same events, always.

    Not thread-safe. `call_at` costs O(log events), an event about a microsecond.

    >>> clock = VirtualClock()
    >>> def patient() -> None:
    ...     clock.wait_until(30)
    ...     print(clock.now_ms, "patient goes on")
    >>> clock.call_at(10, patient)
    >>> clock.call_at(20, lambda: print(clock.now_ms, "happens meanwhile"))
    >>> clock.run_until(100)
    20 happens meanwhile
    30 patient goes on
    >>> clock.now_ms
    100
    """

    def __init__(self, start_ms: int = 0) -> None:
        self._now = check_time(start_ms)
        self._queue: Queue = []
        self._numbers = itertools.count()
        self._closed = False
        self._failure: BaseException | None = None

    @property
    def now_ms(self) -> int:
        """The present."""
        return self._now

    def call_at(self, time_ms: int, fn: Event) -> None:
        """See `Clock.call_at`."""
        due = max(check_time(time_ms), self._now)
        heapq.heappush(self._queue, (due, next(self._numbers), fn))

    def wait_until(self, time_ms: int) -> None:
        """See `Clock.wait_until`; the waiting code drives the clock meanwhile."""
        self.run_until(time_ms)

    def run_until(self, time_ms: int) -> None:
        """See `Clock.run_until`; may be called from an event."""
        end = check_time(time_ms)
        self._check()
        while self._queue and self._queue[0][0] <= end:
            self._step()
        self._now = max(self._now, end)

    def settle(self) -> None:
        """See `Clock.settle`."""
        self._check()
        while self._queue:
            self._step()

    def participant(self, name: str, handler: Callable[[tuple[T, ...]], None]) -> Inbox[T]:
        """See `Clock.participant`; the handler is called from an event."""
        return _VirtualInbox(self, name, handler)

    def to_come(self) -> list[tuple[int, Event]]:
        """Return what is still to happen, and when, in order. O(n log n).

        >>> clock = VirtualClock()
        >>> clock.call_at(20, print)
        >>> clock.to_come() == [(20, print)]
        True
        """
        return [(due, fn) for due, _, fn in sorted(self._queue)]

    def close(self) -> None:
        """See `Clock.close`."""
        self._closed = True
        self._queue.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _step(self) -> None:
        self._now, _, fn = heapq.heappop(self._queue)
        try:
            fn()
        except BaseException as error:
            if self._failure is None:
                self._failure = error
            raise
        self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise closed_error()


class _VirtualInbox(Generic[T]):
    def __init__(
        self, clock: VirtualClock, name: str, handler: Callable[[tuple[T, ...]], None]
    ) -> None:
        self.name = name
        self._clock = clock
        self._handler = handler
        self._items: list[T] = []
        self._called = False

    def put(self, item: T) -> None:
        self._items.append(item)
        self._call()

    def _call(self) -> None:
        if self._items and not self._called:
            self._called = True
            self._clock.call_at(self._clock.now_ms, self._run)

    def _run(self) -> None:
        items, self._items = tuple(self._items), []
        try:
            self._handler(items)
        finally:
            self._called = False
        # What came meanwhile is a new event, not a loop here: a loop would keep whoever is
        # blocked further down the stack from going on for as long as items keep coming.
        self._call()
