"""The venue: what it answers, when, and what of that arrives.

A request travels, is carried out, and its answer travels back; each step has its faults. An
answer shows the ledger as it was at a moment that is as old as the endpoint lags. Events of the
order stream travel likewise. What is under way is known here, for the oracle.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from ...book.model import OrderUpdate
from ...errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    OrderNotFoundError,
    RateLimitedError,
)
from ...exchange.protocol import OrderRequest
from ..clock import VirtualClock
from ..tape import Trade
from .faults import LATE_MS, LIFETIME_MS, OVERTAKEN_MS, TIMEOUT_MS, WorldFaults
from .ledger import Ledger
from .script import Dice, Script

__all__ = ["ENDPOINTS", "Answered", "Flight", "Log", "Venue"]

Answered = Callable[[Any], None]
Log = Callable[[int, str, str], None]


ENDPOINTS: tuple[str, ...] = ("position", "open", "order", "trades")
"""What can be asked: the position, the open orders, one order, the own trades."""


class Flight:
    """What is under way at a moment, by numbers that nobody else uses.

    *facts* are events and answers on their way to us, *coming* the client ids of orders and
    *ending* the ids of cancellations that will arrive at the venue.
    """

    def __init__(self) -> None:
        self.facts: dict[int, OrderUpdate] = {}
        self.coming: dict[int, str] = {}
        self.ending: dict[int, int] = {}
        self._numbers = itertools.count()

    def number(self) -> int:
        """Return a number for something that sets out."""
        return next(self._numbers)

    def forget_facts(self) -> None:
        """Nobody is there any more for whom they are."""
        self.facts.clear()


class Venue:
    """One account at a venue with faults, on a virtual clock.

    Args:
        clock: the venue's own time, by which everything happens.
        ledger: what is so.
        script: when which endpoint does not do as it should.
        faults: how it answers.
        dice: which requests and events are hit.
        log: ``log(time_ms, who, what)`` is told everything, message by message; None for nobody.
    """

    def __init__(
        self,
        clock: VirtualClock,
        ledger: Ledger,
        script: Script,
        faults: WorldFaults,
        dice: Dice,
        log: Log | None = None,
    ) -> None:
        self.clock = clock
        self.ledger = ledger
        self.script = script
        self.faults = faults
        self.flight = Flight()
        self.log = log
        self.events = 0
        self.steady = {each: dice.happens(f"{each}_lag", 0.5) for each in ENDPOINTS}
        self._dice = dice
        self._hidden: dict[int, int] = {}
        self._listener: Callable[[OrderUpdate], None] | None = None

    @property
    def now_ms(self) -> int:
        """The time at the venue."""
        return self.clock.now_ms

    @property
    def faulty(self) -> bool:
        """Whether faults happen still; what the venue is by its nature, it stays."""
        return self.clock.now_ms < self.script.end_ms

    def listen(self, listener: Callable[[OrderUpdate], None] | None) -> None:
        """Give the events from now on to *listener*; what is under way is for nobody any more."""
        self._listener = listener
        self.flight.forget_facts()

    def hidden_until(self, order_id: int) -> int:
        """Return until when that order can be neither found nor listed."""
        return self._hidden.get(order_id, 0)

    def chance(self, name: str) -> bool:
        """Whether the fault of that name, a probability, happens this time."""
        probability: float = getattr(self.faults, name)
        return probability > 0 and self.faulty and self._dice.happens(name, probability)

    def below(self, name: str, limit: int) -> int:
        """Return a whole number from 0 to *limit* less one, by the dice of *name*."""
        return self._dice.below(name, limit)

    # What happens to orders; each tells the stream

    def trade(self, trade: Trade) -> None:
        """Let a trade of the market happen."""
        for order in self.ledger.match(trade, self.clock.now_ms):
            self.tell(order)

    def place(self, request: OrderRequest, sent_ms: int) -> OrderUpdate:
        """Take an order.

        Raises:
            ExchangeError: it is refused, or its answer says so.
        """
        now = self.clock.now_ms
        if now - sent_ms > LIFETIME_MS:
            raise ExchangeError("the request is older than the receive window")
        if self.chance("refuse"):
            raise InsufficientFundsError("margin is insufficient")
        order = self.ledger.place(request, now)
        if self.faults.not_found and isinstance(order.order_id, int):
            self._hidden[order.order_id] = now + self.below("not_found", self.faults.not_found + 1)
        self.tell(order)
        if self.chance("duplicate"):
            raise DuplicateOrderIdError(f"client order id {request.client_oid!r} is taken")
        return self.shown(order)

    def cancel(self, order_id: int, sent_ms: int) -> OrderUpdate:
        """Cancel an order.

        Raises:
            OrderNotFoundError: no such order works, as far as can be seen.
        """
        now = self.clock.now_ms
        if now - sent_ms > LIFETIME_MS:
            raise ExchangeError("the request is older than the receive window")
        if self.hidden_until(order_id) > now:
            raise OrderNotFoundError(f"there is no order {order_id}")
        order = self.ledger.cancel(order_id, now)
        self.tell(order)
        return self.shown(order)

    def shown(self, order: OrderUpdate) -> OrderUpdate:
        """Return *order* as the venue tells it: some do not say what fills cost."""
        return order.replace(cost=Decimal(0)) if self.faults.no_cost and order.cost else order

    # The stream

    def tell(self, order: OrderUpdate) -> None:
        """Send an event of the stream on its way."""
        self.events += 1
        now = self.clock.now_ms
        if self.log is not None:
            self.log(self.clock.now_ms, "venue", f"{_said(order)}; position {self.ledger.position}")
        listener = self._listener
        if listener is None or (self.faulty and self.script.hours["gap"].began(now) is not None):
            return
        if self.chance("lose_event"):
            if self.log is not None:
                self.log(self.clock.now_ms, "stream", f"loses {_said(order)}")
            return
        for _ in range(2 if self.chance("double_event") else 1):
            delay = self.travel()
            if self.chance("delay_event"):
                delay += self.below("delay_event", OVERTAKEN_MS)
            number = self.flight.number()
            event = self.shown(order)
            self.flight.facts[number] = event
            self.clock.call_at(now + delay, partial(self._deliver, number, event, listener))

    def _deliver(
        self, number: int, event: OrderUpdate, listener: Callable[[OrderUpdate], None]
    ) -> None:
        if self.flight.facts.pop(number, None) is not None and listener is self._listener:
            listener(event)

    # Requests

    def travel(self) -> int:
        """Return how long the next message takes."""
        most = self.faults.latency
        return most // 2 + self._dice.below("latency", most - most // 2 + 1)

    def send(
        self,
        command: Callable[[int], Any],
        answered: Answered,
        *,
        coming: str | None = None,
        ending: int | None = None,
    ) -> int:
        """Send a request: *answered* is called with its answer, an error among them.

        Args:
            command: what is done when it arrives, a function of when it was sent.
            answered: called once, in any case.
            coming: the client id of the order that it places.
            ending: the id of the order that it cancels.

        Returns:
            When *answered* will be called.
        """
        clock, flight = self.clock, self.flight
        sent = clock.now_ms
        given_up = sent + TIMEOUT_MS
        number = flight.number()
        if self.chance("lose_request"):
            clock.call_at(given_up, partial(answered, _no_answer()))
            return given_up
        arrives = sent + self.travel()
        if self.chance("late_request"):
            arrives += self.below("late_request", LATE_MS)
        back = arrives + self.travel()
        heard = back < given_up and not self.chance("lose_answer")
        if coming is not None and arrives - sent <= LIFETIME_MS:
            flight.coming[number] = coming
        if ending is not None and arrives - sent <= LIFETIME_MS:
            flight.ending[number] = ending

        def arrive() -> None:
            flight.coming.pop(number, None)
            flight.ending.pop(number, None)
            try:
                answer = self._carry_out(command, sent)
            except ExchangeError as error:
                answer = error
            if not heard:
                return
            if isinstance(answer, OrderUpdate):
                flight.facts[number] = answer
            clock.call_at(back, partial(come_back, answer))

        def come_back(answer: Any) -> None:
            flight.facts.pop(number, None)
            answered(answer)

        clock.call_at(arrives, arrive)
        if heard:
            return back
        clock.call_at(given_up, partial(answered, _no_answer()))
        return given_up

    def _carry_out(self, command: Callable[[int], Any], sent_ms: int) -> Any:
        now = self.clock.now_ms
        if self.faulty:
            for start, end in self.script.hours["rate_limit"].spans:
                if start <= now < end:
                    raise RateLimitedError("too many requests", end - now)
        return command(sent_ms)


def _no_answer() -> NetworkError:
    return NetworkError("no answer: the request was done, or not, or will be; ask again")


def _said(order: OrderUpdate) -> str:
    return (
        f"{order.client_oid} (#{order.order_id}) {order.side} {order.quantity} at {order.price}: "
        f"{order.status}, filled {order.filled}"
    )
