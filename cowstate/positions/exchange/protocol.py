"""What a trader needs of an exchange, under the names that ccxt gives it.

`Exchange` is a protocol: `cowstate.positions.simulation.paper.PaperExchange` fulfils it, and a thin
adapter over a ccxt client can. The methods are ccxt's, with two differences. They take and
return records instead of dictionaries, and money is `decimal.Decimal`, never a float. Orders
are named by the exchange's integer order id, or by the client order id that we chose.

A request ends in one of three ways, and they must be kept apart:

- an answer: the records below;
- a refusal: `ExchangeError` (`OrderNotFoundError` for an unknown order): nothing was done;
- no answer: `NetworkError`: it was done, or it was not, or it will be yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from cowstate import Record

from ..book.model import OrderUpdate, PositionReport, Side, TradeReport
from ..errors import ExchangeError

__all__ = ["Exchange", "OrderRequest"]


class OrderRequest(Record):
    """One limit order to be placed, for `Exchange.create_orders`.

    >>> OrderRequest("BTCUSDT", Side.BUY, Decimal("0.05"), Decimal(61000), post_only=True).price
    Decimal('61000')
    """

    symbol: str
    side: Side
    amount: Decimal
    price: Decimal
    client_oid: str | None = None
    post_only: bool = False


class Exchange(Protocol):
    """The part of a ccxt client that the position manager and the reconciler use.

    Each call blocks until the answer is there. Implementations may be called from several
    threads at once. Every method raises `NetworkError` when no answer comes, and
    `ExchangeError` when the exchange refuses.
    """

    def fetch_open_orders(self, symbol: str) -> Sequence[OrderUpdate]:
        """Return the orders that still work, as one consistent list of one moment."""
        ...

    def fetch_positions(self, symbols: Sequence[str]) -> Sequence[PositionReport]:
        """Return one report for each of *symbols*; the quantity is signed, in base units."""
        ...

    def fetch_order(
        self, order_id: int | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """Return what the exchange knows of one order, working or over.

        The order is named by *order_id*, or, where that is None, by *client_oid*.

        Raises:
            OrderNotFoundError: the exchange does not know the order.
        """
        ...

    def fetch_my_trades(self, symbol: str, since_ms: int | None = None) -> Sequence[TradeReport]:
        """Return our own fills in order of time, from *since_ms* (inclusive) on."""
        ...

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 -- ccxt's name
        side: Side,
        amount: Decimal,
        price: Decimal,
        params: Mapping[str, object] | None = None,
    ) -> OrderUpdate:
        """Place one order of *type* ``"limit"`` and return what became of it.

        An order that is post-only and would have taken liquidity is an answer, not an error:
        it comes back EXPIRED or REJECTED with ``post_only_reject`` set.

        Args:
            symbol: the market.
            type: ``"limit"``.
            side: BUY or SELL.
            amount: quantity in base units.
            price: the limit.
            params: ``clientOrderId`` (str) and ``postOnly`` (bool).
        """
        ...

    def create_orders(
        self, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """Place several orders, all in flight at once: they take the time of one.

        Returns one result per request, in their order. What `create_order` would raise for a
        request stands in its place, so that one refusal hides no other order's fate.
        """
        ...

    def cancel_order(self, order_id: int, symbol: str) -> OrderUpdate:
        """Cancel one working order and return its last state.

        Raises:
            OrderNotFoundError: no such order works: it is unknown, or over already.
        """
        ...

    def cancel_orders(
        self, order_ids: Sequence[int], symbol: str
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """Cancel several orders, all in flight at once; results as for `create_orders`."""
        ...
