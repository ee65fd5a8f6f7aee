"""A manager of a small grid, what an exchange tells it, and what must always be so of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from cowstate.positions import (
    GridConfig,
    InventorySlot,
    OrderAction,
    OrderStatus,
    OrderUpdate,
    PositionManager,
)

CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.5"), 3, "grid")
PRICE = Decimal("50005")


def make(history: int = 100) -> PositionManager:
    return PositionManager(CONFIG, history=history, time_ms=lambda: 1_000)


def told(
    action: OrderAction,
    status: OrderStatus = OrderStatus.NEW,
    filled: str | Decimal = "0",
    order_id: int | None = 1,
    time_ms: int = 1_000,
) -> OrderUpdate:
    amount = Decimal(filled)
    return OrderUpdate(
        "BTCUSDT",
        action.client_oid,
        order_id,
        action.side,
        action.price,
        action.quantity,
        status,
        amount,
        amount * action.price,
        time_ms,
    )


def recomputed(slots: Iterable[InventorySlot]) -> tuple[Decimal, int, Decimal]:
    slots = list(slots)
    return (
        sum((slot.position_qty for slot in slots), Decimal(0)),
        sum(slot.working is not None for slot in slots),
        sum((slot.realized_profit for slot in slots), Decimal(0)),
    )


def check_derived(manager: PositionManager) -> None:
    now = manager.snapshot()
    assert recomputed(now.values()) == (
        now.total("position"),
        now.total("active_orders"),
        now.total("realized_profit"),
    )
    for key, slot in now.items():
        assert key == slot.key
        for order in slot.orders:
            assert now.find("client_oid", order.client_oid) is slot
            if order.order_id is not None:
                assert now.find("order_id", order.order_id) is slot
