"""Every order of the tasks of a small asyncio program: explored at their awaits.

Between two awaits a task runs alone; where several could go on, the search tries each. Nothing
but tasks takes part: no thread, no socket, and a clock that moves when nobody can go on.
"""

from __future__ import annotations

import asyncio
import inspect
from asyncio import Task
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from ..errors import (
    ArgumentTypeError,
    DeadlockError,
    NondeterminismError,
    ScheduleError,
    UnscheduledError,
)
from ..showing import shown
from .bounds import check_bound_or_none
from .loops import TaskLoop, position_of
from .schedules import Exploration
from .texts import plan_of, text_of
from .traces import Step, Trace

__all__ = ["TaskProgram", "TaskSchedule", "explore_tasks", "replay_tasks"]

TaskProgram: TypeAlias = Callable[
    [],
    tuple[
        Sequence[Callable[[], Awaitable[object]]],
        Callable[[], Hashable | Awaitable[Hashable]] | None,
    ],
]
"""Called afresh for each schedule: returns the coroutine functions of the tasks, and a function to
call, or to await, when all have ended; or None."""


class TaskSchedule(NamedTuple):
    """The order in which tasks go on, as text for `replay_tasks`.

    >>> TaskSchedule("A2 B1 A").how
    "replay_tasks(program, 'A2 B1 A')"
    """

    text: str

    @property
    def how(self) -> str:
        """The call that runs it again.

        >>> TaskSchedule("A2 B").how
        "replay_tasks(program, 'A2 B')"
        """
        return f"replay_tasks(program, {self.text!r})"


def explore_tasks(
    program: TaskProgram, *, reorderings: int | None = 2, max_schedules: int | None = None
) -> Exploration:
    """Run *program* in every order of its tasks within a bound; raise at one that fails.

    A task may be left at an await that does wait, and wherever several can go on each is tried,
    also in an order that asyncio's own loop would not take: it promises none. To go on with
    another than the one that has waited longest is a reordering; schedules with fewer come first.
    Time passes when nobody can go on: a sleep and a timeout end last. What tasks do between two
    awaits is one step.

    A task that raises, a check that fails, and a deadlock of all are a failure. Tasks that the
    program creates take part, and those that are left at the end are cancelled.

    Args:
        program: see `TaskProgram`.
        reorderings: the bound; None for all schedules.
        max_schedules: give up after so many; see `Exploration.complete`.

    Raises:
        ArgumentTypeError, ArgumentValueError: a bound is no whole number, or too small; what
            *program* returns is no program.
        ScheduleError: a schedule fails. Its ``schedule`` is for `replay_tasks`. Its ``error`` is an
            UnscheduledError if the program runs threads, or never ends.
        NondeterminismError: the same schedule took another path than before.

    >>> def program():
    ...     seen = []
    ...     async def add(n):
    ...         before = len(seen)
    ...         await asyncio.sleep(0)
    ...         seen.append(before)
    ...     return [lambda: add(1), lambda: add(2)], lambda: tuple(seen)
    >>> sorted(explore_tasks(program).outcomes)
    [(0, 0), (0, 1)]
    """
    check_bound_or_none("reorderings", reorderings, 0)
    check_bound_or_none("max_schedules", max_schedules, 1)
    outcomes: Counter[Hashable] = Counter()
    schedules = 0
    for turns in (frontier := _Orders(reorderings)):
        if schedules == max_schedules:
            return Exploration(schedules, dict(outcomes), False, reorderings)
        run = _Run(program, turns)
        schedules += 1
        if isinstance(run.error, NondeterminismError):
            raise run.error
        if run.error is not None:
            failed = TaskSchedule(run.text())
            raise ScheduleError(run.error, schedules, failed, run.trace()) from run.error
        outcomes[run.outcome] += 1
        frontier.add(turns, run)
    return Exploration(schedules, dict(outcomes), True, reorderings)


def replay_tasks(program: TaskProgram, schedule: TaskSchedule | str) -> Trace:
    """Run *program* in one *schedule*, that of a failure, and return what happened.

    ``A2 B1 A`` has the first task that goes on take two steps, the second one, and the first the
    rest.

    Raises:
        ArgumentTypeError: what *program* returns is no program.
        ArgumentValueError: the text is none of a schedule.
        NondeterminismError: the schedule does not fit the program, which may have changed.

    >>> def program():
    ...     async def nothing():
    ...         await asyncio.sleep(0)
    ...     return [nothing, nothing], None
    >>> print(replay_tasks(program, "A1 B2 A").error)
    None
    """
    text = schedule.text if isinstance(schedule, TaskSchedule) else schedule
    if not isinstance(text, str):
        raise ArgumentTypeError(f"a TaskSchedule or its text is needed, not {shown(text)}")
    switches, _ = plan_of(text)
    run = _Run(program, _turns_of(switches))
    if isinstance(run.error, NondeterminismError):
        raise NondeterminismError(
            f"the schedule {text!r} does not fit this program, which may have changed since: "
            f"{run.error}; explore it again"
        ) from run.error
    return run.trace()


def _turns_of(switches: Sequence[tuple[int, int]]) -> list[int]:
    """For each step up to the last switch, which task takes it."""
    turns: list[int] = []
    for place, (at, number) in enumerate(switches):
        end = switches[place + 1][0] if place + 1 < len(switches) else at + 1
        turns += [number] * (end - at)
    return turns


class _Run:
    """One run of a program, whose first steps are settled.

    Attributes:
        taken: which task took each step.
        others: for each step, which others could have taken it.
        outcome: what the check returned.
        error: what it failed with, or None.
    """

    def __init__(self, program: TaskProgram, turns: Sequence[int]) -> None:
        self._turns = turns
        self._steps: list[Step] = []
        self._free = True
        self._refused: ArgumentTypeError | None = None
        self.taken: list[int] = []
        self.others: list[tuple[int, ...]] = []
        self.outcome: Hashable = None
        self.error: BaseException | None = None
        loop = TaskLoop(self._choose, self._note)
        try:
            self.outcome = loop.start(self._whole(program))
            hash(self.outcome)
        except Exception as error:
            self.error = error
        finally:
            self._free = False
            self._end(loop)
        if self._refused is not None:
            raise self._refused
        if self.error is None and len(self.taken) < len(turns):
            self.error = NondeterminismError("the run was over before all turns were taken")

    async def _whole(self, program: TaskProgram) -> Hashable:
        try:
            bodies, check = _checked(program())
        except _NoProgramError as error:
            self._refused = ArgumentTypeError(*error.args)
            raise
        tasks = [_named(body, place) for place, body in enumerate(bodies)]
        try:
            await asyncio.gather(*tasks)
        except _NoProgramError as error:
            self._refused = ArgumentTypeError(*error.args)
            raise
        self._free = False
        outcome = None if check is None else check()
        if inspect.isawaitable(outcome):
            outcome = await outcome
        return outcome

    @staticmethod
    def _end(loop: TaskLoop) -> None:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        try:
            if left:
                loop.start(_all_of(left))
        except (DeadlockError, UnscheduledError):
            pass  # they do not end, cancelled or not
        finally:
            loop.close()

    def _choose(self, numbers: Sequence[int]) -> int:
        if not self._free:
            return numbers[0]
        place = len(self.taken)
        chosen = self._turns[place] if place < len(self._turns) else numbers[0]
        if chosen not in numbers:
            raise NondeterminismError(f"at step {place} task {chosen} cannot go on")
        self.taken.append(chosen)
        self.others.append(tuple(number for number in numbers if number != chosen))
        return chosen

    def _note(self, task: Task[Any]) -> None:
        if self._free:
            where, text = position_of(task)
            file, _, line = where.rpartition(":")
            self._steps.append(Step(task.get_name(), file, int(line or 0), text))

    def text(self) -> str:
        """Return the schedule."""
        switches = [
            (at, number)
            for at, number in enumerate(self.taken)
            if not at or number != self.taken[at - 1]
        ]
        return text_of(switches, [True] * len(switches))

    def trace(self) -> Trace:
        """Return what happened."""
        return Trace(self._steps, self.error)


class _NoProgramError(Exception):
    """What was given is no program of tasks; nothing was explored."""


def _checked(made: Any) -> tuple[Sequence[Callable[[], Awaitable[object]]], Any]:
    """Refuse what is no program.

    Raises:
        _NoProgramError: it is none.
    """
    match made:
        case (Sequence() as bodies, check) if not isinstance(bodies, str | bytes):
            pass
        case _:
            if inspect.iscoroutine(made):
                made.close()
                raise _NoProgramError(
                    "a program of tasks is a plain function, which returns coroutine functions and "
                    "a check; this one is a coroutine function itself"
                )
            raise _NoProgramError(
                "a program of tasks returns the coroutine functions of its tasks and a check, as "
                f"in `return [add, add], check`, or None for no check, not {shown(made)}"
            )
    for each in (*bodies, *(() if check is None else (check,))):
        if inspect.iscoroutine(each):
            each.close()
            raise _NoProgramError(
                "a program of tasks returns functions, not what comes of calling them; for "
                "arguments, write `lambda: add(1)`"
            )
        if not callable(each):
            raise _NoProgramError(f"a program of tasks returns functions, not {shown(each)}")
    return bodies, check


async def _all_of(tasks: Iterable[Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


def _named(body: Callable[[], Awaitable[object]], place: int) -> Task[object]:
    async def task() -> object:
        made = body()
        if not inspect.isawaitable(made):
            raise _NoProgramError(
                f"{shown(body)} returned {shown(made)}, which cannot be awaited: a task is made of "
                "an `async def`; explore plain functions with cowstate.testing.schedules.explore"
            )
        return await made

    name = getattr(body, "__name__", "task")
    return asyncio.get_running_loop().create_task(task(), name=f"{name}-{place + 1}")


class _Orders:
    """The orders that are still to be run, those with fewer reorderings first."""

    def __init__(self, bound: int | None) -> None:
        self._bound = bound
        self._spent = 0
        self._orders: list[list[tuple[int, ...]]] = [[()]]

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        while self._spent < len(self._orders):
            while self._orders[self._spent]:
                yield self._orders[self._spent].pop()
            self._spent += 1

    def add(self, turns: Sequence[int], run: _Run) -> None:
        """Note what might have gone otherwise in *run*, after its settled *turns*."""
        cost = self._spent + 1
        if self._bound is not None and cost > self._bound:
            return
        for place in range(len(turns), len(run.taken)):
            for number in run.others[place]:
                if len(self._orders) == cost:
                    self._orders.append([])
                self._orders[cost].append((*run.taken[:place], number))
