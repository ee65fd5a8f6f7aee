"""Mutable slots and orders, and the join of order facts written in place.

What the functions of `cowstate.positions.book.orders` decide is decided here too, to the letter;
but where those return another slot, these change the one they are given. Each checks everything
that may be refused before it changes anything. For `learn` the caller holds the slot's lock.
"""

from __future__ import annotations

from bisect import insort
from decimal import Decimal
from threading import Lock
from typing import NamedTuple

import msgspec

from cowstate.positions.book.ids import price_key, sequence_in
from cowstate.positions.book.model import (
    EXACT,
    FORGOTTEN,
    TAIL,
    Fill,
    OrderId,
    OrderStatus,
    OrderUpdate,
    Side,
)
from cowstate.positions.book.orders import mismatch
from cowstate.positions.book.slots import ForgottenOrder, InventorySlot, Order, forgotten_as
from cowstate.positions.errors import RetiredOrderError

__all__ = ["Learned", "LockedOrder", "LockedSlot", "fill_of", "learn"]

_ZERO = Decimal(0)


class LockedOrder(msgspec.Struct, eq=False):
    """All that is known of one order; the fields are those of `cowstate.positions.Order`."""

    client_oid: str
    sequence: int
    side: Side
    price: Decimal
    quantity: Decimal
    status: OrderStatus
    order_id: OrderId | None = None
    filled: Decimal = _ZERO
    cost: Decimal = _ZERO
    filled_ms: int = 0
    status_ms: int = 0
    post_only_reject: bool = False
    cancel_requested: bool = False

    def frozen(self) -> Order:
        """Return the order as it is now."""
        return Order(
            self.client_oid,
            self.sequence,
            self.side,
            self.price,
            self.quantity,
            self.status,
            self.order_id,
            self.filled,
            self.cost,
            self.filled_ms,
            self.status_ms,
            self.post_only_reject,
            self.cancel_requested,
        )


def _thawed(order: Order) -> LockedOrder:
    return LockedOrder(*[getattr(order, name) for name in Order.__struct_fields__])


class LockedSlot:
    """One price level, changed in place; the fields are those of `InventorySlot`, and a lock."""

    __slots__ = (
        "cash",
        "forgotten",
        "key",
        "last_sequence",
        "lock",
        "position_qty",
        "price",
        "retired_sequence",
        "tail",
        "working",
    )

    def __init__(self, price: Decimal) -> None:
        self.lock = Lock()
        self.price = price
        self.key = price_key(price)
        self.position_qty = _ZERO
        self.cash = _ZERO
        self.working: LockedOrder | None = None
        self.tail: list[LockedOrder] = []
        self.last_sequence = 0
        self.retired_sequence = 0
        self.forgotten: list[ForgottenOrder] = []

    @classmethod
    def thawed(cls, slot: InventorySlot) -> LockedSlot:
        """Return a slot that begins as the given one, with no cancellation asked for."""
        new = cls(slot.price)
        new.position_qty = slot.position_qty
        new.cash = slot.cash
        new.tail = [_thawed(order) for order in slot.tail]
        if slot.working is not None:
            new.working = _thawed(slot.working)
            new.working.cancel_requested = False
        new.last_sequence = slot.last_sequence
        new.retired_sequence = slot.retired_sequence
        new.forgotten = list(slot.forgotten)
        return new

    def frozen(self) -> InventorySlot:
        """Return a deep copy of the slot, as one that nobody can change."""
        working = self.working
        return InventorySlot(
            self.price,
            self.position_qty,
            self.cash,
            None if working is None else working.frozen(),
            tuple([order.frozen() for order in self.tail]) if self.tail else (),
            self.last_sequence,
            self.retired_sequence,
            tuple(self.forgotten) if self.forgotten else (),
        )

    @property
    def orders(self) -> list[LockedOrder]:
        """Every order remembered, by sequence."""
        if self.working is None:
            return self.tail
        return sorted((*self.tail, self.working), key=_by_sequence)


class Learned(NamedTuple):
    """What an update told: the order that changed, how much it grew, and who was forgotten."""

    order: LockedOrder
    grown: Decimal
    spent: Decimal
    forgotten: list[LockedOrder]


_NOBODY: list[LockedOrder] = []


def learn(slot: LockedSlot, update: OrderUpdate) -> Learned | None:
    """Join *update* into *slot*, in place; None if it tells nothing new.

    Raises:
        OrderMismatchError: the update contradicts what the order is. Nothing was changed.
        RetiredOrderError: the slot has forgotten the order.
    """
    client_oid = update.client_oid
    working = slot.working
    order = working
    if order is None or order.client_oid != client_oid:
        for order in slot.tail:
            if order.client_oid == client_oid:
                break
        else:
            return _take_in(slot, update)
    filled, cost = order.filled, order.cost
    if not _join(order, update):
        return None
    grown = spent = _ZERO
    if order.filled is not filled or order.cost is not cost:
        grown = EXACT.subtract(order.filled, filled)
        spent = EXACT.subtract(order.cost, cost)
        _move(slot, order.side, grown, spent)
    if order is working and not order.status.terminal:
        return Learned(order, grown, spent, _NOBODY)
    return Learned(order, grown, spent, _arrange(slot, order))


def _join(order: LockedOrder, update: OrderUpdate) -> bool:
    """Add to *order* what *update* says; whether that was anything."""
    if (
        order.side is not update.side
        or order.price != update.price
        or order.quantity != update.quantity
    ):
        raise mismatch(order.frozen(), update)
    new = False
    if update.order_id is not None and update.order_id != order.order_id:
        if order.order_id is not None:
            raise mismatch(order.frozen(), update)
        order.order_id = update.order_id
        new = True
    time_ms = update.time_ms
    if update.filled > order.filled:
        order.filled, order.cost, order.filled_ms = update.filled, update.cost, time_ms
        new = True
    elif update.filled == order.filled:
        if update.cost > order.cost:
            order.cost, order.filled_ms = update.cost, time_ms
            new = True
        elif time_ms < order.filled_ms and update.cost == order.cost:
            order.filled_ms = time_ms
            new = True
    if update.status.rank > order.status.rank:
        order.status, order.status_ms = update.status, time_ms
        new = True
    elif update.status is order.status and time_ms < order.status_ms:
        order.status_ms = time_ms
        new = True
    if update.post_only_reject and not order.post_only_reject:
        order.post_only_reject = new = True
    return new


def _move(slot: LockedSlot, side: Side, grown: Decimal, spent: Decimal) -> None:
    if side is Side.BUY:
        slot.position_qty = EXACT.add(slot.position_qty, grown)
        slot.cash = EXACT.subtract(slot.cash, spent)
    else:
        slot.position_qty = EXACT.subtract(slot.position_qty, grown)
        slot.cash = EXACT.add(slot.cash, spent)


def _take_in(slot: LockedSlot, update: OrderUpdate) -> Learned:
    client_oid = update.client_oid
    sequence = sequence_in(slot.key, update.side, client_oid)
    if sequence <= slot.retired_sequence:
        raise RetiredOrderError(client_oid, sequence, slot.retired_sequence)
    order = LockedOrder(
        client_oid,
        sequence,
        update.side,
        update.price,
        update.quantity,
        update.status,
        update.order_id,
        update.filled,
        update.cost,
        update.time_ms,
        update.time_ms,
        update.post_only_reject,
    )
    _move(slot, order.side, order.filled, order.cost)
    return Learned(order, order.filled, order.cost, _arrange(slot, order))


def _arrange(slot: LockedSlot, joined: LockedOrder) -> list[LockedOrder]:
    """Put *joined* in its place among the orders of *slot*; return those now forgotten."""
    tail = slot.tail
    if joined in tail:
        tail.remove(joined)
    if slot.working is not None and slot.working is not joined:
        insort(tail, slot.working, key=_by_sequence)
    insort(tail, joined, key=_by_sequence)
    slot.last_sequence = max(slot.last_sequence, joined.sequence)
    slot.working = None
    for index in range(len(tail) - 1, -1, -1):
        if not tail[index].status.terminal:
            slot.working = tail.pop(index)
            break
    forgotten: list[LockedOrder] = []
    index = 0
    while len(tail) > TAIL and index < len(tail):
        order = tail[index]
        # What is alive can still grow, and what has just grown must be seen as a fill.
        if order.status.terminal and order is not joined:
            slot.retired_sequence = max(slot.retired_sequence, order.sequence)
            forgotten.append(tail.pop(index))
            slot.forgotten = [*slot.forgotten[1 - FORGOTTEN :], forgotten_as(order.frozen())]
        else:
            index += 1
    return forgotten


def _by_sequence(order: LockedOrder) -> tuple[int, str]:
    return order.sequence, order.client_oid


def fill_of(key: str, order: LockedOrder, grown: Decimal, spent: Decimal) -> Fill:
    """Return the fill of *order*, of the slot *key*, that its growth amounts to."""
    return Fill(key, order.client_oid, order.order_id, order.side, grown, spent, order.filled_ms)
