"""The strategy: what a long-only grid wants done, as laws over its plans."""

from __future__ import annotations

import random
from decimal import Decimal
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate.positions.book.config import GridConfig
from cowstate.positions.book.ids import client_order_id, price_key
from cowstate.positions.book.model import ActionKind, OrderAction, OrderStatus, OrderUpdate, Side
from cowstate.positions.book.orders import (
    adjust_position,
    apply_order_update,
    open_order,
    request_cancel,
)
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.errors import AmountTypeError, AmountValueError
from cowstate.positions.trading.grid import plan_grid

CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 3, "g")
Slots = dict[str, InventorySlot]


def fact(action: OrderAction, status: OrderStatus, filled: Decimal, **more) -> OrderUpdate:
    return OrderUpdate(
        "BTCUSDT",
        action.client_oid,
        crc32(action.client_oid.encode()),
        action.side,
        action.price,
        action.quantity,
        status,
        filled,
        filled * action.price,
        **more,
    )


def carry_out(slots: Slots, actions: tuple[OrderAction, ...]) -> Slots:
    """What the exchange would do at once: acknowledge orders, cancel those it is asked to."""
    slots = dict(slots)
    for action in actions:
        slot = slots.get(action.slot, InventorySlot(Decimal(action.slot)))
        if action.kind is ActionKind.PLACE:
            slot = open_order(
                slot, action.side, action.price, action.quantity, action.client_oid, 0
            )
            slot = apply_order_update(slot, fact(action, OrderStatus.NEW, Decimal(0)))
        else:
            order = slot.working
            assert order.client_oid == action.client_oid
            canceled = action.replace(quantity=order.quantity)
            slot = apply_order_update(slot, fact(canceled, OrderStatus.CANCELED, order.filled))
        slots[action.slot] = slot
    return slots


def match(slots: Slots, last: Decimal, part: Decimal) -> Slots:
    """Fill the orders that a trade at *last* reaches, by *part* of their quantity or wholly."""
    slots = dict(slots)
    for key, slot in slots.items():
        order = slot.working
        if order is None or (order.price - last) * order.side.sign < 0:
            continue
        filled = max(order.filled, order.quantity * part)
        status = OrderStatus.PARTIALLY_FILLED if filled < order.quantity else OrderStatus.FILLED
        slots[key] = apply_order_update(
            slot,
            OrderUpdate(
                "BTCUSDT",
                order.client_oid,
                order.order_id,
                order.side,
                order.price,
                order.quantity,
                status,
                filled,
                filled * order.price,
            ),
        )
    return slots


prices = st.integers(1, 4000).map(lambda ticks: Decimal(ticks) / 4)
parts = st.sampled_from([Decimal("0.2"), Decimal(1), Decimal(1)])
walks = st.lists(st.tuples(prices, parts), max_size=12)


def walk(steps, config: GridConfig = CONFIG) -> Slots:
    slots: Slots = {}
    for last, part in steps:
        slots = match(slots, last, part)
        slots = carry_out(slots, plan_grid(slots, last, config))
    return slots


def bids(slots: Slots) -> list[Decimal]:
    working = [slot.working for slot in slots.values() if slot.working is not None]
    return sorted(order.price for order in working if order.side is Side.BUY)


def window(last: Decimal, config: GridConfig) -> list[Decimal]:
    """The multiples of the step nearest below *last*, counted one by one."""
    levels = [config.price_step * n for n in range(1, 1 + int(last / config.price_step))]
    return [price for price in levels if price < last][-config.levels :]


@given(prices, st.integers(1, 6))
def test_an_empty_grid_buys_the_nearest_levels_below_the_last_price(last, levels):
    plan = plan_grid({}, last, CONFIG.replace(levels=levels))
    assert [action.price for action in plan] == window(last, CONFIG.replace(levels=levels))
    for action in plan:
        assert (action.kind, action.side, action.quantity) == ("PLACE", "BUY", Decimal("0.05"))
        assert action.slot == price_key(action.price)
        assert action.client_oid == f"g-{action.slot}-B1"


@given(walks, prices)
def test_a_plan_carried_out_leaves_nothing_to_plan_at_that_price(steps, last):
    slots = walk(steps)
    done = carry_out(slots, plan_grid(slots, last, CONFIG))
    left = plan_grid(done, last, CONFIG)
    # What a cancelled purchase had bought is sold next.
    assert all(action.side is Side.SELL for action in left)
    assert plan_grid(carry_out(done, left), last, CONFIG) == ()


@given(walks, prices, st.randoms(use_true_random=False))
def test_a_plan_is_sorted_has_one_action_a_slot_and_ignores_the_maps_order(steps, last, rng):
    slots = walk(steps)
    plan = plan_grid(slots, last, CONFIG)
    by_price = [Decimal(action.slot) for action in plan]
    assert by_price == sorted(set(by_price))
    items = list(slots.items())
    rng.shuffle(items)
    assert plan_grid(dict(items), last, CONFIG) == plan


@given(walks, prices)
def test_after_a_plan_every_window_slot_works_and_no_acknowledged_bid_is_below_it(steps, last):
    slots = walk([*steps, (last, Decimal(1))])
    wanted = window(last, CONFIG)
    for price in wanted:
        assert slots[price_key(price)].working is not None
    for price in bids(slots):
        assert price in wanted or price >= last


@settings(max_examples=50)
@given(walks)
def test_a_walk_never_sells_more_than_it_holds_and_ends_flat_at_a_high_price(steps):
    slots = walk(steps)
    for slot in slots.values():
        assert slot.position_qty >= 0
        if slot.working is not None and slot.working.side is Side.SELL:
            assert slot.working.remaining == slot.position_qty
            assert slot.working.price >= slot.price + CONFIG.price_step
    top = Decimal(10_000)
    # Bids are cancelled, what they had bought is offered, and the offers are reached.
    for _ in range(2):
        slots = match(carry_out(slots, plan_grid(slots, top, CONFIG)), top, Decimal(1))
    assert all(slot.position_qty == 0 for slot in slots.values())
    for slot in slots.values():
        trips = sum(order.filled for order in slot.orders if order.side is Side.SELL)
        if not slot.retired_sequence:
            assert slot.realized_profit == trips * CONFIG.price_step


def bought(price: int, filled: str, status: OrderStatus) -> InventorySlot:
    action = plan_grid({}, Decimal(price + 1), CONFIG.replace(levels=1))[0]
    slot = open_order(
        InventorySlot(Decimal(price)), Side.BUY, action.price, action.quantity, action.client_oid, 0
    )
    return apply_order_update(slot, fact(action, status, Decimal(filled)))


def test_what_is_held_is_sold_one_step_above_its_slot():
    slots = {"100": bought(100, "0.05", OrderStatus.FILLED)}
    (action,) = [a for a in plan_grid(slots, Decimal(95), CONFIG) if a.slot == "100"]
    assert (action.kind, action.side) == ("PLACE", "SELL")
    assert (action.price, action.quantity) == (110, Decimal("0.05"))
    assert action.client_oid == "g-100-S2"


def test_the_rest_of_a_cancelled_purchase_is_sold_too():
    slots = {"100": bought(100, "0.02", OrderStatus.CANCELED)}
    (action,) = [a for a in plan_grid(slots, Decimal(105), CONFIG) if a.slot == "100"]
    assert (action.side, action.quantity) == ("SELL", Decimal("0.02"))


def test_a_purchase_at_work_is_left_alone_in_the_window_and_above_it():
    slots = {"100": bought(100, "0.02", OrderStatus.PARTIALLY_FILLED)}
    for last in (95, 100, 101, 130):
        assert [a for a in plan_grid(slots, Decimal(last), CONFIG) if a.slot == "100"] == []


def test_a_bid_below_the_window_is_cancelled_once_and_only_when_it_is_acknowledged():
    slot = bought(100, "0.02", OrderStatus.PARTIALLY_FILLED)
    last = Decimal(131)
    (action,) = [a for a in plan_grid({"100": slot}, last, CONFIG) if a.slot == "100"]
    assert action.kind is ActionKind.CANCEL
    assert (action.order_id, action.client_oid) == (slot.order_id, slot.client_oid)
    assert (action.side, action.price, action.quantity) == ("BUY", 100, Decimal("0.03"))
    asked = request_cancel(slot, slot.client_oid)
    pending = open_order(
        InventorySlot(Decimal(100)), Side.BUY, Decimal(100), Decimal(1), "g-100-B1", 0
    )
    for waiting in (asked, pending):
        assert [a for a in plan_grid({"100": waiting}, last, CONFIG) if a.slot == "100"] == []


def test_an_offer_at_work_is_never_cancelled():
    slots = {"100": bought(100, "0.05", OrderStatus.FILLED)}
    slots = carry_out(slots, plan_grid(slots, Decimal(99), CONFIG))
    plan = plan_grid(slots, Decimal(100_000), CONFIG)
    assert [a for a in plan if a.slot == "100"] == []


def test_a_slot_off_the_grid_sells_what_it_holds_and_buys_nothing():
    slot = InventorySlot(Decimal(105))
    assert [a.slot for a in plan_grid({"105": slot}, Decimal(111), CONFIG)] == ["90", "100", "110"]
    held = adjust_position(slot, Decimal(1))
    (action,) = [a for a in plan_grid({"105": held}, Decimal(111), CONFIG) if a.slot == "105"]
    assert (action.side, action.price) == ("SELL", 115)


def test_a_slot_that_is_short_buys_back_what_it_owes():
    slot = adjust_position(InventorySlot(Decimal(100)), Decimal("-0.3"))
    (action,) = [a for a in plan_grid({"100": slot}, Decimal(101), CONFIG) if a.slot == "100"]
    assert (action.side, action.quantity) == ("BUY", Decimal("0.3"))


def refused(slot: InventorySlot, times: int) -> InventorySlot:
    for _ in range(times):
        oid = client_order_id("g", slot.price, Side.BUY, slot.last_sequence + 1)
        amounts = (slot.price, Decimal(1), OrderStatus.REJECTED)
        update = OrderUpdate("BTCUSDT", oid, None, Side.BUY, *amounts, post_only_reject=True)
        slot = apply_order_update(slot, update)
    return slot


@pytest.mark.parametrize(("times", "last", "buys"), [(3, 101, 1), (4, 101, 0), (4, 105, 1)])
def test_a_bid_refused_too_often_waits_until_the_price_is_half_a_step_away(times, last, buys):
    slots = {"100": refused(InventorySlot(Decimal(100)), times)}
    plan = plan_grid(slots, Decimal(last), CONFIG)
    assert len([action for action in plan if action.slot == "100"]) == buys


@pytest.mark.parametrize(
    ("times", "last", "ask"),
    [(3, "150", 110), (4, "100", 110), (4, "105", 110), (4, "106", 120), (4, "150", 160)],
)
def test_an_offer_refused_too_often_keeps_half_a_step_above_the_price(times, last, ask):
    slots = {"100": adjust_position(refused(InventorySlot(Decimal(100)), times), Decimal(1))}
    (action,) = [a for a in plan_grid(slots, Decimal(last), CONFIG) if a.slot == "100"]
    assert (action.side, action.price) == ("SELL", ask)


@pytest.mark.parametrize("last", ["10", "9.5", "0.01"])
def test_there_is_no_level_at_or_below_zero(last):
    assert plan_grid({}, Decimal(last), CONFIG) == ()


@pytest.mark.parametrize(
    ("last", "error"),
    [(50000.0, AmountTypeError), (50000, AmountTypeError), (Decimal(0), AmountValueError)],
)
def test_the_last_price_is_a_positive_decimal(last, error):
    with pytest.raises(error, match=r"^last_price"):
        plan_grid({}, last, CONFIG)


def test_a_long_random_walk_keeps_its_accounts():
    rng = random.Random(7)
    ticks, steps = 2000, []
    for _ in range(400):
        ticks = max(1, ticks + rng.randint(-60, 60))
        steps.append((Decimal(ticks) / 4, Decimal(rng.choice(["0.3", "1"]))))
    slots = walk(steps)
    trips = sum(slot.realized_profit for slot in slots.values())
    assert trips > 0
    assert any(slot.retired_sequence for slot in slots.values())
