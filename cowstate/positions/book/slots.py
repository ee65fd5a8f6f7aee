"""The record of a slot and of its orders: what is known, and what follows from it.

A slot cannot contradict itself. It holds its price, its position, the working order and a
short tail of others; its statuses and counts are derived from those, never stored beside them.
"""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

from .ids import price_key
from .model import EXACT, OrderId, OrderStatus, PositionStatus, Side, SlotStatus

__all__ = ["ForgottenOrder", "InventorySlot", "Order", "by_sequence", "forgotten_as"]

_ZERO = Decimal(0)


class Order(Record):
    """All that is known of one order: the join of the facts that arrived.

    Attributes:
        client_oid: our id of it.
        sequence: its number within the slot, from the id.
        side: BUY or SELL.
        price: limit price; 0 for an order without one.
        quantity: original quantity.
        status: the highest status reported.
        order_id: the exchange's id, None while it has told none.
        filled: cumulative filled quantity, never falls.
        cost: cumulative quote amount of that.
        filled_ms: the earliest time for which this filled quantity was reported.
        status_ms: the earliest time for which this status was reported.
        post_only_reject: refused because it would have taken liquidity.
        cancel_requested: we have asked for its cancellation; an intention, not a fact.
    """

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

    @property
    def terminal(self) -> bool:
        """Whether the order is over."""
        return self.status.terminal

    @property
    def signed_filled(self) -> Decimal:
        """By how much its fills moved the position, before any fee: negative for a SELL."""
        return self.filled if self.side is Side.BUY else self.filled.copy_negate()

    @property
    def overfilled(self) -> bool:
        """Whether more was filled than ordered. It is kept and counted as reported."""
        return self.filled > self.quantity

    @property
    def remaining(self) -> Decimal:
        """What is still unfilled, never below zero."""
        return _ZERO if self.overfilled else EXACT.subtract(self.quantity, self.filled)

    @property
    def time_ms(self) -> int:
        """When the present state was reached, by the clocks of those who reported it."""
        return max(self.filled_ms, self.status_ms)


class ForgottenOrder(Record):
    """What a slot counted of an order that it does not remember: *filled* is signed.

    Kept until the venue's list of trades has passed the end of the order, at *ended_ms* by the
    clocks of those who reported it: until then a trade may still be listed that is in *filled*.
    """

    client_oid: str
    order_id: OrderId | None
    filled: Decimal
    ended_ms: int


class InventorySlot(Record):
    """One price level of the grid: what it holds and what works in it.

    Made by its price alone, then changed only by the functions of `cowstate.positions.book.orders`,
    which keep these true: *position_qty* is what corrections set plus the signed filled
    quantities of all orders ever known, the forgotten ones included; *working* is the order
    with the highest sequence that is not over; *tail* is sorted by sequence.

    Attributes:
        price: the price of the slot, which is its identity.
        position_qty: signed quantity held.
        cash: what sales brought less what purchases cost, in quote currency, exactly.
        working: the order at work, or None.
        tail: the other orders remembered: the last 8 that are over (and, only if several are
            alive at once, the older of those).
        last_sequence: the highest sequence of any order known.
        retired_sequence: the highest sequence of the orders forgotten.
        forgotten: what was counted of the last 32 of those, as long as it may be asked for.

    >>> slot = InventorySlot(Decimal(50000))
    >>> slot.slot_status, slot.position_status, slot.order_id
    (<SlotStatus.FREE: 'FREE'>, <PositionStatus.EMPTY: 'EMPTY'>, None)
    """

    price: Decimal
    position_qty: Decimal = _ZERO
    cash: Decimal = _ZERO
    working: Order | None = None
    tail: tuple[Order, ...] = ()
    last_sequence: int = 0
    retired_sequence: int = 0
    forgotten: tuple[ForgottenOrder, ...] = ()

    @property
    def key(self) -> str:
        """The canonical key of the price, under which the slot is stored."""
        return price_key(self.price)

    @property
    def orders(self) -> tuple[Order, ...]:
        """Every order remembered, by sequence."""
        working = self.working
        if working is None:
            return self.tail
        return tuple(sorted((*self.tail, working), key=by_sequence))

    def order(self, client_oid: str) -> Order | None:
        """Return the order remembered under our id of it, None if there is none."""
        for order in self.orders:
            if order.client_oid == client_oid:
                return order
        return None

    @property
    def closed(self) -> tuple[Order, ...]:
        """The orders remembered that are over, by sequence."""
        return tuple(order for order in self.tail if order.status.terminal)

    @property
    def order_id(self) -> OrderId | None:
        """The exchange's id of the working order, None without one or before it is known."""
        return None if self.working is None else self.working.order_id

    @property
    def client_oid(self) -> str | None:
        """Our id of the working order, None without one."""
        return None if self.working is None else self.working.client_oid

    @property
    def slot_status(self) -> SlotStatus:
        """FREE without a working order, PENDING until it is acknowledged, then LOCKED."""
        if self.working is None:
            return SlotStatus.FREE
        if self.working.status is OrderStatus.PENDING:
            return SlotStatus.PENDING
        return SlotStatus.LOCKED

    @property
    def position_status(self) -> PositionStatus:
        """FILLED while the slot holds a position of either sign, else EMPTY."""
        return PositionStatus.FILLED if self.position_qty else PositionStatus.EMPTY

    @property
    def in_flight(self) -> bool:
        """Whether we have sent something for this slot to which no answer is known yet."""
        working = self.working
        return working is not None and (
            working.status is OrderStatus.PENDING or working.cancel_requested
        )

    @property
    def overfilled(self) -> tuple[Order, ...]:
        """The orders remembered that were filled beyond their quantity."""
        return tuple(order for order in self.orders if order.overfilled)

    @property
    def realized_profit(self) -> Decimal:
        """Profit made so far, in quote currency, with what is held valued at the slot's price.

        Exact for a grid whose purchases are made at the slot's price; a price better or worse
        than that is counted at once. Linear in position and cash, so it sums over slots.
        """
        return EXACT.add(self.cash, EXACT.multiply(self.position_qty, self.price))

    @property
    def post_only_fail_count(self) -> int:
        """How many of the latest orders in a row were refused because they would have taken.

        An order that the exchange acknowledged ends the row; at most the length of the tail.
        """
        working = self.working
        if working is not None and working.status is not OrderStatus.PENDING:
            return 0
        count = 0
        for order in reversed(self.tail):
            if order.post_only_reject:
                count += 1
            elif order.status is not OrderStatus.PENDING:
                break
        return count


def forgotten_as(order: Order) -> ForgottenOrder:
    """Return what is kept of an *order* that a slot forgets."""
    return ForgottenOrder(order.client_oid, order.order_id, order.signed_filled, order.time_ms)


def by_sequence(order: Order) -> tuple[int, str]:
    """Sort key of orders: their sequence."""
    # The id breaks the tie between two sides that were given one sequence by somebody else.
    return order.sequence, order.client_oid
