"""The search that goes on from the races of what it has run: partial-order reduction.

It begins with one run. For each race in it, see `races`, it tries a run in which the two steps
come in the other order, goes on from the races of that one, and so comes to all there is. This is
dynamic partial-order reduction, after Flanagan and Godefroid (2005).

**Within a bound.** To have the later step first, its thread must be given the place of the earlier
one. Before that very step this is a preemption, perhaps one too many; where the thread of the
earlier step was last given its turn it costs no more than what was done there. So each race is
tried out in both places, after Coons, Musuvathi and McKinley (2013), "Bounded partial-order
reduction". Where a thread waits or has ended, each that can go on is tried, for that is free.

**One of the two places is enough** where all that the turn did before the step commutes with
what the others do instead: then the two runs come to the same, and so do their races. That is known
when the run that begins with the turn has been made. Not in the run that has the race: what the
others do may depend on it.

**A lock** keeps out whoever must take it first. If the thread of the earlier step held what the
later one had to take, the holder had to go on: no race. But to be kept waiting is a switch at no
cost, and within a bound that counts. So it is one all the same if the thread did something on the
way to the lock that the others might have noticed.

**What counts as commuting** is read off from the source by `reading`; what is not understood there
commutes with nothing but steps that touch no shared state at all. A primitive counts as written by
each operation, by a vain attempt to take it, and at the end of a block.

A switch to a thread that would at once wait for what another holds is not tried, unless what it
looks at on the way is changed before it goes on; the others are tried in its place. That timed
waits may end while others could run is no race: where that is tried out, `reduction` has another
way, with `sleepers`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from .chronicle import Chronicle
from .plans import Decision, Plan
from .races import Races
from .scheduler import Scheduler

__all__ = ["Backtracking"]

Switches: TypeAlias = tuple[tuple[int, int], ...]


class _Wanted(NamedTuple):
    """A plan that may be to be run, and how many preemptions it has."""

    plan: Plan
    cost: int


class _Doubt(NamedTuple):
    """What must be run unless so many moves of a thread meet nothing in another run."""

    thread: int
    moves: int
    wanted: list[_Wanted]


class Backtracking:
    """The plans that are still to be run, those with fewer preemptions first.

    Args:
        preemptions: the bound; None for none.
        chronicle: what is noted of the runs.
    """

    def __init__(self, preemptions: int | None, chronicle: Chronicle) -> None:
        self._bound = preemptions
        self._chronicle = chronicle
        self._latest = Plan(budget=1)
        self._plans: defaultdict[int, list[Plan]] = defaultdict(list)
        self._plans[0].append(self._latest)
        self._seen: set[Switches] = set()
        # Of each run that goes on by itself after these switches: how many moves of each thread
        # meet nothing that the others do after the last of them.
        self._undisturbed: dict[Switches, dict[int, int]] = {}
        self._doubts: defaultdict[Switches, list[_Doubt]] = defaultdict(list)

    def __iter__(self) -> Iterator[Plan]:
        while costs := [cost for cost, plans in self._plans.items() if plans]:
            self._latest = self._plans[min(costs)].pop()
            yield self._latest

    def add(self, scheduler: Scheduler) -> None:
        """Note what might have gone otherwise in the latest run."""
        moves = self._chronicle.moves
        decisions = {each.at: each for each in scheduler.decisions}
        for each in scheduler.decisions:
            for number in each.free:
                self._run_once(_planned(scheduler, each, number, 0))
        races = Races(moves, self._bound is not None)
        self._settle(scheduler, races)
        for early, late in races:
            number = moves[late].thread
            turn = races.turn_of(early)
            self._run_all(_instead(scheduler, decisions.get(moves[turn].at), number, races, turn))
            if turn == early:
                continue
            at = decisions.get(moves[early].at)
            wanted = _instead(scheduler, at, number, races, early)
            if wanted and races.met_nothing(turn, early):
                doubt = _Doubt(moves[early].thread, early - turn, wanted)
                if self._put_off(doubt, scheduler, decisions.get(moves[turn].at), number):
                    continue
            self._run_all(wanted)

    def _settle(self, scheduler: Scheduler, races: Races) -> None:
        """Note how the run went on, and run what was to be run unless it went on like that."""
        places = {move.at: place for place, move in enumerate(self._chronicle.moves)}
        switches = tuple(scheduler.switches)
        for last in range(max(len(self._latest.switches) - 1, 0), len(switches)):
            taken = switches[: last + 1]
            if taken not in self._undisturbed and switches[last][0] in places:
                found = races.undisturbed(places[switches[last][0]])
                self._undisturbed[taken] = found
                for thread, moves, wanted in self._doubts.pop(taken, ()):
                    if found.get(thread, 0) < moves:
                        self._run_all(wanted)

    def _put_off(
        self, doubt: _Doubt, scheduler: Scheduler, turn: Decision | None, number: int
    ) -> bool:
        """Have another run, in which *number* has that turn, decide; False if there is none."""
        if turn is None:
            return False
        instead = (*scheduler.switches[: turn.before], (turn.at, number))
        found = self._undisturbed.get(instead)
        if found is not None:
            return found.get(doubt.thread, 0) >= doubt.moves
        if instead not in self._seen:
            return False
        self._doubts[instead].append(doubt)
        return True

    def _run_all(self, wanted: Iterable[_Wanted]) -> None:
        for each in wanted:
            self._run_once(each)

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
