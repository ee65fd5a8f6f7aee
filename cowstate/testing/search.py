"""The search through the schedules of a program, those with fewer preemptions first."""

from __future__ import annotations

import gc
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from ..errors import ArgumentTypeError, UnscheduledError
from ..showing import shown
from .plans import Plan
from .points import Territory
from .scheduler import Scheduler
from .standins import known_to
from .tracing import Tracer

__all__ = ["Found", "Frontier", "Plans", "Program", "Runner", "ready", "search"]

Program: TypeAlias = Callable[
    [], tuple[Sequence[Callable[[], object]], Callable[[], Hashable] | None]
]
"""Called afresh for each schedule: returns the functions of the threads, and a function to call
when all have ended, which raises if something is wrong and returns the outcome; or None."""

_RUNS_BETWEEN_COLLECTIONS: Final = 100


class Found(NamedTuple):
    """What came of a search.

    Attributes:
        schedules: how many were run.
        outcomes: how many of them ended in each outcome.
        complete: whether these were all, within the bound.
        failure: what the last of them failed with, or None.
        switches: ``(point, thread)`` for each switch of that one.
        preempting: for each of these, whether the thread that was left could go on.
    """

    schedules: int
    outcomes: dict[Hashable, int]
    complete: bool
    failure: BaseException | None = None
    switches: tuple[tuple[int, int], ...] = ()
    preempting: tuple[bool, ...] = ()


class Runner:
    """Runs one program, in one schedule after the other."""

    def __init__(self, program: Program, scheduler: Scheduler, renew: Callable[[], None]) -> None:
        self._program = program
        self._renew = renew
        self.scheduler = scheduler

    def run(self, plan: Plan) -> tuple[Hashable, BaseException | None]:
        """Run it by *plan*; return the outcome, and what it failed with or None."""
        scheduler = self.scheduler
        try:
            check = self._until_warm(plan)
            if scheduler.failure is not None:
                return None, scheduler.failure
            if check is None:
                return None, None
            try:
                with scheduler.trace.elsewhere():
                    outcome = check()
                hash(outcome)
            except Exception as error:
                return None, error
            return outcome, None
        finally:
            scheduler.finish()

    def _until_warm(self, plan: Plan) -> Callable[[], Hashable] | None:
        scheduler = self.scheduler
        while True:
            scheduler.begin(plan)
            self._renew()
            with scheduler.trace.elsewhere():
                threads, check = _checked(self._program())
            scheduler.run(list(zip(_names(threads), threads, strict=True)))
            if scheduler.aborting or not scheduler.trace.cold:
                return check
            scheduler.finish()


@contextmanager
def ready(program: Program, scheduler: Scheduler, territory: Territory) -> Generator[Runner]:
    """Have all ready for *program* to be run, and leave nothing behind.

    Raises:
        UnscheduledError: a thread of a program that is being explored asks for it.
    """
    if isinstance(sys.gettrace(), Tracer):
        raise UnscheduledError(
            "a thread of a program that is being explored explores one itself, whose threads the "
            "outer search cannot run; explore it by itself"
        )
    # A collection in the midst of a thread would run finalizers there, at a place that differs
    # from run to run.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with known_to(scheduler, territory.modules) as renew:
            try:
                yield Runner(program, scheduler, renew)
            finally:
                scheduler.finish()
    finally:
        scheduler.close()
        if collecting:
            gc.enable()


def search(runner: Runner, plans: Plans, max_schedules: int | None) -> Found:
    """Run each of the plans, up to *max_schedules*, or to the first that fails."""
    outcomes: Counter[Hashable] = Counter()
    schedules = 0
    for plan in plans:
        if schedules == max_schedules:
            return Found(schedules, dict(outcomes), False)
        if schedules % _RUNS_BETWEEN_COLLECTIONS == 0:
            gc.collect(1)
        outcome, error = runner.run(plan)
        schedules += 1
        if error is not None:
            switches = tuple(runner.scheduler.switches)
            preempting = tuple(runner.scheduler.preempting)
            return Found(schedules, dict(outcomes), False, error, switches, preempting)
        outcomes[outcome] += 1
        plans.add(runner.scheduler)
    return Found(schedules, dict(outcomes), True)


def _checked(made: Any) -> tuple[Sequence[Callable[[], object]], Callable[[], Hashable] | None]:
    """Refuse what is no program, or would pass since to call its functions runs nothing."""
    match made:
        case (Sequence() as threads, check):
            pass
        case _:
            raise ArgumentTypeError(
                "a program returns the functions of its threads and a check, as in "
                f"`return [add, add], check`, or None for no check, not {shown(made)}"
            )
    for each in (*threads, *(() if check is None else (check,))):
        if not callable(each):
            raise ArgumentTypeError(f"a program returns functions, not {shown(each)}")
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise ArgumentTypeError(
                f"to call {shown(each)} runs nothing, for it is a coroutine function; explore "
                "tasks with cowstate.testing.tasks.explore_tasks"
            )
        if inspect.isgeneratorfunction(each):
            raise ArgumentTypeError(
                f"to call {shown(each)} runs nothing, for it is a generator function; return a "
                "function that goes through what it yields"
            )
    return threads, check


def _names(threads: Sequence[Callable[[], object]]) -> list[str]:
    names = [getattr(thread, "__name__", "thread") for thread in threads]
    return [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


class Plans(Protocol):
    """The plans that are to be run."""

    def __iter__(self) -> Iterator[Plan]:
        """Return those that are left, one after the other."""
        ...

    def add(self, scheduler: Scheduler) -> None:
        """Learn from the run of the latest."""
        ...


class Frontier:
    """The plans that are still to be run, those with fewer preemptions first.

    A plan stands for the schedule that follows it as far as it goes and then never leaves a
    thread that can go on. From that run's decisions *after* the plan come the plans that differ
    from it once more. So each schedule is reached once, by the plan of its last difference.
    """

    def __init__(self, preemptions: int | None) -> None:
        self._bound = preemptions
        self._spent = 0
        self._plans: list[list[Plan]] = [[Plan(budget=self._left(0))]]

    def _left(self, spent: int) -> int:
        return 1 if self._bound is None else self._bound - spent

    def __iter__(self) -> Iterator[Plan]:
        while self._spent < len(self._plans):
            while self._plans[self._spent]:
                yield self._plans[self._spent].pop()
            self._spent += 1

    def add(self, scheduler: Scheduler) -> None:
        """Note what might have gone otherwise in the latest run."""
        for at, path, before, free, costly, _ in scheduler.decisions:
            for others, cost in ((free, 0), (costly, 1)):
                cost += self._spent
                while others and len(self._plans) <= cost:
                    self._plans.append([])
                for number in others:
                    switches = (*scheduler.switches[:before], (at, number))
                    self._plans[cost].append(Plan(switches, path, self._left(cost)))
