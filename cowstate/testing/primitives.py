"""Locks and conditions that a `Scheduler` knows: they block its threads, and no real one."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from threading import get_ident
from types import ModuleType
from typing import Any, Final

from .scheduler import Scheduler
from .workers import Worker

__all__ = ["Condition", "Event", "Lock", "RLock", "known_to"]

_NOBODY: Final = object()
_OUTSIDE: Final = object()


class Lock:
    """As `threading.Lock`: anybody may release it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._owner: object = _NOBODY
        self._name = f"the {type(self).__name__} made at {_caller()}"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take it, if need be after waiting."""
        _check_timeout(blocking, timeout)
        self._scheduler.operate()
        # As of a real one: no time to wait is not to wait.
        return self._take(blocking and timeout != 0, timed=timeout != -1)

    def _take(self, blocking: bool, timed: bool) -> bool:
        scheduler = self._scheduler
        while self._owner is not _NOBODY:
            if not blocking or not scheduler.block(self._is_free, timed, self._awaited()):
                return False
        self._owner = scheduler.current or _OUTSIDE
        return True

    def release(self) -> None:
        """Give it back."""
        self._scheduler.operate()
        if self._owner is _NOBODY:
            raise RuntimeError("release unlocked lock")
        self._owner = _NOBODY

    def locked(self) -> bool:
        """Whether somebody has it."""
        self._scheduler.operate()
        return self._owner is not _NOBODY

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def _is_free(self) -> bool:
        return self._owner is _NOBODY

    def _awaited(self) -> str:
        holder = self._owner.name if isinstance(self._owner, Worker) else "none of them"
        return f"{self._name}, held by {holder}"

    # What a Condition asks of its lock.

    def _is_owned(self) -> bool:
        return self._owner is not _NOBODY

    def _release_save(self) -> int:
        self._owner = _NOBODY
        return 1

    def _acquire_restore(self, _depth: int) -> None:
        self._take(blocking=True, timed=False)


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
        return self._owner is (self._scheduler.current or _OUTSIDE)

    def _release_save(self) -> int:
        depth, self._depth = self._depth, 0
        self._owner = _NOBODY
        return depth

    def _acquire_restore(self, depth: int) -> None:
        self._take(blocking=True, timed=False)
        self._depth = depth


class Condition:
    """As `threading.Condition`; whoever waits is woken in the order in which they began."""

    def __init__(self, scheduler: Scheduler, lock: Lock | None = None) -> None:
        self._scheduler = scheduler
        self._lock = RLock(scheduler) if lock is None else lock
        self._waiting: list[object] = []
        self._name = f"the Condition made at {_caller()}"
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Give the lock back, sleep until notified, take it again; False if that timed out."""
        self._owned("wait")
        self._scheduler.operate()
        me = object()
        self._waiting.append(me)
        depth = self._lock._release_save()
        try:
            return self._scheduler.block(
                lambda: me not in self._waiting, timeout is not None, f"{self._name} to be notified"
            )
        finally:
            if me in self._waiting:
                self._waiting.remove(me)
            self._lock._acquire_restore(depth)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate* is true; return what it returned last."""
        while not (result := predicate()):
            if not self.wait(timeout):
                return predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* of those who wait."""
        self._owned("notify")
        self._scheduler.operate()
        del self._waiting[:n]

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiting))

    def _owned(self, what: str) -> None:
        if not self._lock._is_owned():
            raise RuntimeError(f"cannot {what} on un-acquired lock")


class Event:
    """As `threading.Event`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._set = False
        self._name = f"the Event made at {_caller()}"

    def is_set(self) -> bool:
        """Whether it is set."""
        self._scheduler.operate()
        return self._set

    def set(self) -> None:
        """Set it, and wake all who wait."""
        self._scheduler.operate()
        self._set = True

    def clear(self) -> None:
        """Unset it."""
        self._scheduler.operate()
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is set; False if that timed out."""
        self._scheduler.operate()
        if self._set:
            return True
        return self._scheduler.block(lambda: self._set, timeout is not None, self._name)


_KINDS: Final[dict[str, Callable[..., Any]]] = {
    "Lock": Lock,
    "RLock": RLock,
    "Condition": Condition,
    "Event": Event,
}


class _Threading(ModuleType):
    """Stands for the module `threading` in a module that imports it whole."""

    def __init__(self, made: dict[str, Callable[..., Any]]) -> None:
        super().__init__("threading")
        self.__dict__.update(made)

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


@contextmanager
def known_to(scheduler: Scheduler, modules: tuple[ModuleType, ...]) -> Generator[None]:
    """Have *modules* make the locks of this room, by whatever name they know `threading`'s.

    Threads that do not take part go on making real ones.
    """
    made = {name: _maker(scheduler, name) for name in _KINDS}
    by_identity: dict[int, Any] = {id(getattr(threading, name)): made[name] for name in made}
    by_identity[id(threading)] = _Threading(made)
    before = [
        (vars(module), name, value)
        for module in modules
        for name, value in vars(module).items()
        if id(value) in by_identity
    ]
    ours = [(names, name, by_identity[id(value)]) for names, name, value in before]
    try:
        _bind(ours)
        yield
    finally:
        _bind(before)


def _bind(values: Iterable[tuple[dict[str, Any], str, Any]]) -> None:
    for names, name, value in values:
        names[name] = value


def _maker(scheduler: Scheduler, name: str) -> Callable[..., Any]:
    real, kind = getattr(threading, name), _KINDS[name]

    def make(*args: Any, **kwargs: Any) -> Any:
        if scheduler.knows(get_ident()):
            return kind(scheduler, *args, **kwargs)
        return real(*args, **kwargs)

    return make


def _check_timeout(blocking: bool, timeout: float) -> None:
    if not blocking and timeout != -1:
        raise ValueError("can't specify a timeout for a non-blocking call")
    if timeout < 0 and timeout != -1:
        raise ValueError("timeout value must be a non-negative number")


def _caller() -> str:
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
