"""Which order is meant: an order that a slot remembers, one that it forgot, another, or nobody's.

An order is what the venue's id names. Our client id says of which slot it is, and is not enough:
after a restart from an old state, or where ids may be used again, two orders may share one.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from cowstate import Record

from ..book.config import GridConfig
from ..book.ids import parse_client_oid
from ..book.ledger import Tally
from ..book.model import OrderId, OrderUpdate
from ..book.slots import InventorySlot, Order
from ..book.store import Slots

__all__ = ["Place", "Placed", "place_of", "place_of_tally", "places_of"]


class Place(StrEnum):
    """Where an order belongs.

    KNOWN: a slot remembers it. NEW: its slot does not know it yet and can take it in. FORGOTTEN:
    its slot has forgotten it. ANOTHER: its slot remembers another order under its client id.
    NAMELESS: nobody can say without asking for it. FOREIGN: it is not ours.
    """

    KNOWN = "KNOWN"
    NEW = "NEW"
    FORGOTTEN = "FORGOTTEN"
    ANOTHER = "ANOTHER"
    NAMELESS = "NAMELESS"
    FOREIGN = "FOREIGN"


class Placed(Record):
    """Where an order belongs; *order* is what its slot remembers, if it does."""

    place: Place
    client_oid: str
    slot: str
    order: Order | None = None


def place_of(slots: Slots, update: OrderUpdate, config: GridConfig) -> Placed:
    """Return where the order of *update* belongs. Pure; O(log slots)."""
    found = _find(slots, update.order_id, update.client_oid, config)
    return found or Placed(Place.FOREIGN, update.client_oid, "")


def place_of_tally(slots: Slots, tally: Tally, config: GridConfig) -> Placed:
    """Return where the order of *tally* belongs. Pure; O(log slots)."""
    found = _find(slots, tally.order_id, tally.client_oid, config)
    return found or Placed(Place.NAMELESS, tally.client_oid or "", "")


def places_of(orders: Iterable[Order], config: GridConfig) -> dict[OrderId, Placed]:
    """Return where *orders* belong that were learnt just now, by the venue's ids. Pure."""
    return {
        order.order_id: Placed(Place.KNOWN, order.client_oid, parts.slot, order)
        for order in orders
        if order.order_id is not None
        and (parts := parse_client_oid(order.client_oid, config.prefix)) is not None
    }


def _find(
    slots: Slots, order_id: OrderId | None, client_oid: str | None, config: GridConfig
) -> Placed | None:
    if order_id is not None:
        # Some sources do not repeat our id: then the venue's names the order.
        key = slots.find_key("order_id", order_id)
        if key is not None:
            for order in slots[key].orders:
                if order.order_id == order_id:
                    return Placed(Place.KNOWN, order.client_oid, key, order)
    parts = None if client_oid is None else parse_client_oid(client_oid, config.prefix)
    if parts is None or client_oid is None:
        return None
    slot: InventorySlot | None = slots.get(parts.slot)
    if slot is None:
        return Placed(Place.NEW, client_oid, parts.slot)
    known = slot.order(client_oid)
    if known is not None:
        named = order_id is not None and known.order_id is not None
        place = Place.ANOTHER if named else Place.KNOWN
        return Placed(place, client_oid, parts.slot, known)
    place = Place.FORGOTTEN if parts.sequence <= slot.retired_sequence else Place.NEW
    return Placed(place, client_oid, parts.slot)
