"""The events of our orders by a stream of them, and by asking for what it missed: `StreamedOrders`.

A stream tells sooner, and asks for nothing. But it tells nothing of what happened while it was not
there, nor that it has become deaf. So the venue is asked besides: as often as it is listened to
while the stream is down, and now and then while it is up.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from cowstate import ArgumentValueError, Record

from ..book.model import OrderUpdate
from ..errors import ExchangeError, RateLimitedError
from .polled import PolledOrders
from .protocol import Exchange

__all__ = ["Asked", "Hearing", "OrderEvents", "StreamedOrders", "covers", "is_due", "is_settled"]

_log = logging.getLogger(__name__)
_NEVER: Final = float("-inf")
_MOST: Final = 10_000
_LAGS: Final = 2  # times ask_s


class Hearing(Record):
    """How a stream does.

    Attributes:
        life: how many connections stood so far.
        up: whether one stands.
        up_since_s: since when, by the clock of the stream.
        missed: how many messages could not be read so far.
        why: why none stands, in words without secrets.
    """

    life: int = 0
    up: bool = False
    up_since_s: float = 0.0
    missed: int = 0
    why: str = ""


class OrderEvents(Protocol):
    """A stream of order events, as `OrderStream` is one."""

    def hearing(self) -> Hearing:
        """Return how it does now."""
        ...

    def take(self) -> Iterable[OrderUpdate]:
        """Return what came since this was called last."""
        ...

    def restart(self, why: str) -> object:
        """Have it connect anew. Does not wait."""
        ...


class Asked(Record):
    """What is remembered of when the venue was asked last.

    Attributes:
        at_s: when.
        life: the `Hearing.life` of then.
        missed: the `Hearing.missed` of then.
        settled: whether the stream had settled by then.
        rest: whether something was left to be asked for.
    """

    at_s: float = _NEVER
    life: int = -1
    missed: int = 0
    settled: bool = False
    rest: bool = False


class StreamedOrders:
    """What changed about the orders of one market, by its stream, and by asking besides.

    For `PositionManager.on_order_update`; facts may come twice and in any order. `PolledOrders`
    asks: each time while the stream is down or has just connected, once it has settled, when a
    message could not be read or does not say what its fills cost, and every *ask_s* seconds. So
    what the stream does not tell is told that much later. A stream that does not tell within
    *grace_s* what was found by asking is deaf, and is connected anew. Not thread-safe: one thread
    polls.

    Args:
        exchange: whom to ask.
        symbol: the market.
        events: the stream.
        pages: as of `PolledOrders`.
        queries: likewise.
        ask_s: seconds from one question to the next while the stream is up.
        settle_s: seconds after which a connection has its subscription.
        grace_s: seconds by which the stream may tell later than the venue answers.
        clock: seconds, from any moment on; that of the stream.

    Raises:
        ArgumentValueError: a number makes no sense.

    >>> from decimal import Decimal
    >>> from cowstate.positions import PaperExchange, Side, VirtualClock
    >>> class Stream:
    ...     events, up = [], Hearing(life=1, up=True)
    ...     hearing = lambda self: self.up
    ...     take = lambda self: [self.events.pop() for _ in self.events[:]]
    ...     restart = print
    >>> exchange = PaperExchange(VirtualClock(), "BTCUSDT")
    >>> orders = StreamedOrders(exchange, "BTCUSDT", Stream(), clock=lambda: 60.0)
    >>> orders.poll()
    ()
    >>> placed = exchange.create_order("BTCUSDT", "limit", Side.BUY, Decimal(1), Decimal(100))
    >>> Stream.events.append(placed)
    >>> [update.status.value for update in orders.poll()]
    ['NEW']
    """

    def __init__(
        self,
        exchange: Exchange,
        symbol: str,
        events: OrderEvents,
        *,
        pages: int = 10,
        queries: int = 20,
        ask_s: float = 30.0,
        settle_s: float = 5.0,
        grace_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not (ask_s > 0 and settle_s >= 0 and grace_s >= 0):
            raise ArgumentValueError(
                f"ask_s is {ask_s}, settle_s {settle_s}, grace_s {grace_s}; they are seconds"
            )
        self._polled = PolledOrders(exchange, symbol, pages=pages, queries=queries)
        self._symbol = symbol
        self._events = events
        self._ask_s = ask_s
        self._settle_s = settle_s
        self._grace_s = grace_s
        self._clock = clock
        self._asked = Asked()
        self._told: dict[str, tuple[OrderUpdate, float]] = {}
        self._untold: dict[str, tuple[OrderUpdate, float]] = {}
        self._waiting: list[OrderUpdate] = []
        self._priceless = False
        self._rests_until = _NEVER
        self._state = ""

    def expect(self, order: OrderUpdate) -> None:
        """See `PolledOrders.expect`."""
        self._polled.expect(order)

    def poll(self) -> tuple[OrderUpdate, ...]:
        """Return what is new: what the stream brought, and what was asked for if that was due.

        A venue that is asked too often is asked no sooner than it says, or *ask_s* later.

        Raises:
            ExchangeError: it was due, the venue does not tell, and the stream brought nothing.
        """
        now, hearing = self._clock(), self._events.hearing()
        self._tell(hearing, now)
        if hearing.life != self._asked.life:
            # What was told and found before is no measure of this connection.
            self._told.clear()
            self._untold.clear()
        for update in self._events.take():
            self._hear(update, now)
        self._ensure_hears(now)
        asks = self._priceless or is_due(self._asked, hearing, now, self._ask_s, self._settle_s)
        found: tuple[OrderUpdate, ...] = ()
        if asks and now >= self._rests_until:
            try:
                found = self._ask(hearing, now)
            except ExchangeError as error:
                if not self._waiting:
                    raise
                if isinstance(error, RateLimitedError):
                    # Nobody is told of it, who would stay away for as long.
                    told_ms = error.retry_after_ms
                    self._rests_until = now + (self._ask_s if told_ms is None else told_ms / 1000)
        # First what says the more: that of the stream may not say what the fills cost.
        news = (*found, *self._waiting)
        self._waiting.clear()
        return news

    def _hear(self, update: OrderUpdate, now: float) -> None:
        self._waiting.append(update)
        self._priceless = self._priceless or bool(update.filled and not update.cost)
        self._polled.heard(update)
        name = str(update.order_id)
        known, _ = self._told.pop(name, (update, now))
        told = known if covers(known, update) else update
        self._told[name] = told, now
        if len(self._told) > _MOST:
            del self._told[next(iter(self._told))]
        if name in self._untold and covers(told, self._untold[name][0]):
            del self._untold[name]

    def _ask(self, hearing: Hearing, now: float) -> tuple[OrderUpdate, ...]:
        found = self._polled.poll()
        before, settled = self._asked, is_settled(hearing, now, self._settle_s)
        self._asked = Asked(now, hearing.life, hearing.missed, settled, self._polled.rest > 0)
        self._priceless = False
        if before.settled and before.life == hearing.life and not before.rest and hearing.up:
            # All this has happened since the last question, and so before the stream's ears.
            for update in found:
                name = str(update.order_id)
                told = self._told.get(name)
                if told is None or not covers(told[0], update):
                    self._untold.setdefault(name, (update, now))
        if not self._asked.rest:
            self._told = {
                name: (each, since)
                for name, (each, since) in self._told.items()
                # The venue's answers may lag, and one of them have it work still.
                if not each.status.terminal or now - since < _LAGS * self._ask_s
            }
        return found

    def _ensure_hears(self, now: float) -> None:
        late = any(now - since >= self._grace_s for _, since in self._untold.values())
        if late:
            self._untold.clear()
            self._events.restart("it does not tell what the venue tells who asks")

    def _tell(self, hearing: Hearing, now: float) -> None:
        # One that has just connected is neither: it may break at once, again and again.
        streams = is_settled(hearing, now, self._settle_s)
        state = "streams" if streams else "down" if hearing.why and not hearing.up else ""
        if state in ("", self._state):
            return
        self._state = state
        if streams:
            _log.info(
                "%s: the orders are told by the stream",
                self._symbol,
                extra={"cowstate_event": "orders_streamed", "cowstate_symbol": self._symbol},
            )
        else:
            _log.warning(
                "%s: the stream of orders is down: %s; they are asked for until it is back",
                *(self._symbol, hearing.why),
                extra={"cowstate_event": "orders_polled", "cowstate_symbol": self._symbol},
            )


def is_settled(hearing: Hearing, now_s: float, settle_s: float) -> bool:
    """Return whether a stream has stood for long enough that it is subscribed. Pure.

    >>> [is_settled(Hearing(1, True, 5.0), now, 2.0) for now in (6.0, 7.0)]
    [False, True]
    """
    return hearing.up and now_s - hearing.up_since_s >= settle_s


def is_due(asked: Asked, hearing: Hearing, now_s: float, ask_s: float, settle_s: float) -> bool:
    """Return whether the venue is to be asked now. Pure.

    >>> up = Hearing(life=1, up=True, up_since_s=0.0)
    >>> [is_due(Asked(9.0, 1, settled=True), up, now, 30.0, 5.0) for now in (9.5, 39.0)]
    [False, True]
    >>> is_due(Asked(9.0, 1, settled=True), up.replace(missed=1), 9.5, 30.0, 5.0)
    True
    """
    return (
        not is_settled(hearing, now_s, settle_s)
        or (asked.life, asked.missed) != (hearing.life, hearing.missed)
        or not asked.settled
        or asked.rest
        or now_s - asked.at_s >= ask_s
    )


def covers(told: OrderUpdate, found: OrderUpdate) -> bool:
    """Return whether what was *told* of an order is as far as what was *found*. Pure."""
    return told.filled >= found.filled and (told.status.terminal or not found.status.terminal)
