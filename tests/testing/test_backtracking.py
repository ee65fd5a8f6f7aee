"""The search by races comes to all that the plain search comes to, within any bound."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cowstate.testing import backtracking
from cowstate.testing.backtracking import Backtracking
from cowstate.testing.races import Races
from cowstate.testing.search import Frontier
from tests.testing.stepping import LOCKS, Program, Run, Step

MOST = 200

accesses = st.builds(Step, st.sampled_from(["read", "write"]), st.sampled_from("xy"), st.just(0))
skips = st.builds(Step, st.just("skip"), st.sampled_from("xy"), st.integers(1, 3))
others = st.sampled_from([Step("mix"), Step("pass")])


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
            opens, closes = draw(
                st.sampled_from(
                    [("take", "give"), ("try", "end"), ("enter", "give"), ("fetch", "give")]
                )
            )
            name = draw(st.sampled_from(LOCKS))
            inside = draw(blocks(depth + 1))
            steps += [Step(opens, name), *inside, Step(closes, name)]
    return steps


branches = st.lists(st.one_of(skips, accesses, others), min_size=1, max_size=4)
programs = st.lists(st.one_of(blocks(), branches), min_size=2, max_size=3)


def plain(program: Program, bound: int | None) -> tuple[set[Hashable], int] | None:
    """The outcomes of every schedule, and how many there are; None for too many."""
    frontier = Frontier(bound)
    found: set[Hashable] = set()
    runs = 0
    for plan in frontier:
        run: Any = Run(program, plan.switches, plan.budget)
        last = plan.switches[-1][0] if plan.switches else -1
        run.decisions = [each for each in run.decisions if each.at > last]
        frontier.add(run)
        found.add(run.outcome)
        runs += 1
        if runs > MOST:
            return None
    return found, runs


def reduced(program: Program, bound: int | None) -> tuple[set[Hashable], int]:
    chronicle: Any = Run(program, ())
    search = Backtracking(bound, chronicle)
    found: set[Hashable] = set()
    runs = 0
    for plan in search:
        run: Any = Run(program, plan.switches)
        chronicle.moves = run.moves
        search.add(run)
        found.add(run.outcome)
        runs += 1
    return found, runs


def check_same(program: Program, bound: int | None) -> None:
    expected = plain(program, bound)
    if expected is None:
        return
    found = reduced(program, bound)
    assert found[0] == expected[0]
    assert found[1] <= expected[1]


def tries(name: str, *inside: Step) -> list[Step]:
    return [Step("try", name), *inside, Step("end", name)]


# What one thread does depends on whether the other has done what it does.
WITHDRAW = [[Step("skip", "x", 2), Step("pass"), Step("write", "x")]] * 2
# To be kept waiting for b is the switch that the bound would not pay for.
KEPT_WAITING = [
    [
        *tries("a", Step("enter", "b"), Step("give", "b"), Step("read", "y")),
        Step("write", "x"),
    ],
    tries("a", Step("enter", "b"), Step("give", "b")),
]
# What is looked at on the way to a lock is another thing once the lock is free.
LOOKED_AND_WAITED = [
    [Step("take", "a"), Step("write", "x"), Step("give", "a")],
    [Step("fetch", "a"), Step("write", "y"), Step("give", "a")],
]
# That look, too, is something on the way that others may notice.
LOOK_NOTICED = [
    [*tries("b"), Step("mix"), Step("write", "x")],
    [Step("fetch", "b"), Step("read", "x")],
]


@settings(max_examples=60, deadline=None)
@given(programs, st.sampled_from([0, 1, 2, 3, None]))
@example(WITHDRAW, 2)
@example(WITHDRAW, None)
@example(KEPT_WAITING, 1)
@example(LOOKED_AND_WAITED, 1)
@example(LOOKED_AND_WAITED, None)
@example(LOOK_NOTICED, 2)
def test_the_outcomes_are_those_of_the_plain_search(program: Program, bound: int | None) -> None:
    check_same(program, bound)


class Undisturbed(Races):
    """A twin with a bug: it takes it for granted that the other run goes as this one did."""

    def undisturbed(self, start: int) -> dict[int, int]:
        return dict.fromkeys(range(9), len(super().undisturbed(start)) + 99)


def unbounded(moves: Any, _bounded: bool) -> Races:
    """A twin with a bug: to be kept waiting never counts."""
    return Races(moves, False)


class Waits(Races):
    """A twin with a bug: who waits is taken to find what it looked at as it was."""

    def waits_at(self, place: int, thread: int) -> bool:
        move = next(each for each in self._moves[place:] if each.thread == thread)
        return any(move.taken in each.held for each in self._moves[place : place + 1])


class Unraced(Races):
    """A twin with a bug: it finds no race."""

    def __iter__(self) -> Any:
        return iter(())


@pytest.mark.parametrize(
    ("twin", "program", "bound"),
    [
        (Undisturbed, WITHDRAW, 2),
        (unbounded, KEPT_WAITING, 1),
        (Unraced, WITHDRAW, 2),
        (Waits, LOOKED_AND_WAITED, 1),
    ],
)
def test_a_search_that_overlooks_something_would_be_noticed(
    twin: Any, program: Program, bound: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtracking, "Races", twin)
    with pytest.raises(AssertionError):
        check_same(program, bound)


LOCKED = [Step("pass"), Step("take", "a"), Step("read", "x"), Step("write", "x"), Step("give", "a")]
ENTERED = [Step("enter", "a"), Step("mix"), Step("mix"), Step("give", "a")]


@pytest.mark.parametrize("bound", [0, 1, 2, None])
@pytest.mark.parametrize("steps", [LOCKED, ENTERED])
def test_what_is_under_one_lock_takes_as_many_runs_as_there_are_orders_of_the_lock(
    steps: list[Step], bound: int | None
) -> None:
    assert reduced([steps] * 2, bound)[1] == 2
    assert reduced([steps] * 3, bound)[1] == 6


def test_what_shares_nothing_takes_one_run_for_each_order_of_free_switches() -> None:
    assert reduced([[Step("write", "x")] * 3, [Step("write", "y")] * 3], None)[1] == 2
