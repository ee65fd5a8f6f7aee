"""No sale of what is not there: `within_holding` keeps a plan within all that is held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from cowstate import Draft

from ..book.config import GridConfig
from ..book.model import EXACT, ActionKind, OrderAction, Side
from ..book.slots import InventorySlot, Order
from ..book.store import Slots, SlotsDraft
from .grid import cancel_action, plan_grid

__all__ = ["plan_within_holding", "within_holding"]

_ZERO = Decimal(0)


def plan_within_holding(
    slots: Slots | SlotsDraft, last_price: Decimal, config: GridConfig
) -> tuple[OrderAction, ...]:
    """Return what `plan_grid` wants done, `within_holding`. Pure; raises what `plan_grid` does.

    An action of `plan_grid` depends on its own slot alone. What may be sold depends on all of
    them and on what is held beside them; so a draft given as *slots* relies on the meta value,
    and, where that quantity is negative, on every slot.
    """
    now = slots.base if isinstance(slots, Draft) else slots
    actions = plan_grid(now, last_price, config)
    return within_holding(actions, slots, slots.meta.beside_slots)


def within_holding(
    actions: Iterable[OrderAction], slots: Mapping[str, InventorySlot], unattributed: Decimal
) -> tuple[OrderAction, ...]:
    """Return *actions* so that no more is for sale than is held. Pure; O(slots).

    Where the unattributed quantity is negative, the slots hold more than there is, and would
    offer it. All that is held is what they hold and that. What working SELL orders offer comes off
    it first; the rest goes to the SELLs of the plan, the lowest price first, for it is reached
    first. What is left of one is cut, and those that get nothing are left out. Where the working
    ones alone offer too much, they are cancelled, the highest price first.

    What belongs to no slot and is not negative is held, and not for sale: a plan without a
    negative quantity comes back as it is.

    >>> slots = {"100": InventorySlot(Decimal(100), Decimal("0.5"))}
    >>> sale = OrderAction(
    ...     ActionKind.PLACE, "100", Side.SELL, Decimal(110), Decimal("0.5"), "g-100-S1")
    >>> [str(action.quantity) for action in within_holding([sale], slots, Decimal("-0.1"))]
    ['0.4']
    """
    planned = tuple(actions)
    if unattributed >= _ZERO:
        return planned
    # An order that is being cancelled may still be filled: it stays offered, and is not cancelled
    # twice.
    left = staying = unattributed
    working: list[tuple[Decimal, str, str, Order]] = []
    cancelled = {action.client_oid for action in planned if action.kind is ActionKind.CANCEL}
    for key, slot in slots.items():
        left = EXACT.add(left, slot.position_qty)
        staying = EXACT.add(staying, slot.position_qty)
        for order in slot.orders:
            if order.side is not Side.SELL or order.terminal:
                continue
            left = EXACT.subtract(left, order.remaining)
            if not order.cancel_requested and order.client_oid not in cancelled:
                staying = EXACT.subtract(staying, order.remaining)
                working.append((order.price, order.client_oid, key, order))
    more: list[OrderAction] = []
    for _, _, key, order in sorted(working, reverse=True):
        if staying < _ZERO and order.order_id is not None:
            more.append(cancel_action(key, order))
            staying = EXACT.add(staying, order.remaining)
    sales = [
        action for action in planned if action.kind is ActionKind.PLACE and action.side is Side.SELL
    ]
    allowed: dict[str, Decimal] = {}
    for action in sorted(sales, key=_by_price):
        allowed[action.client_oid] = max(min(left, action.quantity), _ZERO)
        left = EXACT.subtract(left, allowed[action.client_oid])
    kept = [
        action.replace(quantity=allowed[action.client_oid])
        if action.client_oid in allowed
        else action
        for action in planned
        if allowed.get(action.client_oid) != _ZERO
    ]
    return tuple(sorted((*kept, *more), key=_by_slot))


def _by_price(action: OrderAction) -> tuple[Decimal, str]:
    return action.price, action.client_oid


def _by_slot(action: OrderAction) -> Decimal:
    return Decimal(action.slot)
