"""The way of orders to an exchange, which can be closed between any two of them: `Gate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from ..book.model import OrderId, OrderUpdate, Side
from ..book.reports import PositionReport, TradeReport
from ..errors import ExchangeError, NetworkError, RateLimitedError
from ..exchange.listing import Listing
from ..exchange.promises import VenuePromises
from ..exchange.protocol import Exchange, OrderRequest

__all__ = ["Gate"]

_TOO_OFTEN: Final = "the venue is asked too often"


class Gate:
    """An `Exchange` that lets no order through once it is closed. Thread-safe as what is behind it.

    What is not let through is refused, truly: nothing was sent. Orders go one by one, so that a
    stop need not wait for all of a batch. Cancellations and questions pass, stopped or not. Where
    the venue says that it is asked too often, nothing more of orders goes out until `begin`.

    Args:
        exchange: what is behind it.
        closed: says why nothing may be sent any more; empty: it may.
        placed: called with each order that was taken.

    Attributes:
        taken: how many orders the venue took, since `begin`.
        refused: how many it did not take, likewise; *why*: what it said of the last.
        why: see *refused*.
        wait_ms: for how long the venue says to stay away, likewise; None: it says nothing.
    """

    def __init__(
        self,
        exchange: Exchange,
        closed: Callable[[], str],
        placed: Callable[[OrderUpdate], object] = lambda _: None,
    ) -> None:
        self._exchange = exchange
        self._closed = closed
        self._placed = placed
        self.begin()

    def begin(self) -> None:
        """Count from here on."""
        self.taken = 0
        self.refused = 0
        self.why = ""
        self.wait_ms: int | None = None
        self._limited = False

    @property
    def promises(self) -> VenuePromises:
        """Those of what is behind it."""
        return self._exchange.promises

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        """See `Exchange.fetch_open_orders`."""
        return self._exchange.fetch_open_orders(symbol, cursor)

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        """See `Exchange.fetch_positions`."""
        return self._exchange.fetch_positions(symbols)

    def fetch_order(
        self, order_id: OrderId | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """See `Exchange.fetch_order`."""
        return self._exchange.fetch_order(order_id, symbol, client_oid)

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Listing[TradeReport]:
        """See `Exchange.fetch_my_trades`."""
        return self._exchange.fetch_my_trades(symbol, since_ms, cursor)

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 -- ccxt's name
        side: Side,
        amount: Decimal,
        price: Decimal,
        params: Mapping[str, object] | None = None,
    ) -> OrderUpdate:
        """See `Exchange.create_order`.

        Raises:
            ExchangeError: also where it was not sent, because the gate is closed.
        """
        self._check()
        return self._exchange.create_order(symbol, type, side, amount, price, params)

    def create_orders(
        self, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.create_orders`; one after the other."""
        return [self._sent(each) for each in requests]

    def cancel_order(self, order_id: OrderId, symbol: str) -> OrderUpdate:
        """See `Exchange.cancel_order`."""
        return self._exchange.cancel_order(order_id, symbol)

    def cancel_orders(
        self, order_ids: Sequence[OrderId], symbol: str
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.cancel_orders`; one after the other."""
        return [self._cancelled(each, symbol) for each in order_ids]

    def _check(self) -> None:
        why = self._closed() or (_TOO_OFTEN if self._limited else "")
        if why:
            raise ExchangeError(f"not sent: {why}")

    def _heard(self, answer: OrderUpdate | ExchangeError) -> None:
        # Who goes on asking when told to stay away is shut out for longer, by his address.
        if isinstance(answer, RateLimitedError):
            self._limited, self.wait_ms = True, answer.retry_after_ms

    def _cancelled(self, order_id: OrderId, symbol: str) -> OrderUpdate | ExchangeError:
        if self._limited:
            return ExchangeError(f"not sent: {_TOO_OFTEN}")
        (answer,) = self._exchange.cancel_orders([order_id], symbol)
        self._heard(answer)
        return answer

    def _sent(self, request: OrderRequest) -> OrderUpdate | ExchangeError:
        try:
            self._check()
        except ExchangeError as error:
            return error
        (answer,) = self._exchange.create_orders([request])
        self._heard(answer)
        if isinstance(answer, ExchangeError):
            # Without an answer nobody knows whether it was refused.
            if not isinstance(answer, NetworkError):
                self.refused += 1
                self.why = str(answer)
        else:
            self.taken += 1
            self._placed(answer)
        return answer
