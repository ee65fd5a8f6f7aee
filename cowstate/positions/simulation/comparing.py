"""What a replay came to at the paper exchange, and in what the slots and it differ. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from ..book.account import held
from ..book.model import EXACT, OrderId
from ..book.store import Slots
from .paper import Audit

__all__ = ["count_fills", "differences"]


def count_fills(audit: Audit) -> tuple[int, int]:
    """Return how many fills completed their order, and how many did not."""
    quantities = {order.order_id: order.quantity for order in audit.orders}
    filled: defaultdict[OrderId | None, Decimal] = defaultdict(Decimal)
    full = 0
    for fill in audit.fills:
        filled[fill.order_id] = EXACT.add(filled[fill.order_id], fill.quantity)
        full += filled[fill.order_id] == quantities[fill.order_id]
    return full, len(audit.fills) - full


def differences(now: Slots, audit: Audit) -> Iterator[str]:
    """Say, a sentence each, what the slots and the exchange disagree upon."""
    position = held(now)
    if position != audit.position:
        yield f"position: {position:f} here, {audit.position:f} at the exchange"
    here = {
        order.client_oid: order
        for slot in now.values()
        for order in slot.orders
        if not order.terminal
    }
    there = {order.client_oid: order for order in audit.open_orders}
    for client_oid in sorted(here.keys() - there.keys()):
        yield f"order {client_oid} works here and not at the exchange"
    for client_oid in sorted(there.keys() - here.keys()):
        yield f"order {client_oid} works at the exchange and not here"
    for client_oid in sorted(here.keys() & there.keys()):
        for name in ("order_id", "side", "price", "quantity", "filled"):
            ours, theirs = getattr(here[client_oid], name), getattr(there[client_oid], name)
            if ours != theirs:
                yield f"order {client_oid}: {name} is {ours} here, {theirs} at the exchange"
