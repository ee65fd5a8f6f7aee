"""Incidents: what a position is, what is ours of it, and what silence says of it.

Each test is named by what happened elsewhere; docs/explanation/incidents.md tells where.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderStatus, Side, parse_client_oid
from cowstate.positions.book.account import held
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.original import OriginalLife
from cowstate.positions.simulation.chaos.rules import PresentLife
from tests.positions.incidents import wrong
from tests.positions.incidents.stage import LOT, Stage
from tests.positions.simulation.chaos import twins


def started_without_its_history(rule: Any) -> Stage:
    """Of the 2 that are held no list tells any more; what is listed is a small sale."""
    stage = Stage(held="2").open()
    stage.trade(1_005)
    stage.fill(1_000)
    stage.wait(500)
    stage.trade(1_005)
    stage.fill(1_010, side=Side.SELL)
    stage.wait(1_000)
    stage.ledger.entries[:] = stage.ledger.entries[1:]
    stage.rule = rule
    stage.restart()
    return stage


def test_plus_75_is_not_computed_for_minus_65() -> None:
    stage = started_without_its_history(PresentLife)
    stage.heal()
    assert stage.total() == stage.ledger.position == 2
    assert stage.did_no_harm()
    # The trades of some days are not the position: this has the wrong size, and the wrong sign.
    assert started_without_its_history(wrong.RebuildsFromTrades).total() == Decimal("-0.05")


def sold_by_hand_what_slots_hold(rule: Any) -> Stage:
    stage = Stage(rule)
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(1_000)
    stage.trade(1_005)
    stage.look()
    stage.by_hand("-0.08")
    stage.look(4)
    return stage


def test_closing_a_position_does_not_open_the_other_side() -> None:
    stage = sold_by_hand_what_slots_hold(PresentLife)
    stage.heal()
    assert stage.total() == stage.ledger.position == Decimal("1.97")
    stage.trade(1_005)
    stage.wait(1_000)
    offered = sum(
        order.quantity - order.filled
        for order in stage.ledger.engine.open_orders()
        if order.side is Side.SELL
    )
    assert offered <= stage.ledger.position
    assert stage.did_no_harm()
    assert sold_by_hand_what_slots_hold(twins.InventsShorts).result.shorts


def test_what_one_leg_holds_does_not_close_the_other() -> None:
    stage = Stage(hedge=1)
    stage.buy_at()
    stage.short = Decimal("1.2")
    stage.fill(1_000)
    stage.look(3)
    stage.heal()
    assert stage.total() == Decimal("2.05")
    assert stage.did_no_harm()
    netted = Stage(twins.SumsLegs, hedge=1)
    netted.look(3)
    assert netted.result.halts[HaltVerdict.WRONG]


def answered_with_nothing(rule: Any) -> Stage:
    """For a minute the venue, or who asks it, turns what fails into an empty list."""
    stage = Stage(rule, empty=1)
    stage.buy_at()
    stage.look()
    stage.hours("empty", 60_000)
    stage.look(6)
    return stage


@pytest.mark.parametrize("silent", [False, True], ids=["empty", "refused"])
def test_a_failed_query_is_not_read_as_flat(silent: bool) -> None:
    stage = answered_with_nothing(PresentLife)
    if silent:
        stage.hours("empty", 0)
        stage.silence("position", 60_000)
        stage.look(6)
    assert not stage.life.halted()
    assert stage.total() == stage.ledger.position == 2
    stage.wait(60_000)
    stage.fill(1_000)
    stage.heal()
    assert stage.did_no_harm()
    assert answered_with_nothing(OriginalLife).result.halts[HaltVerdict.WRONG]


def started_five_times(rule: Any) -> Stage:
    stage = Stage(rule)
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(1_000)
    stage.trade(1_005)
    for _ in range(5):
        stage.restart()
        stage.look(2)
    return stage


def test_no_foreign_order_is_invented_at_each_restart() -> None:
    stage = started_five_times(PresentLife)
    stage.heal()
    slots = stage.life.manager.snapshot()
    ids = [order.client_oid for slot in slots.values() for order in slot.orders]
    assert sorted(ids) == sorted(order.client_oid for order in stage.ledger.engine.orders())
    assert all(parse_client_oid(client_oid, "grid") for client_oid in ids)
    assert slots.meta.unattributed == 0
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.did_no_harm()
    invented = started_five_times(wrong.InventsAnOrderAtEachStart).life.manager.snapshot()
    assert sum(order.side is Side.BUY for order in invented["4000"].orders) == 5
    assert held(invented) > 10


def test_an_order_of_somebody_else_is_neither_adopted_nor_cancelled() -> None:
    stage = Stage()
    stage.buy_at()
    theirs = stage.order_of_others(990, "0.013")
    stage.look(3)
    stage.fill(990, "0.2")
    stage.heal()
    assert stage.order(theirs.client_oid).status is OrderStatus.FILLED
    assert stage.known(theirs.client_oid) is None
    assert stage.total() == stage.ledger.position == 2 + LOT + Decimal("0.013")
    assert stage.did_no_harm()
    assert not sum(stage.result.cancels.values())
