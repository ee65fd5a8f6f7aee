"""One writer at a time: the lock of a store, those who wait for it, and what they wait for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from operator import call
from os.path import dirname
from threading import get_ident
from time import monotonic
from types import FrameType
from typing import Any, Final, TypeVar
from weakref import ref

from .errors import ClosedError, DeadlockError, LockTimeoutError, ReentrantWriteError
from .locks import BUSY, Busy, OwnedLock
from .process import caller_of, locals_of, of_all_threads
from .reservation import Reservation, inside, place_of, thread_named
from .timeline import Timeline
from .torn import was_left_by_an_exception
from .waiters import ThreadWaiter

__all__ = ["GIVEN_UP", "OVER", "WriteLock", "is_writing"]

R = TypeVar("R")

PATIENCE: Final = 0.05
"""How long, in seconds, a write sleeps for the lock before it looks whom it waits for."""

WORRY: Final = 10.0
"""After how many seconds without a timeout a write says in the log what it waits for."""

GIVEN_UP = "the transaction was given up before its block ended; nothing was written"
OVER = "the transaction is over; open another one"

_owners: dict[ref[WriteLock], Callable[[], bool]] = {}
"""Of each living store, whether the calling thread holds its lock.

Each key takes itself out when what it refers to dies. Two references to one living object are the
same key."""

_in_tasks: dict[int, ref[Reservation]] = {}
"""The reservations made in tasks and not yet seen to be over, by ``id``."""

_WITHOUT_GIL: Final = not getattr(sys, "_is_gil_enabled", lambda: True)()
_log = logging.getLogger("cowstate")
_PACKAGE = dirname(__file__)
_tickets = count(1)

_waits: dict[int, tuple[int, WriteLock, tuple[ref[Reservation], ...]]] = {}
"""For each thread that waits: its ticket, what for, and which reservations it is inside of."""


class WriteLock(OwnedLock):
    """Says who may write to one store.

    The lock is held for the length of one call of `run` and no longer; what outlives a call is a
    `Reservation`, which the lock guards. A write in whose way a reservation is waits for its end.
    Nobody waits in silence for ever: who waits for itself, or in a ring with others, gets an error,
    who has a timeout keeps it, and who has none is heard of in the log.

    Attributes:
        reserved: the reservation, if there is one; it may be over.
    """

    def __init__(self, timeout: float | None) -> None:
        super().__init__()
        self.reserved: Reservation | None = None
        self.timeout = timeout
        self.patience = PATIENCE if timeout is None else min(PATIENCE, timeout)
        self._queue: dict[int, ThreadWaiter] = {}

    def renew(self) -> None:
        """Take a new lock in place of one whose owner does not exist (in the child of a fork)."""
        super().renew()
        gone: Any = _owners.pop
        _owners[ref(self, gone)] = self.owned  # pyright: ignore[reportArgumentType]

    def run(
        self,
        work: Callable[[Any, Any], R],
        a: Any = None,
        b: Any = None,
        holder: Reservation | None = None,
        timeout: float | None = None,
    ) -> R:
        """Return ``work(a, b)``, done while nobody else may write.

        Args:
            work: what to do. All the code of the user's that runs under the lock runs in here.
            a: its first argument.
            b: its second one.
            holder: the reservation that is to be written by; None if there must be none.
            timeout: how long to wait at most, in seconds; None for what the store says.

        Raises:
            ReentrantWriteError: this call is inside another write to the store.
            DeadlockError: it would wait for a thread that waits for this one.
            LockTimeoutError: it waited for longer than it may.
            ClosedError: *holder* is over.
        """
        if self.owned():
            raise self.reentrant()
        # The rules of `cowstate.locks` hold here. Whatever is raised, if the lock is ours in the
        # handler then it was taken here, for it was not ours before.
        try:
            # At once, if it can be had: with a time CPython looks at the clock first.
            if timeout is None and (self.acquire(False) or self.acquire(True, self.patience)):
                if self.reserved is holder:
                    result = work(a, b)
                    self.release()
                    return result
                self.release()
            result = self.wait(work, a, b, holder, timeout)
        except BaseException:
            try:
                for _ in self.unlock:
                    break
            except RuntimeError:  # it is not ours
                pass
            raise
        return result

    def pass_through(self, seconds: float) -> bool:
        """Wait until no write is under way; False if that took longer. Reservations do not count.

        Who has passed sees what was published by every write that began before.
        """
        return self.attempt(seconds, _nothing) is not BUSY

    def reserve(self, reservation: Reservation, timeline: Timeline[Any, Any]) -> None:
        """Make *reservation*, over what is current in *timeline*, the store's. As work of `run`."""
        reservation.base = timeline.current
        if reservation.in_task:
            number = id(reservation)
            # Taken out when it dies by a C method, in which nothing can be raised half way: called
            # with the dead reference, which serves as the default. See `cowstate.process`.
            _in_tasks[number] = ref(reservation, partial(_in_tasks.pop, number))
        self.reserved = reservation

    def cancel(self, reservation: Reservation, why: str) -> None:
        """End *reservation*; no harm if it is over. From any thread."""
        reservation.end(why)
        if reservation.in_task:
            _in_tasks.pop(id(reservation), None)
        if self._queue:
            self._wake()

    def holder(self) -> Reservation | None:
        """Return the reservation that is in the way of others now, if there is one."""
        reserved = self.reserved
        return None if reserved is None or reserved.over() else reserved

    def after_fork_in_child(self) -> None:
        """Drop what belongs to threads that are not in the child."""
        super().after_fork_in_child()
        _waits.clear()
        self._queue = {}
        reserved = self.reserved
        if reserved is not None and not reserved.is_here() and ref(reserved) not in inside.get():
            reserved.end(GIVEN_UP)

    # The slow way: somebody is in the way.

    def wait(
        self,
        work: Callable[[Any, Any], R],
        a: Any,
        b: Any,
        holder: Reservation | None,
        timeout: float | None,
    ) -> R:
        """Return ``work(a, b)``, done when nobody is in the way any more. The rest of `run`."""
        me, ticket, waiter = get_ident(), next(_tickets), ThreadWaiter()
        before = _waits.get(me)
        _waits[me] = (ticket, self, inside.get())
        self._queue[ticket] = waiter
        try:
            limit = self.timeout if timeout is None and holder is None else timeout
            return self._turns((work, a, b), holder, waiter, ticket, limit)
        finally:
            self._queue.pop(ticket, None)
            if before is None:
                _waits.pop(me, None)
            else:
                _waits[me] = before

    def _turns(
        self,
        work: tuple[Callable[[Any, Any], R], Any, Any],
        holder: Reservation | None,
        waiter: ThreadWaiter,
        ticket: int,
        timeout: float | None,
    ) -> R:
        # No `with` and no `try`: a loop is not covered by the one that it stands in.
        began = monotonic()
        worried = False
        while True:
            waited = monotonic() - began
            left = PATIENCE if timeout is None else min(PATIENCE, max(timeout - waited, 0))
            result: R | Busy = self.attempt(left, self._turn, work, holder)
            if result is not BUSY:
                return result
            reserved = self.holder()
            if reserved is holder:
                reserved = None  # then only somebody's look is in the way
            if reserved is not None:
                if was_left_by_an_exception(reserved):
                    reserved.end(GIVEN_UP)
                    continue
                self._refuse(reserved)
            self._look_for_a_ring(reserved, ticket)
            waited = monotonic() - began
            if timeout is not None and waited >= timeout:
                raise LockTimeoutError(self._who(reserved), waited)
            if timeout is None and waited > WORRY and not worried:
                worried = True
                _log.warning(
                    "a write has waited %.0f s for %s",
                    waited,
                    self._who(reserved),
                    extra={"cowstate_event": "write_waits", "cowstate_seconds": waited},
                )
            if reserved is not None:
                waiter.sleep(monotonic() + left)

    def _turn(
        self, work: tuple[Callable[[Any, Any], R], Any, Any], holder: Reservation | None
    ) -> R | Busy:
        reserved = self.reserved
        if reserved is not holder:
            if holder is not None:
                raise ClosedError(GIVEN_UP)
            if reserved is not None and not reserved.over():
                return BUSY
            self._forget(reserved)
        fn, a, b = work
        return fn(a, b)

    def _forget(self, reserved: Reservation | None) -> None:
        self.reserved = None
        if reserved is not None:
            reserved.end(OVER if reserved.done else GIVEN_UP)
            _in_tasks.pop(id(reserved), None)

    def _wake(self) -> None:
        for waiter in list(self._queue.values()):
            waiter.notify()

    def _refuse(self, reserved: Reservation) -> None:
        """Raise if this call is inside *reserved*, so that to wait for its end is to hang."""
        if reserved.is_around():
            raise ReentrantWriteError(opened=str(reserved))
        asyncio = sys.modules.get("asyncio")
        if reserved.is_here() and asyncio is not None and asyncio._get_running_loop():
            raise ReentrantWriteError(
                f"{reserved} is still open, at an await; this write would stop the event loop that "
                "the transaction needs to go on. Do not await inside a transaction: use a draft, "
                "or store.retry",
                str(reserved),
            )

    def reentrant(self) -> ReentrantWriteError:
        """Return the error for a write inside a write of the same thread."""
        # Past the call that is refused.
        frame = self._call_on(sys._getframe(1).f_back)
        return ReentrantWriteError(opened=f"in a write called at {place_of(frame, _PACKAGE)}")

    def _call_on(self, frame: FrameType | None) -> FrameType | None:
        """Return the innermost frame from *frame* outward that is a call on this lock, if any."""
        while frame is not None:
            if frame.f_code.co_filename.startswith(_PACKAGE):
                names = locals_of(frame)
                if names.get("lock") is self or names.get("self") is self:
                    return frame
            frame = caller_of(frame)
        return None

    def _look_for_a_ring(self, reserved: Reservation | None, ticket: int) -> None:
        """Raise `DeadlockError` if this thread waits for itself by way of others.

        Of a ring only the thread that began to wait last gives up: it sees all of it, and nobody
        else does.
        """
        me = get_ident()
        chain: list[str] = []
        lock, holder = self, reserved
        while True:
            thread = lock._thread_of(holder)
            chain.append(lock._who(holder))
            if thread == me:
                break
            wait = None if thread is None else _waits.get(thread)
            if wait is None or wait[0] > ticket or len(chain) > len(_waits):
                return
            if holder is None and wait[1] is lock:
                return  # it has what it waited for, and writes, or only looks who is in the way
            lock = wait[1]
            holder = lock.holder()
        raise DeadlockError(
            "this write waits for itself: it waits for "
            + ", which waits for ".join(chain)
            + ". Lock the stores in one order everywhere, or open both with "
            "cowstate.transaction(a, b), which does"
        )

    def _thread_of(self, reserved: Reservation | None) -> int | None:
        """Return the thread that must go on for this lock to become free, if it waits itself."""
        if reserved is None:
            return self._owner()
        for thread, (_, _, within) in list(_waits.items()):
            if ref(reserved) in within and (reserved.in_task or reserved.thread == thread):
                return thread
        return None

    def _owner(self) -> int | None:
        # The only place where CPython tells the owner of such a lock.
        for word in repr(self._lock).split():
            if word.startswith("owner="):
                return int(word[6:]) or None
        return None

    def _who(self, reserved: Reservation | None) -> str:
        if reserved is not None:
            return str(reserved)
        owner = self._owner()
        if owner is None:
            return "another write"
        if _WITHOUT_GIL:  # then the frames of a thread that goes on are not to be looked at
            return f"a write of {thread_named(owner)}"
        frame = self._call_on(of_all_threads(sys._current_frames).get(owner))
        return f"the write called at {place_of(frame, _PACKAGE)} by {thread_named(owner)}"


def is_writing() -> bool:
    """Whether the calling thread is inside a write to any store, or has one open.

    Costs O(living stores + open transactions of this call and of tasks), under 100 ns for each.
    """
    # All in C, so that a thousand stores can be asked.
    if True in map(call, [*_owners.values()]):
        return True
    for known in inside.get():
        if _is_open_here(known()):
            return True
    # What a task has open at an await is in the way of the whole loop, so of its thread.
    return bool(_in_tasks) and any(_is_open_here(known()) for known in list(_in_tasks.values()))


def _is_open_here(reservation: Reservation | None) -> bool:
    return reservation is not None and reservation.is_here() and not reservation.over()


def _nothing(_: None, __: None) -> None:
    pass
