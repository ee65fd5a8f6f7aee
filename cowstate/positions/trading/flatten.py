"""How a position is closed: purchases are cancelled, and what is held is offered at the market."""

from __future__ import annotations

from decimal import Decimal

from cowstate import Draft

from ..book.config import GridConfig
from ..book.ids import client_order_id
from ..book.model import EXACT, ActionKind, OrderAction, Side, check_amount
from ..book.store import Slots, SlotsDraft
from .grid import cancel_action
from .holding import within_holding

__all__ = ["plan_flatten"]


def plan_flatten(
    slots: Slots | SlotsDraft, last_price: Decimal, config: GridConfig
) -> tuple[OrderAction, ...]:
    """Return what closes the position, sorted by slot price; at most one action per slot. Pure.

    Every BUY that the exchange has acknowledged is cancelled, and so is every SELL above the
    closing price, which is the last price less a step: low enough to be taken at once, and no
    lower. A slot that is FREE and holds something sells all of it there. No more is offered than is
    held, `within_holding`. A plan carried out in full leaves nothing to plan but what the market
    has left.

    Raises:
        AmountTypeError, AmountValueError: *last_price* is no positive finite `Decimal`.

    >>> from cowstate.positions.book.store import new_book
    >>> from cowstate.positions.book.slots import InventorySlot
    >>> held = new_book({"100": InventorySlot(Decimal(100), Decimal("0.5"))}).snapshot()
    >>> config = GridConfig("X", Decimal(10), Decimal("0.5"), 2, "grid")
    >>> [(str(each.price), each.client_oid) for each in plan_flatten(held, Decimal(95), config)]
    [('85', 'grid-100-S1')]
    """
    check_amount("last_price", last_price, positive=True)
    closing = EXACT.subtract(last_price, config.price_step)
    if closing <= 0:
        closing = last_price
    now = slots.base if isinstance(slots, Draft) else slots
    actions: list[OrderAction] = []
    for key, slot in sorted(now.items(), key=lambda item: item[1].price):
        working, held = slot.working, slot.position_qty
        if working is not None:
            away = working.side is Side.BUY or working.price > closing
            if away and working.order_id is not None and not working.cancel_requested:
                actions.append(cancel_action(key, working))
        elif held > 0:
            name = client_order_id(config.prefix, key, Side.SELL, slot.last_sequence + 1)
            actions.append(OrderAction(ActionKind.PLACE, key, Side.SELL, closing, held, name))
    return within_holding(actions, slots, slots.meta.beside_slots)
