"""Orders that were noted some time ago and go out only now: `going_out`."""

from __future__ import annotations

from collections.abc import Sequence

from cowstate import Draft, Store

from ..book.model import OrderAction
from ..book.orders import noted_anew
from ..book.slots import InventorySlot

__all__ = ["going_out"]


def going_out(
    store: Store[str, InventorySlot], actions: Sequence[OrderAction], time_ms: int
) -> tuple[OrderAction, ...]:
    """Return those of the PLACE *actions* that are still wanted, noted anew as of *time_ms*.

    For how long a request may be on its way is counted from when it left. An order that was noted
    long before, because cancellations went first, might be given up while it is on its way; and
    one that has been given up already must not go out at all.
    """
    kept: list[OrderAction] = []

    def note(draft: Draft[str, InventorySlot]) -> None:
        kept.clear()
        for action in actions:
            slot = draft.get(action.slot)
            anew = None if slot is None else noted_anew(slot, action.client_oid, time_ms)
            if anew is not None:
                draft[action.slot] = anew
                kept.append(action)

    store.retry(note)
    return tuple(kept)
