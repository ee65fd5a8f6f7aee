"""The join of order facts: how a slot learns, and the few other changes that it can undergo.

Of one order the cumulative filled quantity never falls and a terminal status is never left.
So everything that is ever said of an order has one least state that agrees with all of it, and
`apply_order_update` moves a slot to it: idempotent, commutative and associative. Lost, doubled,
late and reordered events, and the answers of queries, all end in the same slot.

Every function here is pure: it takes an immutable slot and returns the same slot, or another.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Container
from decimal import Decimal

from cowstate import ArgumentValueError

from ..errors import (
    ClientIdError,
    OrderMismatchError,
    RetiredOrderError,
    SlotBusyError,
)
from .ids import sequence_in
from .model import EXACT, FORGOTTEN, TAIL, Fill, OrderStatus, OrderUpdate, Side, check_amount
from .slots import ForgottenOrder, InventorySlot, Order, by_sequence, forgotten_as

__all__ = [
    "adjust_position",
    "apply_order_update",
    "drop_forgotten",
    "fills_of",
    "join_order",
    "mismatch",
    "noted_anew",
    "open_order",
    "request_cancel",
    "retract_cancel",
]


def join_order(order: Order, update: OrderUpdate) -> Order:
    """Return *order* with what *update* adds to it, or *order* itself if that is nothing.

    Each part is the greater of the two in its own order, so the result is the same whichever
    comes first: filled quantity, then cost, then the earlier time; status by rank, then the
    earlier time; an exchange id over none; once refused as post-only, always.

    Raises:
        OrderMismatchError: side, price, quantity or exchange id differ: it is another order.
    """
    if (
        order.side is not update.side
        or (order.price is not update.price and order.price != update.price)
        or (order.quantity is not update.quantity and order.quantity != update.quantity)
    ):
        raise mismatch(order, update)
    new = False
    time_ms = update.time_ms

    filled, cost, filled_ms = order.filled, order.cost, order.filled_ms
    if update.filled > filled:
        filled, cost, filled_ms = update.filled, update.cost, time_ms
        new = True
    elif update.filled == filled:
        if update.cost > cost:
            cost, filled_ms = update.cost, time_ms
            new = True
        elif time_ms < filled_ms and update.cost == cost:
            filled_ms = time_ms
            new = True

    status, status_ms = order.status, order.status_ms
    if update.status.rank > status.rank:
        status, status_ms = update.status, time_ms
        new = True
    elif update.status is status and time_ms < status_ms:
        status_ms = time_ms
        new = True

    order_id = order.order_id
    if update.order_id is not None and update.order_id != order_id:
        if order_id is not None:
            raise mismatch(order, update)
        order_id = update.order_id
        new = True

    post_only_reject = order.post_only_reject
    if update.post_only_reject and not post_only_reject:
        post_only_reject = new = True

    if not new:
        return order
    return Order(
        order.client_oid,
        order.sequence,
        order.side,
        order.price,
        order.quantity,
        status,
        order_id,
        filled,
        cost,
        filled_ms,
        status_ms,
        post_only_reject,
        order.cancel_requested,
    )


def mismatch(order: Order, update: OrderUpdate) -> OrderMismatchError:
    """Return the error that says in what *update* contradicts *order*."""
    if order.order_id is not None and update.order_id not in (None, order.order_id):
        problem = f"the exchange's id is {order.order_id}, the update says {update.order_id}"
    else:
        problem = (
            f"known as {order.side} {order.quantity} at {order.price}, the update says "
            f"{update.side} {update.quantity} at {update.price}"
        )
    return OrderMismatchError(order.client_oid, problem)


def apply_order_update(slot: InventorySlot, update: OrderUpdate) -> InventorySlot:
    """Return *slot* with *update* joined in: the same object if it says nothing new.

    Position and cash move by the growth of the order's cumulative quantities: a partial fill
    counts when it happens, a fill that follows CANCELED still counts, nothing counts twice,
    and an update of an old order cannot touch a new one. A fill beyond the order's quantity
    is counted as reported and shows in `InventorySlot.overfilled`.

    Updates of all orders of a slot may arrive in any order, interleaved and repeated, and end
    in the same slot, as long as it has not forgotten the order: it remembers every order that
    is alive and the last 8 that are over. An order that the slot does not know yet is taken
    in if its id names this slot.

    Cost: O(1), one to three microseconds; an update that says nothing new is the cheapest.

    Raises:
        OrderMismatchError: the update contradicts what the order is, or is not of this slot.
        RetiredOrderError: the slot has forgotten the order; nothing is counted.

    >>> slot = InventorySlot(Decimal(50000))
    >>> part = OrderUpdate("BTCUSDT", "g-50000-B1", 7, Side.BUY, Decimal(50000), Decimal("0.5"),
    ...                    OrderStatus.PARTIALLY_FILLED, Decimal("0.2"), Decimal(10000), 1000)
    >>> late = part.replace(status=OrderStatus.NEW, filled=Decimal(0), cost=Decimal(0))
    >>> slot = apply_order_update(slot, part)
    >>> slot.position_qty, slot.slot_status
    (Decimal('0.2'), <SlotStatus.LOCKED: 'LOCKED'>)
    >>> apply_order_update(slot, late) is slot
    True
    """
    client_oid = update.client_oid
    known = slot.working
    if known is None or known.client_oid != client_oid:
        for known in slot.tail:
            if known.client_oid == client_oid:
                break
        else:
            return _take_in(slot, update)
    joined = join_order(known, update)
    if joined is known:
        return slot
    position, cash = slot.position_qty, slot.cash
    if joined.cost != known.cost or joined.filled != known.filled:
        grown = EXACT.subtract(joined.filled, known.filled)
        spent = EXACT.subtract(joined.cost, known.cost)
        position, cash = _moved(position, cash, joined.side, grown, spent)
    if known is slot.working and not joined.status.terminal:
        return InventorySlot(
            slot.price,
            position,
            cash,
            joined,
            slot.tail,
            slot.last_sequence,
            slot.retired_sequence,
            slot.forgotten,
        )
    return _arranged(slot, joined, position, cash)


def _moved(
    position: Decimal, cash: Decimal, side: Side, grown: Decimal, spent: Decimal
) -> tuple[Decimal, Decimal]:
    if side is Side.BUY:
        return EXACT.add(position, grown), EXACT.subtract(cash, spent)
    return EXACT.subtract(position, grown), EXACT.add(cash, spent)


def _take_in(slot: InventorySlot, update: OrderUpdate) -> InventorySlot:
    """Join an update of an order that the slot does not remember."""
    client_oid = update.client_oid
    sequence = sequence_in(slot.key, update.side, client_oid)
    if sequence <= slot.retired_sequence:
        raise RetiredOrderError(client_oid, sequence, slot.retired_sequence)
    order = Order(
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
    position, cash = _moved(slot.position_qty, slot.cash, order.side, order.filled, order.cost)
    return _arranged(slot, order, position, cash)


def _arranged(
    slot: InventorySlot, joined: Order, position: Decimal, cash: Decimal
) -> InventorySlot:
    """Return *slot* with *joined* in its place among the orders, and the oldest forgotten."""
    client_oid = joined.client_oid
    tail = [order for order in slot.tail if order.client_oid != client_oid]
    if slot.working is not None and slot.working.client_oid != client_oid:
        insort(tail, slot.working, key=by_sequence)
    insort(tail, joined, key=by_sequence)
    last_sequence = max(slot.last_sequence, joined.sequence)
    working = None
    for index in range(len(tail) - 1, -1, -1):
        if not tail[index].status.terminal:
            working = tail.pop(index)
            break
    retired, forgotten = slot.retired_sequence, slot.forgotten
    index = 0
    while len(tail) > TAIL and index < len(tail):
        order = tail[index]
        # What is alive can still grow, and what has just grown must be seen by `fills_of`.
        if order.status.terminal and order is not joined:
            retired = max(retired, order.sequence)
            forgotten = _kept((*forgotten, forgotten_as(order)))
            del tail[index]
        else:
            index += 1
    return InventorySlot(
        slot.price, position, cash, working, tuple(tail), last_sequence, retired, forgotten
    )


def _kept(forgotten: tuple[ForgottenOrder, ...]) -> tuple[ForgottenOrder, ...]:
    """Return the last of *forgotten*; where one must go, first one that surely never was.

    A venue that refuses is asked again and again: that must not push out what was filled.
    """
    if len(forgotten) <= FORGOTTEN:
        return forgotten
    for place, order in enumerate(forgotten):
        if order.order_id is None and not order.filled:
            return forgotten[:place] + forgotten[place + 1 :]
    return forgotten[1:]


def open_order(
    slot: InventorySlot,
    side: Side,
    price: Decimal,
    quantity: Decimal,
    client_oid: str,
    time_ms: int,
) -> InventorySlot:
    """Return *slot* with a PENDING order at work: to be done before the order is sent.

    Raises:
        SlotBusyError: an order is working in the slot.
        ClientIdError: the sequence of the id is not above that of every order known.
        OrderMismatchError: the id is not of this slot or side.
        AmountTypeError, AmountValueError: price or quantity is no positive `Decimal`.

    >>> slot = InventorySlot(Decimal(50000))
    >>> slot = open_order(slot, Side.BUY, Decimal(50000), Decimal("0.5"), "g-50000-B1", 1000)
    >>> slot.slot_status, slot.client_oid
    (<SlotStatus.PENDING: 'PENDING'>, 'g-50000-B1')
    """
    check_amount("price", price, positive=True)
    check_amount("quantity", quantity, positive=True)
    if slot.working is not None:
        raise SlotBusyError(client_oid, slot.working.client_oid)
    sequence = sequence_in(slot.key, side, client_oid)
    if sequence <= slot.last_sequence:
        raise ClientIdError(
            f"client order id {client_oid!r} is not new in slot {slot.key}; the next sequence "
            f"is {slot.last_sequence + 1}"
        )
    order = Order(
        client_oid,
        sequence,
        side,
        price,
        quantity,
        OrderStatus.PENDING,
        filled_ms=time_ms,
        status_ms=time_ms,
    )
    return slot.replace(working=order, last_sequence=sequence)


def noted_anew(slot: InventorySlot, client_oid: str, time_ms: int) -> InventorySlot | None:
    """Return *slot* with its order of which nothing was heard yet noted as of *time_ms*.

    None if there is no such order any more: it is over, or something was heard of it.
    """
    order = slot.working
    if order is None or order.client_oid != client_oid:
        return None
    if order.status is not OrderStatus.PENDING or order.order_id is not None:
        return None
    return slot.replace(working=order.replace(filled_ms=time_ms, status_ms=time_ms))


def drop_forgotten(slot: InventorySlot, client_oids: Container[str]) -> InventorySlot:
    """Return *slot* without what it keeps of the forgotten orders named by *client_oids*.

    To be done once the venue's list of trades has passed their ends. What they filled stays
    counted.
    """
    kept = tuple(order for order in slot.forgotten if order.client_oid not in client_oids)
    return slot if len(kept) == len(slot.forgotten) else slot.replace(forgotten=kept)


def request_cancel(slot: InventorySlot, client_oid: str) -> InventorySlot:
    """Return *slot* with the cancellation of its working order noted: before it is asked for.

    The order goes on working until the exchange says that it is over; the note keeps the
    strategy from asking again and the reconciler from judging. The same slot is returned if
    *client_oid* is not the working order (it may be over by now) or the note is there.
    """
    return _noted(slot, client_oid, True)


def retract_cancel(slot: InventorySlot, client_oid: str) -> InventorySlot:
    """Return *slot* without the note of `request_cancel`: the request was refused or lost."""
    return _noted(slot, client_oid, False)


def _noted(slot: InventorySlot, client_oid: str, requested: bool) -> InventorySlot:
    working = slot.working
    if working is None or working.client_oid != client_oid or working.cancel_requested is requested:
        return slot
    return slot.replace(working=working.replace(cancel_requested=requested))


def adjust_position(slot: InventorySlot, new_qty: Decimal) -> InventorySlot:
    """Return *slot* holding *new_qty* (signed), the difference taken at the slot's price.

    For corrections and restores: realized profit stays what it was, orders are not touched,
    and later fills count from the new quantity. The same slot is returned if it holds that
    already.

    Raises:
        AmountTypeError, AmountValueError: *new_qty* is no finite `Decimal`.

    >>> slot = adjust_position(InventorySlot(Decimal(50000)), Decimal("0.5"))
    >>> slot.position_qty, slot.realized_profit
    (Decimal('0.5'), Decimal('0.0'))
    """
    check_amount("position", new_qty, signed=True)
    if new_qty == slot.position_qty:
        return slot
    difference = EXACT.subtract(new_qty, slot.position_qty)
    cash = EXACT.subtract(slot.cash, EXACT.multiply(difference, slot.price))
    return slot.replace(position_qty=new_qty, cash=cash)


def fills_of(old: InventorySlot, new: InventorySlot) -> tuple[Fill, ...]:
    """Return what was filled between two states of one slot, by sequence of the orders.

    Growth of cumulative quantities only, so nothing appears twice; corrections of position
    are no fills. *new* must follow from *old* by one `apply_order_update` for this to be
    complete: over a longer way an order may have been forgotten.

    Raises:
        ArgumentValueError: they are two slots, not two states of one.

    >>> old = InventorySlot(Decimal(50000))
    >>> new = apply_order_update(old, OrderUpdate(
    ...     "BTCUSDT", "g-50000-B1", 7, Side.BUY, Decimal(50000), Decimal("0.5"),
    ...     OrderStatus.FILLED, Decimal("0.5"), Decimal(25000), 1000))
    >>> [(fill.side.value, fill.quantity, fill.cost) for fill in fills_of(old, new)]
    [('BUY', Decimal('0.5'), Decimal('25000'))]
    """
    if old is new:
        return ()
    if old.price != new.price:
        raise ArgumentValueError(f"slots {old.key} and {new.key} are not two states of one slot")
    before = {order.client_oid: order for order in old.orders}
    fills = []
    for order in new.orders:
        earlier = before.get(order.client_oid)
        if earlier is order:
            continue
        filled, cost = (earlier.filled, earlier.cost) if earlier else (Decimal(0), Decimal(0))
        if order.filled > filled:
            fills.append(
                Fill(
                    new.key,
                    order.client_oid,
                    order.order_id,
                    order.side,
                    EXACT.subtract(order.filled, filled),
                    EXACT.subtract(order.cost, cost),
                    order.filled_ms,
                )
            )
    return tuple(fills)
