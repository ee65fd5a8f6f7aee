"""What is filled of our orders, told in the log, whoever has learnt it: `FillTeller`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from cowstate import ChangeSet, Commit

from ..book.slots import InventorySlot, Order

__all__ = ["FillTeller", "filled"]

_log = logging.getLogger(__name__)


class FillTeller:
    """Logs each order of which more is filled. A subscriber of the book; the writers call it.

    Order events, the answer to an order and the reconciler may each be the first to learn of a
    fill, and all of them write it to the book.

    Args:
        symbol: the market.
    """

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol

    def __call__(self, commit: Commit[Any, InventorySlot]) -> None:
        """Log what *commit* says."""
        for order in filled(commit.changes):
            _log.info(
                "%s %s of %s at %s is filled, %s of it",
                *(order.client_oid, order.side, order.quantity, order.price, order.filled),
                extra={"cowstate_event": "order_filled", "cowstate_symbol": self._symbol},
            )


def filled(changes: ChangeSet[Any, InventorySlot]) -> Iterator[Order]:
    """Yield each order of which more is filled than before. Pure.

    >>> from decimal import Decimal
    >>> from cowstate import Store
    >>> from cowstate.positions import OrderStatus, OrderUpdate, Side
    >>> from cowstate.positions.book.orders import apply_order_update
    >>> working = OrderUpdate(
    ...     "X", "g-100-B1", 1, Side.BUY, Decimal(100), Decimal(2), OrderStatus.NEW
    ... )
    >>> slots = Store({"100": apply_order_update(InventorySlot(Decimal(100)), working)})
    >>> part = working.replace(filled=Decimal(1), cost=Decimal(100))
    >>> commit = slots.update("100", lambda slot: apply_order_update(slot, part))
    >>> [(order.client_oid, str(order.filled)) for order in filled(commit.changes)]
    [('g-100-B1', '1')]
    """
    for old, new in changes.values():
        before = {order.client_oid: order.filled for order in _orders(old)}
        for order in _orders(new):
            if order.filled > before.get(order.client_oid, 0):
                yield order


def _orders(slot: object) -> tuple[Order, ...]:
    return slot.orders if isinstance(slot, InventorySlot) else ()
