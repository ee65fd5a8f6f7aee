"""A paper exchange: orders against a tape of trades, over a line with latency and faults.

`PaperExchange` is an `Exchange` like any other to those who trade on it. Behind it stands a
`MatchingEngine`; between the two runs time, on a `Clock`. A request reaches the engine
*latency_ms* after it was sent, its answer and the events of the stream reach the client
*latency_ms* after they arose. Whoever makes a request blocks for as long, while trades go on,
orders fill and other requests arrive: just the window in which a reconciler's look at the
exchange and the events that it gets meanwhile do not fit together.

How to run a whole trader on it, the same code in both modes:

- make a clock (`VirtualClock`, or `ThreadedClock` for real threads) and the exchange on it;
- make each active part a `clock.participant`: the strategy, the reconciler. Their handlers may
  call any method here; each call blocks that participant alone;
- `subscribe` to the order events and `subscribe_trades` to the market. These callbacks run on
  whoever drives the clock, in order of arrival: let them put the event in an inbox, or
  apply it to a store, and return. They must not wait for another participant;
- let timers be `clock.call_at(time, lambda: inbox.put(...))`;
- `play(tape)` on the main thread drives it all to the last trade; then `clock.run_until` a
  little later for what is still under way, and the main thread itself may ask the exchange
  for its final state; `clock.close()` (or the clock's ``with`` block) ends it, also after an
  exception or Ctrl-C. Whoever is blocked then gets a `ClosedError`.

On a `VirtualClock` all this happens on one thread and depends on the seed alone. On a
`ThreadedClock` requests are sent from the participants' threads, but the engine is changed and
callbacks are called on the driver's thread only; one lock guards the state for the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeVar

from cowstate import ArgumentValueError, Record

from ..book.model import OrderId, OrderUpdate, Side
from ..book.reports import PositionReport, TradeReport
from ..errors import ExchangeError, NetworkError
from ..exchange.listing import Listing
from ..exchange.promises import VenuePromises
from ..exchange.protocol import OrderRequest
from ..guard import Guard
from .asked import (
    check_orders,
    check_symbol,
    check_symbols,
    check_type,
    limit_order,
    named_order,
    order_number,
)
from .clock import Clock
from .line import Faults, Line, Passage
from .matching import Limits, MatchingEngine
from .tape import Trade

__all__ = ["Audit", "ExchangeState", "Faults", "Limits", "PaperExchange"]

T = TypeVar("T")
E = TypeVar("E")


class Audit(Record):
    """What is so at a `PaperExchange` at one moment, whatever anybody has been told of it."""

    time_ms: int
    position: Decimal
    orders: tuple[OrderUpdate, ...]
    fills: tuple[TradeReport, ...]

    @property
    def open_orders(self) -> tuple[OrderUpdate, ...]:
        """The orders that still work."""
        return tuple(order for order in self.orders if not order.status.terminal)


class ExchangeState(Record):
    """What a `PaperExchange` is beside its orders, its fills and what is under way."""

    position: Decimal
    last_price: Decimal | None
    chances: tuple[int, ...]


class PaperExchange:
    """An `Exchange` for one symbol, whose market is the tape that it is played.

    Thread-safe on a `ThreadedClock`. Calls block on the clock for twice the latency. Only
    limit orders, and no fees, funding or margin.

    Args:
        clock: the time that all messages take theirs from.
        symbol: the one market.
        latency_ms: how long a message takes, in each direction.
        limits: the least order that is taken.
        faults: what goes wrong on the line; by default nothing.

    >>> from cowstate.positions.simulation.clock import VirtualClock
    >>> clock = VirtualClock()
    >>> exchange = PaperExchange(clock, "BTCUSDT", latency_ms=50)
    >>> exchange.subscribe(lambda event: print(clock.now_ms, event.status, event.filled))
    >>> order = exchange.create_order("BTCUSDT", "limit", Side.BUY, Decimal(2), Decimal(100))
    100 NEW 0
    >>> exchange.play([Trade(200, 1, Decimal(100), Decimal("0.5"), buyer_is_maker=True)])
    >>> exchange.cancel_order(order.order_id, "BTCUSDT").status
    250 PARTIALLY_FILLED 0.5
    300 CANCELED 0.5
    <OrderStatus.CANCELED: 'CANCELED'>
    """

    def __init__(
        self,
        clock: Clock,
        symbol: str,
        *,
        latency_ms: int = 50,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        faults: Faults = Faults(),  # noqa: B008 -- frozen
    ) -> None:
        if type(latency_ms) is not int or latency_ms < 0:
            raise ArgumentValueError(f"latency_ms must be an int of 0 or more, not {latency_ms!r}")
        self.symbol = symbol
        self.latency_ms = latency_ms
        self._clock = clock
        self._guard = Guard()
        self._engine = MatchingEngine(symbol, limits)
        self._line = Line(latency_ms, faults)
        self._order_callbacks: tuple[Callable[[OrderUpdate], object], ...] = ()
        self._trade_callbacks: tuple[Callable[[Trade], object], ...] = ()

    # The streams

    def subscribe(self, callback: Callable[[OrderUpdate], object]) -> None:
        """Call *callback* with every event of our orders that arrives, on the driver's thread."""
        self._guard.run(self._add_for_orders, callback)

    def subscribe_trades(self, callback: Callable[[Trade], object]) -> None:
        """Call *callback* with every trade of the market, after the latency, never faulty."""
        self._guard.run(self._add_for_trades, callback)

    # The market

    def play(self, trades: Iterable[Trade]) -> None:
        """Drive the clock through *trades*, each at its own time, to the last of them.

        Takes one trade at a time, when the one before has happened; one that is stamped
        earlier than the present happens at once. What is under way at the end stays so.
        """
        tape = iter(trades)
        coming = next(tape, None)

        def happen(trade: Trade) -> None:
            nonlocal coming
            self.on_trade(trade)
            coming = next(tape, None)
            if coming is not None:
                self._clock.call_at(coming.time_ms, partial(happen, coming))

        if coming is not None:
            # The trades are events, so that they go on inside whatever blocks on the clock.
            self._clock.call_at(coming.time_ms, partial(happen, coming))
        while coming is not None:
            self._clock.run_until(coming.time_ms)

    def on_trade(self, trade: Trade) -> None:
        """Let one trade happen now; to be called by the driver of the clock."""
        self._guard.run(self._match, trade, self._clock.now_ms)

    def audit(self) -> Audit:
        """Return what is so at the exchange now: no message, no time, no fault. O(orders).

        No real exchange has this; it is for tests and for the final verdict of a replay.
        """
        return self._guard.run(self._audit)

    # Another process, which goes on from here

    def message_of(self, fn: Callable[[], object]) -> OrderUpdate | Trade | None:
        """Return the message of the streams that the event *fn* delivers, None if it does not."""
        if isinstance(fn, partial) and fn.func in (self._deliver, self._deliver_trade):
            message: OrderUpdate | Trade = fn.args[0]
            return message
        return None

    def deliver_at(self, due_ms: int, message: OrderUpdate | Trade) -> None:
        """Have a message of the streams arrive at *due_ms*."""
        if isinstance(message, Trade):
            self._clock.call_at(due_ms, partial(self._deliver_trade, message))
        else:
            self._clock.call_at(due_ms, partial(self._deliver, message))

    def state(self) -> ExchangeState:
        """Return what it is beside its orders and fills, which `audit` returns."""
        return self._guard.run(self._state)

    def go_on(
        self, state: ExchangeState, orders: Iterable[OrderUpdate], fills: Iterable[TradeReport]
    ) -> None:
        """Be what another one was; this one is new. Its messages are `deliver_at`'s business."""
        self._guard.run(self._go_on, state, tuple(orders), tuple(fills))

    # Requests

    @property
    def promises(self) -> VenuePromises:
        """What it keeps to: every answer is all that there is, as of when it was given."""
        return VenuePromises.exact(lifetime_ms=self._line.slowest_ms)

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        """See `Exchange.fetch_open_orders`; there is one page."""
        check_symbol(symbol, self.symbol)
        _check_cursor(cursor)
        return self._ask(
            lambda now: _listing(
                (order.replace(time_ms=now) for order in self._engine.open_orders()), now
            )
        )

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        """See `Exchange.fetch_positions`."""
        check_symbols(symbols, self.symbol)
        return self._ask(
            lambda now: _listing(
                (PositionReport(symbol, self._engine.position, now) for symbol in symbols), now
            )
        )

    def fetch_order(
        self, order_id: OrderId | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """See `Exchange.fetch_order`."""
        check_symbol(symbol, self.symbol)
        number = named_order(order_id, client_oid)
        return self._ask(lambda now: self._engine.order(number, client_oid).replace(time_ms=now))

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Listing[TradeReport]:
        """See `Exchange.fetch_my_trades`; there is one page."""
        check_symbol(symbol, self.symbol)
        _check_cursor(cursor)
        if since_ms is not None:
            check_type("since_ms", since_ms, int)
        return self._ask(lambda now: _listing(self._engine.fills(since_ms), now))

    def create_order(
        self,
        symbol: str,
        type: str,  # noqa: A002 -- ccxt's name
        side: Side,
        amount: Decimal,
        price: Decimal,
        params: Mapping[str, object] | None = None,
    ) -> OrderUpdate:
        """See `Exchange.create_order`."""
        request = limit_order(symbol, type, side, amount, price, params)
        return _only(self.create_orders([request]))

    def create_orders(self, requests: Sequence[OrderRequest]) -> list[OrderUpdate | ExchangeError]:
        """See `Exchange.create_orders`."""
        check_orders(requests, self.symbol)
        return self._ask_all([partial(self._place, request) for request in requests])

    def cancel_order(self, order_id: OrderId, symbol: str) -> OrderUpdate:
        """See `Exchange.cancel_order`."""
        return _only(self.cancel_orders([order_id], symbol))

    def cancel_orders(
        self, order_ids: Sequence[OrderId], symbol: str
    ) -> list[OrderUpdate | ExchangeError]:
        """See `Exchange.cancel_orders`."""
        check_symbol(symbol, self.symbol)
        numbers = [order_number(order_id) for order_id in order_ids]
        return self._ask_all([partial(self._cancel, number) for number in numbers])

    # What follows, down to the line, is called with the lock held.

    def _add_for_orders(self, callback: Callable[[OrderUpdate], object]) -> None:
        self._order_callbacks += (callback,)

    def _add_for_trades(self, callback: Callable[[Trade], object]) -> None:
        self._trade_callbacks += (callback,)

    def _match(self, trade: Trade, now: int) -> None:
        self._tell_all(self._engine.match(trade, now), now)
        if self._trade_callbacks:
            self._clock.call_at(now + self.latency_ms, partial(self._deliver_trade, trade))

    def _state(self) -> ExchangeState:
        engine = self._engine
        return ExchangeState(engine.position, engine.last_price, self._line.chances)

    def _go_on(
        self,
        state: ExchangeState,
        orders: tuple[OrderUpdate, ...],
        fills: tuple[TradeReport, ...],
    ) -> None:
        self._engine.go_on(state.position, state.last_price, orders, fills)
        self._line.chances = state.chances

    def _audit(self) -> Audit:
        engine = self._engine
        return Audit(
            self._clock.now_ms, engine.position, tuple(engine.orders()), tuple(engine.fills())
        )

    def _place(self, request: OrderRequest, now: int) -> OrderUpdate:
        return self._tell(self._engine.place(request, now), now)

    def _cancel(self, order_id: int, now: int) -> OrderUpdate:
        return self._tell(self._engine.cancel(order_id, now), now)

    def _tell(self, order: OrderUpdate, now: int) -> OrderUpdate:
        for delay in self._line.event():
            self._clock.call_at(now + delay, partial(self._deliver, order))
        return order

    def _tell_all(self, orders: Iterable[OrderUpdate], now: int) -> None:
        for order in orders:
            self._tell(order, now)

    def _passages(self, count: int) -> tuple[Passage, ...]:
        return tuple(self._line.request() for _ in range(count))

    def _answer(self, command: Callable[[int], T]) -> T | ExchangeError:
        try:
            return command(self._clock.now_ms)
        except ExchangeError as error:
            return error

    # The line

    def _deliver(self, order: OrderUpdate) -> None:
        _call_all(self._order_callbacks, order)

    def _deliver_trade(self, trade: Trade) -> None:
        _call_all(self._trade_callbacks, trade)

    def _ask(self, command: Callable[[int], T]) -> T:
        return _only(self._ask_all([command]))

    def _ask_all(self, commands: Sequence[Callable[[int], T]]) -> list[T | ExchangeError]:
        if not commands:
            return []
        answers: list[T | ExchangeError] = [
            NetworkError("no answer: the request was done, or not, or will be; ask again")
            for _ in commands
        ]
        passages = self._guard.run(self._passages, len(commands))
        sent = self._clock.now_ms
        for number, (command, passage) in enumerate(zip(commands, passages, strict=True)):
            if passage.arrives is not None:
                # An answer that nobody waits for must not change the list once it is returned.
                place = None if passage.answered is None else number
                self._clock.call_at(
                    sent + passage.arrives, partial(self._arrive, command, answers, place)
                )
        self._clock.wait_until(sent + max(passage.waited for passage in passages))
        return answers

    def _arrive(
        self,
        command: Callable[[int], T],
        answers: list[T | ExchangeError],
        place: int | None,
    ) -> None:
        answer = self._guard.run(self._answer, command)
        if place is not None:
            answers[place] = answer


def _check_cursor(cursor: str | None) -> None:
    if cursor is not None:
        raise ExchangeError(f"there is no page {cursor!r} here: every answer is all that there is")


def _listing(items: Iterable[T], now: int) -> Listing[T]:
    return Listing(tuple(items), answered_ms=now, as_of_ms=now)


def _only(answers: list[T | ExchangeError]) -> T:
    (answer,) = answers
    if isinstance(answer, ExchangeError):
        raise answer
    return answer


def _call_all(callbacks: tuple[Callable[[E], object], ...], event: E) -> None:
    for callback in callbacks:
        callback(event)
