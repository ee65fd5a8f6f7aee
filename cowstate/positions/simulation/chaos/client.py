"""The endpoints that a rule asks: an `Exchange` whose every answer is as old as the venue lags.

Each call blocks on the clock, as a real one does. When it returns, the process that called may
have died meanwhile: then it does not return.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from ...book.model import OrderId, OrderUpdate, Side
from ...book.reports import FeeAsset, Leg, PositionReport, TradeReport
from ...errors import ExchangeError, OrderNotFoundError
from ...exchange.listing import Listing
from ...exchange.promises import FOREVER, VenuePromises
from ...exchange.protocol import OrderRequest
from ..asked import (
    check_orders,
    check_symbol,
    check_symbols,
    check_type,
    limit_order,
    named_order,
    order_number,
)
from .faults import FROZEN_MS, LIFETIME_MS, STALE_MS, WorldFaults
from .sight import Look, Sight
from .venue import ENDPOINTS, Venue

__all__ = ["ChaosExchange", "ProcessDied", "promises_of", "settling_ms"]

T = TypeVar("T")


class ProcessDied(BaseException):
    """The process that was waiting for an answer is no more; nothing may catch this."""


def promises_of(faults: WorldFaults) -> VenuePromises:
    """Return what a venue with these *faults* keeps to: the true promises, no bolder ones."""
    behind = STALE_MS if faults.stale else 0
    frozen = FROZEN_MS if faults.frozen else 0
    return VenuePromises.exact(
        positions_lag_ms=max(faults.position_lag, behind, frozen),
        open_orders_lag_ms=max(faults.open_lag, behind, frozen),
        order_lag_ms=max(faults.order_lag, behind),
        trades_lag_ms=max(faults.trades_lag, behind),
        hidden_ms=faults.not_found,
        lifetime_ms=LIFETIME_MS,
        clock_ms=faults.clock,
        kept_ms=faults.purge or FOREVER,
        ids_unique_ms=0 if faults.reuse else FOREVER,
        trades_page=faults.page,
        orders_page=faults.page,
        trades_carry_client_ids=not faults.no_ids,
        fee_asset=FeeAsset.BASE if faults.fee else FeeAsset.QUOTE,
        base_fee=Decimal(str(faults.fee)),
        hedged=bool(faults.hedge),
        empty_is_flat=not faults.empty,
    )


def settling_ms(faults: WorldFaults) -> int:
    """Return how long what happens may stay unseen at a venue with these *faults*."""
    promises = promises_of(faults)
    lags = (
        promises.positions_lag_ms,
        promises.open_orders_lag_ms,
        promises.order_lag_ms,
        promises.trades_lag_ms,
    )
    return max(lags) + promises.hidden_ms


class ChaosExchange:
    """An `Exchange` of one process's life, on a `Venue`.

    Args:
        venue: whom it asks.
        promises: what it says of the venue; by default the truth.
        waiting: called with True before it waits, with False when it goes on.
        canceled: called with the id of an order that it has cancelled, when it is.
        short: what the account holds on the short side, where the venue has legs.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        promises: VenuePromises | None = None,
        waiting: Callable[[bool], None] = lambda _: None,
        canceled: Callable[[int], None] = lambda _: None,
        short: Callable[[], Decimal] = lambda: Decimal(0),
    ) -> None:
        self.promises = promises_of(venue.faults) if promises is None else promises
        self.died = False
        self.requests = 0
        self.last_left_ms = venue.now_ms
        """When the last answer that was heard had left the venue."""
        self.told_ms = venue.now_ms
        """The latest moment up to which an answer has listed the trades."""
        self.sight = Sight(venue.ledger, promises_of(venue.faults))
        """What the answers that were heard let anybody know."""
        self._venue = venue
        self._faults = venue.faults
        self._ledger = venue.ledger
        self._waiting = waiting
        self._canceled = canceled
        self._short = short
        self._steady = venue.steady

    def pause(self, seconds: float) -> None:
        """Let *seconds* pass for the process that asks."""
        self._wait_until(self._venue.now_ms + round(seconds * 1_000))

    # Endpoints

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        """See `Exchange.fetch_positions`."""
        check_symbols(symbols, self._ledger.symbol)
        return self._ask("position", self._positions, "position?")

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        """See `Exchange.fetch_open_orders`."""
        check_symbol(symbol, self._ledger.symbol)
        return self._ask("open", partial(self._open_orders, _after(cursor)), "open orders?")

    def fetch_order(
        self, order_id: OrderId | None, symbol: str, client_oid: str | None = None
    ) -> OrderUpdate:
        """See `Exchange.fetch_order`."""
        check_symbol(symbol, self._ledger.symbol)
        number = named_order(order_id, client_oid)
        name = f"order {order_id if client_oid is None else client_oid}?"
        return self._ask("order", partial(self._order, number, client_oid), name)

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Listing[TradeReport]:
        """See `Exchange.fetch_my_trades`."""
        check_symbol(symbol, self._ledger.symbol)
        if since_ms is not None:
            check_type("since_ms", since_ms, int)
        return self._ask("trades", partial(self._trades, since_ms, _after(cursor)), "own trades?")

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
        check_orders([request], self._ledger.symbol)
        return self._place(request)

    def create_orders(
        self, requests: Sequence[OrderRequest]
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.create_orders`; one after the other."""
        check_orders(requests, self._ledger.symbol)
        return [self._caught(partial(self._place, request)) for request in requests]

    def cancel_order(self, order_id: OrderId, symbol: str) -> OrderUpdate:
        """See `Exchange.cancel_order`."""
        check_symbol(symbol, self._ledger.symbol)
        number = order_number(order_id)
        return self._ask(
            None,
            partial(self._cancel, number),
            f"cancel order {order_id}",
            ending=number,
        )

    def cancel_orders(
        self, order_ids: Sequence[OrderId], symbol: str
    ) -> Sequence[OrderUpdate | ExchangeError]:
        """See `Exchange.cancel_orders`; one after the other."""
        return [self._caught(partial(self.cancel_order, each, symbol)) for each in order_ids]

    def _cancel(self, order_id: int, sent_ms: int) -> OrderUpdate:
        order = self._venue.cancel(order_id, sent_ms)
        self._canceled(order_id)
        return order

    def _place(self, request: OrderRequest) -> OrderUpdate:
        return self._ask(None, lambda sent: self._venue.place(request, sent), f"place {request}")

    @staticmethod
    def _caught(request: Callable[[], OrderUpdate]) -> OrderUpdate | ExchangeError:
        try:
            return request()
        except ExchangeError as error:
            return error

    # What they answer, as of a moment

    def _positions(self, as_of: int) -> Listing[PositionReport]:
        venue, now = self._venue, self._venue.now_ms
        stamp = None if self._faults.no_stamp else now
        if venue.faulty and venue.script.hours["empty"].began(now) is not None:
            return Listing((), answered_ms=stamp)
        symbol, held = self._ledger.symbol, self._ledger.position_at(as_of)
        reports: tuple[PositionReport, ...] = (PositionReport(symbol, held, stamp or 0),)
        if self._faults.hedge:
            reports = (
                PositionReport(symbol, held, stamp or 0, Leg.LONG),
                PositionReport(symbol, self._short().copy_negate(), stamp or 0, Leg.SHORT),
            )
        return Listing(reports, answered_ms=stamp)

    def _open_orders(self, after: int, as_of: int) -> Listing[OrderUpdate]:
        venue, now = self._venue, self._venue.now_ms
        found = [
            self._named(venue.shown(order))
            for order in self._ledger.open_at(as_of)
            if isinstance(order.order_id, int)
            and order.order_id > after
            and venue.hidden_until(order.order_id) <= now
        ]
        listed = self._cut(found)
        if len(listed) == len(found):
            return Listing(tuple(found), answered_ms=now)
        return Listing(tuple(listed), False, str(listed[-1].order_id), answered_ms=now)

    def _order(self, number: int | None, client_oid: str | None, as_of: int) -> OrderUpdate:
        ledger, venue = self._ledger, self._venue
        if number is None:
            number = ledger.engine.id_of(client_oid)
        order = ledger.order_at(number, as_of)
        if order is None or venue.hidden_until(number) > venue.now_ms or self._purged(order):
            raise OrderNotFoundError(f"there is no order {client_oid or number}")
        return self._named(venue.shown(order.replace(time_ms=venue.now_ms)))

    def _trades(self, since_ms: int | None, after: int, as_of: int) -> Listing[TradeReport]:
        found = self._ledger.entries_at(as_of, since_ms, after)
        listed = self._cut(found)
        cut = len(listed) < len(found)
        last = listed[-1].trade_id if listed else after
        if self._faults.no_ids:
            listed = [entry.replace(client_oid=None) for entry in listed]
        if self._faults.hedge:
            listed = [entry.replace(leg=Leg.LONG) for entry in listed]
        return Listing(
            tuple(listed), not cut, str(last) if cut else None, answered_ms=self._venue.now_ms
        )

    def _purged(self, order: OrderUpdate) -> bool:
        purge = self._faults.purge
        return (
            purge > 0
            and order.status.terminal
            and not order.filled
            and self._venue.now_ms - order.time_ms > purge
        )

    def _named(self, order: OrderUpdate) -> OrderUpdate:
        return order.replace(client_oid=f"x-{order.order_id}") if self._faults.no_ids else order

    def _cut(self, found: list[T]) -> list[T]:
        page = self._faults.page
        if page and len(found) > page:
            return found[:page]
        if len(found) > 1 and self._venue.chance("truncated"):
            return found[: len(found) // 2]
        return found

    # The way there and back

    def _as_of(self, endpoint: str) -> int:
        venue, faults = self._venue, self._faults
        now = venue.now_ms
        name = f"{endpoint}_lag"
        most: int = getattr(faults, name)
        lag = 0
        if most:
            # A replica that is always as far behind is another trap than one that is now and then.
            lag = most if self._steady[endpoint] else venue.below(name, most + 1)
        if venue.chance("stale"):
            lag = max(lag, venue.below("stale", STALE_MS + 1))
        as_of = now - lag
        if venue.faulty and endpoint in ("position", "open"):
            began = venue.script.hours["frozen"].began(now)
            as_of = as_of if began is None else min(as_of, max(began, now - FROZEN_MS))
        return as_of

    def _ask(
        self,
        endpoint: str | None,
        command: Callable[[int], T],
        name: str,
        ending: int | None = None,
    ) -> T:
        venue = self._venue
        answers: list[Any] = []
        sent = left = as_of = venue.now_ms
        self.requests += 1
        if endpoint == "trades":
            self.sight.ask()

        def carry_out(sent_ms: int) -> T:
            nonlocal left, as_of
            left = venue.now_ms
            if endpoint is None:
                return command(sent_ms)
            if self._is_silent(endpoint):
                raise ExchangeError(f"internal error of the endpoint {endpoint}")
            as_of = self._as_of(endpoint)
            return command(as_of)

        until = venue.send(carry_out, answers.append, ending=ending)
        self._wait_until(until)
        (answer,) = answers
        if venue.log is not None:
            venue.log(venue.now_ms, "rule", f"asks {name} and hears {_said(answer)}")
        if isinstance(answer, ExchangeError):
            raise answer
        self.last_left_ms = left
        if endpoint == "position" and len(answer):
            self.sight.hear(Look(venue.now_ms, left, as_of))
        if endpoint == "trades" and len(answer):
            self.told_ms = max(self.told_ms, as_of)
        if endpoint == "trades" and answer.complete:
            self.sight.read(sent)
        heard: T = answer
        return heard

    def _wait_until(self, moment_ms: int) -> None:
        self._waiting(True)
        self._venue.clock.wait_until(moment_ms)
        self._waiting(False)
        if self.died:
            raise ProcessDied

    def _is_silent(self, endpoint: str) -> bool:
        if endpoint == "trades" and self._faults.no_trades:
            return True
        if not self._venue.faulty:
            return False
        began = self._venue.script.hours["silent"].began(self._venue.now_ms)
        return began is not None and ENDPOINTS[began % len(ENDPOINTS)] == endpoint


def _after(cursor: str | None) -> int:
    """Return the number after which the page of *cursor* begins."""
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()):
        raise ExchangeError(f"there is no page {cursor!r} here")
    return int(cursor)


def _said(answer: object) -> str:
    if isinstance(answer, ExchangeError):
        return f"{type(answer).__name__}: {answer}"
    if isinstance(answer, OrderUpdate):
        return f"{answer.status}, filled {answer.filled}"
    if isinstance(answer, Listing):
        end = "" if answer.complete else ", and more"
        return f"[{', '.join(_item(item) for item in answer)}{end}]"
    return repr(answer)


def _item(item: object) -> str:
    if isinstance(item, PositionReport):
        return f"{item.quantity} {item.leg}"
    if isinstance(item, OrderUpdate):
        return f"{item.client_oid} {item.status} {item.filled}"
    if isinstance(item, TradeReport):
        return f"{item.kind} {item.client_oid or item.order_id} {item.filled}"
    return repr(item)
