"""The search that goes on from the races of what it has run: partial-order reduction.

It begins with one run. For each race in it, see `races`, it tries a run in which the two steps
come in the other order, goes on from the races of that one, and so comes to all there is. This is
dynamic partial-order reduction, after Flanagan and Godefroid (2005).

**Within a bound.** To have the later step first, its thread must be given the place of the earlier
one. Before that very step this is a preemption, perhaps one too many; where the thread of the
earlier step was last given its turn it costs no more than what was done there. So each race is
tried out in both places, after Coons, Musuvathi and McKinley (2013), "Bounded partial-order
reduction". Where a thread waits or has ended, each that can go on is tried, for that is free. If
the thread of the later step cannot go on there, all that can are tried in its place.

**Who waits** for what is taken first of all, in a line that does nothing before, has done nothing
yet: it is as if the thread were still on its way, and could not go on. So between its step and
what the holder does meanwhile there is no race, and a switch to it is not tried. But to leave who
cannot go on costs nothing. So the step that gives back what it waits for is in a race with it, if
it has done anything on the way since. To try in vain to take anything else, in any other way, is a
step, which writes what it tries to take; to go on after that is another one; and the latter is in
a race with others even if it has not come at the end of the run.

**Why nothing is lost.** Let p be what some runs of the search begin with, thread A go on there, and
S be another schedule within the bound that begins with p and leaves A for a thread that none of
those runs goes on with. Let T be the first turn, or the rest of one, that S then gives to a thread
with which some do. If T commutes with all that S does before it, S might have begun with T: that
costs no more, for whoever is left where it could not go on is not enabled by what commutes with
it. Else a step of T meets one that S has before, by thread B. There is a schedule within the bound
in which p is followed by T up to that step, or, if T begins with a free switch, by all that its
thread does until it waits; and then by what S does up to the step of B. By the same argument, for
what is longer than p, a run of the search comes to the same, and begins with the same; in that the
two steps race, the place is the one before T, and B is tried there after all, or everybody.

**What nobody meets.** A turn of steps that no step of another thread meets, ever, might as well be
taken later, in one with the next turn of its thread, at the price of one preemption less. So the
second place is left out if nothing else comes before the step in its turn, and what was done on
the way to a wait does not count if it is of this kind. Which steps are is known at the end: until
then this is put off, and it is run once one of them is met in some run. If there is a schedule
within the bound in which one is met, there is such a run, for up to that step all is as it was
taken to be.

**What counts as commuting** is read off from the source by `reading`; what is not understood there
commutes with nothing but steps that touch no shared state at all. But it is not taken to exchange
a lock that a line names: see `Reduction.taken_first`.

That timed waits may end while others could run is no race: where that is tried out, `reduction`
has another way, with `sleepers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from .chronicle import Chronicle
from .plans import Decision, Plan
from .races import Races, StepName
from .scheduler import Scheduler

__all__ = ["Backtracking"]

Switches: TypeAlias = tuple[tuple[int, int], ...]


class _Wanted(NamedTuple):
    """A plan that may be to be run, and how many preemptions it has."""

    plan: Plan
    cost: int


class _Doubtful(NamedTuple):
    """What is to be run unless of one of *doubts* no step ever meets one of another thread."""

    wanted: _Wanted
    doubts: tuple[frozenset[StepName], ...]


class Backtracking:
    """The plans that are still to be run, those with fewer preemptions first.

    Args:
        preemptions: the bound; None for none.
        chronicle: what is noted of the runs.
    """

    def __init__(self, preemptions: int | None, chronicle: Chronicle) -> None:
        self._bound = preemptions
        self._chronicle = chronicle
        self._plans: defaultdict[int, list[Plan]] = defaultdict(list)
        self._plans[0].append(Plan(budget=1))
        self._seen: set[Switches] = set()
        # Steps that met one of another thread in some run; and what is to be run once they do.
        self._meeting: set[StepName] = set()
        self._put_off: defaultdict[StepName, dict[_Doubtful, None]] = defaultdict(dict)

    def __iter__(self) -> Iterator[Plan]:
        while costs := [cost for cost, plans in self._plans.items() if plans]:
            yield self._plans[min(costs)].pop()

    def add(self, scheduler: Scheduler) -> None:
        """Note what might have gone otherwise in the latest run."""
        moves = [*self._chronicle.moves, *self._chronicle.left]
        decisions = {each.at: each for each in scheduler.decisions}
        for each in scheduler.decisions:
            for number in each.free:
                self._run_once(_planned(scheduler, each, number, 0))
        races = Races(moves, self._bound is not None)
        names = races.names()
        self._note_meeting({names[place] for place in races.meeting()})
        for race in races:
            number = moves[race.late].thread
            for place, gone in races.turns_before(race.early):
                doubts = tuple(
                    frozenset(names[each] for each in places)
                    for places in (race.unless, gone)
                    if places
                )
                decision = decisions.get(moves[place].at)
                for wanted in _instead(scheduler, decision, number, races, place):
                    self._run_unless(_Doubtful(wanted, doubts))

    def _note_meeting(self, names: set[StepName]) -> None:
        """Note that these steps meet others, and have run what that makes necessary."""
        new = names - self._meeting
        self._meeting |= new
        for name in new:
            for doubtful in self._put_off.pop(name, {}):
                self._run_unless(doubtful)

    def _run_unless(self, doubtful: _Doubtful) -> None:
        """Have that run, or put it off as long as there is a doubt."""
        for names in doubtful.doubts:
            if names.isdisjoint(self._meeting):
                for name in names:
                    self._put_off[name][doubtful] = None
                return
        self._run_once(doubtful.wanted)

    def _run_once(self, wanted: _Wanted) -> None:
        plan, cost = wanted
        if plan.switches in self._seen or (self._bound is not None and cost > self._bound):
            return
        self._seen.add(plan.switches)
        self._plans[cost].append(plan)


def _planned(scheduler: Scheduler, decision: Decision, number: int, cost: int) -> _Wanted:
    before = decision.before
    switches = (*scheduler.switches[:before], (decision.at, number))
    return _Wanted(Plan(switches, decision.path, 1), cost + sum(scheduler.preempting[:before]))


def _instead(
    scheduler: Scheduler, decision: Decision | None, number: int, races: Races, place: int
) -> list[_Wanted]:
    """The plans in which *number* goes on there or, if it cannot, each that can, at a cost."""
    if decision is None or number == decision.running:
        return []
    costly = [each for each in decision.costly if not races.waits_at(place, each)]
    return [
        _planned(scheduler, decision, each, 1)
        for each in ([number] if number in costly else costly)
    ]
