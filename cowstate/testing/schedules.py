"""Every schedule of a small concurrent program: explored, and the one that fails shown.

The threads of the program are real threads that run real, unmodified code, one at a time. Where
one may be left for another, at every line of the modules under test, the search tries both, so
what it finds does not depend on luck or load, and what it does not find, within its bound, is
not there.
"""

from __future__ import annotations

import gc
import linecache
from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final, Literal, NamedTuple, TypeAlias

from ..errors import (
    ArgumentTypeError,
    ArgumentValueError,
    NondeterminismError,
    ScheduleError,
)
from .points import Territory
from .primitives import known_to
from .scheduler import Plan, Scheduler

__all__ = [
    "STORE",
    "Exploration",
    "Granularity",
    "Program",
    "Schedule",
    "Step",
    "Trace",
    "explore",
    "replay",
]

STORE: Final = tuple(
    f"cowstate.{name}" for name in ("blocks", "committer", "locks", "waiters", "waits", "writelock")
)
"""The modules of the store whose lines are places to switch at, and those that make its locks. Name
them all for `explore`, and your own besides: without its locks, a thread that waits for one looks
as if it would never end."""

Program: TypeAlias = Callable[
    [], tuple[Sequence[Callable[[], object]], Callable[[], Hashable] | None]
]
"""Called afresh for each schedule: returns the functions of the threads, and a function to call
when all have ended, which raises if something is wrong and returns the outcome; or None."""

Granularity: TypeAlias = Literal["line", "instruction"]

_RUNS_BETWEEN_COLLECTIONS = 100


class Schedule(NamedTuple):
    """Which thread goes on where: enough to run the same schedule again with `replay`.

    Attributes:
        switches: ``(point, thread)``: at that switch point, counted from 0, the thread of that
            place goes on. Elsewhere the running one does, or after it the first that can.
        modules: the modules whose lines are switch points.
        every: "line" or "instruction".

    >>> Schedule(switches=((3, 1), (7, 0)), modules=("cowstate.committer",))  # 1 at 3, 0 at 7
    Schedule(switches=((3, 1), (7, 0)), modules=('cowstate.committer',), every='line')
    """

    switches: tuple[tuple[int, int], ...]
    modules: tuple[str | ModuleType, ...]
    every: Granularity = "line"


class Step(NamedTuple):
    """One line of a trace: what a thread is about to run, or, with line 0, what befalls it.

    >>> print(Trace([Step("adder", "app.py", 3, "n = read()"), Step("adder", "", 0, "ends")], None))
    adder:
        app.py:3             n = read()
                             ends
    """

    thread: str
    file: str
    line: int
    text: str


class Trace:
    """What happened in one schedule, line by line. Its ``str`` is made for reading.

    Attributes:
        steps: every line of the modules under test, in the order in which they ran.
        error: what the schedule failed with, or None.

    >>> Trace([Step("adder", "app.py", 3, "n = read()")], LookupError("n"))
    <Trace of 1 steps, error=LookupError('n')>
    """

    def __init__(self, steps: Sequence[Step], error: BaseException | None) -> None:
        self.steps = tuple(steps)
        self.error = error

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        thread = None
        for step in self.steps:
            if step.thread != thread:
                thread = step.thread
                yield f"{thread}:"
            where = f"{Path(step.file).name}:{step.line}" if step.line else ""
            yield f"    {where:<20} {step.text}".rstrip()

    def __repr__(self) -> str:
        return f"<Trace of {len(self.steps)} steps, error={self.error!r}>"


class Exploration(NamedTuple):
    """What `explore` found where nothing failed.

    Attributes:
        schedules: how many schedules were run; no two are the same.
        outcomes: how many of them ended in each outcome that the check returned.
        complete: whether these were all, within the bound on preemptions.
        preemptions: that bound; None for no bound.

    >>> def program():
    ...     return [lambda: None, lambda: None], lambda: "the same in each"
    >>> explore(program, modules=["cowstate.committer"])
    Exploration(schedules=2, outcomes={'the same in each': 2}, complete=True, preemptions=2)
    """

    schedules: int
    outcomes: dict[Hashable, int]
    complete: bool
    preemptions: int | None


def explore(
    program: Program,
    *,
    modules: Iterable[str | ModuleType],
    preemptions: int | None = 2,
    max_schedules: int | None = None,
    every: Granularity = "line",
    timeouts: bool = False,
) -> Exploration:
    """Run *program* in every schedule with at most so many preemptions; raise at one that fails.

    A preemption is a switch away from a thread that could have gone on; switches away from one
    that waits or has ended are free, and all are tried. Schedules with fewer preemptions come
    first, so that the one that fails is as simple as can be.

    Switch points are the lines of *modules*, but for those that touch locals alone; the place
    where a call returns into such a line; and, within one line, each further use of a lock. The
    ``Lock``, ``RLock``, ``Condition`` and ``Event`` that these modules make are ones that the
    search knows. All other code runs at full speed between two points, so a module that shares
    state between threads, or makes its locks, must be among them. A line that touches shared
    state twice is one step here: to tell, make every instruction a point.

    The program must do the same in the same schedule: no clock, no randomness, no threads of its
    own. A schedule that comes upon code for the first time is run once more, when what is filled
    on first use has been filled. Not for two threads at a time: the garbage collector is held up,
    and the names of *modules* are changed meanwhile.

    Costs a few tenths of a millisecond for a schedule; how many there are grows with the number
    of points to the power of *preemptions*.

    Args:
        program: see `Program`. An exception out of any of its functions is a failure.
        modules: modules, or their names; `STORE` for those of a store.
        preemptions: the bound; None for all schedules there are.
        max_schedules: give up after so many; see `Exploration.complete`.
        every: "line", or "instruction" to make each one a switch point.
        timeouts: try out, as preemptions, that timed waits time out while others could still
            run. Else they time out only when nobody can.

    Raises:
        ScheduleError: a schedule fails: an exception, a failed check, a deadlock.
        NondeterminismError: the same schedule took another path than before.
        UnscheduledError: a thread waits for something unknown to the search, or never ends.

    >>> from cowstate import Store
    >>> def program():
    ...     store = Store({"hits": 0})
    ...     def hit():
    ...         store.update("hits", lambda n: n + 1)
    ...     return [hit, hit], lambda: store.snapshot()["hits"]
    >>> result = explore(program, modules=STORE, preemptions=1)
    >>> result.complete, list(result.outcomes)
    (True, [2])
    """
    if every not in ("line", "instruction"):
        raise ArgumentValueError(f"every must be 'line' or 'instruction', not {every!r}")
    _check_bound("preemptions", preemptions, 0)
    _check_bound("max_schedules", max_schedules, 1)
    territory = Territory(modules)
    scheduler = Scheduler(territory, instructions=every == "instruction", timeouts=timeouts)
    with _ready(scheduler, territory):
        found = _search(program, scheduler, preemptions, max_schedules)
    if isinstance(found, Exploration):
        return found
    schedules, plan, error = found
    failed = Schedule(plan.switches, territory.given, every)
    if isinstance(error, NondeterminismError):
        raise error
    trace = replay(program, failed)
    if type(trace.error) is not type(error):
        raise NondeterminismError(
            f"a schedule failed with {error!r} and, run again, with {trace.error!r}"
        ) from error
    raise ScheduleError(error, schedules, failed, trace) from error


def replay(program: Program, schedule: Schedule) -> Trace:
    """Run *program* in one *schedule*, that of a `ScheduleError`, and return what happened.

    Raises:
        NondeterminismError: the schedule does not fit the program, which may have changed.

    >>> from cowstate import Store
    >>> from cowstate.errors import ScheduleError
    >>> def program():
    ...     store = Store({"n": 0})
    ...     def add():
    ...         n = store.snapshot()["n"]
    ...         store.set("n", n + 1)
    ...     def check():
    ...         assert store.snapshot()["n"] == 2
    ...     return [add, add], check
    >>> try:
    ...     found = explore(program, modules=STORE)
    ... except ScheduleError as failure:
    ...     replay(program, failure.schedule).error
    AssertionError()
    """
    territory = Territory(schedule.modules)
    scheduler = Scheduler(
        territory, instructions=schedule.every == "instruction", timeouts=True, recording=True
    )
    with _ready(scheduler, territory):
        _, error = _run(program, scheduler, Plan(schedule.switches))
    if isinstance(error, NondeterminismError):
        raise error
    steps = [
        Step(thread, file, line, prefix + linecache.getline(file, line).strip())
        for thread, file, line, prefix in scheduler.log or ()
    ]
    return Trace(steps, error)


@contextmanager
def _ready(scheduler: Scheduler, territory: Territory) -> Generator[None]:
    # A collection in the midst of a thread would run finalizers there, at a place that differs
    # from run to run.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with known_to(scheduler, territory.modules):
            yield
    finally:
        scheduler.close()
        if collecting:
            gc.enable()


def _search(
    program: Program, scheduler: Scheduler, preemptions: int | None, max_schedules: int | None
) -> Exploration | tuple[int, Plan, BaseException]:
    """Run every schedule; return what came of it, or which run failed, how and by what plan."""
    outcomes: Counter[Hashable] = Counter()
    schedules = 0
    for plan in (frontier := _Frontier(preemptions)):
        if schedules == max_schedules:
            return Exploration(schedules, dict(outcomes), False, preemptions)
        if schedules % _RUNS_BETWEEN_COLLECTIONS == 0:
            gc.collect(1)
        outcome, error = _run(program, scheduler, plan)
        schedules += 1
        if error is not None:
            return schedules, plan, error
        outcomes[outcome] += 1
        frontier.add(plan, scheduler)
    return Exploration(schedules, dict(outcomes), True, preemptions)


def _run(
    program: Program, scheduler: Scheduler, plan: Plan
) -> tuple[Hashable, BaseException | None]:
    while True:
        with scheduler.trace.elsewhere():
            threads, check = program()
        scheduler.run(list(zip(_names(threads), threads, strict=True)), plan)
        if scheduler.aborting or not scheduler.trace.cold:
            break
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


def _names(threads: Sequence[Callable[[], object]]) -> list[str]:
    names = [getattr(thread, "__name__", "thread") for thread in threads]
    return [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


class _Frontier:
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

    def add(self, plan: Plan, scheduler: Scheduler) -> None:
        """Note what might have gone otherwise in the run of *plan*."""
        for at, path, free, costly in scheduler.decisions:
            for others, cost in ((free, 0), (costly, 1)):
                cost += self._spent
                while others and len(self._plans) <= cost:
                    self._plans.append([])
                for number in others:
                    switches = (*plan.switches, (at, number))
                    self._plans[cost].append(Plan(switches, path, self._left(cost)))


def _check_bound(name: str, value: object, least: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a whole number or None, not {value!r}")
    if value < least:
        raise ArgumentValueError(f"{name} must be at least {least}, not {value}")
