"""What a slot remembers and forgets, what it refuses, and what is done to it by us."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentValueError, CowstateError
from cowstate.positions.book.ids import client_order_id
from cowstate.positions.book.model import (
    FORGOTTEN,
    TAIL,
    OrderStatus,
    OrderUpdate,
    PositionStatus,
    Side,
)
from cowstate.positions.book.orders import (
    adjust_position,
    apply_order_update,
    drop_forgotten,
    fills_of,
    open_order,
    request_cancel,
    retract_cancel,
)
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.errors import (
    AmountTypeError,
    AmountValueError,
    ClientIdError,
    OrderMismatchError,
    RetiredOrderError,
    SlotBusyError,
)

PRICE = Decimal(50000)
EMPTY = InventorySlot(PRICE)
ONE = Decimal(1)


def update(sequence: int, status: OrderStatus = OrderStatus.NEW, filled: int = 0, side=Side.BUY):
    oid = client_order_id("g", PRICE, side, sequence)
    amounts = (PRICE, ONE, status, Decimal(filled), filled * PRICE)
    return OrderUpdate("BTCUSDT", oid, 1000 + sequence, side, *amounts, time_ms=sequence)


def placed(slot: InventorySlot, side: Side = Side.BUY) -> InventorySlot:
    oid = client_order_id("g", PRICE, side, slot.last_sequence + 1)
    return open_order(slot, side, PRICE, ONE, oid, 1)


# --- memory ---------------------------------------------------------------------------------


@given(st.lists(st.integers(0, TAIL - 1), min_size=12, max_size=30), st.data())
def test_facts_late_by_less_than_the_tail_all_count_in_a_slot_of_many_orders(delays, data):
    """The FILLED of order n arrives when up to 7 later orders have come and gone."""
    due: list[tuple[int, int]] = []
    slot = EMPTY
    for sequence, delay in enumerate(delays, start=1):
        slot = apply_order_update(slot, update(sequence, OrderStatus.CANCELED))
        due.append((sequence + delay, sequence))
        for when, late in sorted(due):
            if when == sequence:
                slot = apply_order_update(slot, update(late, OrderStatus.FILLED, 1))
                due.remove((when, late))
    for _, late in due:
        slot = apply_order_update(slot, update(late, OrderStatus.FILLED, 1))
    assert slot.position_qty == len(delays)
    assert len(slot.tail) == TAIL
    assert slot.retired_sequence == len(delays) - TAIL


def test_facts_of_a_forgotten_order_are_refused_and_never_counted_twice():
    slot = EMPTY
    for sequence in range(1, TAIL + 3):
        slot = apply_order_update(slot, update(sequence, OrderStatus.FILLED, 1))
    with pytest.raises(RetiredOrderError, match="compare the position") as caught:
        apply_order_update(slot, update(2, OrderStatus.FILLED, 1))
    assert (caught.value.sequence, caught.value.retired_sequence) == (2, 2)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.client_oid) == (str(caught.value), "g-50000-B2")
    assert slot.position_qty == TAIL + 2


def test_an_order_that_is_alive_is_never_forgotten():
    slot = apply_order_update(EMPTY, update(1))
    for sequence in range(2, TAIL + 6):
        slot = apply_order_update(slot, update(sequence, OrderStatus.FILLED, 1))
    assert slot.client_oid == "g-50000-B1"
    assert len(slot.tail) == TAIL
    slot = apply_order_update(slot, update(1, OrderStatus.FILLED, 1))
    assert slot.position_qty == TAIL + 5
    assert fills_of(slot, slot) == ()


def test_an_older_one_of_several_orders_alive_is_not_forgotten_either():
    slot = apply_order_update(apply_order_update(EMPTY, update(1)), update(2))
    for sequence in range(3, TAIL + 6):
        slot = apply_order_update(slot, update(sequence, OrderStatus.CANCELED))
    assert [order.sequence for order in slot.orders if not order.terminal] == [1, 2]
    slot = apply_order_update(slot, update(1, OrderStatus.FILLED, 1))
    assert (slot.position_qty, slot.client_oid) == (1, "g-50000-B2")


def test_what_has_just_grown_is_remembered_so_that_its_fill_is_seen():
    slot = EMPTY
    for sequence in range(2, TAIL + 2):
        slot = apply_order_update(slot, update(sequence, OrderStatus.CANCELED))
    grown = apply_order_update(slot, update(1, OrderStatus.FILLED, 1))
    assert [fill.client_oid for fill in fills_of(slot, grown)] == ["g-50000-B1"]
    assert apply_order_update(grown, update(1, OrderStatus.FILLED, 1)) is grown


def test_the_newest_of_several_orders_alive_is_the_working_one():
    slot = apply_order_update(EMPTY, update(1))
    slot = apply_order_update(slot, update(2, side=Side.SELL))
    assert slot.client_oid == "g-50000-S2"
    assert [order.sequence for order in slot.orders] == [1, 2]
    assert slot.closed == ()
    slot = apply_order_update(slot, update(2, OrderStatus.CANCELED, side=Side.SELL))
    assert slot.client_oid == "g-50000-B1"
    assert [order.sequence for order in slot.closed] == [2]


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"side": Side.SELL}, "known as BUY 1 at 50000, the update says SELL"),
        ({"price": Decimal(50001)}, "the update says BUY 1 at 50001"),
        ({"quantity": Decimal(2)}, "the update says BUY 2 at 50000"),
        ({"order_id": 5}, "the exchange's id is 1001, the update says 5"),
    ],
)
def test_an_update_that_contradicts_the_order_is_refused(changes, problem):
    slot = apply_order_update(EMPTY, update(1))
    with pytest.raises(OrderMismatchError, match=problem) as caught:
        apply_order_update(slot, update(1).replace(**changes))
    assert isinstance(caught.value, ValueError)
    assert caught.value.client_oid == "g-50000-B1"


def test_equal_amounts_in_another_notation_do_not_contradict():
    slot = apply_order_update(EMPTY, update(1))
    same = update(1).replace(price=Decimal("50000.00"), quantity=Decimal("1.0"))
    assert apply_order_update(slot, same) is slot


@pytest.mark.parametrize(
    ("oid", "problem"),
    [
        ("web_F5CNSgkUd5Rxp4UN4eWw", "does not name a slot"),
        ("g-50010-B1", "of slot 50010, not of slot 50000"),
        ("g-50000-S1", "its id says SELL, it is said to be BUY"),
    ],
)
def test_an_order_of_elsewhere_is_not_taken_in(oid, problem):
    with pytest.raises(OrderMismatchError, match=problem):
        apply_order_update(EMPTY, update(1).replace(client_oid=oid))
    with pytest.raises(OrderMismatchError, match=problem):
        open_order(EMPTY, Side.BUY, PRICE, ONE, oid, 0)


def test_a_slot_takes_no_order_while_one_is_working():
    with pytest.raises(SlotBusyError, match="'g-50000-B1' is working") as caught:
        placed(placed(EMPTY))
    assert isinstance(caught.value, CowstateError)
    assert (caught.value.client_oid, caught.value.working) == ("g-50000-B2", "g-50000-B1")


def test_a_client_id_is_used_once_in_a_slot():
    slot = apply_order_update(EMPTY, update(4, OrderStatus.CANCELED))
    for sequence in (3, 4):
        oid = client_order_id("g", PRICE, Side.BUY, sequence)
        with pytest.raises(ClientIdError, match="next sequence is 5"):
            open_order(slot, Side.BUY, PRICE, ONE, oid, 0)


@pytest.mark.parametrize(
    ("bad", "error"),
    [(0.5, AmountTypeError), (Decimal(0), AmountValueError), (Decimal("NaN"), AmountValueError)],
)
def test_amounts_of_a_new_order_are_checked(bad, error):
    with pytest.raises(error, match=r"^price"):
        open_order(EMPTY, Side.BUY, bad, ONE, "g-50000-B1", 0)
    with pytest.raises(error, match=r"^quantity"):
        open_order(EMPTY, Side.BUY, PRICE, bad, "g-50000-B1", 0)


# --- what we do ------------------------------------------------------------------------------


def test_an_opened_order_is_pending_until_it_is_acknowledged():
    slot = placed(EMPTY)
    assert (slot.slot_status, slot.in_flight, slot.order_id) == ("PENDING", True, None)
    slot = apply_order_update(slot, update(1))
    assert (slot.slot_status, slot.in_flight, slot.order_id) == ("LOCKED", False, 1001)


def test_an_order_that_was_sent_and_one_that_was_learned_end_in_the_same_state():
    filled = update(1, OrderStatus.FILLED, 1)
    sent = apply_order_update(placed(EMPTY), filled)
    assert sent == apply_order_update(EMPTY, filled)


def test_a_requested_cancel_is_noted_until_it_is_retracted_or_the_order_is_over():
    slot = apply_order_update(placed(EMPTY), update(1))
    asked = request_cancel(slot, "g-50000-B1")
    assert asked.in_flight
    assert asked.slot_status == "LOCKED"
    assert request_cancel(asked, "g-50000-B1") is asked
    assert retract_cancel(asked, "g-50000-B1") == slot
    assert retract_cancel(slot, "g-50000-B1") is slot
    assert request_cancel(slot, "g-50000-B9") is slot
    assert request_cancel(EMPTY, "g-50000-B1") is EMPTY
    part = apply_order_update(asked, update(1, OrderStatus.PARTIALLY_FILLED, 1))
    assert part.in_flight
    over = apply_order_update(part, update(1, OrderStatus.CANCELED))
    assert not over.in_flight
    assert over.slot_status == "FREE"


amounts = st.decimals(min_value=-1000, max_value=1000, places=8)


@given(st.lists(amounts, max_size=6), st.integers(0, 1))
def test_adjusting_sets_the_position_and_realizes_nothing(targets, filled):
    slot = apply_order_update(EMPTY, update(1, OrderStatus.PARTIALLY_FILLED, filled))
    profit = slot.realized_profit
    for target in targets:
        slot = adjust_position(slot, target)
        assert slot.position_qty == target
        assert slot.realized_profit == profit
        assert adjust_position(slot, target) is slot
        assert slot.position_status is PositionStatus("FILLED" if target else "EMPTY")
    before = slot.position_qty
    slot = apply_order_update(slot, update(1, OrderStatus.FILLED, 1))
    assert slot.position_qty == before + 1 - filled


@pytest.mark.parametrize(
    ("bad", "error"),
    [(1.0, AmountTypeError), (3, AmountTypeError), (Decimal("inf"), AmountValueError)],
)
def test_a_position_is_adjusted_to_a_finite_decimal_only(bad, error):
    with pytest.raises(error, match=r"^position"):
        adjust_position(EMPTY, bad)


def test_fills_are_between_two_states_of_one_slot():
    with pytest.raises(ArgumentValueError, match="50000 and 50010"):
        fills_of(EMPTY, InventorySlot(Decimal(50010)))


def test_a_round_trip_realizes_the_step():
    slot = apply_order_update(EMPTY, update(1, OrderStatus.FILLED, 1))
    assert slot.realized_profit == 0
    sold = update(2, OrderStatus.FILLED, 1, side=Side.SELL)
    sold = sold.replace(price=Decimal(50010), cost=Decimal(50010))
    slot = apply_order_update(slot, sold)
    assert (slot.position_qty, slot.realized_profit) == (0, 10)


def refused(sequence: int) -> OrderUpdate:
    return update(sequence, OrderStatus.REJECTED).replace(post_only_reject=True)


def test_post_only_refusals_are_counted_in_a_row_and_ended_by_an_acknowledged_order():
    slot = EMPTY
    for sequence in (1, 2, 3):
        slot = apply_order_update(slot, refused(sequence))
        assert slot.post_only_fail_count == sequence
    pending = placed(slot)
    assert pending.post_only_fail_count == 3
    assert apply_order_update(pending, update(4)).post_only_fail_count == 0
    assert apply_order_update(pending, refused(4)).post_only_fail_count == 4
    over = apply_order_update(slot, update(4, OrderStatus.CANCELED))
    assert over.post_only_fail_count == 0
    assert apply_order_update(over, refused(5)).post_only_fail_count == 1
    waiting = apply_order_update(over, update(5, OrderStatus.PENDING))
    waiting = apply_order_update(waiting, update(6, OrderStatus.PENDING))
    assert apply_order_update(waiting, refused(7)).post_only_fail_count == 1


# What is kept of forgotten orders


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_what_a_slot_holds_is_what_its_orders_filled_the_forgotten_ones_included(fills):
    slot = EMPTY
    for sequence, filled in enumerate(fills, start=1):
        slot = apply_order_update(slot, update(sequence, OrderStatus.CANCELED, filled))
    kept = fills[max(len(fills) - TAIL - FORGOTTEN, 0) : max(len(fills) - TAIL, 0)]
    assert [order.filled for order in slot.forgotten] == kept
    if len(fills) <= TAIL + FORGOTTEN:
        remembered = sum(order.filled for order in slot.orders)
        assert slot.position_qty == remembered + sum(kept)


def test_orders_that_were_refused_push_nothing_out_of_what_is_kept():
    """They never were, so no trade of them can come; a venue that refuses does so many times."""
    slot = apply_order_update(EMPTY, update(1, OrderStatus.FILLED, 1))
    for sequence in range(2, TAIL + FORGOTTEN + 9):
        refused = update(sequence, OrderStatus.REJECTED).replace(order_id=None)
        slot = apply_order_update(slot, refused)
    assert slot.forgotten[0].filled == 1
    assert len(slot.forgotten) == FORGOTTEN


def test_what_is_kept_of_a_forgotten_order_is_signed_and_can_be_dropped():
    slot = EMPTY
    sold = update(1, OrderStatus.FILLED, 1).replace(side=Side.SELL, client_oid="g-50000-S1")
    slot = apply_order_update(slot, sold)
    for sequence in range(2, TAIL + 3):
        slot = apply_order_update(slot, update(sequence, OrderStatus.CANCELED))
    first, second = slot.forgotten
    assert (first.client_oid, first.filled, second.filled) == ("g-50000-S1", -1, 0)
    assert (first.order_id, first.ended_ms) == (sold.order_id, sold.time_ms)
    left = drop_forgotten(slot, ["g-50000-S1", "nobody"])
    assert left.forgotten == (second,)
    assert left.position_qty == slot.position_qty
    assert drop_forgotten(left, ["g-50000-S1"]) is left
