"""The matching of our resting orders against the trades of the market, without time or threads.

`MatchingEngine` holds one account's limit orders in one symbol. A trade of the market shows
that somebody came to the resting side with a quantity: our orders at that price or better stood
before it in the queue and are filled first, the best price before the others and the older
order before the younger, as far as the quantity goes. So the sum of our fills from a trade
never exceeds its quantity, and each is at our order's own limit price.

What a tape of trades cannot show is not modelled: our orders do not move the market, there is
nothing for them to take (an order priced through the market rests until a trade reaches it),
and the queue in front of us at a price counts as empty.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal

from cowstate import Record

from ..book.model import EXACT, OrderStatus, OrderUpdate, Side, check_amount
from ..book.reports import TradeReport
from ..errors import DuplicateOrderIdError, InvalidOrderError, OrderNotFoundError
from ..exchange.protocol import OrderRequest
from .tape import Trade

__all__ = ["Limits", "MatchingEngine"]

_CLIENT_OID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}", re.ASCII)

# Sort key, then minus the number of the order, which is also its age. The best order is last:
# the highest bid, the lowest ask (its key is the negated price), and of equals the oldest.
_Entry = tuple[Decimal, int]


class Limits(Record):
    """The least that the exchange takes: *amount* in base units, *cost* (amount times price)."""

    amount: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        check_amount("the least amount", self.amount)
        check_amount("the least cost", self.cost)


class MatchingEngine:
    """One account's orders in one symbol, and what becomes of them.

    With *reuse_ids* a client order id may be used again when its order is over.

    Not thread-safe. Placing and cancelling cost O(log orders) comparisons, a trade
    O(log orders) for each order that it fills and O(1) if it fills none. Every order is
    remembered for ever.

    >>> engine = MatchingEngine("BTCUSDT")
    >>> engine.place(OrderRequest("BTCUSDT", Side.BUY, Decimal(2), Decimal(100)), now_ms=1).status
    <OrderStatus.NEW: 'NEW'>
    >>> seller_came = Trade(2, 7, Decimal(99), Decimal("0.5"), buyer_is_maker=True)
    >>> [(o.order_id, str(o.filled), str(o.cost)) for o in engine.match(seller_came, now_ms=2)]
    [(1, '0.5', '50.0')]
    >>> engine.position
    Decimal('0.5')
    """

    def __init__(
        self,
        symbol: str,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        *,
        reuse_ids: bool = False,
    ) -> None:
        self.symbol = symbol
        self.limits = limits
        self.reuse_ids = reuse_ids
        self.position = Decimal(0)
        self.last_price: Decimal | None = None
        self._orders: dict[int, OrderUpdate] = {}
        self._order_ids: dict[str, int] = {}
        self._books: dict[Side, list[_Entry]] = {Side.BUY: [], Side.SELL: []}
        self._fills: list[TradeReport] = []

    def go_on(
        self,
        position: Decimal,
        last_price: Decimal | None,
        orders: Iterable[OrderUpdate],
        fills: Iterable[TradeReport],
    ) -> None:
        """Have in an engine that is new what another one had; orders and fills by their ids."""
        self.position = position
        self.last_price = last_price
        self._fills += fills
        for order_id, order in enumerate(orders, 1):
            self._orders[order_id] = order
            self._order_ids[order.client_oid] = order_id
            if not order.status.terminal:
                insort(self._books[order.side], _entry(order, order_id))

    def place(self, request: OrderRequest, now_ms: int) -> OrderUpdate:
        """Take an order and return it: NEW, or EXPIRED if post-only and priced through.

        Priced through is a BUY above, or a SELL below, the price of the last trade.

        Raises:
            InvalidOrderError: the order is refused, and no trace of it stays.
            DuplicateOrderIdError: likewise, because there is an order under its client id.
        """
        self._check(request)
        order_id = len(self._orders) + 1
        expires = request.post_only and self._is_through(request)
        order = OrderUpdate(
            symbol=self.symbol,
            client_oid=request.client_oid or f"x-{order_id}",
            order_id=order_id,
            side=request.side,
            price=request.price,
            quantity=request.amount,
            status=OrderStatus.EXPIRED if expires else OrderStatus.NEW,
            time_ms=now_ms,
            post_only_reject=expires,
        )
        self._orders[order_id] = order
        self._order_ids[order.client_oid] = order_id
        if not expires:
            insort(self._books[order.side], _entry(order, order_id))
        return order

    def cancel(self, order_id: int, now_ms: int) -> OrderUpdate:
        """Take a working order out of the book and return its last state.

        Raises:
            OrderNotFoundError: no such order works.
        """
        order = self._orders.get(order_id)
        if order is None or order.status.terminal:
            found = "is unknown" if order is None else f"is {order.status} already"
            raise OrderNotFoundError(f"order {order_id} {found}; there is nothing to cancel")
        book = self._books[order.side]
        del book[bisect_left(book, _entry(order, order_id))]
        order = order.replace(status=OrderStatus.CANCELED, time_ms=now_ms)
        self._orders[order_id] = order
        return order

    def amend(self, order_id: int, price: Decimal, quantity: Decimal, now_ms: int) -> OrderUpdate:
        """Give a working order another price and quantity, as somebody does by hand.

        Raises:
            OrderNotFoundError: no such order works.
            AmountValueError: *quantity* is not more than what is filled.
        """
        order = self._orders.get(order_id)
        if order is None or order.status.terminal:
            raise OrderNotFoundError(f"order {order_id} does not work; there is nothing to amend")
        check_amount("what is left", EXACT.subtract(quantity, order.filled), positive=True)
        book = self._books[order.side]
        del book[bisect_left(book, _entry(order, order_id))]
        order = order.replace(price=price, quantity=quantity, time_ms=now_ms)
        self._orders[order_id] = order
        insort(book, _entry(order, order_id))
        return order

    def move(self, quantity: Decimal) -> None:
        """Change the position by the signed *quantity*, as no order of this account does."""
        self.position = EXACT.add(self.position, quantity)

    def match(self, trade: Trade, now_ms: int) -> list[OrderUpdate]:
        """Fill what *trade* reaches and return the new state of each order that it filled."""
        self.last_price = trade.price
        side = Side.BUY if trade.buyer_is_maker else Side.SELL
        book = self._books[side]
        reach = trade.price if side is Side.BUY else trade.price.copy_negate()
        left = trade.quantity
        filled = []
        while left > 0 and book and book[-1][0] >= reach:
            order_id = -book[-1][1]
            order = self._fill(order_id, left, now_ms)
            left = EXACT.subtract(left, self._fills[-1].quantity)
            if order.status.terminal:
                book.pop()
            filled.append(order)
        return filled

    def order(self, order_id: int | None, client_oid: str | None) -> OrderUpdate:
        """Return an order, working or over, by its id, or by the client's where that is None.

        Raises:
            OrderNotFoundError: there is none.
        """
        known = self.id_of(client_oid) if order_id is None else order_id
        order = self._orders.get(known)
        if order is None:
            raise OrderNotFoundError(f"there is no order with id {order_id}")
        return order

    def id_of(self, client_oid: str | None) -> int:
        """Return the id of the newest order under that client id.

        Raises:
            OrderNotFoundError: there is none.
        """
        known = self._order_ids.get(client_oid or "")
        if known is None:
            raise OrderNotFoundError(f"there is no order with client order id {client_oid!r}")
        return known

    def orders(self) -> list[OrderUpdate]:
        """Return every order that was ever taken, in order of their ids."""
        return list(self._orders.values())

    def open_orders(self) -> list[OrderUpdate]:
        """Return the working orders, in order of their ids."""
        return [self._orders[order_id] for order_id in self.open_ids()]

    def open_ids(self) -> list[int]:
        """Return the ids of the working orders, sorted."""
        return sorted(-number for book in self._books.values() for _, number in book)

    def fills(self, since_ms: int | None = None) -> list[TradeReport]:
        """Return the fills in order of time, from *since_ms* on."""
        start = 0
        if since_ms is not None:
            start = bisect_left(self._fills, since_ms, key=lambda fill: fill.time_ms)
        return self._fills[start:]

    def fills_from(self, count: int) -> list[TradeReport]:
        """Return the fills after the first *count*, in order of time."""
        return self._fills[count:]

    def _fill(self, order_id: int, most: Decimal, now_ms: int) -> OrderUpdate:
        order = self._orders[order_id]
        quantity = min(most, EXACT.subtract(order.quantity, order.filled))
        filled = EXACT.add(order.filled, quantity)
        done = filled == order.quantity
        order = order.replace(
            filled=filled,
            cost=EXACT.add(order.cost, EXACT.multiply(order.price, quantity)),
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            time_ms=now_ms,
        )
        self._orders[order_id] = order
        change = quantity if order.side is Side.BUY else quantity.copy_negate()
        self.position = EXACT.add(self.position, change)
        self._fills.append(
            TradeReport(
                trade_id=len(self._fills) + 1,
                order_id=order_id,
                client_oid=order.client_oid,
                symbol=self.symbol,
                side=order.side,
                price=order.price,
                quantity=quantity,
                time_ms=now_ms,
            )
        )
        return order

    def _is_through(self, request: OrderRequest) -> bool:
        if self.last_price is None:
            return False
        if request.side is Side.BUY:
            return request.price > self.last_price
        return request.price < self.last_price

    def _check(self, request: OrderRequest) -> None:
        amount, price, client_oid = request.amount, request.price, request.client_oid
        if amount <= 0 or price <= 0:
            raise InvalidOrderError(f"amount {amount} and price {price} must both be above zero")
        if amount < self.limits.amount:
            raise InvalidOrderError(f"amount {amount} is below the least, {self.limits.amount}")
        cost = EXACT.multiply(amount, price)
        if cost < self.limits.cost:
            raise InvalidOrderError(
                f"cost {cost} ({amount} at {price}) is below the least, {self.limits.cost}"
            )
        if client_oid is None:
            return
        if not _CLIENT_OID.fullmatch(client_oid):
            raise InvalidOrderError(
                f"client order id {client_oid!r}: 1 to 36 letters, digits and .:/_- are taken"
            )
        taken = self._order_ids.get(client_oid)
        if taken is not None and not (self.reuse_ids and self._orders[taken].status.terminal):
            raise DuplicateOrderIdError(
                f"client order id {client_oid!r} is taken, by order {taken}"
            )


def _entry(order: OrderUpdate, order_id: int) -> _Entry:
    return order.price if order.side is Side.BUY else order.price.copy_negate(), -order_id
