"""What anybody may ask a real exchange, without a key: `PublicMarket` and `PublicTrades`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from cowstate import ArgumentValueError

from ..book.model import EXACT
from ..errors import ExchangeError
from ..exchange.ccxt.amounts import exact, whole_ms
from ..exchange.ccxt.calls import Calls
from ..exchange.ccxt.reader import market_in
from ..exchange.ccxt.rules import Rules
from ..exchange.ccxt.venues import venue_of
from ..simulation.tape import Trade
from .venue import PaperVenue

__all__ = ["PublicMarket", "PublicTrades"]

_PAGE: Final = 500


class PublicMarket:
    """One market of a real exchange, for who only looks. Thread-safe: one request at a time.

    Args:
        client: of ccxt; it is for this object alone, and needs no keys.
        symbol: ccxt's unified symbol.

    Raises:
        ArgumentTypeError, ArgumentValueError: the client, the venue or the market will not do.
        ExchangeError: the venue did not say what markets it has.
    """

    def __init__(self, client: Any, symbol: str) -> None:
        venue = venue_of(str(client.id))
        calls = Calls(client, venue.marks)
        try:
            markets = calls.ask("load_markets", read=dict).value
            self._rules = market_in(markets, symbol, venue)
        except BaseException:
            calls.release()
            raise
        self._calls = calls

    @property
    def rules(self) -> Rules:
        """The steps and limits of the market."""
        return self._rules

    def advance(self) -> Decimal:
        """Return the price of the last trade: a `Market` for who trades there. One request.

        Raises:
            ExchangeError: it was not told.
        """
        return self._calls.ask("fetch_ticker", self._rules.symbol, read=_last_price).value

    def fetch_trades(self) -> tuple[Trade, ...]:
        """Return the last trades of the market, whosever they are, in order of time. One request.

        Raises:
            ExchangeError: they were not told.
        """
        return self._calls.ask(
            "fetch_trades", self._rules.symbol, None, _PAGE, read=self._read_trades
        ).value

    def _read_trades(self, said: Any) -> tuple[Trade, ...]:
        size = self._rules.contract_size
        return tuple(sorted((_trade(each, size) for each in said), key=lambda each: each.time_ms))


class PublicTrades:
    """A `Market` that shows a paper account the trades of a real one, as they are asked for.

    For one thread. What happened before it was first asked, or while more than a page of trades
    came between two questions, is not shown to the account.

    Args:
        market: whom to ask.
        venue: the account.
        source: what the market is called in it.
    """

    def __init__(self, market: PublicMarket, venue: PaperVenue, source: str) -> None:
        self._market = market
        self._venue = venue
        self._source = source
        self._last: tuple[Trade, ...] | None = None

    def advance(self) -> Decimal | None:
        """See `Market.advance`.

        Raises:
            ExchangeError: the venue does not answer, or there was never a trade.
        """
        found = self._market.fetch_trades()
        if self._last is None:
            new = found[-1:]
        else:
            known = set(self._last)
            new = tuple(each for each in found if each not in known)
            newest_ms = self._last[-1].time_ms if self._last else 0
            # Who was asked twice may answer with an older page.
            new = tuple(each for each in new if each.time_ms >= newest_ms)
        if new or self._last is None:
            self._last = found
        self._venue.happen(new, self._source)
        price = self._venue.last_price
        if price is None:
            self._last = None
            raise ExchangeError("there was no trade in this market yet, so there is no price")
        return price


def _last_price(said: Mapping[str, Any]) -> Decimal:
    price = exact("the last price", said["last"])
    if price <= 0:
        raise ArgumentValueError(f"the last price is {price}")
    return price


def _trade(said: Mapping[str, Any], size: Decimal) -> Trade:
    side = said["side"]
    if side not in ("buy", "sell"):
        raise ArgumentValueError(f"a trade whose side is {str(side)[:20]!r}")
    price, amount = exact("price", said["price"]), exact("amount", said["amount"])
    if price <= 0 or amount <= 0:
        raise ArgumentValueError(f"a trade of {amount} at {price}")
    # Ids of the venues are not all numbers; here they tell trades of one moment apart, no more.
    number = int(said["id"]) if str(said["id"]).isdecimal() else 0
    quantity = EXACT.multiply(amount, size)
    return Trade(whole_ms(said["timestamp"]), number, price, quantity, side == "sell")
