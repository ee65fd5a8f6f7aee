"""Virtual time for real threads: one drives, the others live in the time that it makes.

How this differs from `cowstate.positions.simulation.clock.VirtualClock`, and why the interface is
the same, is said there.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from cowstate import ArgumentValueError, ClosedError

from ..errors import ClockError
from ..guard import Guard
from .clock import Event, Inbox, Queue, check_time, closed_error

__all__ = ["ThreadedClock"]

T = TypeVar("T")


class ThreadedClock:
    """A `Clock` for real threads: one drives, the others live in the time that it makes.

    Thread-safe. The thread that calls `run_until` or `settle` drives; there is one at a time. A
    thread that is neither a participant nor the driver's may wait as well, and drives for itself
    if nobody else does. Nothing polls: who waits is woken by whoever changes what it waits for.

    Args:
        start_ms: the first present.
        lead_ms: how far the driver may run ahead of a busy participant. 0 makes time stand
            still while anybody works; more lets them truly overlap.

    >>> with ThreadedClock(lead_ms=5) as clock:
    ...     def work(items: tuple[str, ...]) -> None:
    ...         clock.wait_until(clock.now_ms + 30)
    ...         print(items, "done at", clock.now_ms)
    ...     inbox = clock.participant("worker", work)
    ...     clock.call_at(10, lambda: inbox.put("a job"))
    ...     clock.settle()
    ('a job',) done at 40
    """

    def __init__(self, start_ms: int = 0, *, lead_ms: int = 20) -> None:
        if check_time(lead_ms) < 0:
            raise ArgumentValueError(f"lead_ms must not be negative, and is {lead_ms}")
        self.lead_ms = lead_ms
        self._now = check_time(start_ms)
        self._queue: Queue = []
        self._numbers = itertools.count()
        self._closed = False
        self._failure: BaseException | None = None
        self._failure_was_raised = False
        self._guard = Guard()
        self._lock = self._guard.lock
        self._gate = threading.Condition(self._lock)  # what holds the driver back has changed
        self._asleep: set[threading.Condition] = set()
        self._busy_since: dict[object, int] = {}
        self._driver: int | None = None
        self._self = threading.local()
        self._threads: list[threading.Thread] = []

    @property
    def now_ms(self) -> int:
        """The present."""
        return self._now

    def call_at(self, time_ms: int, fn: Event) -> None:
        """See `Clock.call_at`; *fn* is called on the driver's thread."""
        self._guard.run(self._push, check_time(time_ms), fn)

    def wait_until(self, time_ms: int) -> None:
        """See `Clock.wait_until`."""
        if not self._guard.run(self._slept_until, check_time(time_ms), self._me()):
            self.run_until(time_ms)

    def run_until(self, time_ms: int) -> None:
        """See `Clock.run_until`; from an event, too, but never from a participant.

        Raises:
            ClockError: another thread is driving, or the calling thread is a participant.
        """
        self._drive(check_time(time_ms))

    def settle(self) -> None:
        """See `Clock.settle`; errors as for `run_until`."""
        self._drive(None)

    def participant(self, name: str, handler: Callable[[tuple[T, ...]], None]) -> Inbox[T]:
        """See `Clock.participant`; the handler runs on a thread of its own, named *name*."""
        inbox = _ThreadInbox[T](self)
        thread = threading.Thread(target=self._serve, args=(inbox, handler), name=name, daemon=True)
        self._guard.run(self._add, thread)
        thread.start()
        return inbox

    @contextmanager
    def participating(self) -> Generator[None]:
        """Make the calling thread a participant that counts as busy for as long as this lasts.

        For a thread that has its own loop, and waits on this clock between its rounds.
        """
        if self._me() is not None:
            raise ClockError("this thread is a participant already")
        me = object()
        try:
            self._guard.run(self._take_part, me)
            self._self.key = me
            yield
        finally:
            self._self.key = None
            self._guard.run(self._idle, me)

    def close(self) -> None:
        """See `Clock.close`; returns when the participants' threads have ended."""
        self._guard.run(self._wake_all)
        for thread in self._threads:
            if thread is not threading.current_thread():
                # One that was not started, since who was to do it was interrupted, has nothing
                # to end; should it begin all the same, it finds the clock closed.
                with suppress(RuntimeError):
                    thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self._failure is not None and not self._failure_was_raised:
            raise self._failure

    def _me(self) -> object | None:
        return getattr(self._self, "key", None)

    # What follows, down to the next comment, is called with the lock held.

    def _add(self, thread: threading.Thread) -> None:
        self._check()
        self._threads.append(thread)

    def _take_part(self, me: object) -> None:
        self._check()
        self._busy_since[me] = self._now

    def _push(self, time_ms: int, fn: Event) -> None:
        heapq.heappush(self._queue, (max(time_ms, self._now), next(self._numbers), fn))
        self._gate.notify()

    def _check(self) -> None:
        if self._closed:
            raise closed_error()

    def _idle(self, me: object) -> None:
        self._busy_since.pop(me, None)
        self._gate.notify()

    def _sleep(self, condition: threading.Condition) -> None:
        self._asleep.add(condition)
        try:
            condition.wait()
        finally:
            self._asleep.discard(condition)

    def _slept_until(self, time_ms: int, me: object | None) -> bool:
        """Sleep; False, at once, if the calling thread has to drive to get there."""
        self._check()
        if me is None and self._driver in (None, threading.get_ident()):
            return False
        condition = threading.Condition(self._lock)
        woken: list[bool] = []
        if me is not None:
            self._busy_since[me] = max(time_ms, self._now)
        # Being woken is an event like any other, also for a time that is already here: so it
        # comes after everything that was due by then, such as the answer that is waited for.
        self._push(time_ms, partial(self._wake, condition, woken))
        while not woken:
            self._check()
            self._sleep(condition)
        return True

    def _wake_all(self) -> None:
        self._closed = True
        # Of a copy: who was interrupted on the way to sleep leaves without the lock.
        for condition in tuple(self._asleep):
            condition.notify_all()

    def _next(self, end: int | None) -> Event | None:
        while True:
            if self._failure is not None:
                raise self._failure
            self._check()
            due = self._queue[0][0] if self._queue else None
            if due is None or (end is not None and due > end):
                due = end
            if due is None:
                if not self._busy_since:
                    return None
            elif (
                due <= self._now
                or not self._busy_since
                or due <= min(self._busy_since.values()) + self.lead_ms
            ):
                break
            # Whatever ends this wait may have put an earlier event in the queue.
            self._sleep(self._gate)
        self._now = max(self._now, due)
        if self._queue and self._queue[0][0] <= due:
            return heapq.heappop(self._queue)[2]
        return None

    def _woken(self, condition: threading.Condition, woken: list[bool]) -> None:
        woken.append(True)
        condition.notify()

    def _take_over(self) -> int | None:
        outer, thread = self._driver, threading.get_ident()
        if outer not in (None, thread):
            raise ClockError("another thread is driving this clock; use wait_until")
        self._driver = thread
        return outer

    def _failed(self, error: BaseException) -> None:
        # The end of a closed clock is no failure of it.
        if self._failure is None and not (self._closed and isinstance(error, ClosedError)):
            self._failure = error
        self._wake_all()

    # From here on, the lock is free.

    def _wake(self, condition: threading.Condition, woken: list[bool]) -> None:
        self._guard.run(self._woken, condition, woken)

    def _drive(self, end: int | None) -> None:
        if self._me() is not None:
            raise ClockError("a participant cannot drive the clock; use wait_until")
        outer = self._guard.run(self._take_over)
        try:
            self._run_events(end)
        except BaseException as error:
            self._guard.run(self._failed, error)
            self._failure_was_raised = True
            raise
        finally:
            # A straight line, and one store: nothing can come in between, and it needs no lock.
            self._driver = outer

    def _run_events(self, end: int | None) -> None:
        while True:
            event = self._guard.run(self._next, end)
            if event is None:
                return
            event()

    def _serve(self, inbox: _ThreadInbox[T], handler: Callable[[tuple[T, ...]], None]) -> None:
        self._self.key = inbox
        try:
            inbox.serve(handler)
        except BaseException as error:
            self._guard.run(self._failed, error)
        finally:
            self._guard.run(self._idle, inbox)


class _ThreadInbox(Generic[T]):
    """An inbox that marks its owner busy in the same step in which it gets an item.

    Were the owner marked only when its thread wakes up, the driver could be far ahead by then. For
    the same reason the mark is the time of the oldest item, not that of taking it.
    """

    def __init__(self, clock: ThreadedClock) -> None:
        self._clock = clock
        self._arrived = threading.Condition(clock._lock)
        self._items: list[T] = []
        self._given_ms = 0  # when the oldest of the items was put

    def put(self, item: T) -> None:
        self._clock._guard.run(self._put, item)

    def serve(self, handler: Callable[[tuple[T, ...]], None]) -> None:
        """Give the items that come to *handler*, until the clock is closed."""
        while items := self.take():
            handler(items)

    def take(self) -> tuple[T, ...]:
        """Return all items, waiting for the first; none at all once the clock is closed."""
        return self._clock._guard.run(self._take)

    # With the lock held:

    def _put(self, item: T) -> None:
        clock = self._clock
        if not self._items:
            self._given_ms = clock._now
        self._items.append(item)
        clock._busy_since.setdefault(self, clock._now)
        self._arrived.notify()

    def _take(self) -> tuple[T, ...]:
        clock = self._clock
        self._await_item()
        if clock._closed:
            return ()
        items, self._items = tuple(self._items), []
        clock._busy_since[self] = self._given_ms
        return items

    def _await_item(self) -> None:
        clock = self._clock
        while not self._items and not clock._closed:
            clock._idle(self)
            clock._sleep(self._arrived)
