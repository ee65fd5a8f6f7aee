"""The search by races comes to all that a program can come to within any bound, and to no more."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cowstate.testing import backtracking
from cowstate.testing.backtracking import Backtracking
from cowstate.testing.races import Races
from cowstate.testing.search import Frontier
from tests.testing.stepping import LOCKS, Program, Run, Step, outcomes

MOST_STATES = 1500
MOST_RUNS = 250

PAIRS = [
    *[("take", "give"), ("enter", "give"), ("fetch", "give")],
    *[("try", "end"), ("via", "back"), ("down", "up")],
]
accesses = st.builds(Step, st.sampled_from(["read", "write"]), st.sampled_from("xy"), st.just(0))
skips = st.builds(Step, st.just("skip"), st.sampled_from("xy"), st.integers(1, 3))
others = st.sampled_from(
    [
        *[Step("mix"), Step("pass"), Step("turn", "p"), Step("free", "a"), Step("free", "b")],
        *[Step("set", "e"), Step("clear", "e"), Step("wait", "e"), Step("up", "s")],
        Step("down", "s"),
    ]
)


@st.composite
def blocks(draw: st.DrawFn, depth: int = 0) -> list[Step]:
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, 3 - depth))):
        kind = draw(st.sampled_from(["access", "access", "lock", "other"]))
        if kind == "access" or depth == 2:
            steps.append(draw(accesses))
        elif kind == "other":
            steps.append(draw(others))
        else:
            opens, closes = draw(st.sampled_from(PAIRS))
            name = "s" if opens == "down" else draw(st.sampled_from(LOCKS))
            steps += [Step(opens, name), *draw(blocks(depth + 1)), Step(closes, name)]
    return steps


branches = st.lists(st.one_of(skips, accesses, others), min_size=1, max_size=4)
programs = st.lists(st.one_of(blocks(), branches), min_size=2, max_size=3)


class Found(NamedTuple):
    outcomes: set[Hashable]
    runs: int


def searched(program: Program, search: Any, chronicle: Any = None) -> Found | None:
    """What a search comes to; None for too many runs."""
    found: set[Hashable] = set()
    for runs, plan in enumerate(search):
        if runs == MOST_RUNS:
            return None
        run: Any = Run(program, plan.switches, plan.budget)
        if chronicle is None:
            last = plan.switches[-1][0] if plan.switches else -1
            run.decisions = [each for each in run.decisions if each.at > last]
        else:
            chronicle.moves, chronicle.left = run.moves, run.left
        search.add(run)
        found.add(run.outcome)
    return Found(found, runs + 1)


def reduced(program: Program, bound: int | None) -> Found | None:
    chronicle: Any = Run(program, ())
    return searched(program, Backtracking(bound, chronicle), chronicle)


def check_same(program: Program, bound: int | None) -> None:
    """Neither search finds more or less than there is; the reduced one makes no more runs."""
    expected = outcomes(program, bound, MOST_STATES)
    found = expected and reduced(program, bound)
    if not found:
        return
    assert found.outcomes == expected
    if plain := searched(program, Frontier(bound)):
        assert plain.outcomes == expected
        assert found.runs <= plain.runs


def tries(name: str, *inside: Step) -> list[Step]:
    return [Step("try", name), *inside, Step("end", name)]


def entering(name: str, *inside: Step) -> list[Step]:
    return [Step("enter", name), *inside, Step("give", name)]


READ_X, READ_Y = Step("read", "x"), Step("read", "y")
WRITE_X, WRITE_Y = Step("write", "x"), Step("write", "y")
# What one thread does depends on whether the other has done what it does.
WITHDRAW = [[Step("skip", "x", 2), Step("pass"), WRITE_X]] * 2
TORN = [[WRITE_X, WRITE_Y], [READ_Y, READ_X]]
# To be kept waiting for b is the switch that the bound would not pay for.
KEPT_WAITING = [
    [*entering("b"), Step("fetch", "a"), READ_Y],
    [WRITE_X, Step("enter", "b"), WRITE_Y],
]
# The same for who is there first with nothing but a try.
TRIED_AND_WAITED = [[*tries("a", *entering("b"), READ_Y), WRITE_X], tries("a", *entering("b"))]
# What is looked at on the way to a lock is another thing once the lock is free.
LOOKED_AND_WAITED = [
    [Step("take", "a"), WRITE_X, Step("give", "a")],
    [Step("fetch", "a"), WRITE_Y, Step("give", "a")],
]
# That look, too, is something on the way that others may notice.
LOOK_NOTICED = [[*tries("b"), Step("mix"), WRITE_X], [Step("fetch", "b"), READ_X]]
# Who waits to the end could have gone on in between.
LEFT_WAITING = [[READ_X, Step("down", "s")], [WRITE_X, Step("down", "s")]]
LEFT_AT_AN_EVENT = [
    [READ_X, Step("wait", "e"), WRITE_Y],
    [WRITE_X, Step("set", "e"), Step("clear", "e")],
]
# A lock that its holder does not give back itself.
FREED_BY_ANOTHER = [[Step("take", "a"), WRITE_X], [Step("enter", "a")], [Step("free", "a")]]
# That the read of x meets anything shows only in a run in which it does not matter.
MET_LATER = [[READ_X, WRITE_Y], [Step("skip", "y", 2), WRITE_X, WRITE_Y]]
# Two locks, and which of them is meant is exchanged.
EXCHANGED = [[Step("turn", "p")], [Step("via"), Step("via")]]
AGAIN = [
    *entering("b", READ_X, WRITE_X),
    *entering("b", READ_Y, Step("fetch", "a"), Step("give", "a")),
]
NESTED = [[*tries("a", *entering("b", WRITE_X, WRITE_Y)), WRITE_Y, WRITE_X], AGAIN]


@settings(max_examples=400, deadline=None)
@given(programs, st.sampled_from([0, 1, 2, 3, None]))
@example(WITHDRAW, None)
@example(TORN, 1)
@example(KEPT_WAITING, 2)
@example(TRIED_AND_WAITED, 1)
@example(LOOKED_AND_WAITED, 1)
@example(LOOKED_AND_WAITED, None)
@example(LOOK_NOTICED, 2)
@example(LEFT_WAITING, 1)
@example(LEFT_AT_AN_EVENT, 2)
@example(FREED_BY_ANOTHER, 1)
@example(MET_LATER, 1)
@example(EXCHANGED, 1)
@example(NESTED, 2)
def test_the_outcomes_are_those_of_every_schedule(program: Program, bound: int | None) -> None:
    check_same(program, bound)


class Unraced(Races):
    """A twin with a bug: it finds no race."""

    def __iter__(self) -> Any:
        return iter(())


class OnlyTurns(Races):
    """A twin with a bug: another gets its turn only where a turn began."""

    def turns_before(self, place: int) -> Any:
        yield next(iter(super().turns_before(place)))


class Unbounded(Races):
    """A twin with a bug: to be kept waiting never counts."""

    def __init__(self, moves: Any, _bounded: bool) -> None:
        super().__init__(moves, False)


class Unwaiting(Races):
    """A twin with a bug: who waits to the end would not have gone on."""

    def __init__(self, moves: Any, bounded: bool) -> None:
        super().__init__([each for each in moves if each.at >= 0], bounded)


class Unmet(Races):
    """A twin with a bug: no step ever meets one of another thread."""

    def meeting(self) -> Any:
        return iter(())


class Unseized(Races):
    """A twin with a bug: nobody but its holder gives a lock back."""

    def __init__(self, moves: Any, bounded: bool) -> None:
        for each in moves:
            each.seized = frozenset()
        super().__init__(moves, bounded)


class Impatient(Races):
    """A twin with a bug: whoever comes while a lock is held waits for it."""

    def waits_at(self, place: int, thread: int) -> bool:
        return bool(super().waits_at(place, thread) or self._moves[place].busy)


@pytest.mark.parametrize(
    ("twin", "program", "bound"),
    [
        (Unraced, WITHDRAW, 2),
        (OnlyTurns, TORN, 1),
        (Unbounded, KEPT_WAITING, 2),
        (Unwaiting, LEFT_WAITING, 1),
        (Unmet, MET_LATER, 1),
        (Unseized, FREED_BY_ANOTHER, 1),
        (Impatient, EXCHANGED, 1),
    ],
)
def test_a_search_that_overlooks_something_would_be_noticed(
    twin: Any, program: Program, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_same(program, bound)
    monkeypatch.setattr(backtracking, "Races", twin)
    with pytest.raises(AssertionError):
        check_same(program, bound)


class Forgetful(Backtracking):
    """A twin with a bug: what was put off is not taken up."""

    def _note_meeting(self, names: Any) -> None:
        self._meeting |= names


def test_what_is_put_off_until_a_step_meets_another_is_run_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_same(MET_LATER, 1)
    monkeypatch.setitem(globals(), "Backtracking", Forgetful)
    with pytest.raises(AssertionError):
        check_same(MET_LATER, 1)


LOCKED = [Step("pass"), Step("take", "a"), READ_X, WRITE_X, Step("give", "a")]
ENTERED = [Step("enter", "a"), Step("mix"), Step("mix"), Step("give", "a")]
COUNTED = [Step("down", "s"), READ_X, WRITE_X, Step("up", "s")]
CALLED = [READ_Y, *LOCKED]


@pytest.mark.parametrize("bound", [0, 1, 2, None])
@pytest.mark.parametrize("steps", [LOCKED, ENTERED, CALLED])
def test_what_is_under_one_lock_takes_as_many_runs_as_there_are_orders_of_the_lock(
    steps: list[Step], bound: int | None
) -> None:
    for threads, orders in ((2, 2), (3, 6)):
        found = reduced([steps] * threads, bound)
        assert found is not None
        assert found.runs == orders


def test_so_does_what_a_semaphore_of_one_guards() -> None:
    found = reduced([COUNTED] * 2, 2)
    assert found is not None
    assert found.runs == 2


def test_what_shares_nothing_takes_one_run_for_each_order_of_free_switches() -> None:
    found = reduced([[WRITE_X] * 3, [WRITE_Y] * 3], None)
    assert found is not None
    assert found.runs == 2
