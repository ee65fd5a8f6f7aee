"""Queues that a `Scheduler` knows, as those of `queue`."""

from __future__ import annotations

import queue
import sys
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any, Final

from .primitives import Lock, Primitive
from .scheduler import Scheduler

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "SimpleQueue"]

# From 3.13 on.
_ShutDown: Final[type[Exception]] = getattr(queue, "ShutDown", queue.Empty)


class _Waits(Primitive):
    """What the waits of all queues have in common."""

    def _wait(
        self, ready: Callable[[], bool], block: bool, timeout: float | None, what: str
    ) -> bool:
        """Wait until ``ready()``; False if that is not to be, or timed out."""
        if block and timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        while not ready():
            if not block or timeout == 0:
                return False
            if not self.scheduler.block(ready, timeout is not None, f"{self.name} {what}"):
                return False
        return True


class SimpleQueue(_Waits):
    """As `queue.SimpleQueue`."""

    def __init__(self, scheduler: Scheduler, items: Iterable[Any] = ()) -> None:
        super().__init__(scheduler)
        self._items = deque(items)

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        """Put *item*; never waits."""
        # When an executor is freed, it tells its threads. That happens when it happens: without
        # the GIL not always at the same place.
        if sys._getframe(1).f_code.co_name != "weakref_cb":
            self.scheduler.operate(self)
        self._items.append(item)

    def put_nowait(self, item: Any) -> None:
        """Put *item*."""
        self.put(item)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the oldest, if need be after waiting."""
        self.scheduler.operate(self)
        if not self._wait(lambda: bool(self._items), block, timeout, "to be put to"):
            raise queue.Empty
        return self._items.popleft()

    def get_nowait(self) -> Any:
        """Take the oldest, which must be there."""
        return self.get(block=False)

    def empty(self) -> bool:
        """Whether nothing is there."""
        self.scheduler.operate(self)
        return not self._items

    def qsize(self) -> int:
        """How many are there."""
        self.scheduler.operate(self)
        return len(self._items)


class Queue(_Waits):
    """As `queue.Queue`.

    Attributes:
        maxsize: how many there is room for; 0 or less for any number.
        mutex: held by nobody between two steps; who takes it keeps all others out.
        queue: the items.
        unfinished_tasks: how many of those put have not been told to be done.
        is_shutdown: whether it has been shut down.
    """

    def __init__(self, scheduler: Scheduler, maxsize: int = 0, items: Iterable[Any] = ()) -> None:
        super().__init__(scheduler)
        self.maxsize = maxsize
        self.mutex = Lock(scheduler)
        self.mutex.name = f"the mutex of {self.name}"
        self.queue: Any = self._made(items)
        self.unfinished_tasks = len(self.queue)
        self.is_shutdown = False

    def _made(self, items: Iterable[Any]) -> Any:
        return deque(items)

    def _push(self, item: Any) -> None:
        self.queue.append(item)

    def _pull(self) -> Any:
        return self.queue.popleft()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put *item*, if need be after waiting for room."""
        self._enter()
        try:
            if self.maxsize > 0 and not self._wait_amid(self._has_room, block, timeout, "for room"):
                raise queue.Full
            if self.is_shutdown:
                raise _ShutDown
            self._push(item)
            self.unfinished_tasks += 1
        finally:
            self.mutex.give()

    def put_nowait(self, item: Any) -> None:
        """Put *item*, for which there must be room."""
        self.put(item, block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Take the next, if need be after waiting."""
        self._enter()
        try:
            if not self._wait_amid(self._has_one, block, timeout, "to be put to"):
                raise queue.Empty
            if not self.queue:
                raise _ShutDown
            return self._pull()
        finally:
            self.mutex.give()

    def get_nowait(self) -> Any:
        """Take the next, which must be there."""
        return self.get(block=False)

    def task_done(self) -> None:
        """Tell that one of those taken is done."""
        self._enter()
        try:
            if self.unfinished_tasks <= 0:
                raise ValueError("task_done() called too many times")
            self.unfinished_tasks -= 1
        finally:
            self.mutex.give()

    def join(self) -> None:
        """Wait until all that were put are told to be done."""
        self._enter()
        try:
            self._wait_amid(lambda: not self.unfinished_tasks, True, None, "to have all done")
        finally:
            self.mutex.give()

    if sys.version_info >= (3, 13):

        def shutdown(self, immediate: bool = False) -> None:
            """Have every further put, and every get of nothing, raise `queue.ShutDown`."""
            self._enter()
            try:
                self.is_shutdown = True
                if immediate:
                    self._drop_all()
            finally:
                self.mutex.give()

        def _drop_all(self) -> None:
            while self.queue:
                self._pull()
                self.unfinished_tasks -= self.unfinished_tasks > 0

    def qsize(self) -> int:
        """How many are there."""
        self._enter()
        self.mutex.give()
        return len(self.queue)

    def empty(self) -> bool:
        """Whether nothing is there."""
        return not self.qsize()

    def full(self) -> bool:
        """Whether there is no room."""
        return 0 < self.maxsize <= self.qsize()

    def _has_room(self) -> bool:
        return self.is_shutdown or len(self.queue) < self.maxsize

    def _has_one(self) -> bool:
        return self.is_shutdown or bool(self.queue)

    # Comparing the items of a PriorityQueue is code of the user's, with points of its own: the
    # mutex is taken as it is in the real one.

    def _enter(self) -> None:
        self.scheduler.operate(self)
        self.mutex.take()

    def _wait_amid(
        self, ready: Callable[[], bool], block: bool, timeout: float | None, what: str
    ) -> bool:
        if ready():
            return True
        self.mutex.give()
        try:
            return self._wait(lambda: ready() and self.mutex.is_free(), block, timeout, what)
        finally:
            self.mutex.take()


class LifoQueue(Queue):
    """As `queue.LifoQueue`."""

    def _made(self, items: Iterable[Any]) -> Any:
        return list(items)

    def _pull(self) -> Any:
        return self.queue.pop()


class PriorityQueue(Queue):
    """As `queue.PriorityQueue`."""

    def _made(self, items: Iterable[Any]) -> Any:
        return list(items)

    def _push(self, item: Any) -> None:
        heappush(self.queue, item)

    def _pull(self) -> Any:
        return heappop(self.queue)
