"""Found on the first rule: facts that contradict what is held, each made to happen here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderStatus, SlotStatus
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import LOT, Stage
from tests.positions.simulation.chaos import twins


def edited(rule: Any, price: int, quantity: str) -> Stage:
    """Somebody edits an order of ours; it is filled as it is then."""
    stage = Stage(rule)
    stage.buy_at()
    stage.amend("grid-1000-B1", price, quantity)
    stage.fill(price, quantity)
    stage.look(3)
    return stage


@pytest.mark.parametrize(
    ("price", "quantity", "status"),
    [
        (998, "0.05", OrderStatus.FILLED),
        (1_000, "0.07", OrderStatus.FILLED),
        (1_000, "0.049", OrderStatus.CANCELED),
    ],
    ids=["another price", "a larger quantity", "rounded down"],
)
def test_a_fact_that_contradicts_counts_for_what_is_certain_and_is_kept_as_a_dispute(
    price: int, quantity: str, status: OrderStatus
) -> None:
    stage = edited(PresentLife, price, quantity)
    stage.heal()
    order = stage.known("grid-1000-B1")
    assert (order.status, order.filled) == (status, Decimal(quantity))
    assert stage.slot().position_qty == Decimal(quantity)
    disputed = stage.life.manager.snapshot().meta.findings.disputes
    assert {dispute.client_oid for dispute in disputed} == {"grid-1000-B1"}
    assert stage.did_no_harm()
    # The position is compared all the while, so what comes after it is seen.
    stage.by_hand("1")
    stage.look(4)
    assert stage.result.halts[HaltVerdict.RIGHT]
    silent = edited(twins.TriesTheSameFactForEver, price, quantity)
    silent.by_hand("1")
    silent.look(10)
    assert not silent.life.halted()
    assert silent.said[-1].claim is Claim.NONE


def test_an_id_that_was_used_twice_is_two_orders() -> None:
    stage = Stage(reuse=1)
    before = stage.open().life.save()
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(500)
    # From a state in which that order was never placed, its id is used again.
    stage.restart(before)
    stage.venue.at_most["late_request"] = 3_000
    stage.fault("late_request")
    for action in stage.life.manager.calculate_adjustments(Decimal(1_005)):
        stage.send(action)
    assert stage.known("grid-1000-B1").status is OrderStatus.PENDING
    # While it is on its way, the venue tells of the other one under that id.
    stage.look(6)
    assert [order.client_oid for order in stage.ledger.engine.open_orders()] == [
        "grid-5000-S1", "grid-1000-B1",
    ]  # fmt: skip
    order = stage.known("grid-1000-B1")
    assert (order.status, order.filled) == (OrderStatus.NEW, 0)
    stage.heal(12)
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.did_no_harm()


def refused_as_duplicate(rule: Any) -> Stage:
    """The order is taken, and the answer says that its id is; the stream says nothing."""
    stage = Stage(rule).open()
    stage.hours("gap", 30_000)
    stage.fault("duplicate", 2)
    stage.trade(1_005)
    # Who takes it for refused would place another one now.
    assert stage.trade(1_005) == [] or rule is not PresentLife
    stage.fill(1_000)
    stage.look(4)
    return stage


def test_an_order_refused_as_duplicate_is_there() -> None:
    stage = refused_as_duplicate(PresentLife)
    stage.heal()
    order = stage.known("grid-1000-B1")
    assert (order.status, order.filled) == (OrderStatus.FILLED, LOT)
    assert stage.slot().position_qty == LOT
    assert stage.did_no_harm()
    lost = refused_as_duplicate(twins.TakesDuplicatesForRefusals)
    assert lost.known("grid-1000-B1").status is OrderStatus.REJECTED
    assert not lost.gap().closed


def cancelled_and_purged(rule: Any) -> Stage:
    """Cancelled by hand, unheard of, and forgotten by the venue a second later."""
    stage = Stage(rule, purge=1_000)
    stage.buy_at()
    stage.look()
    stage.fault("lose_event")
    stage.cancel("grid-1000-B1")
    stage.wait(2_000)
    stage.look(6)
    return stage


def test_an_order_that_was_purged_locks_no_slot_and_opens_no_breaker() -> None:
    stage = cancelled_and_purged(PresentLife)
    assert stage.known("grid-1000-B1").status is OrderStatus.CANCELED
    assert stage.slot().slot_status is SlotStatus.FREE
    assert not stage.life.halted()
    assert [action.client_oid for action in stage.trade(1_005)] == ["grid-1000-B2"]
    stage.heal()
    assert stage.did_no_harm()
    locked = cancelled_and_purged(twins.NeverForgets)
    assert locked.slot().slot_status is SlotStatus.LOCKED
    halted = cancelled_and_purged(twins.HaltsAtWhatIsPurged)
    assert halted.result.halts[HaltVerdict.WRONG] > 1


def test_an_order_that_was_filled_by_more_than_was_ordered_is_not_over() -> None:
    """Somebody made it larger by hand, and the stream told neither of that nor of the fill."""
    stage = Stage(order_lag=60_000)
    stage.buy_at()
    stage.hours("gap", 10_000)
    stage.amend("grid-1000-B1", 1_000, "0.1")
    stage.fill(1_000, "0.07")
    stage.wait(500)
    # The list of orders and the answers are not heard: the trades alone tell.
    stage.silence("open", 4_000)
    stage.look()
    order = stage.known("grid-1000-B1")
    assert (order.filled, order.terminal) == (Decimal("0.07"), False)
    assert stage.gap().closed
    assert stage.did_no_harm()
