"""What could have ended otherwise is held against every history of a small world."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.positions.book.reports import TradeKind
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.simulation.chaos import sight as sights
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.sight import Look, Sight

# What happens does so at even moments; in other histories others may have come in between.
END = 14
LAG = 4
PRICE = Decimal(1)

_even = st.integers(1, END // 2).map(lambda half: 2 * half)
# A moment and by how much; of those that the trades tell, and of those that nothing tells.
told_moves = untold_moves = st.lists(
    st.tuples(_even, st.sampled_from([-2, -1, 1, 2])), max_size=2, unique_by=lambda move: move[0]
)
# When it left, and how old it was.
looks = st.lists(
    st.tuples(_even.filter(lambda left: left >= LAG), st.sampled_from([0, 2, LAG])),
    min_size=1,
    max_size=6,
).map(sorted)
Moves = list[tuple[int, int]]


def held(told: Moves, untold: Moves, moment: int) -> int:
    return sum(size for when, size in (*told, *untold) if when <= moment)


def seen(told: Moves, untold: Moves, heard: list[tuple[int, int]]) -> Sight:
    ledger = Ledger("X")
    moves = [*((*move, True) for move in told), *((*move, False) for move in untold)]
    for when, size, is_told in sorted(moves):
        kind = TradeKind.ADJUSTMENT if is_told else None
        ledger.enter(kind, Decimal(size), PRICE, when)
    sight = Sight(ledger, VenuePromises.exact(positions_lag_ms=LAG))
    for left, age in heard:
        sight.hear(Look(left, left, left - age))
    return sight


def histories(moves: int) -> Iterator[Moves]:
    """Every history in which others moved the position so often."""
    moments = itertools.combinations(range(1, END + 1), moves)
    # Those that came in between may have come to anything.
    sizes = [size for size in range(-8, 9) if size]
    for when in moments:
        for size in itertools.product(sizes, repeat=moves):
            yield list(zip(when, size, strict=True))


def ends_of_the_fewest(told: Moves, untold: Moves, heard: list[tuple[int, int]]) -> set[int]:
    """What is so at the end of each history of the fewest moves that gives these answers."""
    answers = [(left, held(told, untold, left - age)) for left, age in heard]
    for moves in range(len(untold) + 1):
        ends = {
            sum(size for _, size in other)
            for other in histories(moves)
            if all(
                any(held(told, other, moment) == shown for moment in range(left - LAG, left + 1))
                for left, shown in answers
            )
        }
        if ends:
            return ends
    raise AssertionError("the truth is a history as well")


def others_that_it_finds_are_so(told: Moves, untold: Moves, heard: Any) -> bool:
    found = seen(told, untold, heard).could_end_otherwise(len(heard))
    if found:
        latest = heard[-1][0]
        truth = sum(size for when, size in untold if when <= latest)
        assert ends_of_the_fewest(told, [move for move in untold if move[0] <= latest], heard) - {
            truth
        }
    return found


@given(told_moves, untold_moves, looks)
@example([(10, 1)], [(4, 2)], [(6, 0), (10, 2), (12, 4)])
@example([(10, 1)], [(4, 2), (8, 1)], [(4, 0), (6, 2), (10, 0), (12, 4)])
def test_a_history_that_ends_otherwise_is_one(told: Any, untold: Any, heard: Any) -> None:
    others_that_it_finds_are_so(told, untold, heard)


def test_one_is_found_where_a_move_may_have_come_later_and_been_another() -> None:
    """Two were bought at 4, and the answers are of before one was sold; or three, and of after."""
    heard = [(8, 4), (10, 4)]
    assert others_that_it_finds_are_so([(8, -1)], [(4, 2)], heard)
    assert not others_that_it_finds_are_so([], [(4, 2)], heard)


def test_who_has_seen_the_latest_move_for_sure_knows_how_it_ended() -> None:
    heard = [(6, 0), (8, 0), (14, 0)]
    assert not others_that_it_finds_are_so([], [(4, 2)], heard)
    assert not others_that_it_finds_are_so([], [(4, 2), (10, 1)], heard)
    # Before the last answer was heard, nothing told of the move at 10.
    assert seen([], [(4, 2), (10, 1)], heard).could_end_otherwise(2) is False


# Seeded bugs: other histories in which others did more, or that give other answers


def does_more(answers: Any, truth: Any) -> bool:
    return could_end_otherwise(answers[:-1], truth)


def believes_all(answers: Any, _truth: Any) -> bool:
    return bool(answers)


could_end_otherwise = sights.could_end_otherwise


@pytest.mark.parametrize("twin", [does_more, believes_all])
def test_a_seeded_bug_is_found(twin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sights, "could_end_otherwise", twin)
    with pytest.raises((AssertionError, ExceptionGroup)):
        test_a_history_that_ends_otherwise_is_one()
        test_who_has_seen_the_latest_move_for_sure_knows_how_it_ended()
        test_one_is_found_where_a_move_may_have_come_later_and_been_another()
