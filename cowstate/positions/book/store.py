"""The book: a store of slots, with what every version of it can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Any, TypeAlias

from cowstate import Aggregate, Draft, Index, Snapshot, Store

from .account import Account
from .model import OrderId
from .slots import InventorySlot

__all__ = ["AGGREGATES", "INDEXES", "Slots", "SlotsDraft", "new_book"]

Slots: TypeAlias = Snapshot[str, InventorySlot, Account]
"""One version of all slots of a grid, by price key."""

SlotsDraft: TypeAlias = Draft[str, InventorySlot, Account]
"""Changes to slots that are not committed yet."""

_ZERO = Decimal(0)


def _client_oids(slot: InventorySlot) -> tuple[str, ...]:
    oids = [order.client_oid for order in slot.tail]
    if slot.working is not None:
        oids.append(slot.working.client_oid)
    return tuple(oids)


def _order_ids(slot: InventorySlot) -> tuple[OrderId, ...]:
    ids = [order.order_id for order in slot.tail if order.order_id is not None]
    working = slot.working
    if working is not None and working.order_id is not None:
        ids.append(working.order_id)
    return tuple(ids)


def _active(slot: InventorySlot) -> int:
    return 0 if slot.working is None else 1


INDEXES: Mapping[str, Index[InventorySlot]] = {
    "order_id": Index(_order_ids, unique=True, many=True),
    "client_oid": Index(_client_oids, unique=True, many=True),
}
"""What the manager finds orders by."""

AGGREGATES: Mapping[str, Aggregate[InventorySlot, Any]] = {
    "position": Aggregate.sum(attrgetter("position_qty"), _ZERO),
    "active_orders": Aggregate.sum(_active),
    "realized_profit": Aggregate.sum(attrgetter("realized_profit"), _ZERO),
}
"""What the manager sums up."""


def new_book(
    slots: Mapping[str, InventorySlot] | None = None,
) -> Store[str, InventorySlot, Account]:
    """Return a store of slots with the indexes and totals that the manager relies on.

    Its meta value is an `Account`: what is held and known beside the slots.
    """
    return Store(slots, indexes=INDEXES, aggregates=AGGREGATES, meta=Account())
