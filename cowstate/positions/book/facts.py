"""What is certain in a fact that an order cannot take as it is, and what trades tell of an order.

A fact that contradicts what is held is not thrown away, and not tried again for ever: the filled
quantity in it is true, whatever else has been edited or rounded, and the rest is a `Dispute`.
"""

from __future__ import annotations

from decimal import Decimal

from cowstate import Draft, Record, Transaction

from .findings import Dispute
from .ledger import Tally
from .model import EXACT, OrderStatus, OrderUpdate
from .orders import apply_order_update
from .slots import InventorySlot, Order

__all__ = ["Certain", "certain", "fact_of", "is_another", "learn", "learn_in"]

_ZERO = Decimal(0)


class Certain(Record):
    """What can be joined of a fact, and what is to be kept as disputes."""

    update: OrderUpdate
    disputes: tuple[Dispute, ...] = ()


def is_another(order: Order, update: OrderUpdate) -> bool:
    """Whether *update* is of another order than *order*, though our id of them is the same.

    The venue's id names the order. Where it has told none, the side must be the same.
    """
    if order.order_id is not None and update.order_id is not None:
        return order.order_id != update.order_id
    return order.side is not update.side


def certain(order: Order, update: OrderUpdate, now_ms: int) -> Certain:
    """Return what is certain in *update*, a fact about *order* (see `is_another`). Pure.

    The join takes the result without an error. Price and quantity are those of the order;
    where the venue's differ, somebody has edited them, or they were rounded. An order that is full
    there and not full by our quantity is over with what was filled.

    >>> from cowstate.positions import Side
    >>> order = Order("g-50-B1", 1, Side.BUY, Decimal(50), Decimal(3), OrderStatus.NEW, 7)
    >>> told = OrderUpdate("X", "g-50-B1", 7, Side.BUY, Decimal(50), Decimal(2),
    ...                    OrderStatus.FILLED, Decimal(2), Decimal(100), 1000)
    >>> found = certain(order, told, now_ms=1_500)
    >>> found.update.status.value, found.update.filled, [each.about for each in found.disputes]
    ('CANCELED', Decimal('2'), ['quantity'])
    """
    disputes: list[Dispute] = []
    told = (("price", order.price, update.price), ("quantity", order.quantity, update.quantity))
    for about, ours, theirs in told:
        if ours != theirs:
            disputes.append(
                Dispute(order.client_oid, update.order_id, about, str(ours), str(theirs), now_ms)
            )
    if order.side is not update.side:
        disputes.append(
            Dispute(
                order.client_oid,
                update.order_id,
                "side",
                order.side.value,
                update.side.value,
                now_ms,
            )
        )
    if not disputes:
        return Certain(update)
    status, filled, cost = update.status, update.filled, update.cost
    if order.side is not update.side:
        # What it says to be filled moved the position the other way; the trades tell of that.
        filled = cost = _ZERO
    if status is OrderStatus.FILLED and filled < order.quantity:
        status = OrderStatus.CANCELED
    sure = update.replace(
        side=order.side,
        price=order.price,
        quantity=order.quantity,
        status=status,
        filled=filled,
        cost=cost,
    )
    return Certain(sure, tuple(disputes))


def learn(
    slot: InventorySlot, update: OrderUpdate, now_ms: int
) -> tuple[InventorySlot, tuple[Dispute, ...]]:
    """Return *slot* with what is certain in *update*, and what is to be kept as disputes. Pure.

    To be used where a fact is written: what the order is may have been learnt since the fact was
    planned. A fact of another order than the one that the slot knows under that id changes nothing.

    Raises:
        RetiredOrderError: the slot has forgotten the order.
        OrderMismatchError: it is not of this slot.
    """
    order = slot.order(update.client_oid)
    if order is None:
        return apply_order_update(slot, update), ()
    if is_another(order, update):
        return slot, ()
    found = certain(order, update, now_ms)
    return apply_order_update(slot, found.update), found.disputes


def learn_in(
    book: Transaction[str, InventorySlot] | Draft[str, InventorySlot],
    key: str,
    update: OrderUpdate,
    now_ms: int,
) -> bool:
    """Write what is certain in *update* into the slot under *key*, and what is not as disputes.

    The slot is made if there is none. False if nothing of it was new. An id of the venue's that
    another order has already makes the whole fact a dispute.

    Raises:
        RetiredOrderError: the slot has forgotten the order.
        OrderMismatchError: it is not of this slot.
    """
    slot: InventorySlot | None = book.get(key)
    known = slot if slot is not None else InventorySlot(Decimal(key))
    disputes: tuple[Dispute, ...]
    holder = None if update.order_id is None else book.find_key("order_id", update.order_id)
    order = known.order(update.client_oid)
    if holder is not None and (order is None or order.order_id != update.order_id):
        said = f"{update.order_id} of another order, in slot {holder}"
        name = update.client_oid
        disputes = (Dispute(name, update.order_id, "order id", said, update.status.value, now_ms),)
        learnt = known
    else:
        learnt, disputes = learn(known, update, now_ms)
    if learnt is not known:
        book[key] = learnt
    findings = book.meta.findings
    for dispute in disputes:
        findings = findings.disputed(dispute)
    if findings is not book.meta.findings:
        book.meta = book.meta.replace(findings=findings)
    return learnt is not known


def fact_of(order: Order, tally: Tally, symbol: str, *, edited: bool = False) -> OrderUpdate | None:
    """Return what the trades of *order* tell of it, None if that is known already. Pure.

    The trades that were listed are so much at least of its cumulative fill. By that it is FILLED,
    unless its quantity was *edited*, which they show if they come to more than was ordered: then
    only the venue knows how much is left.

    >>> from cowstate.positions import Side
    >>> order = Order("g-50-S1", 1, Side.SELL, Decimal(50), Decimal(3), OrderStatus.NEW, 7)
    >>> sold = Tally(7, "g-50-S1", Decimal(-1), Decimal(-1), Decimal(50), 100, 900, True)
    >>> fact_of(order, sold, "X").filled
    Decimal('1')
    """
    filled = EXACT.multiply(tally.traded, Decimal(order.side.sign))
    known = order.filled == filled and order.cost >= tally.cost
    if filled <= _ZERO or filled < order.filled or known:
        return None
    full = filled == order.quantity and not edited
    return OrderUpdate(
        symbol,
        order.client_oid,
        tally.order_id,
        order.side,
        order.price,
        order.quantity,
        OrderStatus.FILLED if full else OrderStatus.PARTIALLY_FILLED,
        filled,
        tally.cost,
        tally.last_ms,
    )
