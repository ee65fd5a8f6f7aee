"""Incidents: what is not listed, not found or not answered is not over, and the reverse.

Each test is named by what happened elsewhere; docs/explanation/incidents.md tells where.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cowstate.positions import OrderStatus, Side, SlotStatus
from cowstate.positions.simulation.chaos.oracle import Judgement
from cowstate.positions.simulation.chaos.original import OriginalLife
from cowstate.positions.simulation.chaos.rules import PresentLife
from tests.positions.incidents import wrong
from tests.positions.incidents.stage import LOT, Adapter, Stage


def filled_before_it_was_ever_listed(rule: Any) -> Stage:
    """Acknowledged, filled 150 ms later, and neither listed nor found; the stream is away."""
    stage = Stage(rule, not_found=60_000, interval_ms=1_000)
    stage.open()
    stage.hours("gap", 60_000)
    stage.trade(1_005)
    stage.wait(150)
    stage.fill(1_000)
    stage.look(6)
    return stage


def test_an_order_filled_in_150_ms_and_never_listed_is_no_rejected_one() -> None:
    stage = filled_before_it_was_ever_listed(PresentLife)
    order = stage.known("grid-1000-B1")
    assert (order.status, order.filled) == (OrderStatus.FILLED, LOT)
    stage.heal()
    assert stage.did_no_harm()
    assert filled_before_it_was_ever_listed(OriginalLife).result.harmful


def asked_for_in_an_outage(rule: Any) -> Stage:
    stage = Stage(rule)
    stage.buy_at()
    stage.look()
    stage.silence("order", 120_000)
    stage.fault("lose_request", 100)
    stage.look(10)
    return stage


def test_connection_errors_do_not_count_as_not_found() -> None:
    stage = asked_for_in_an_outage(PresentLife)
    assert not stage.known("grid-1000-B1").terminal
    assert stage.slot().slot_status is SlotStatus.LOCKED
    stage.venue.next_faults.clear()
    stage.wait(120_000)
    stage.fill(1_000)
    stage.heal()
    assert stage.slot().position_qty == LOT
    assert stage.did_no_harm()
    lost = asked_for_in_an_outage(wrong.CountsErrorsAsNotFound)
    assert lost.known("grid-1000-B1").status is OrderStatus.REJECTED
    assert lost.result.harmful


def cancelled_and_told_to_be_open(rule: Any) -> Stage:
    """The stream says CANCELED, then what it should have said before; so do list and query."""
    stage = Stage(rule, open_lag=6_000, order_lag=6_000, interval_ms=1_000)
    stage.open()
    stage.fault("delay_event")
    stage.trade(1_005)
    stage.wait(2_500)
    stage.cancel("grid-1000-B1")
    stage.look()
    stage.wait(2_000)
    return stage


def test_an_order_does_not_go_back_from_canceled_to_open() -> None:
    stage = cancelled_and_told_to_be_open(PresentLife)
    assert stage.known("grid-1000-B1").status is OrderStatus.CANCELED
    assert stage.slot().slot_status is SlotStatus.FREE
    # List and query go on saying so for a while: nothing is cancelled for that, nor reopened.
    stage.look(8)
    assert stage.known("grid-1000-B1").status is OrderStatus.CANCELED
    assert any("grid-1000-B1 NEW" in said for said in stage.asked)
    assert not any(said.startswith("asks cancel") for said in stage.asked)
    stage.heal()
    assert stage.did_no_harm()
    back = cancelled_and_told_to_be_open(wrong.BelievesTheLastMessage)
    assert back.slot().slot_status is SlotStatus.LOCKED


class SaysThatNothingWasFilled(Adapter):
    """A venue whose answers about an order that was cancelled know of no fill."""

    def fetch_order(self, *arguments: Any, **options: Any) -> Any:
        order = self.exchange.fetch_order(*arguments, **options)
        return self.unfilled(order) if order.status is OrderStatus.CANCELED else order

    @staticmethod
    def unfilled(order: Any) -> Any:
        return order.replace(filled=Decimal(0), cost=Decimal(0))


def replaced_while_it_was_filled(rule: Any) -> Stage:
    """The price has risen: the old purchase is cancelled, partly filled meanwhile, and replaced."""
    stage = Stage(rule, adapter=SaysThatNothingWasFilled)
    stage.buy_at()
    stage.hours("gap", 60_000)
    stage.at(10, lambda: stage.fill(1_000, "0.03"))
    stage.at(15, lambda: stage.fill(1_015, "0.01", Side.SELL))
    stage.fault("lose_answer")
    stage.trade(1_015)
    stage.wait(4_000)
    stage.look(4)
    return stage


def test_a_replaced_order_leaves_no_ghost_position() -> None:
    stage = replaced_while_it_was_filled(PresentLife)
    stage.heal()
    old, new = stage.known("grid-1000-B1"), stage.known("grid-1010-B1")
    assert (old.status, old.filled) == (OrderStatus.CANCELED, Decimal("0.03"))
    assert new.status is OrderStatus.NEW
    assert stage.slot().position_qty == Decimal("0.03")
    assert stage.did_no_harm()
    # What the slot holds is for sale, so it is nobody's ghost.
    sales = [action for action in stage.trade(1_015) if action.side is Side.SELL]
    assert [str(action.quantity) for action in sales] == ["0.03"]
    assert replaced_while_it_was_filled(OriginalLife).result.harmful


def test_an_order_that_was_given_up_too_early_is_cancelled_when_it_is_seen_again() -> None:
    # The venue hides new orders for eight seconds, and its adapter promises that it hides none.
    stage = Stage(not_found=8_000, told={"hidden_ms": 0}, interval_ms=1_000)
    stage.open().trade(1_005)
    stage.look(4)
    assert stage.known("grid-1000-B1").status is OrderStatus.CANCELED
    stage.look(6)
    assert stage.order("grid-1000-B1").status is OrderStatus.CANCELED
    assert stage.result.cancels == {Judgement.NEEDED: 2}  # this one, and the sale aside
    stage.heal()
    # That the promise was too bold is said.
    (alarm,) = stage.life.reconciler.status().alarms
    assert "hidden_ms is promised as 0" in alarm.why
