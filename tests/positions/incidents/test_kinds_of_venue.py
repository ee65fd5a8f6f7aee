"""Found on the first rule: what venues tell differently, each made to happen here."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions import OrderStatus, Side
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.rules import Claim
from tests.positions.incidents.stage import LOT, Stage
from tests.positions.simulation.chaos import twins


def bought_and_sold(stage: Stage) -> Stage:
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(500)
    stage.trade(1_005)
    stage.fill(1_010, side=Side.SELL)
    stage.wait(500)
    return stage


def test_fills_without_their_cost_make_no_wrong_profit() -> None:
    stage = bought_and_sold(Stage(no_cost=1))
    stage.heal()
    assert stage.life.manager.get_realized_pnl() == Decimal("0.5")
    stage.watch.ends()
    assert not stage.result.profit_wrong
    assert stage.did_no_harm()


def test_trades_without_our_ids_are_found_by_the_venues() -> None:
    stage = Stage(no_ids=1)
    stage.buy_at()
    stage.hours("gap", 10_000)
    stage.fill(1_000)
    stage.heal()
    order = stage.known("grid-1000-B1")
    assert (order.status, order.filled) == (OrderStatus.FILLED, LOT)
    assert stage.slot().position_qty == LOT
    assert stage.did_no_harm()


def test_trades_without_our_ids_of_an_order_whose_answer_was_lost_are_found() -> None:
    stage = Stage(no_ids=1).open()
    stage.hours("gap", 30_000)
    stage.fault("lose_answer", 2)
    stage.trade(1_005)
    stage.wait(3_500)
    stage.fill(1_000)
    stage.look(8)
    stage.heal()
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.did_no_harm()


def test_an_order_of_ours_is_nobody_elses_while_its_id_is_not_known() -> None:
    # Where ids may be used again it is not asked for by ours as long as it may be on its way.
    stage = Stage(no_ids=1, reuse=1, interval_ms=1_000).open()
    stage.hours("gap", 60_000)
    stage.fault("duplicate", 2)
    stage.trade(1_005)
    stage.fill(1_000)
    stage.look(9)
    assert stage.slot().position_qty == LOT
    assert stage.life.manager.snapshot().meta.unattributed == 0
    stage.heal()
    assert stage.did_no_harm()


def test_trades_without_our_ids_of_orders_that_a_slot_has_forgotten_count_once() -> None:
    stage = Stage(no_ids=1)
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(500)
    # Before any pass has listed its trade, nine more orders come and go.
    stage.fault("refuse", 9)
    for _ in range(9):
        stage.trade(1_005)
    assert {order.client_oid for order in stage.slot().forgotten} >= {"grid-1000-B1"}
    stage.look(6)
    assert {said.claim for said in stage.said} == {Claim.EXACT}
    stage.heal()
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.life.manager.snapshot().meta.unattributed == 0
    assert stage.did_no_harm()


def test_an_empty_list_of_positions_is_not_flat_unless_it_is_promised() -> None:
    stage = Stage(empty=1).open()
    stage.hours("empty", 20_000)
    stage.look(8)
    assert not stage.life.halted()
    assert stage.total() == 2
    assert stage.did_no_harm()
    flat = Stage(twins.ReadsEmptyAsFlat, empty=1)
    flat.hours("empty", 20_000)
    flat.look(8)
    assert flat.result.halts[HaltVerdict.WRONG]


def test_the_legs_of_a_hedged_account_are_not_summed() -> None:
    stage = Stage(hedge=1)
    stage.look(2)
    assert stage.said[-1].claim is Claim.EXACT
    stage.short += Decimal("0.3")
    stage.look(2)
    assert stage.said[-1].claim is Claim.EXACT
    assert stage.did_no_harm()
    summed = Stage(twins.SumsLegs, hedge=1)
    summed.look(3)
    assert summed.result.halts[HaltVerdict.WRONG]


def test_fees_taken_from_what_was_bought_are_explained_to_the_digit() -> None:
    stage = Stage(fee=0.001)
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(500)
    stage.look(2)
    stage.heal()
    assert stage.total() == stage.ledger.position == Decimal("2.05") - LOT / 1_000
    assert not stage.life.manager.snapshot().meta.corrections
    assert stage.did_no_harm()


@pytest.mark.parametrize("offset_ms", [-20_000, 20_000])
@pytest.mark.parametrize("no_stamp", [0, 1])
def test_a_clock_that_is_twenty_seconds_off_makes_no_grace_of_zero(
    offset_ms: int, no_stamp: int
) -> None:
    stage = Stage(clock=20_000, offset_ms=offset_ms, no_stamp=no_stamp, interval_ms=5_000)
    stage.open(30)
    # The request is on its way for five seconds, by either clock: it is not given up meanwhile.
    stage.venue.faults = stage.faults.replace(latency=1_400)
    stage.trade(1_005)
    stage.look(3)
    order = stage.known("grid-1000-B1")
    assert not order.terminal
    stage.fill(1_000)
    stage.wait(3_000)
    stage.look(6)
    assert {said.claim for said in stage.said[-6:]} <= {Claim.EXACT, Claim.WITHIN}
    stage.wait(60_000)
    stage.heal(12)
    assert stage.slot().position_qty == LOT
    assert stage.did_no_harm()
