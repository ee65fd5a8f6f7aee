"""What a client of ccxt returned, read for one market of one venue: `Reader`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cowstate import ArgumentValueError

from ...book.model import OrderUpdate
from ...book.reports import Leg, PositionReport, TradeReport
from ...errors import ExchangeError
from .lists import token_in
from .raw import order_in, trades_in
from .readings import (
    balance_of,
    listed_position,
    order_of,
    position_of,
    trade_of,
    without_amount,
)
from .rules import Rules, rules_of
from .trades import in_order
from .venues import Venue

__all__ = ["Reader", "market_in"]


def market_in(markets: Mapping[str, Any], symbol: str, venue: Venue) -> Rules:
    """Return the rules of a market, in ccxt's list of them. Pure.

    Raises:
        ArgumentTypeError, ArgumentValueError: there is none of that symbol, or it will not do.
    """
    market = markets.get(symbol)
    if market is None:
        raise ArgumentValueError(
            f"{venue.name} has no market {symbol[:40]!r}; unified symbols are 'BTC/USDT' (spot) "
            "and 'BTC/USDT:USDT' (linear)"
        )
    return rules_of(market)


class Reader:
    """What came, read. Each raises ArgumentTypeError or ArgumentValueError if it cannot be.

    Args:
        client: of ccxt, for entries that it did not take apart itself; it is asked for nothing.
        rules: the market.
        venue: who said it.
        leg: which leg is traded.
    """

    def __init__(self, client: Any, rules: Rules, venue: Venue, leg: Leg) -> None:
        self._leg = leg
        self._client = client
        self._rules = rules
        self._venue = venue

    def order(self, said: Mapping[str, Any], **asked: Any) -> OrderUpdate:
        """Return an order; *asked*: as of `order_of`."""
        return order_of(said, self._rules, self._venue, **asked)

    def raw_order(self, client_oid: str, said: Any) -> OrderUpdate:
        """Return the order of a venue's own answer to a question for *client_oid*."""
        return self.order(order_in(self._client, said, self._rules), client_oid=client_oid)

    def orders(self, said: Any) -> tuple[tuple[OrderUpdate, ...], str | None]:
        """Return open orders, and where the next page begins, if there is one."""
        token = token_in(said, self._venue.token)
        if self._venue.token is None and said:
            # The client puts the oldest first, and the next page is what is older than that.
            token = said[0]["id"]
        return tuple(self.order(each) for each in said if not without_amount(each)), token

    def positions(self, said: Any) -> tuple[PositionReport, ...]:
        """Return positions, those in this market."""
        ours = (each for each in said if each.get("symbol") == self._rules.symbol)
        return self._in_mode(tuple(position_of(each, self._rules) for each in ours))

    def listed(self, said: Any) -> tuple[PositionReport, ...]:
        """Return positions as Binance lists them, those in this market."""
        ours = (each for each in said if each["symbol"] == self._rules.venue_id)
        return self._in_mode(
            tuple(listed_position(each, self._rules, self._venue) for each in ours)
        )

    def _in_mode(self, held: tuple[PositionReport, ...]) -> tuple[PositionReport, ...]:
        # Of an account in the other mode nothing would be found held, whatever is.
        if self._leg is Leg.NET and any(each.leg is not Leg.NET for each in held):
            raise ExchangeError(
                "the account has a long and a short leg (hedge mode); make the exchange with "
                "leg=Leg.LONG, or give --leg long"
            )
        if self._leg is not Leg.NET and any(each.leg is Leg.NET and each.quantity for each in held):
            raise ExchangeError(
                "the account has one net position (one-way mode); make the exchange without leg, "
                "or leave out --leg"
            )
        return held

    def balance(self, said: Any) -> PositionReport:
        """Return what is held on a spot market."""
        return balance_of(said, self._rules)

    def page(self, said: Any) -> tuple[list[Mapping[str, Any]], str | None]:
        """Return ccxt's trades as they are, and the cursor of the next page."""
        return list(said), token_in(said, "nextPageCursor")

    def raw_page(self, said: Any) -> tuple[list[Mapping[str, Any]], str | None]:
        """Return ccxt's trades of a venue's own answer, likewise."""
        return trades_in(self._client, said, self._rules)

    def trades(self, found: Sequence[Mapping[str, Any]]) -> tuple[TradeReport, ...]:
        """Return ccxt's trades, as they moved the position."""
        return in_order([trade_of(each, self._rules, self._venue) for each in found], found)
