"""Plans that bring the total position to a given number, slot by slot: pure and exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from operator import attrgetter

from ..errors import AmountValueError, ShortfallError
from .config import GridConfig
from .ids import price_key
from .model import EXACT, check_amount
from .slots import InventorySlot

__all__ = ["plan_force_sync", "plan_restore"]

_ZERO = Decimal(0)
_PRICE = attrgetter("price")
_MAX_RESTORED = 10_000


def plan_force_sync(
    slots: Mapping[str, InventorySlot], total: Decimal, quantity: Decimal
) -> dict[str, Decimal]:
    """Return the new quantities of the slots to be changed so that they add up to *total*.

    - Slots with a working order are left alone.
    - What is missing goes first to slots that are short, up to zero, then to any slot, up to
      *quantity*; the highest price first, because the market buys there first.
    - What is too much comes first from slots that hold something, down to zero, then from any
      slot, down to minus *quantity*; the lowest price first, because the market sells there
      first.

    Deterministic, whatever the order of *slots*, and exact. Every slot is looked at, so a
    `Draft` given as *slots* relies on all of them. Costs O(N log N).

    Raises:
        ShortfallError: the slots that may be changed do not suffice; nothing is left half done.
        AmountTypeError, AmountValueError: *total* is no finite `Decimal`.

    >>> slots = {str(price): InventorySlot(Decimal(price)) for price in (100, 110, 120)}
    >>> plan_force_sync(slots, Decimal("0.8"), quantity=Decimal("0.5"))
    {'120': Decimal('0.5'), '110': Decimal('0.3')}
    """
    check_amount("total", total, signed=True)
    everything = sorted(slots.values(), key=_PRICE)
    left = total
    for slot in everything:
        left = EXACT.subtract(left, slot.position_qty)
    if not left:
        return {}
    if left > _ZERO:
        everything.reverse()
    free = [slot for slot in everything if slot.working is None]
    held = {slot.key: slot.position_qty for slot in free}
    planned: dict[str, Decimal] = {}
    for limit in (_ZERO, quantity.copy_sign(left)):
        for key, before in held.items():
            now = planned.get(key, before)
            room = EXACT.subtract(limit, now)
            if not left or not room or (room > _ZERO) is not (left > _ZERO):
                continue
            moved = min(room, left, key=Decimal.copy_abs)
            planned[key] = EXACT.add(now, moved)
            left = EXACT.subtract(left, moved)
    if left:
        raise ShortfallError(total, left)
    return planned


def plan_restore(
    slots: Mapping[str, InventorySlot], total: Decimal, last_price: Decimal, config: GridConfig
) -> dict[str, Decimal]:
    """Return quantities so that a grid of which nothing is known but *total* holds that much.

    What is missing goes to slots above *last_price*, where a grid that has bought on the way
    down holds it; the nearest first, up to ``config.quantity`` each. What is too much (a short
    position) goes to the slots below, likewise, where it is bought back. Only slots that are
    free and empty are used; those that do not exist yet are for the caller to make.

    Raises:
        ShortfallError: the slots below run out at a price of zero.
        AmountTypeError, AmountValueError: an amount is no usable `Decimal`.

    >>> config = GridConfig("BTCUSDT", Decimal(10), Decimal("0.5"), 2, "grid")
    >>> plan_restore({}, Decimal("0.8"), Decimal("50003.5"), config)
    {'50010': Decimal('0.5'), '50020': Decimal('0.3')}
    """
    check_amount("total", total, signed=True)
    check_amount("last_price", last_price, positive=True)
    left = total
    for slot in slots.values():
        left = EXACT.subtract(left, slot.position_qty)
    if left.copy_abs() > EXACT.multiply(config.quantity, Decimal(_MAX_RESTORED)):
        problem = f"it would take more than {_MAX_RESTORED} slots of {config.quantity} each"
        raise AmountValueError("total", total, problem)
    step = config.price_step.copy_sign(left)
    price = EXACT.multiply(EXACT.divide_int(last_price, config.price_step), config.price_step)
    if left > _ZERO or price == last_price:
        price = EXACT.add(price, step)
    planned: dict[str, Decimal] = {}
    while left:
        if price <= _ZERO:
            raise ShortfallError(total, left)
        key = price_key(price)
        there = slots.get(key)
        if there is None or (there.working is None and not there.position_qty):
            planned[key] = min(config.quantity.copy_sign(left), left, key=Decimal.copy_abs)
            left = EXACT.subtract(left, planned[key])
        price = EXACT.add(price, step)
    return planned
