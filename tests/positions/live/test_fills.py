"""Each growth of what is filled is told once, by whatever facts the book learns of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cowstate import Store
from cowstate.positions import OrderStatus, OrderUpdate, Side
from cowstate.positions.book.orders import apply_order_update
from cowstate.positions.book.slots import InventorySlot, Order
from cowstate.positions.live.fills import filled

PRICE, LOT = Decimal(100), Decimal(5)


@st.composite
def updates(draw: Any) -> OrderUpdate:
    number, done = draw(st.integers(1, 3)), Decimal(draw(st.integers(0, 5)))
    status = draw(st.sampled_from([OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED]))
    name = f"g-100-B{number}"
    return OrderUpdate("X", name, number, Side.BUY, PRICE, LOT, status, done, done * PRICE, 5)


@given(st.lists(updates(), max_size=20))
def test_what_is_told_of_an_order_grows_to_what_is_filled_of_it(facts: list[OrderUpdate]) -> None:
    slots: Store[str, InventorySlot] = Store({"100": InventorySlot(PRICE)})
    told: dict[str, list[Decimal]] = {}

    def note(orders: list[Order]) -> None:
        for order in orders:
            told.setdefault(order.client_oid, []).append(order.filled)

    slots.subscribe(lambda commit: note([*filled(commit.changes)]))
    for fact in facts:
        slots.update("100", lambda slot, fact=fact: apply_order_update(slot, fact))  # type: ignore[misc]
    for each in told.values():
        assert each == sorted(set(each))
    now = {order.client_oid: order.filled for order in slots.snapshot()["100"].orders}
    assert {name: each[-1] for name, each in told.items()} == {
        name: amount for name, amount in now.items() if amount
    }
