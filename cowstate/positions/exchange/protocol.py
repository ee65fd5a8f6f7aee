"""What a trader needs of an exchange, under the names that ccxt gives it.

`Exchange` is a protocol: `cowstate.positions.simulation.paper.PaperExchange` fulfils it, and a thin
adapter over a ccxt client can. The methods are ccxt's, with these differences. They take and
return records instead of dictionaries, and money is `decimal.Decimal`, never a float. Lists are a
`Listing`, which says whether it is all and of which moment. Orders are named by the exchange's id,
a number or text, or by the client order id that we chose.

A request ends in one of these ways, and they must be kept apart:

======================  ====================================  ================================
what came               raised, from `positions.errors`       what is known then
======================  ====================================  ================================
an answer               (the records below)                   what it says, as of its moment
no such order           `OrderNotFoundError`                  see `VenuePromises`
... and it says: not yet   `OrderNotFoundYetError`               it was taken
... and it says: purged    `OrderPurgedError`                    it was there, and is over
the id is taken         `DuplicateOrderIdError`               an order under it exists, or did
an order is refused     `OrderRefusedError`: of margin        no such order exists
                        (`InsufficientFundsError`), of rules
                        (`InvalidOrderError`)
too many requests       `RateLimitedError`, with its time     nothing was done
any other refusal       `ExchangeError`                       nothing was done
no answer               `NetworkError`                        it was done, or not, or will be
======================  ====================================  ================================

Of ccxt's errors, ``OrderNotFound``, ``DuplicateOrderId``, ``InsufficientFunds``, ``InvalidOrder``
and ``NetworkError`` are these; ``RateLimitExceeded`` is a ``NetworkError`` there and is none here,
because who was told to wait knows that nothing was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from cowstate import Record

from ..book.model import OrderId, OrderUpdate, Side
from ..book.reports import PositionReport, TradeReport
from ..errors import ExchangeError
from .listing import Listing
from .promises import VenuePromises

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
    threads at once. Every method raises `NetworkError` when no answer comes, `RateLimitedError`
    when it asked too often, and `ExchangeError` when the exchange refuses.
    """

    @property
    def promises(self) -> VenuePromises:
        """What the venue keeps to. Where its adapter does not know: `VenuePromises.careful`."""
        ...

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        """Return the orders that still work.

        Args:
            symbol: the market.
            cursor: where to go on, from the `Listing.cursor` of an earlier page. Pages are not
                of one moment: an order may have moved from one to another between two requests.
        """
        ...

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        """Return a report for each position in *symbols*; quantities are signed, in base units.

        One for each leg, where there are legs. A symbol that is missing may be flat, or not: see
        `VenuePromises.empty_is_flat`.
        """
        ...

    def fetch_order(
        self, order_id: OrderId | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """Return what the exchange knows of one order, working or over.

        The order is named by *order_id*, or, where that is None, by *client_oid*. Where a client
        id may be used again, the newest order under it is meant.

        Raises:
            OrderNotFoundError: the exchange does not know the order; its subclasses, where the
                exchange says more than that.
        """
        ...

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Listing[TradeReport]:
        """Return our own trades, and what else moved the account, as it happened.

        In the order of time, and within one millisecond in the order in which they moved the
        position; each once, under an id that it keeps.

        Args:
            symbol: the market.
            since_ms: leave out what is older than this moment.
            cursor: where to go on, from the `Listing.cursor` of an earlier page; counts in the
                place of *since_ms*. Page by trade id where the venue can: a page that ends in
                the middle of a millisecond must not hide the rest of it.
        """
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

        Raises:
            OrderRefusedError: it was not taken.
            DuplicateOrderIdError: it was not taken, because an order under its id exists.
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

    def cancel_order(self, order_id: OrderId, symbol: str) -> OrderUpdate:
        """Cancel one working order and return its last state.

        Raises:
            OrderNotFoundError: no such order works: it is unknown, or over already.
        """
        ...

    def cancel_orders(
        self, order_ids: Sequence[OrderId], symbol: str
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """Cancel several orders, all in flight at once; results as for `create_orders`."""
        ...
