"""An event loop that is told which task goes on, and whose clock moves when nobody can."""

from __future__ import annotations

import asyncio
import linecache
from asyncio import BaseEventLoop, Handle, Task, TimerHandle
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, NoReturn, TypeAlias, TypeVar, TypeVarTuple

from ..errors import DeadlockError, UnscheduledError

__all__ = ["Choose", "TaskLoop", "position_of"]

_STEPS_AT_MOST: Final = 20_000

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Choose: TypeAlias = Callable[[Sequence[int]], int]
"""Says which task goes on, given the numbers of those that can, in the order of asyncio's loop."""


class TaskLoop(BaseEventLoop):
    """Runs one step of one task at a time. What is no step of a task comes first, in its order.

    Args:
        choose: says which task goes on.
        note: called with each task as it goes on.

    Attributes:
        tasks: those that have taken a step, by number.
    """

    _stopping: bool

    def __init__(self, choose: Choose, note: Callable[[Task[Any]], None]) -> None:
        super().__init__()
        self._choose = choose
        self._note = note
        self._now = 0.0
        self._steps = 0
        self._soon: list[tuple[Handle, Any]] = []
        self._later: list[tuple[float, int, TimerHandle]] = []
        self._order = count()
        self.tasks: list[Task[Any]] = []
        self._aside: Task[Any] | None = None

    def start(self, whole: Coroutine[Any, Any, T]) -> T:
        """Run *whole*, which sees to the tasks and is none of them, to its end."""
        self._steps = 0
        aside = self._aside = self.create_task(whole)
        result: T = self.run_until_complete(aside)
        return result

    def time(self) -> float:
        """Return the time on a clock that stands still while anybody can go on."""
        return self._now

    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Handle:
        """Have *callback* called."""
        handle = Handle(callback, args, self, context)
        self._soon.append((handle, callback))
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> TimerHandle:
        """Have *callback* called when nobody can go on and nothing is due before."""
        handle = TimerHandle(when, callback, args, self, context)
        heappush(self._later, (when, next(self._order), handle))
        return handle

    def call_soon_threadsafe(
        self,
        callback: Callable[[*Ts], object],  # noqa: ARG002
        *args: *Ts,  # noqa: ARG002
        context: Context | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Refuse: other threads know no schedule."""
        raise UnscheduledError(
            "the program calls into its event loop from another thread, or runs something in an "
            "executor; in an exploration of tasks there is nothing but tasks"
        )

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002
        func: Callable[[*Ts], object],
        *args: *Ts,
    ) -> NoReturn:
        """Refuse: see `call_soon_threadsafe`."""
        self.call_soon_threadsafe(func, *args)

    def _timer_handle_cancelled(self, handle: TimerHandle) -> None:
        pass

    def _process_events(self, event_list: Any) -> None:
        pass

    def _run_once(self) -> None:
        self._soon = [each for each in self._soon if not each[0].cancelled()]
        if not self._soon:
            self._let_time_pass()
            return
        self._steps += 1
        if self._steps > _STEPS_AT_MOST:
            raise UnscheduledError(f"the program has not ended after {_STEPS_AT_MOST} steps")
        owners = [self._task_of(callback) for _, callback in self._soon]
        place = 0
        if None in owners:
            place = owners.index(None)
        else:
            tasks = [owner for owner in owners if owner is not None]
            numbers = [self._number(task) for task in tasks]
            place = numbers.index(self._choose(numbers))
            self._note(tasks[place])
        self._soon.pop(place)[0]._run()

    def _let_time_pass(self) -> None:
        while self._later and self._later[0][2].cancelled():
            heappop(self._later)
        if self._later:
            self._now = max(self._now, self._later[0][0])
            self._soon.append((heappop(self._later)[2], None))
        elif not self._stopping:
            raise self._deadlock()

    def _deadlock(self) -> DeadlockError:
        waits = "\n".join(
            f"  {task.get_name()} awaits at {' '.join(position_of(task))}"
            for task in self.tasks
            if not task.done()
        )
        error = DeadlockError()
        error.args = (f"every task that is left waits for another:\n{waits}",)
        return error

    def _task_of(self, callback: Any) -> Task[Any] | None:
        owner = getattr(callback, "__self__", None)
        return owner if isinstance(owner, Task) and owner is not self._aside else None

    def _number(self, task: Task[Any]) -> int:
        if task not in self.tasks:
            self.tasks.append(task)
        return self.tasks.index(task)


def position_of(task: Task[Any]) -> tuple[str, str]:
    """Return where *task* stands, as file and line, and what the line says."""
    inner: Any = task.get_coro()
    frame = None
    while inner is not None:
        here = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None)
        if here is not None and not here.f_code.co_filename.startswith(_ASYNCIO):
            frame = here
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    if frame is None:
        return "its end", ""
    file, line = frame.f_code.co_filename, frame.f_lineno
    return f"{file}:{line}", linecache.getline(file, line).strip()


_ASYNCIO: Final = asyncio.__file__.removesuffix("__init__.py")
