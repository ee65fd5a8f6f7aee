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
from ..showing import shown
from .backtracking import Backtracking
from .bounds import check_bound, check_bound_or_none
from .chronicle import Chronicle
from .plans import Plan
from .points import Territory
from .reduction import Reduction
from .sampling import Samples
from .scheduler import Scheduler
from .search import Found, Frontier, Plans, Program, ready, search
from .sleepers import Sleepers, Watcher
from .texts import plan_of, text_of
from .traces import Step, Trace
from .witness import Witness

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
    "sample",
]

STORE: Final = tuple(
    f"cowstate.{name}" for name in ("blocks", "committer", "locks", "waiters", "waits", "writelock")
)
"""The modules of the store in which its threads meet. Name them for `explore`, besides your own,
to switch at the store's own lines; without them each call of a store is one step."""

Granularity: TypeAlias = Literal["line", "instruction"]


class Schedule(NamedTuple):
    """Which thread goes on where: enough to run the same schedule again with `replay`.

    Attributes:
        switches: ``(point, thread)``: at that switch point, counted from 0, the thread of that
            place goes on. Elsewhere the running one does, or after it the first that can.
        modules: the modules whose lines are switch points.
        every: "line" or "instruction".
        text: the same as a line of text, which `replay` takes, too; empty if nobody wrote it.

    >>> Schedule(switches=((3, 1), (7, 0)), modules=("cowstate.committer",))  # 1 at 3, 0 at 7
    Schedule(switches=((3, 1), (7, 0)), modules=('cowstate.committer',), every='line', text='')
    >>> Schedule((), ("cowstate.committer",), text="A3 B").how
    "replay(program, 'A3 B', modules=['cowstate.committer'])"
    """

    switches: tuple[tuple[int, int], ...]
    modules: tuple[str | ModuleType, ...]
    every: Granularity = "line"
    text: str = ""

    @property
    def how(self) -> str:
        """The call that runs it again.

        >>> Schedule(((0, 0), (3, 1)), ("app.jobs",), text="A3 B").how
        "replay(program, 'A3 B', modules=['app.jobs'])"
        """
        if not self.text:
            return f"replay(program, {self!r})"
        names = [each if isinstance(each, str) else each.__name__ for each in self.modules]
        every = "" if self.every == "line" else f", every={self.every!r}"
        return f"replay(program, {self.text!r}, modules={names!r}{every})"


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
    reduction: bool = True,
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
    instruction a point. So is a call of a store, but where it waits, and at the lines of *modules*
    that it calls: to switch at those of the store, name `STORE` as well.

    Threads and executors that the program starts are scheduled as those that it returns. Daemons,
    and the threads of an executor, may wait for ever. What runs in the check is one thread again,
    and it may wait for them.

    The program must do the same in the same schedule: no clock, no randomness. A schedule that
    comes upon code for the first time is run once more, when what is filled on first use has been
    filled. Not for two threads at a time: the garbage collector is held up, and what *modules*,
    `threading` and `queue` call by name is changed meanwhile.

    Costs a few tenths of a millisecond for a schedule; how many there are grows with the number
    of points to the power of *preemptions*. With *reduction*, schedules that only reorder steps
    which have nothing to do with one another are left out where the source shows that they are
    such: what is done under one lock takes as many as there are orders to take it in. The outcomes
    within the bound, and whether one fails, stay the same. What is not understood is taken to touch
    everything. Finalizers that run because a step dropped the last reference are not counted among
    what the step touches.

    Args:
        program: see `Program`. An exception out of any of its functions is a failure.
        modules: modules, or their names.
        preemptions: the bound; None for all schedules there are.
        max_schedules: give up after so many; see `Exploration.complete`.
        every: "line", or "instruction" to make each one a switch point.
        timeouts: try out, as preemptions, that timed waits time out while others could still
            run. Else they time out only when nobody can. Without a bound there is no end then, if
            something waits again after each timeout.
        reduction: leave out schedules that come to the same as others; only where each line is
            a point, for an instruction is told apart from its line by nothing. Code that is not
            understood is not taken to exchange locks.

    Raises:
        ArgumentTypeError: what *program* returns is no program; a coroutine function is none.
        ScheduleError: a schedule fails: an exception, a failed check, a deadlock; or, with an
            UnscheduledError as its error, a thread waits for something unknown to the search, or
            never ends.
        NondeterminismError: the same schedule took another path than before.
        UnscheduledError: a thread of a program that is being explored calls this.

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
    _check_every(every)
    check_bound_or_none("preemptions", preemptions, 0)
    check_bound_or_none("max_schedules", max_schedules, 1)
    territory = Territory(modules)
    instructions = every == "instruction"
    watcher, plans = _reduced(territory, preemptions, reduction and not instructions, timeouts)
    scheduler = Scheduler(territory, instructions=instructions, timeouts=timeouts, watcher=watcher)
    with ready(program, scheduler, territory) as runner:
        found = search(runner, plans, max_schedules)
    return _told(program, found, territory, every, preemptions)


def sample(
    program: Program,
    *,
    modules: Iterable[str | ModuleType],
    schedules: int = 1000,
    seed: int = 0,
    depth: int | None = 3,
    every: Granularity = "line",
    timeouts: bool = False,
) -> Exploration:
    """Run *program* in so many schedules drawn at random; raise at one that fails.

    For programs that have too many schedules for `explore`, or bugs that take more preemptions
    than it can afford. With a *depth*, threads have random priorities, and ``depth - 1`` times the
    running one falls below the others, at random points: in a program of n threads and k points,
    each schedule finds a bug that takes so many orderings with a probability of at least one in
    ``n * k ** (depth - 1)``. Without, any thread may go on at each point. What passes shows little:
    `Exploration.complete` is False.

    The same seed draws the same schedules. A failure is told as by `explore`, with its schedule,
    and with the seed.

    Args:
        program: as for `explore`; so are *modules*, *every* and *timeouts*, which makes a
            timeout one more thread that may go on.
        modules: see there.
        schedules: how many.
        seed: what they follow from.
        depth: how many orderings of two steps a bug may take; None for any at each point.
        every: see there.
        timeouts: see there.

    Raises:
        ArgumentTypeError: what *program* returns is no program; a coroutine function is none.
        ScheduleError: a schedule fails: an exception, a failed check, a deadlock; or, with an
            UnscheduledError as its error, a thread waits for something unknown to the search, or
            never ends.
        NondeterminismError: the same schedule took another path than before.
        UnscheduledError: a thread of a program that is being explored calls this.

    >>> from cowstate import Store
    >>> def program():
    ...     store = Store({"hits": 0})
    ...     def hit():
    ...         store.update("hits", lambda n: n + 1)
    ...     return [hit] * 5, lambda: store.snapshot()["hits"]
    >>> sample(program, modules=STORE, schedules=20).outcomes
    {5: 20}
    """
    _check_every(every)
    check_bound("schedules", schedules, 1)
    check_bound_or_none("depth", depth, 1)
    if not isinstance(seed, int):
        raise ArgumentTypeError(f"seed must be a whole number, not {shown(seed)}")
    territory = Territory(modules)
    scheduler = Scheduler(territory, instructions=every == "instruction", timeouts=timeouts)
    with ready(program, scheduler, territory) as runner:
        found = search(runner, Samples(schedules, seed, depth), None)
    try:
        return _told(program, found, territory, every, None)._replace(complete=False)
    except ScheduleError as failure:
        failure.add_note(f"Drawn by sample(seed={seed}, depth={depth}), which draws it again.")
        raise


def replay(
    program: Program,
    schedule: Schedule | str,
    *,
    modules: Iterable[str | ModuleType] | None = None,
    every: Granularity = "line",
) -> Trace:
    """Run *program* in one *schedule*, that of a `ScheduleError`, and return what happened.

    A schedule may be given as text, as an error shows it: ``A3 B7. A`` has the first thread pass
    three switch points, the second seven, the last of which it waits or ends at, and the first
    run on. The number of a turn counts points, so a schedule fits as long as the lines that are
    run do not change in number; where it is seen not to fit, that is an error.

    Args:
        program: as for `explore`.
        schedule: that of an error, or its text.
        modules: with a text, those that `explore` was given.
        every: with a text, likewise.

    Raises:
        ArgumentValueError: the text is none of a schedule.
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
    schedule, plan = _planned(schedule, modules, every)
    territory = Territory(schedule.modules)
    witness = Witness(Reduction(territory)) if schedule.every == "line" else None
    scheduler = Scheduler(
        territory,
        instructions=schedule.every == "instruction",
        timeouts=True,
        recording=True,
        watcher=witness,
    )
    with ready(program, scheduler, territory) as runner:
        _, error = runner.run(plan)
    if isinstance(error, NondeterminismError):
        raise NondeterminismError(
            f"the schedule {schedule.text or schedule.switches!r} does not fit this program, which "
            f"may have changed since: {error}; explore it again"
        ) from error
    steps = [
        Step(thread, file, line, prefix + linecache.getline(file, line).strip())
        for thread, file, line, prefix in scheduler.log or ()
    ]
    lost = () if witness is None or error is None else witness.lost()
    return Trace(steps, error, lost)


def _planned(
    schedule: Schedule | str,
    modules: Iterable[str | ModuleType] | None,
    every: Granularity,
) -> tuple[Schedule, Plan]:
    if isinstance(schedule, Schedule):
        return schedule, Plan(schedule.switches)
    if not isinstance(schedule, str):
        raise ArgumentTypeError(f"a Schedule or its text is needed, not {shown(schedule)}")
    if modules is None:
        raise ArgumentTypeError("for the text of a schedule, name the modules, as for explore")
    switches, preempting = plan_of(schedule)
    named = Territory(modules).given
    return Schedule(switches, named, every, schedule), Plan(switches, preempting=preempting)


def _reduced(
    territory: Territory, preemptions: int | None, reduction: bool, timeouts: bool
) -> tuple[Watcher | None, Plans]:
    """Return who watches the runs, and who says which are to come."""
    if not reduction:
        return None, Frontier(preemptions)
    if timeouts:
        # That a wait may end by itself at any moment is no race.
        return Sleepers(Reduction(territory)), Frontier(preemptions)
    chronicle = Chronicle(Reduction(territory))
    return chronicle, Backtracking(preemptions, chronicle)


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
    text = text_of(found.switches, found.preempting)
    failed = Schedule(found.switches, territory.given, every, text)
    trace = replay(program, failed)
    if type(trace.error) is not type(error):
        raise NondeterminismError(
            f"a schedule failed with {error!r} and, run again, with {trace.error!r}"
        ) from error
    raise ScheduleError(error, found.schedules, failed, trace) from error


def _check_every(every: object) -> None:
    if every not in ("line", "instruction"):
        raise ArgumentValueError(f"every must be 'line' or 'instruction', not {shown(every)}")
