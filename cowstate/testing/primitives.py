"""Locks and conditions that a `Scheduler` knows: they block its threads, and no real one."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

from .scheduler import Scheduler
from .workers import Worker

__all__ = ["Condition", "Event", "Guard", "Lock", "Primitive", "RLock", "check_timeout"]

_NOBODY: Final = object()
_OUTSIDE: Final = object()
_HERE: Final = __file__.removesuffix("primitives.py")


class Primitive:
    """What all of them have in common. Each of their operations is one step.

    Attributes:
        scheduler: who runs the threads that use it.
        name: what it is called in an error: its kind, and where it was made or found.
        quiet: whether its uses are no switch points, unless they wait.
    """

    quiet = False

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.name = f"the {type(self).__name__} made at {_caller()}"

    def within(self) -> None:
        """Note that the thread is in a ``with`` block of this one."""
        if (me := self.scheduler.current) is not None:
            me.entered.append(self)

    def without(self) -> None:
        """Note that it has left such a block."""
        if (me := self.scheduler.current) is not None and self in me.entered:
            me.entered.remove(self)

    def holds_up(self, _worker: Worker) -> bool:
        """Whether *worker* would have to wait to take it, and nothing else would happen."""
        return False

    def is_held_by(self, _worker: Worker) -> bool:
        """Whether others must wait until *worker* gives it back."""
        return False


class Guard(Primitive, ABC):
    """What is taken at the start of a ``with`` block and given back at its end."""

    @abstractmethod
    def acquire(self) -> bool:
        """Take it."""

    @abstractmethod
    def release(self) -> None:
        """Give it back."""

    def __enter__(self) -> bool:
        taken = self.acquire()
        self.within()
        return taken

    def __exit__(self, *exc_info: object) -> None:
        self.release()
        self.without()


class Lock(Guard):
    """As `threading.Lock`: anybody may release it."""

    def __init__(self, scheduler: Scheduler, taken: bool = False) -> None:
        super().__init__(scheduler)
        self._owner: object = _OUTSIDE if taken else _NOBODY

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, if need be after waiting."""
        check_timeout(blocking, timeout)
        self.scheduler.operate(self)
        # As of a real one: no time to wait is not to wait.
        return self.take(blocking and timeout != 0, timed=timeout != -1)

    def take(self, blocking: bool = True, timed: bool = False) -> bool:
        """Take it, which is no step of its own unless there is need to wait."""
        scheduler = self.scheduler
        while self._owner is not _NOBODY:
            if not blocking or not scheduler.block(self.is_free, timed, self._awaited()):
                return False
        self._owner = scheduler.current or _OUTSIDE
        return True

    def give(self) -> None:
        """Give it back, which is no step of its own."""
        self._owner = _NOBODY

    def release(self) -> None:
        """Give it back."""
        self.scheduler.operate(self)
        if self._owner is _NOBODY:
            raise RuntimeError("release unlocked lock")
        self._owner = _NOBODY

    def locked(self) -> bool:
        """Whether somebody has it."""
        self.scheduler.operate(self)
        return self._owner is not _NOBODY

    def holds_up(self, worker: Worker) -> bool:
        """Whether another has it."""
        return self._owner is not _NOBODY and self._owner is not worker

    def is_held_by(self, worker: Worker) -> bool:
        """Whether *worker* has it."""
        return self._owner is worker

    def is_free(self) -> bool:
        """Whether nobody has it; no step."""
        return self._owner is _NOBODY

    def _awaited(self) -> str:
        holder = self._owner.name if isinstance(self._owner, Worker) else "none of them"
        return f"{self.name}, held by {holder}"

    # What a Condition asks of its lock.

    def _is_owned(self) -> bool:
        return self._owner is not _NOBODY

    def _release_save(self) -> int:
        self._owner = _NOBODY
        return 1

    def _acquire_restore(self, _depth: int) -> None:
        self.take()


class RLock(Lock):
    """As `threading.RLock`: its owner may take it again."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self._depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, if need be after waiting, once more if it is one's own."""
        if self._is_owned():
            self._depth += 1
            return True
        taken = super().acquire(blocking, timeout)
        if taken:
            self._depth = 1
        return taken

    def release(self) -> None:
        """Give it back once."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        if self._depth == 1:
            super().release()
        self._depth -= 1

    def _is_owned(self) -> bool:
        # No switch point: what others do never changes the answer.
        return self._owner is (self.scheduler.current or _OUTSIDE)

    def _release_save(self) -> int:
        depth, self._depth = self._depth, 0
        self._owner = _NOBODY
        return depth

    def _acquire_restore(self, depth: int) -> None:
        self.take()
        self._depth = depth


class Condition(Primitive):
    """As `threading.Condition`; whoever waits is woken in the order in which they began.

    Attributes:
        lock: the lock that it goes with.
    """

    def __init__(self, scheduler: Scheduler, lock: Any = None) -> None:
        super().__init__(scheduler)
        self.lock = RLock(scheduler) if lock is None else lock
        self._waiting: list[object] = []
        self.acquire = self.lock.acquire
        self.release = self.lock.release

    def __enter__(self) -> Any:
        taken = self.lock.__enter__()
        self.within()
        return taken

    def __exit__(self, *exc_info: object) -> None:
        self.lock.__exit__(*exc_info)
        self.without()

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back, sleep until notified, take it again; False if that timed out."""
        self._owned("wait")
        self.scheduler.operate(self)
        me = object()
        self._waiting.append(me)
        depth = self._saved()
        try:
            return self.scheduler.block(
                lambda: me not in self._waiting, timeout is not None, f"{self.name} to be notified"
            )
        finally:
            if me in self._waiting:
                self._waiting.remove(me)
            self._restore(depth)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate* is true; return what it returned last."""
        while not (result := predicate()):
            if not self.wait(timeout):
                return predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* of those who wait."""
        self._owned("notify")
        self.scheduler.operate(self)
        del self._waiting[:n]

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiting))

    def holds_up(self, worker: Worker) -> bool:
        """Whether another has its lock."""
        return isinstance(self.lock, Primitive) and self.lock.holds_up(worker)

    def _owned(self, what: str) -> None:
        lock = self.lock
        if isinstance(lock, Lock) or hasattr(lock, "_is_owned"):
            owned = lock._is_owned()
        elif owned := not lock.acquire(False):
            pass
        else:
            lock.release()
        if not owned:
            raise RuntimeError(f"cannot {what} on un-acquired lock")

    # A lock of somebody else's class is asked as the real one asks it.

    def _saved(self) -> Any:
        if hasattr(self.lock, "_release_save"):
            return self.lock._release_save()
        return self.lock.release()

    def _restore(self, saved: Any) -> None:
        if hasattr(self.lock, "_acquire_restore"):
            self.lock._acquire_restore(saved)
        else:
            self.lock.acquire()


class Event(Primitive):
    """As `threading.Event`."""

    def __init__(self, scheduler: Scheduler, already: bool = False) -> None:
        super().__init__(scheduler)
        self._set = already

    def is_set(self) -> bool:
        """Whether it is set."""
        self.scheduler.operate(self)
        return self._set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        self.scheduler.operate(self)
        self._set = True

    def clear(self) -> None:
        """Unset it."""
        self.scheduler.operate(self)
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is set; False if that timed out."""
        self.scheduler.operate(self)
        if self._set:
            return True
        if timeout is not None and timeout <= 0:
            return False
        return self.scheduler.block(lambda: self._set, timeout is not None, self.name)


def check_timeout(blocking: bool, timeout: float) -> None:
    """Refuse what a real lock refuses."""
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")


def _caller() -> str:
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(_HERE) and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
