"""Found on the first rule: a process that starts from what was so some seconds ago."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderStatus, Side
from cowstate.positions.book.ledger import Ledger
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.original import OriginalLife
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import LOT, Stage
from tests.positions.simulation.chaos import twins


def started_from_an_old_state(rule: Any) -> Stage:
    """What it saved is from before a purchase, its fill, its sale, and another purchase."""
    stage = Stage(rule)
    before = stage.open().life.save()
    stage.trade(1_005)
    stage.fill(1_000)
    stage.wait(500)
    stage.trade(1_005)
    stage.fill(1_010, "0.02", side=Side.SELL)
    stage.wait(500)
    stage.trade(996)
    stage.wait(10_000)
    stage.restart(before)
    return stage


def test_a_start_from_an_old_state_heals_and_trades_only_then() -> None:
    stage = started_from_an_old_state(PresentLife)
    assert not stage.gap().closed
    # Nothing is placed before the first look that agrees: ids would be used twice.
    placed = len(stage.ledger.engine.orders())
    assert stage.trade(1_005) == []
    stage.heal()
    assert stage.life.may_trade()
    assert len(stage.ledger.engine.orders()) == placed
    assert stage.slot().position_qty == Decimal("0.03")
    assert stage.total() == stage.ledger.position == Decimal("2.03")
    assert stage.did_no_harm()
    hasty = started_from_an_old_state(OriginalLife)
    assert hasty.trade(1_005)
    hasty.look(3)
    assert hasty.result.harmful


def died_while_it_was_halted(rule: Any) -> Stage:
    stage = Stage(rule).open()
    stage.by_hand("1")
    stage.look(6)
    assert stage.life.halted()
    stage.restart()
    return stage


def test_an_open_breaker_is_open_after_a_restart() -> None:
    stage = died_while_it_was_halted(PresentLife)
    assert stage.life.halted()
    assert not stage.life.may_trade()
    stage.look(3)
    assert stage.life.halted()
    # A halt is for people to end; it is one and the same, and right.
    assert stage.result.halts[HaltVerdict.RIGHT] >= 1
    assert stage.did_no_harm()
    forgetful = died_while_it_was_halted(twins.ForgetsTheBreaker)
    assert not forgetful.life.halted()
    assert forgetful.life.may_trade()
    assert forgetful.look().claim is Claim.NONE


def lost_with_its_fill(*, lag_ms: int = 0, fee: float = 0.0) -> Stage:
    """Where no id of ours is repeated: what it saved is from before an order, and its fill.

    Its price was edited by hand, so that it is at none of the grid.
    """
    stage = Stage(no_ids=1, position_lag=lag_ms, fee=fee)
    before = stage.open().life.save()
    stage.trade(1_005)
    stage.hours("gap", 600_000)
    stage.amend("grid-1000-B1", 998, str(LOT))
    stage.fill(998)
    stage.wait(500)
    stage.restart(before)
    return stage


def taken_for_ours_and_told_of_later(fee: float) -> Stage:
    stage = lost_with_its_fill(fee=fee)
    stage.look(4)
    # It was somebody else's, for all that is known, and was taken for ours.
    assert stage.life.manager.snapshot().meta.unattributed == stage.total() - 2 != 0
    # The slot gives the same id again. It is taken there, so the order is asked for by it.
    stage.trade(1_005)
    stage.look(4)
    return stage


@pytest.mark.parametrize("fee", [0, 0.001])
def test_an_order_of_a_lost_life_that_was_taken_for_others_counts_once_when_it_is_told_of(
    fee: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = taken_for_ours_and_told_of_later(fee)
    order = stage.known("grid-1000-B1")
    assert (order.status, order.filled) == (OrderStatus.FILLED, LOT)
    assert stage.slot().position_qty == LOT
    assert stage.life.manager.snapshot().meta.unattributed == -LOT * Decimal(str(fee))
    assert stage.total() == stage.ledger.position
    stage.heal()
    assert stage.did_no_harm()
    assert not stage.life.manager.snapshot().meta.corrections
    adopted = Ledger.adopted

    def adopted_for_good(ledger: Ledger, kind: TradeKind) -> Ledger:
        """As it was: whose orders that were is forgotten."""
        found = adopted(ledger, kind)
        tallies = tuple(tally for tally in found.tallies if tally.ours is not False)
        return found.replace(tallies=tallies)

    monkeypatch.setattr(Ledger, "adopted", adopted_for_good)
    forgetful = taken_for_ours_and_told_of_later(fee)
    assert forgetful.life.manager.snapshot().meta.corrections
    assert forgetful.result.harmful


def test_an_order_of_a_lost_life_that_was_filled_is_found_by_the_same_ids() -> None:
    stage = Stage(no_ids=1)
    before = stage.open().life.save()
    stage.trade(1_005)
    stage.hours("gap", 600_000)
    stage.fill(1_000)
    stage.wait(500)
    stage.restart(before)
    assert stage.heal() <= 2
    assert stage.slot().position_qty == LOT
    assert stage.life.manager.snapshot().meta.unattributed == 0
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.did_no_harm()


def test_an_order_of_a_lost_life_that_works_is_found_by_the_ids_that_its_slot_would_give() -> None:
    stage = Stage(no_ids=1)
    before = stage.open().life.save()
    stage.fault("refuse", 3)
    stage.trade(1_005)
    stage.trade(1_005)
    stage.trade(1_005)
    assert stage.order("grid-1000-B3").status is OrderStatus.NEW
    stage.hours("gap", 600_000)
    stage.fill(1_000, "0.02")
    others = stage.order_of_others(1_010, "0.05", Side.SELL)
    stage.wait(500)
    stage.restart(before)
    stage.heal()
    order = stage.known("grid-1000-B3")
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.02"))
    assert stage.total() == stage.ledger.position == Decimal("2.02")
    assert stage.slot().working is order
    # What was not found is nobody's, and is left alone.
    stage.look(4)
    assert stage.ledger.engine.order(others.order_id, None).status is OrderStatus.NEW
    assert stage.life.manager.snapshot().meta.findings.absent == ()
    assert stage.did_no_harm()


def test_to_hold_an_order_of_a_lost_life_for_others_is_no_harm() -> None:
    """It is known to the digit, and given back as soon as the order is told of."""
    stage = lost_with_its_fill(lag_ms=6_000)
    stage.look(1)
    assert stage.life.manager.snapshot().meta.ledger.others == {TradeKind.TRADE: LOT}
    assert stage.gap().missed == LOT
    assert not stage.gap().unexplained
    assert stage.did_no_harm()
