"""Two histories with the same answers: what no observer can avoid, or know, is counted apart."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions import OrderRequest, Side, Trade
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.oracle import Judgement
from cowstate.positions.simulation.chaos.result import Ending
from cowstate.positions.simulation.chaos.rules import Claim
from cowstate.positions.simulation.chaos.sight import Look, Sight
from tests.positions.incidents.stage import Stage


def bought_by_hand(fills: bool, quantity: str = "0.05") -> Stage:
    """Somebody buys a lot by hand, and an order of ours buys one just when the answers show it."""
    stage = Stage(position_lag=6_000, interval_ms=1_000)
    stage.buy_at()
    stage.look(7)
    stage.by_hand("-0.004")
    stage.at(2_500, lambda: stage.by_hand(quantity))
    if fills:
        stage.at(8_400, lambda: stage.fill(1_000))
    stage.look(12)
    return stage


def test_an_answer_that_a_fill_explains_as_well_does_not_tell_of_a_trade_by_hand() -> None:
    stage = bought_by_hand(fills=True)
    # Nobody bought: 0.004 less is held, and the last answers are of after the fill. Or somebody
    # did, and they are of before it. Every answer is the same.
    assert stage.result.judgements[Judgement.UNSEEN] == 1
    assert stage.result.corrected == Decimal("0.004")
    assert stage.did_no_harm()
    stage.look(10)
    assert stage.heal()


@pytest.mark.parametrize(("fills", "quantity"), [(False, "0.05"), (True, "0.051")])
def test_where_no_fill_explains_it_the_answers_do_tell(fills: bool, quantity: str) -> None:
    stage = bought_by_hand(fills, quantity)
    assert not stage.result.judgements[Judgement.UNSEEN]
    assert stage.did_no_harm()
    stage.look(10)
    assert stage.heal()


def booked_for_a_moment(passes: int) -> Stage:
    """A lot comes and goes between any two moments that are shown, after a trade by hand."""
    stage = Stage(position_lag=5_000, interval_ms=1_000)
    stage.open().look(7)
    stage.by_hand("0.009")
    for _ in range(passes):
        stage.at(500, lambda: stage.book(TradeKind.ADJUSTMENT, "0.05"))
        stage.at(600, lambda: stage.book(TradeKind.ADJUSTMENT, "-0.05"))
        stage.look()
    return stage


def test_where_the_answers_leave_two_numbers_for_ever_it_is_undecided_and_no_failure() -> None:
    stage = booked_for_a_moment(25)
    said = stage.said[-1]
    assert said.claim is Claim.DIVERGES
    assert "(the difference is one of -0.041, 0.009)" in said.why
    # It was said in the first pass that could know it.
    assert stage.result.proofs_due == [1]
    stage.watch.ends()
    assert stage.result.ending is Ending.UNDECIDED
    assert not stage.result.failed
    assert stage.result.failure is None


def test_it_is_known_and_healed_when_a_window_holds_no_more_of_that() -> None:
    stage = booked_for_a_moment(25)
    stage.look(10)
    stage.watch.ends()
    assert stage.result.ending is Ending.HEALED
    (due,) = stage.result.heals_due
    assert 0 < due < 8 < stage.result.heals[0]
    assert stage.did_no_harm()


def test_a_venue_may_show_the_position_between_two_fills_of_one_moment() -> None:
    """`lagging` 700642: one trade filled two orders, and an answer fits the moment between them."""
    ledger = Ledger("X", held=Decimal(2))
    for price in (90, 91):
        ledger.place(OrderRequest("X", Side.BUY, Decimal("0.5"), Decimal(price)), 1)
    ledger.match(Trade(50, 1, Decimal(90), Decimal(1), buyer_is_maker=True), 50)
    assert [str(held) for _, held in ledger.positions_within(40, 60)] == ["2", "2.5", "3.0"]
    assert ledger.position_at(50) == ledger.position == 3
    ledger.enter(None, Decimal("0.1"), Decimal(1), 60)
    sight = Sight(ledger, VenuePromises.exact(positions_lag_ms=20))
    for price in (80, 81):
        ledger.place(OrderRequest("X", Side.BUY, Decimal("0.5"), Decimal(price)), 91)
    ledger.match(Trade(95, 3, Decimal(80), Decimal(1), buyer_is_maker=True), 95)
    sight.hear(Look(105, 105, 94))
    # 0.1 was bought by hand, or 0.4 sold and the answer is of between the fills, or 0.9 sold.
    assert sight.others(later=True) == {0, Decimal("-0.5"), Decimal("-1.0")}
