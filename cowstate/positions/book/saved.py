"""Slots that were saved, made ready to start from: `restored_slots`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cowstate import ArgumentTypeError, ArgumentValueError

from .config import GridConfig
from .ids import parse_client_oid
from .orders import retract_cancel
from .slots import InventorySlot

__all__ = ["restored_slots"]


def restored_slots(
    saved: Mapping[str, InventorySlot] | Iterable[InventorySlot], config: GridConfig
) -> dict[str, InventorySlot]:
    """Return *saved* slots by key, with no cancellation asked for. Pure; O(orders).

    What was asked of the exchange before is unknown now, so it may be asked for again.

    Raises:
        ArgumentTypeError: something else than slots was given.
        ArgumentValueError: a slot occurs twice, or holds orders with another prefix.
    """
    slots: dict[str, InventorySlot] = {}
    for slot in saved.values() if isinstance(saved, Mapping) else saved:
        if not isinstance(slot, InventorySlot):
            raise ArgumentTypeError(f"restore_state takes InventorySlots, not {slot!r}")
        if slot.key in slots:
            raise ArgumentValueError(f"slot {slot.key} occurs twice in what was saved")
        for order in slot.orders:
            if parse_client_oid(order.client_oid, config.prefix) is None:
                raise ArgumentValueError(
                    f"slot {slot.key} holds order {order.client_oid!r}, whose prefix is not "
                    f"{config.prefix!r}; use the GridConfig that it was saved with"
                )
        working = slot.working
        slots[slot.key] = slot if working is None else retract_cancel(slot, working.client_oid)
    return slots
