"""What wakes the tasks of an event loop that wait for a store: `LoopBell` and `TaskWaiter`."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Collection
from typing import Any

from .members import numbers
from .waiters import Waiters

__all__ = ["LoopBell", "TaskWaiter", "bell_of"]


class LoopBell:
    """Wakes the tasks of one event loop that wait for one store.

    A writer makes at most one call into the loop, however many tasks wait on it and however
    many commits come before the loop gets round to it.
    """

    def __init__(self, loop: AbstractEventLoop, waiters: Waiters[Any]) -> None:
        self.loop = loop
        self._waiters = waiters
        self.sleepers = 0
        self._rung = False
        self._due: deque[TaskWaiter] = deque()

    def ring(self, waiter: TaskWaiter) -> None:
        """Have *waiter* woken, by the loop. From any thread, inside a write."""
        self._due.append(waiter)
        if self._rung and not self.loop.is_closed():
            return
        try:
            self._rung = True
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:
            self._rung = False
            self._give_up()
        except BaseException:
            self._rung = False
            raise

    def _give_up(self) -> None:
        """Forget the tasks of a loop that was closed under them: they will never run again."""
        parked = self._waiters.parked
        for waiter in list(parked.all.values()):
            if isinstance(waiter, TaskWaiter) and waiter.bell is self:
                parked.discard(waiter.number, waiter.keys)
        self._due.clear()
        self._waiters.bells.pop(id(self.loop), None)

    def _wake(self) -> None:
        # Before the looks that follow: a commit too late for them rings anew.
        self._rung = False
        due = self._due
        while due:
            due[0].wake()
            due.popleft()  # only now: an interruption wakes it once more

    def retire(self) -> None:
        """Let go of the loop, if no task of it waits any more."""
        self.sleepers -= 1
        if not self.sleepers:
            self._waiters.bells.pop(id(self.loop), None)


def bell_of(waiters: Waiters[Any], loop: AbstractEventLoop) -> LoopBell:
    """Return the bell of *loop* for those of its tasks that wait among *waiters*, one more now."""
    bell = waiters.bells.get(id(loop))
    # A bell keeps its loop, so while it hangs there the number is no other loop's.
    if not isinstance(bell, LoopBell):
        bell = waiters.bells[id(loop)] = LoopBell(loop, waiters)
    bell.sleepers += 1
    return bell


class TaskWaiter:
    """Wakes one task, or tells it that it was notified before it lay down."""

    __slots__ = ("_future", "_notified", "bell", "keys", "number")

    def __init__(self, bell: LoopBell, keys: Collection[Any] | None) -> None:
        self.number = next(numbers)
        self.bell = bell
        self.keys = keys
        self._notified = False
        self._future: Future[bool] | None = None

    def notify(self) -> None:
        """Have the task woken. From any thread."""
        self.bell.ring(self)

    def wake(self) -> None:
        """Wake the task. By its loop."""
        if self._future is None:
            self._notified = True
        else:
            _settle(self._future, True)

    async def sleep(self, deadline: float | None) -> bool:
        """Wait until notified; False if that took until *deadline* on the loop's clock."""
        if self._notified:
            self._notified = False
            return True
        loop = self.bell.loop
        future: Future[bool] = loop.create_future()
        self._future = future
        if deadline is not None:
            alarm = loop.call_at(deadline, _settle, future, False)
            future.add_done_callback(lambda _: alarm.cancel())
        try:
            return await future
        finally:
            self._future = None


def _settle(sleeper: Future[bool], heard: bool) -> None:
    if not sleeper.done():
        sleeper.set_result(heard)
