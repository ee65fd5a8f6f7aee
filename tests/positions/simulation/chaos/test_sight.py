"""What could be known is held against every other history, lived through once more."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.book.reports import TradeKind
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.simulation.chaos.delays import Delays
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.oracle import Gap
from cowstate.positions.simulation.chaos.result import WorldResult
from cowstate.positions.simulation.chaos.sight import Look, Sight

END = 40
PRICE = Decimal(1)

# A moment, by how much, and whether the trades tell; of one moment there is only one.
moves = st.lists(
    st.tuples(
        st.integers(1, END), st.sampled_from([-2, -1, 1, 2]), st.sampled_from([True, True, False])
    ),
    max_size=8,
    unique_by=lambda move: move[0],
).map(sorted)
# When it left, and how old it was.
looks = st.lists(st.tuples(st.integers(0, END), st.integers(0, 9)), max_size=5).map(sorted)
lags = st.integers(0, 9)


def lived(made: list[tuple[int, int, bool]]) -> Ledger:
    ledger = Ledger("X", held=Decimal(5))
    for moment, quantity, told in made:
        kind = TradeKind.ADJUSTMENT if told else None
        ledger.enter(kind, Decimal(quantity), PRICE, moment)
    return ledger


def seen(ledger: Ledger, heard: list[tuple[int, int]], lag: int) -> Sight:
    sight = Sight(ledger, VenuePromises.exact(positions_lag_ms=lag))
    for left, age in heard:
        sight.hear(Look(left, left, left - min(age, lag)))
    return sight


def could_answer(other: Ledger, truth: Ledger, heard: list[tuple[int, int]], lag: int) -> bool:
    """Whether in another history every answer may be what it is."""
    return all(
        any(
            other.position_at(moment) == truth.position_at(left - min(age, lag))
            for moment in range(left - lag, left + 1)
        )
        for left, age in heard
    )


@given(moves, looks, lags, st.integers(0, END), st.integers(0, END))
def test_the_answers_are_the_same_without_what_others_did_if_that_history_gives_them(
    made: Any, heard: Any, lag: int, since: int, told_until: int
) -> None:
    truth = lived(made)
    sight = seen(truth, heard, lag)
    without = [move for move in made if move[0] <= since or (move[2] and move[0] <= told_until)]
    later = [look for look in heard if look[0] > since]
    assert sight.is_same_without(since, told_until) is could_answer(
        lived(without), truth, later, lag
    )


@given(moves, looks, lags)
def test_others_are_what_the_last_untold_move_may_have_been_as_well(
    made: Any, heard: Any, lag: int
) -> None:
    truth = lived(made)
    untold = [move for move in made if not move[2]]
    last = untold[-1] if untold else (0, 0, False)
    later = [look for look in heard if look[0] > last[0]]
    found = seen(truth, heard, lag).others()
    assert found is None or 0 in found
    if not untold:
        return
    for more in range(-9, 10):
        other = [(when, quantity + more * (when == last[0]), told) for when, quantity, told in made]
        possible = could_answer(lived(other), truth, later, lag)
        assert possible is (found is None or Decimal(more) in found)


@given(moves, looks, lags)
def test_who_does_not_know_when_it_was_knows_no_more(made: Any, heard: Any, lag: int) -> None:
    sight = seen(lived(made), heard, lag)
    all_told, later = sight.others(), sight.others(later=True)
    assert later is None or (all_told is not None and all_told <= later)


def test_an_answer_is_read_when_the_trades_up_to_it_could_be_listed() -> None:
    ledger = lived([(5, 1, False)])
    sight = Sight(ledger, VenuePromises.exact(trades_lag_ms=10))
    sight.hear(Look(21, 20, 20))
    # Who never asks for the trades could have.
    assert sight.others(readable=True) == {0}
    sight.ask()
    assert sight.others(readable=True) is None
    sight.read(31)
    assert sight.others(readable=True) is None
    sight.read(32)
    sight.ask()
    assert sight.others(readable=True) == {0}
    at_once = Sight(ledger, VenuePromises.exact())
    at_once.ask()
    at_once.hear(Look(21, 20, 20))
    at_once.read(21)
    assert at_once.others(readable=True) == {0}


# Passes that were due


class Scene:
    """A position that lags by 10, of which somebody moves what no trade tells."""

    def __init__(self, lag: int = 10) -> None:
        self.result = WorldResult(1, "scene", "it")
        self.delays = Delays(self.result)
        self.ledger = lived([])
        self.sight = Sight(self.ledger, VenuePromises.exact(positions_lag_ms=lag))

    def by_hand(self, quantity: int, now: int) -> None:
        self.ledger.enter(None, Decimal(quantity), PRICE, now)

    def passes(
        self, left: int, as_of: int, off: int, after: int | None = None, told: bool = False
    ) -> None:
        """A pass that hears of *as_of*; the sides differ by *off*, then by *after*."""
        self.delays.pass_begins(Gap(unexplained=Decimal(off)))
        self.sight.hear(Look(left, left, as_of))
        now = Gap(unexplained=Decimal(off if after is None else after))
        self.delays.pass_ends(now, told, False, self.sight, self.ledger.untold_ms)


def test_passes_are_due_from_the_first_that_no_other_history_explains() -> None:
    scene = Scene()
    scene.passes(10, 10, 0)
    scene.by_hand(1, 15)
    for left, as_of in ((20, 14), (22, 12), (24, 16)):
        scene.passes(left, as_of, 1)
    scene.passes(26, 17, 1, told=True)
    # One answer showed it, of the moment 16, and it was said in the pass after that.
    assert (scene.result.proofs, scene.result.proofs_due) == ([4], [2])
    scene.passes(28, 18, 1)
    scene.passes(30, 21, 1)
    scene.passes(32, 23, 1, after=0)
    # What had left by 25 may be of before, for who does not know when it was.
    assert (scene.result.heals, scene.result.heals_due) == ([7], [4])
    assert not scene.result.slow
    assert not scene.result.late


def test_what_others_do_meanwhile_begins_the_count_anew() -> None:
    scene = Scene(lag=0)
    for left in range(10, 19):
        scene.by_hand(1, left)
        scene.passes(left + 1, left + 1, left)
    scene.passes(30, 30, 18, after=0)
    assert (scene.result.proofs, scene.result.proofs_due) == ([10], [2])
    assert (scene.result.heals, scene.result.heals_due) == ([10], [2])


def test_what_was_known_for_long_and_not_said_is_late_and_slow() -> None:
    scene = Scene(lag=0)
    scene.by_hand(1, 5)
    for left in range(10, 18):
        scene.passes(left, left, 1)
    scene.passes(20, 20, 1, after=0)
    assert (scene.result.proofs_due, scene.result.heals_due) == ([9], [9])
    assert scene.result.slow
    assert scene.result.late


def test_what_is_known_for_eight_passes_is_not_undecided() -> None:
    scene = Scene(lag=0)
    scene.by_hand(1, 5)
    gap = Gap(unexplained=Decimal(1))
    for left in range(10, 18):
        assert scene.delays.is_undecided(gap)
        scene.passes(left, left, 1)
    assert not scene.delays.is_undecided(gap)
    # Orders can be asked for, whatever the position shows.
    assert not Scene().delays.is_undecided(Gap(behind=1, orders=frozenset("a")))


def test_what_heals_is_counted_by_order_and_that_all_does_for_all() -> None:
    scene = Scene()
    for left, before, after in (
        (10, "a", "ab"),
        (11, "ab", "b"),
        (12, "bc", "bc"),
        (13, "bc", "c"),
        (14, "c", ""),
    ):
        scene.delays.pass_begins(Gap(behind=1, orders=frozenset(before)))
        gap = Gap(behind=len(after), orders=frozenset(after))
        scene.delays.pass_ends(gap, False, False, scene.sight, left)
    assert scene.result.heals == [5]
    assert scene.result.heals_due == [2, 3, 3]


def test_what_is_halted_is_not_counted() -> None:
    scene = Scene(lag=0)
    scene.by_hand(1, 5)
    scene.passes(10, 10, 1)
    scene.delays.pass_begins(Gap(1, unexplained=Decimal(1), orders=frozenset("a")))
    now = Gap(1, unexplained=Decimal(1), orders=frozenset("a"))
    scene.delays.pass_ends(now, True, True, scene.sight, 5)
    assert (scene.result.proofs, scene.result.proofs_due) == ([2], [2])
    scene.delays.pass_begins(Gap())
    scene.delays.pass_ends(Gap(), False, False, scene.sight, 5)
    assert (scene.result.heals, scene.result.heals_due) == ([], [])
