"""To sleep until a store changes: what `wait_for` and waiting feeds stand on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from math import isnan
from threading import TIMEOUT_MAX, Thread, current_thread
from time import monotonic
from typing import Any, Generic, TypeVar

from .changes import MISSING
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    CowstateError,
    ReentrantWriteError,
    WaitTimeoutError,
)
from .showing import shown
from .slips import ensure_function, plain
from .snapshot import Snapshot
from .timeline import Timeline
from .waiters import ThreadWaiter, Waiters
from .writelock import WriteLock

__all__ = ["NOTHING_CAME", "Source", "asked", "checked_keys", "checked_predicate", "deadline_of"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NOTHING_CAME = "nothing came within the timeout; ask again, or for longer"


class Source(Generic[K, V]):
    """What follows a store needs of it: its versions, who sleeps, and how to pass its writers.

    No wake-up is lost: a waiter is parked, then passes through the store's lock, then looks, and
    only then sleeps. A commit that the look does not see began after the passage, so it finds the
    waiter. A reservation does not hold the lock, so an open transaction holds nobody up here.

    Attributes:
        timeline: the versions.
        waiters: who sleeps.
        lock: the lock to pass through.
        ended: the main thread has ended, so nobody is left to wait for; or whoever brought the
            versions brings none any more.
        why: if it is the latter, what makes the error that says so. Set before *ended*.
        bringer: the thread that alone brings the versions; None where anybody may write.
    """

    def __init__(self, timeline: Timeline[K, V], waiters: Waiters[K], lock: WriteLock) -> None:
        self.timeline = timeline
        self.waiters = waiters
        self.lock = lock
        self.ended = False
        self.why: Callable[[], CowstateError] | None = None
        self.bringer: Thread | None = None

    def await_change(
        self,
        seen: Snapshot[K, V],
        deadline: float | None,
        keys: Collection[K] | None = None,
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """Sleep until the store differs from *seen*, in one of *keys* if given, or it is over."""
        self.refuse_wait_in_vain()
        waiter = ThreadWaiter()
        number, parked = waiter.number, self.waiters.parked
        try:
            parked.add(number, waiter, keys)
            self._sleep(waiter, seen, deadline, keys, ended)
        finally:
            # The first step in C: whatever comes after it, the waiter is gone.
            parked.all.pop(number, None)
            parked.discard(number, keys)

    def _sleep(
        self,
        waiter: ThreadWaiter,
        seen: Snapshot[K, V],
        deadline: float | None,
        keys: Collection[K] | None,
        ended: Callable[[], bool],
    ) -> None:
        while not (ended() or self.ended):
            in_time = self._pass(deadline)
            if self.has_changed(seen, keys):
                return
            if not in_time or not waiter.sleep(deadline):
                raise WaitTimeoutError(NOTHING_CAME)

    def _pass(self, deadline: float | None) -> bool:
        while not self.ended:
            left = TIMEOUT_MAX if deadline is None else max(deadline - monotonic(), 0.0)
            # In slices, so that the end of the main thread is seen behind a write without one.
            if self.lock.pass_through(min(left, 1.0)):
                return True
            if left <= 1.0:
                return False
        return True

    def has_changed(self, seen: Snapshot[K, V], keys: Collection[K] | None) -> bool:
        """Whether the store differs from *seen*, in one of *keys*, or for None at all."""
        current = self.timeline.current
        if keys is None:
            return current is not seen
        return any(seen.get(key, MISSING) is not current.get(key, MISSING) for key in keys)

    def wait_for(
        self,
        predicate: Callable[[Snapshot[K, V]], object],
        timeout: float | None,
        keys: Collection[K] | None,
    ) -> Snapshot[K, V]:
        """Sleep until *predicate* is true of the current snapshot; return that snapshot."""
        checked_predicate(predicate)
        deadline = deadline_of(timeout)
        while not asked(predicate, snapshot := self.timeline.current):
            self.refuse_what_is_over()
            self.await_change(snapshot, deadline, keys)
        return snapshot

    def refuse_wait_in_vain(self) -> None:
        """Raise if this call is inside a write to the store, or in the thread that alone writes."""
        if self.bringer is not None and self.bringer is current_thread():
            raise ReentrantWriteError(
                "this is in the thread that brings what it wants to wait for: in a subscriber of "
                "a follower. Wait in another thread, or subscribe with via='thread'"
            )
        reserved = self.lock.holder()
        if self.lock.owned() or (reserved is not None and reserved.is_around()):
            raise ReentrantWriteError(
                "this is inside a write to this store, so nobody else could bring the change "
                "that it wants to wait for; wait outside the transaction"
            )

    def refuse_what_is_over(self) -> None:
        """Raise if nothing more will come: the error that says why, or `SystemExit`."""
        # Looked at once: what ends between two looks would be taken for the end of all.
        if self.ended:
            if self.why is not None:
                raise self.why()
            self.end_with_main_thread()

    def is_lost(self) -> bool:
        """Whether it is over by an error: not by a `ClosedError`, which somebody wanted."""
        return self.ended and self.why is not None and not isinstance(self.why(), ClosedError)

    def refuse_what_is_lost(self) -> None:
        """Raise that error, if it is over by one."""
        if self.is_lost():
            self.refuse_what_is_over()

    def end_with_main_thread(self) -> None:
        """Raise SystemExit, the quiet end of a thread, if the interpreter is going down.

        It is not one of our errors, because a thread that handles those and waits again would
        keep the process from ending.
        """
        if self.ended:
            raise SystemExit("the main thread has ended; nothing more will come")


def deadline_of(timeout: float | None, clock: Callable[[], float] = monotonic) -> float | None:
    """Return when, on *clock*, a *timeout* that begins now is over; None for never."""
    timeout = checked_timeout(timeout)
    return None if timeout is None else clock() + timeout


def checked_timeout(timeout: float | None) -> float | None:
    """Return *timeout* in seconds, not below 0; None for none, or for longer than one can wait.

    That is some 290 years, or 49 days where the system has no more.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, int | float):
        raise ArgumentTypeError(
            f"timeout must be a number of seconds, or None, not {shown(timeout)}"
        )
    # It need not fit in a float even, and what goes on from here to a lock must fit there.
    if timeout > TIMEOUT_MAX:
        return None
    if isnan(timeout):
        raise ArgumentValueError("timeout must be a number of seconds, or None, not NaN")
    return max(timeout, 0)


def checked_keys(keys: Iterable[K] | None) -> frozenset[K] | None:
    """Return *keys* as a set, None for all; a bare str is refused."""
    if keys is None:
        return None
    if isinstance(keys, str | bytes):
        raise ArgumentTypeError(f"keys must be a collection of keys; for one write [{shown(keys)}]")
    try:
        return frozenset(keys)
    except TypeError as error:
        raise ArgumentTypeError(f"keys must be a collection of hashable keys: {error}") from None


def checked_predicate(predicate: Any) -> None:
    """Raise if *predicate* cannot be asked."""
    ensure_function(predicate, "a predicate is a function of a snapshot")


def asked(predicate: Callable[[Snapshot[K, V]], object], snapshot: Snapshot[K, V]) -> object:
    """Return what *predicate* says of *snapshot*; a coroutine, which is always true, is refused."""
    return plain(predicate(snapshot), "wait_for")
