"""An exchange by a client of ccxt: `CcxtExchange`. Needs the extra ``ccxt``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from cowstate import ArgumentTypeError, ArgumentValueError

from ...book.model import (
    EXACT,
    OrderId,
    OrderStatus,
    OrderUpdate,
    Side,
    check_order_id,
    check_type,
)
from ...book.reports import Leg, PositionReport, TradeReport
from ...errors import ExchangeError, InvalidOrderError, NetworkError
from ..listing import Listing
from ..promises import VenuePromises
from ..protocol import OrderRequest
from .amounts import whole_ms
from .calls import Answer, Calls, readable
from .clients import ensure_client
from .clock import Offset
from .failures import PostOnlyError
from .loops import LoopThread
from .raw import order_asked, trades_asked
from .reader import Reader, market_in
from .rules import Rules, check_request, check_types
from .timed import TimedCalls
from .trades import Step, first_step, next_cursor, older_page
from .venues import Venue, venue_of

__all__ = ["CcxtExchange"]

_MOST_PAGES = 40
_SECOND = 1_000


class CcxtExchange:
    """An `Exchange` of one market, by a client of ccxt: spot, or a linear future or swap.

    Thread-safe: one request at a time, others wait. So several orders take the time of several.
    From then on the client is for this object alone. What the venue promises is looked up by the
    client's id, for Binance, Bybit, OKX and Kraken (spot); see `venues`. Nothing that a key could
    stand in is written to a log or into an error.

    Args:
        client: of ccxt, made with ``{"number": str}``, so that nothing is rounded, and without
            retries of its own.
        symbol: ccxt's unified symbol, as ``"BTC/USDT"`` or ``"BTC/USDT:USDT"``; that of the grid.
        leg: LONG, if the account has legs (hedge mode): the one that a grid buys into; else NET.
        venue: what is known of the venue; None: as its id says.
        known: promises that are known better than by its pages, as measured lags are, by the
            names of `VenuePromises`.
        time_ms: our clock.
        loop: where the client runs, if it is one of ``ccxt.async_support`` or ``ccxt.pro``. Whoever
            calls waits all the same, and an error means the same.

    Raises:
        ArgumentTypeError, ArgumentValueError: the client, the venue or the market will not do.

    Example::

        client = ccxt.binanceusdm({"number": str, "apiKey": key, "secret": secret})
        exchange = CcxtExchange(client, "BTC/USDT:USDT")
        exchange.measure_clock()
        manager = PositionManager.open(path, config, time_ms=exchange.time_ms)
        reconciler = Reconciler(manager, exchange, time_ms=exchange.time_ms)
    """

    def __init__(
        self,
        client: Any,
        symbol: str,
        *,
        leg: Leg = Leg.NET,
        venue: Venue | None = None,
        known: Mapping[str, Any] | None = None,
        time_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        loop: LoopThread | None = None,
    ) -> None:
        check_type("symbol", symbol, str)
        check_type("leg", leg, Leg)
        if leg is Leg.SHORT:
            raise ArgumentValueError("a grid buys first, into the long leg; give Leg.LONG")
        ensure_client(client, asynchronous=loop is not None)
        self.symbol = symbol
        self.leg = leg
        self._venue = venue_of(str(client.id)) if venue is None else venue
        calls, options = Calls(client, self._venue.marks, loop), client.options
        try:
            markets = calls.ask("load_markets", read=dict).value
            self._rules = market_in(markets, symbol, self._venue)
            window = options.get("recvWindow")
            self._promises = self._venue.promises(
                contract=self._rules.contract,
                hedged=leg is not Leg.NET,
                window_ms=None if window is None else whole_ms(window),
            ).knowing(**(known or {}))
        except BaseException:
            # The next attempt may be with the same client.
            calls.release()
            raise
        clock = dict(self._venue.linear_clock) if self._rules.contract else {}
        self._calls = TimedCalls(calls, options, clock, time_ms)
        self._read = Reader(client, self._rules, self._venue, leg)

    # What is known

    @property
    def promises(self) -> VenuePromises:
        """What the venue keeps to, as far as its pages say; with the clock that was measured."""
        offset = self._calls.offset
        if offset is None:
            return self._promises
        return self._promises.knowing(clock_ms=offset.within + _SECOND // 10)

    @property
    def rules(self) -> Rules:
        """The steps and limits of the market."""
        return self._rules

    def measure_clock(self) -> Offset:
        """Ask the venue for its time, and return how far it may be from ours. One request.

        From then on requests are stamped by the venue's clock, and `promises` say how far
        `time_ms` may be from it. What was measured before counts, too, unless it contradicts. It
        is measured again by itself where the venue refuses a request for its time, or its stamps
        contradict; do it now and then all the same, for clocks drift.

        Raises:
            ExchangeError: the venue does not tell.
        """
        return self._calls.measure()

    def time_ms(self) -> int:
        """Return the time by the venue's clock, as far as it was measured; else by ours.

        Give it to the manager and the reconciler as their clock.
        """
        return self._calls.time_ms()

    # Endpoints

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        """See `Exchange.fetch_open_orders`."""
        self._check_symbol(symbol)
        page = self._venue.orders_page
        params: dict[str, Any] = {}
        if cursor is not None:
            if not page:
                raise ExchangeError(f"there is no page {cursor[:40]!r} here: one answer is all")
            params = {"cursor": cursor} if self._venue.token else {"after": cursor}
        at = self._venue.listed_at("orders")
        answer = self._calls.listing(
            "fetch_open_orders",
            *(symbol, None, page or None, params),
            read=self._read.orders,
            at=at,
            each=not self._venue.all_markets,
        )
        orders, token = answer.value
        if not page:
            return Listing(orders, answered_ms=answer.answered_ms)
        full = (len(orders) if at is None else answer.entries) >= page
        # A token that leads to an empty page is given at the end, too.
        more = full and token is not None
        return Listing(orders, not more, token if more else None, answered_ms=answer.answered_ms)

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        """See `Exchange.fetch_positions`; on a spot market, what is held of its base currency."""
        if isinstance(symbols, str):
            raise ArgumentTypeError(f"symbols is a sequence of symbols: give [{symbols!r}]")
        for symbol in symbols:
            self._check_symbol(symbol)
        if not self._rules.contract:
            asked, at = dict(self._venue.balance), self._venue.listed_at("balance")
            held = self._calls.listing("fetch_balance", asked, read=self._read.balance, at=at)
            if at is not None and not at.named and not held.entries:
                # Only where names lead to what is held may there be none of them.
                raise NetworkError("fetch_balance: the list of what is held names no account")
            return Listing((held.value,), answered_ms=held.answered_ms)
        raw, at = self._venue.raw_positions, self._venue.listed_at("positions")
        if raw is not None:
            asked = {"symbol": self._rules.venue_id}
            answer = self._calls.listing(raw, asked, read=self._read.listed, at=at)
        else:
            answer = self._calls.listing(
                "fetch_positions", list(symbols), read=self._read.positions, at=at
            )
        return Listing(answer.value, answered_ms=answer.answered_ms)

    def fetch_order(
        self, order_id: OrderId | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """See `Exchange.fetch_order`."""
        self._check_symbol(symbol)
        params = dict(self._venue.order_params)
        if order_id is not None:
            check_order_id("order_id", order_id)
        else:
            if client_oid is None:
                raise ArgumentValueError("name the order: by order_id or by client_oid")
            if self._venue.by_client_oid is None:
                raise ExchangeError(f"{self._venue.name} cannot be asked for an order by our id")
            written = self._venue.alphabet.written(client_oid)
            if self._venue.raw_order is not None:
                asked = order_asked(self._venue.by_client_oid, written, self._rules)
                return self._calls.ask(
                    self._venue.raw_order, asked, read=partial(self._read.raw_order, client_oid)
                ).value
            params[self._venue.by_client_oid] = written
        named = None if order_id is None else str(order_id)
        read = partial(self._read.order, order_id=named, client_oid=client_oid)
        return self._calls.ask("fetch_order", named, symbol, params, read=read).value

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Listing[TradeReport]:
        """See `Exchange.fetch_my_trades`; one window of time, or one page where trades are counted.

        Raises:
            ExchangeError: also if one window holds more than can be asked for at once.
        """
        self._check_symbol(symbol)
        walk, now = self._venue.walk, self.time_ms() + self.promises.clock_ms
        step = first_step(walk, since_ms, cursor, now)
        found: list[Mapping[str, Any]] = []
        asking, answered, seen = step, None, 0
        for asked in range(_MOST_PAGES):
            answer = self._ask_trades(asking)
            answered = answer.answered_ms if not asked else answered
            page, token = answer.value
            found += page
            seen += answer.entries if self._venue.all_markets else len(page)
            listed = answer.entries if self._venue.all_markets else None
            older = older_page(walk, asking, seen, page, token, listed)
            if older is None:
                break
            asking = older
        else:
            raise ExchangeError(
                f"more than {_MOST_PAGES * walk.page} trades from {step.since_ms} on: read them in "
                "parts, from a later moment"
            )
        entries = readable("fetch_my_trades", self._read.trades, found)
        complete, following = next_cursor(walk, step, entries, now)
        return Listing(entries, complete, following, answered_ms=answered)

    def _ask_trades(self, step: Step) -> Answer[tuple[list[Mapping[str, Any]], str | None]]:
        params, page, raw = dict(step.params), self._venue.walk.page, self._venue.raw_trades
        rules, at = self._rules, self._venue.listed_at("trades")
        if raw is None:
            if step.until_ms is not None:
                params["until"] = step.until_ms
            return self._calls.listing(
                "fetch_my_trades",
                *(self.symbol, step.since_ms, page, params),
                read=self._read.page,
                at=at,
                each=not self._venue.all_markets,
            )
        asked = trades_asked(step, rules, page)
        return self._calls.listing(raw, asked, read=self._read.raw_page, at=at)

    # Orders

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
            InvalidOrderError: also for what breaks a rule of the market; that is not sent.
        ArgumentTypeError, AmountTypeError, AmountValueError: an argument is of the wrong type, or
            a number is not finite.
        """
        if type != "limit":
            raise ExchangeError(f"orders of type {type!r} are not taken here; place a limit order")
        extra = dict(params or {})
        client_oid, post_only = extra.pop("clientOrderId", None), extra.pop("postOnly", False)
        if extra:
            raise ArgumentValueError(
                f"unknown params: {', '.join(extra)}; known are clientOrderId and postOnly"
            )
        named: Any = client_oid
        return self._place(OrderRequest(symbol, side, amount, price, named, bool(post_only)))

    def create_orders(
        self, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.create_orders`; one after the other."""
        # What is no request at all must not come up when others were sent.
        for request in requests:
            check_types(request)
        return [_caught(partial(self._place, request)) for request in requests]

    def cancel_order(self, order_id: OrderId, symbol: str) -> OrderUpdate:
        """See `Exchange.cancel_order`.

        Where the venue says only that it will, the order is asked for once; it may still work.
        """
        self._check_symbol(symbol)
        check_order_id("order_id", order_id)
        named = str(order_id)
        answer = self._calls.ask("cancel_order", named, symbol, read=dict, writing=True)
        try:
            return self._read.order(answer.value, order_id=named)
        except (ArgumentTypeError, ArgumentValueError):
            pass
        try:
            return self.fetch_order(order_id, symbol)
        except ExchangeError as error:
            raise NetworkError(
                f"the cancellation of {order_id} was taken, and what became of it is not known: "
                f"{error}"
            ) from None

    def cancel_orders(
        self, order_ids: Sequence[OrderId], symbol: str
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.cancel_orders`; one after the other."""
        for each in order_ids:
            check_order_id("order_id", each)
        return [_caught(partial(self.cancel_order, each, symbol)) for each in order_ids]

    def _place(self, request: OrderRequest) -> OrderUpdate:
        check_types(request)
        self._check_symbol(request.symbol)
        check_request(request, self._rules)
        contracts = EXACT.divide(request.amount, self._rules.contract_size)
        params = self._venue.leg_params(self.leg)
        if request.post_only:
            params["postOnly"] = True
        if request.client_oid is not None:
            params["clientOrderId"] = self._venue.alphabet.written(request.client_oid)
        read = partial(
            self._read.order,
            client_oid=request.client_oid,
            side=request.side,
            price=request.price,
            quantity=request.amount,
        )
        try:
            placed = self._calls.ask(
                "create_order",
                request.symbol,
                "limit",
                request.side.value.lower(),
                f"{contracts:f}",
                f"{request.price:f}",
                params,
                read=read,
                writing=True,
            ).value
            ended = placed.status in (OrderStatus.EXPIRED, OrderStatus.REJECTED)
            # Some say it by an error, and some by an order that is over before it began.
            refused = request.post_only and ended and not placed.filled
            return placed.replace(post_only_reject=True) if refused else placed
        except PostOnlyError as error:
            if not request.post_only or request.client_oid is None:
                raise InvalidOrderError(str(error)) from None
            return OrderUpdate(
                request.symbol,
                request.client_oid,
                None,
                request.side,
                request.price,
                request.amount,
                OrderStatus.REJECTED,
                time_ms=self.time_ms(),
                post_only_reject=True,
            )

    def _check_symbol(self, symbol: str) -> None:
        if symbol != self.symbol:
            raise ExchangeError(f"there is no market {symbol!r} here, only {self.symbol!r}")


def _caught(request: Callable[[], OrderUpdate]) -> OrderUpdate | ExchangeError:
    try:
        return request()
    except ExchangeError as error:
        return error
