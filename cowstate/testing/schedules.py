"""Every schedule of a small concurrent program: explored, and the one that fails shown.

The threads of the program are real threads that run real, unmodified code, one at a time. Where
one may be left for another, at every line of the modules under test, the search tries both, so
what it finds does not depend on luck or load, and what it does not find, within its bound, is
not there.
"""

from __future__ import annotations

import linecache
from collections.abc import Hashable, Iterable
from types import ModuleType
from typing import Final, Literal, NamedTuple, TypeAlias

from ..errors import (
    ArgumentTypeError,
    ArgumentValueError,
    NondeterminismError,
    ScheduleError,
)
from .plans import Plan
from .points import Territory
from .scheduler import Scheduler
from .search import Found, Frontier, Program, ready, search
from .traces import Step, Trace

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

Granularity: TypeAlias = Literal["line", "instruction"]


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
    locks, conditions, events, semaphores, barriers, timers and queues of `threading` and `queue`
    that these modules make are ones that the search knows, each operation one step; so are those
    that their names, classes and objects hold when it begins, which are new in each schedule.
    Caches of `functools` that they hold are emptied for each. All other code runs at full speed
    between two points, so a module that shares state between threads, or makes its locks, must be
    among them. A line that touches shared state twice is one step here: to tell, make every
    instruction a point.

    Threads and executors that the program starts are scheduled as those that it returns. Daemons,
    and the threads of an executor, may wait for ever. What runs in the check is one thread again,
    and it may wait for them.

    The program must do the same in the same schedule: no clock, no randomness. A schedule that
    comes upon code for the first time is run once more, when what is filled on first use has been
    filled. Not for two threads at a time: the garbage collector is held up, and what *modules*,
    `threading` and `queue` call by name is changed meanwhile.

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
    with ready(program, scheduler, territory) as runner:
        found = search(runner, Frontier(preemptions), max_schedules)
    return _told(program, found, territory, every, preemptions)


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
    with ready(program, scheduler, territory) as runner:
        _, error = runner.run(Plan(schedule.switches))
    if isinstance(error, NondeterminismError):
        raise error
    steps = [
        Step(thread, file, line, prefix + linecache.getline(file, line).strip())
        for thread, file, line, prefix in scheduler.log or ()
    ]
    return Trace(steps, error)


def _told(
    program: Program,
    found: Found,
    territory: Territory,
    every: Granularity,
    preemptions: int | None,
) -> Exploration:
    error = found.failure
    if error is None:
        return Exploration(found.schedules, found.outcomes, found.complete, preemptions)
    if isinstance(error, NondeterminismError):
        raise error
    failed = Schedule(found.switches, territory.given, every)
    trace = replay(program, failed)
    if type(trace.error) is not type(error):
        raise NondeterminismError(
            f"a schedule failed with {error!r} and, run again, with {trace.error!r}"
        ) from error
    raise ScheduleError(error, found.schedules, failed, trace) from error


def _check_bound(name: str, value: object, least: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a whole number or None, not {value!r}")
    if value < least:
        raise ArgumentValueError(f"{name} must be at least {least}, not {value}")
