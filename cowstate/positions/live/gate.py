"""The way of orders to an exchange, which can be closed between any two of them: `Gate`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Final

from ..book.model import OrderId, OrderUpdate, Side
from ..book.reports import PositionReport, TradeReport
from ..errors import ExchangeError, NetworkError, RateLimitedError
from ..exchange.listing import Listing
from ..exchange.promises import VenuePromises
from ..exchange.protocol import Exchange, OrderRequest

__all__ = ["FRESH_S", "Gate"]

FRESH_S: Final = 3.0
"""For how long, in seconds, what was noted on a server may go out: less than what is left of its
lease then, which is two thirds of five seconds."""

_TOO_OFTEN: Final = "the venue is asked too often"
_TOO_LATE: Final = "it was noted too long ago, and somebody else may trade by now"


def _clock() -> Callable[[], float]:
    # Of a machine that sleeps the monotonic clock of Linux stands still; the lease does not.
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if boottime is None else partial(time.clock_gettime, boottime)


class Gate:
    """An `Exchange` that lets no order through once it is closed. Thread-safe as what is behind it.

    What is not let through is refused, truly: nothing was sent. Orders go one by one, so that a
    stop need not wait for all of a batch. Cancellations and questions pass, stopped or not. Where
    the venue says that it is asked too often, nothing more of orders goes out until `begin`; nor
    do orders or cancellations where that is too long ago, as in a process that was stopped.

    Args:
        exchange: what is behind it.
        closed: says why nothing may be sent any more; empty: it may.
        placed: called with each order that was taken.
        fresh_s: for how many seconds after `begin` orders and cancellations go out; None: for ever.
        clock: in seconds, for that; by default one that never stands still, if the system has it.

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
        fresh_s: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._exchange = exchange
        self._closed = closed
        self._placed = placed
        self._fresh_s = fresh_s
        self._clock = _clock() if clock is None else clock
        self.begin()

    def begin(self) -> None:
        """Count from here on. Before what is to go out is noted."""
        self._began = self._clock()
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
        why = self._closed() or self._held_back()
        if why:
            raise ExchangeError(f"not sent: {why}")

    def _held_back(self) -> str:
        if self._limited:
            return _TOO_OFTEN
        late = self._fresh_s is not None and self._clock() - self._began > self._fresh_s
        return _TOO_LATE if late else ""

    def _heard(
        self, request: Callable[[], Sequence[OrderUpdate | ExchangeError]]
    ) -> OrderUpdate | ExchangeError:
        answer: OrderUpdate | ExchangeError
        try:
            (answer,) = request()
        except ExchangeError as error:
            # Of this one alone: raised, it would count for those that were taken before it.
            answer = error
        # Who goes on asking when told to stay away is shut out for longer, by his address.
        if isinstance(answer, RateLimitedError):
            self._limited, self.wait_ms = True, answer.retry_after_ms
        return answer

    def _cancelled(self, order_id: OrderId, symbol: str) -> OrderUpdate | ExchangeError:
        if why := self._held_back():
            return ExchangeError(f"not sent: {why}")
        return self._heard(lambda: self._exchange.cancel_orders([order_id], symbol))

    def _sent(self, request: OrderRequest) -> OrderUpdate | ExchangeError:
        try:
            self._check()
        except ExchangeError as error:
            return error
        answer = self._heard(lambda: self._exchange.create_orders([request]))
        if isinstance(answer, ExchangeError):
            # Without an answer nobody knows whether it was refused.
            if not isinstance(answer, NetworkError):
                self.refused += 1
                self.why = str(answer)
        else:
            self.taken += 1
            self._placed(answer)
        return answer
