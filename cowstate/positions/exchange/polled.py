"""The events of our orders where there is no stream of them: `PolledOrders`, which asks."""

from __future__ import annotations

from cowstate import ArgumentValueError

from ..book.model import OrderUpdate
from ..errors import ExchangeError, OrderNotFoundError, RateLimitedError
from .pages import read_pages
from .protocol import Exchange

__all__ = ["PolledOrders"]


class PolledOrders:
    """What changed about the orders of one market since it was last asked.

    For `PositionManager.on_order_update`, in the place of a stream or beside one: facts may come
    twice. An order that comes and goes between two questions is missed, unless it was expected;
    the `Reconciler` finds it. Not thread-safe: one thread polls.

    Args:
        exchange: whom to ask.
        symbol: the market.
        pages: how many pages of open orders are asked for at most.
        queries: how many orders are asked for by name at most, each time.

    >>> from decimal import Decimal
    >>> from cowstate.positions import PaperExchange, Side, VirtualClock
    >>> exchange = PaperExchange(VirtualClock(), "BTCUSDT")
    >>> orders = PolledOrders(exchange, "BTCUSDT")
    >>> placed = exchange.create_order("BTCUSDT", "limit", Side.BUY, Decimal(1), Decimal(100))
    >>> [update.status.value for update in orders.poll()], orders.poll()
    (['NEW'], ())
    >>> exchange.cancel_order(placed.order_id, "BTCUSDT").status.value
    'CANCELED'
    >>> [update.status.value for update in orders.poll()]
    ['CANCELED']
    """

    def __init__(
        self, exchange: Exchange, symbol: str, *, pages: int = 10, queries: int = 20
    ) -> None:
        if pages < 1 or queries < 0:
            raise ArgumentValueError(
                f"pages is {pages} and queries {queries}; at least 1 page is asked for"
            )
        self._exchange = exchange
        self._symbol = symbol
        self._pages = pages
        self._queries = queries
        self._known: dict[str, OrderUpdate] = {}
        self._rest = 0

    @property
    def rest(self) -> int:
        """How many answers were still missing when it was last asked, beside the first page's."""
        return self._rest

    def expect(self, order: OrderUpdate) -> None:
        """Ask for *order*, which was just placed, until it is over, whether it is listed or not."""
        if not order.status.terminal and order.order_id is not None:
            self._known.setdefault(str(order.order_id), order)

    def heard(self, update: OrderUpdate) -> None:
        """Learn what a stream told: an order that is over is asked for only if that was not all.

        What its fills cost, some streams do not say.
        """
        if update.order_id is None:
            return
        name = str(update.order_id)
        if update.status.terminal and (update.cost or not update.filled):
            self._known.pop(name, None)
        else:
            self._known.setdefault(name, update)

    def poll(self) -> tuple[OrderUpdate, ...]:
        """Return what is new of each order. One request for each page, and for each that is over.

        What could not be asked for is asked for the next time; where the venue is asked too often,
        so is the rest. Of an order that the venue does not
        find nothing is said: what that means is the reconciler's to find out.

        Raises:
            ExchangeError: not even the first page came.
        """
        read = read_pages(
            lambda cursor: self._exchange.fetch_open_orders(self._symbol, cursor), self._pages
        )
        if read.error is not None and not read.items:
            raise read.error
        news: list[OrderUpdate] = []
        listed: set[str] = set()
        for update in read.items:
            name = str(update.order_id)
            listed.add(name)
            known = self._known.get(name)
            if known is None or known.replace(time_ms=update.time_ms) != update:
                news.append(update)
            self._known[name] = update
        # Of a list that was cut, nobody knows what is missing from it.
        gone = [name for name in self._known if name not in listed] if read.complete else []
        self._rest = len(gone) + (not read.complete)
        for name in gone[: self._queries]:
            # Whoever was asked for is last the next time, or those behind it would never be.
            update = self._known[name] = self._known.pop(name)
            try:
                told = self._exchange.fetch_order(update.order_id, self._symbol)
            except OrderNotFoundError:
                del self._known[name]
                self._rest -= 1
                continue
            except RateLimitedError:
                # Who goes on asking when told to stay away is shut out for longer.
                break
            except ExchangeError:
                continue
            self._rest -= 1
            if update.replace(time_ms=told.time_ms) != told:
                news.append(told)
            if told.status.terminal:
                del self._known[name]
            else:
                self._known[name] = told
        return tuple(news)
