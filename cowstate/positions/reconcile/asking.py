"""The venue-facing edge of a pass: what is asked, in which order, and how patiently. `Asker`.

Nothing is decided here. The order is part of the argument why a comparison does no harm: the
position comes first, so that everything that is asked for later is newer than it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cowstate import Record

from ..book.config import GridConfig
from ..book.findings import Findings
from ..book.ids import parse_client_oid
from ..book.ledger import Ledger
from ..book.model import OrderUpdate
from ..book.store import Slots
from ..errors import (
    ExchangeError,
    OrderNotFoundError,
    OrderNotFoundYetError,
    OrderPurgedError,
    RateLimitedError,
)
from ..exchange.listing import Listing
from ..exchange.pages import Pages, read_pages
from ..exchange.promises import VenuePromises
from ..exchange.protocol import Exchange
from .fates import Said
from .looks import PositionLook, TradesReading, quantity_of
from .policy import ReconcilePolicy
from .queries import OrderAnswer, OrdersSeen, Query, plan_queries
from .reading import TradesRead, leg_of, take_in

__all__ = ["ENDPOINTS", "Asker", "Heard"]

T = TypeVar("T")

ENDPOINTS = ("positions", "open orders", "trades")
"""What is asked for in each pass, as alarms call it."""

# A reading that waits for what lags waits no longer than this.
_MOST_WAITED_MS = 5_000


class Heard(Record):
    """All that the venue said in one pass.

    Attributes:
        looks: answers to the question for the position, oldest first.
        orders: what it said of orders.
        read: its list of our trades.
        asked: what was asked for by name, with or without an answer.
        answered: of `ENDPOINTS`, those that were answered in full.
        requests: how many requests were made.
        errors: what went wrong, in words.
    """

    looks: tuple[PositionLook, ...]
    orders: OrdersSeen
    read: TradesRead
    asked: tuple[str, ...] = ()
    answered: frozenset[str] = frozenset()
    requests: int = 0
    errors: tuple[str, ...] = ()


class Asker:
    """Asks a venue what a pass needs to know. One pass at a time.

    Args:
        exchange: whom to ask.
        config: the grid that is asked for.
        policy: how often, and how much at once.
        time_ms: our clock.
        pause: ``pause(seconds)`` returns when they have passed.
    """

    def __init__(
        self,
        exchange: Exchange,
        config: GridConfig,
        policy: ReconcilePolicy,
        time_ms: Callable[[], int],
        pause: Callable[[float], object],
    ) -> None:
        self._exchange = exchange
        self._config = config
        self._policy = policy
        self._time_ms = time_ms
        self._pause = pause
        self._requests = 0
        self._errors: list[str] = []

    def ask(
        self,
        snapshot: Callable[[], Slots],
        ledger: Ledger,
        findings: Findings,
        promises: VenuePromises,
        *,
        patiently: bool,
    ) -> Heard:
        """Ask for the position, the open orders, the orders in doubt, and the trades.

        An order of which only the trades tell is asked for after them, within the same budget.

        Args:
            snapshot: gives the slots as of now.
            ledger: what is known of the trades, and from where they are to be read.
            findings: what is known of orders in doubt.
            promises: what the venue keeps to.
            patiently: whether to wait until the trades are complete up to the position.
        """
        self._requests, self._errors = 0, []
        answered: set[str] = set()
        look = self._position(promises)
        if look is not None:
            answered.add("positions")
        seen = self._open_orders()
        if seen.complete:
            answered.add("open orders")
        budget = self._policy.queries
        queries = plan_queries(snapshot(), seen, ledger, findings, self._config, promises, budget)
        seen = self._orders(seen, queries)
        if patiently:
            self._wait_for_trades(promises)
        read = self._trades(ledger)
        if read.reading is not None and read.reading.complete:
            answered.add("trades")
        names = [query.name for query in queries]
        if read.trades and len(names) < budget:
            slots = snapshot()
            ledger, _ = take_in(ledger, read, slots, self._config, promises)
            more = plan_queries(slots, seen, ledger, findings, self._config, promises, budget)
            more = tuple(query for query in more if query.name not in names)
            more = more[: budget - len(names)]
            seen = self._orders(seen, more)
            names += [query.name for query in more]
        return Heard(
            () if look is None else (look,),
            seen.replace(now_ms=self._time_ms()),
            read,
            tuple(names),
            frozenset(answered),
            self._requests,
            tuple(self._errors),
        )

    def ask_again(self, heard: Heard, ledger: Ledger, promises: VenuePromises) -> Heard:
        """Take another look, with the trades after it; all else stays as it was *heard*."""
        self._requests, self._errors = 0, []
        look = self._position(promises)
        if look is None:
            return heard.replace(
                requests=heard.requests + self._requests,
                errors=(*heard.errors, *self._errors),
            )
        self._wait_for_trades(promises)
        read = self._trades(ledger)
        if read.reading is None:
            read = heard.read
        else:
            read = read.replace(trades=(*heard.read.trades, *read.trades))
        return heard.replace(
            looks=(*heard.looks, look),
            read=read,
            requests=heard.requests + self._requests,
            errors=(*heard.errors, *self._errors),
        )

    # The requests

    def _position(self, promises: VenuePromises) -> PositionLook | None:
        symbol = self._config.symbol
        sent = self._time_ms()
        try:
            listing, sent = self._timed(lambda: self._exchange.fetch_positions([symbol]))
        except ExchangeError as error:
            self._note("positions", error)
            return None
        came = self._time_ms()
        quantity = quantity_of(listing, symbol, leg_of(promises), promises)
        if quantity is None:
            self._errors.append("positions: the list says nothing of this one")
            return None
        return PositionLook(quantity, sent, came, listing.answered_ms, listing.as_of_ms)

    def _open_orders(self) -> OrdersSeen:
        symbol = self._config.symbol
        sent = self._time_ms()
        pages = self._read(lambda cursor: self._exchange.fetch_open_orders(symbol, cursor))
        if pages.error is not None:
            self._note("open orders", pages.error)
        listed = None if pages.error is not None and not pages.items else pages.items
        ours = None if listed is None else tuple(each for each in listed if each.symbol == symbol)
        return OrdersSeen(self._time_ms(), ours, sent, pages.complete)

    def _orders(self, seen: OrdersSeen, queries: tuple[Query, ...]) -> OrdersSeen:
        answers = [self._order(query) for query in queries]
        told = tuple(answer for answer in answers if answer is not None)
        return seen.replace(now_ms=self._time_ms(), answers=(*seen.answers, *told))

    def _order(self, query: Query) -> OrderAnswer | None:
        sent = self._time_ms()
        self._requests += 1
        try:
            update = self._exchange.fetch_order(
                query.order_id, self._config.symbol, query.client_oid
            )
        except OrderNotFoundYetError:
            return OrderAnswer(query, sent, Said.NOT_YET)
        except OrderPurgedError:
            return OrderAnswer(query, sent, Said.PURGED)
        except OrderNotFoundError:
            return OrderAnswer(query, sent, Said.NOT_FOUND)
        except ExchangeError as error:
            self._note(f"order {query.name}", error)
            return None
        return OrderAnswer(query, sent, Said.TOLD, self._named(update, query))

    def _named(self, update: OrderUpdate, query: Query) -> OrderUpdate:
        # Some venues do not repeat our id; whose answer it is, the question says.
        if query.client_oid is None or parse_client_oid(update.client_oid, self._config.prefix):
            return update
        return update.replace(client_oid=query.client_oid)

    def _wait_for_trades(self, promises: VenuePromises) -> None:
        lag = promises.trades_lag_ms
        if 0 < lag <= _MOST_WAITED_MS:
            self._pause((lag + 1) / 1_000)

    def _trades(self, ledger: Ledger) -> TradesRead:
        symbol, since = self._config.symbol, ledger.since_ms
        sent = self._time_ms()
        pages = self._read(
            lambda cursor: self._exchange.fetch_my_trades(symbol, since, cursor), ledger.cursor
        )
        if pages.error is not None:
            self._note("trades", pages.error)
            if not pages.items:
                # A cursor that the venue does not take any more must not be tried for ever.
                return TradesRead()
        elif not pages.complete:
            self._errors.append(f"trades: the list was cut after {pages.requests} pages")
        reading = TradesReading(sent, pages.complete, pages.as_of_ms)
        return TradesRead(reading, pages.items, pages.cursor)

    # How patiently

    def _read(self, ask: Callable[[str | None], Listing[T]], cursor: str | None = None) -> Pages[T]:
        def page(at: str | None) -> Listing[T]:
            return self._timed(lambda: ask(at))[0]

        return read_pages(page, self._policy.pages, cursor)

    def _timed(self, ask: Callable[[], T]) -> tuple[T, int]:
        """Return the answer, and when the request left that brought it; repeat it if need be."""
        left = self._policy.repeats
        while True:
            sent = self._time_ms()
            self._requests += 1
            try:
                return ask(), sent
            except ExchangeError as error:
                wait_ms = self._policy.repeat_ms
                if isinstance(error, RateLimitedError) and error.retry_after_ms is not None:
                    wait_ms = error.retry_after_ms
                if not left or wait_ms > 5 * self._policy.repeat_ms:
                    raise
            left -= 1
            self._pause(wait_ms / 1_000)

    def _note(self, what: str, error: ExchangeError) -> None:
        self._errors.append(f"{what}: {error}")
