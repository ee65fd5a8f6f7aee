"""As much of Binance as a trader needs: its account, and what anybody may ask of its market."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from cowstate.positions import Leg, Trade
from cowstate.positions.live.venue import PaperVenue
from tests.positions.exchange.ccxt.binance import Binance, RefusedError
from tests.positions.exchange.ccxt.desks import real_ms
from tests.positions.exchange.ccxt.serving import Answered, Asked

__all__ = ["Marketplace"]


class Legs:
    """An account in hedge mode: its long leg is the venue's, and the short one somebody else's."""

    def __init__(self, venue: PaperVenue) -> None:
        self.venue = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    def fetch_positions(self, symbols: Any) -> Any:
        (held,) = self.venue.fetch_positions(symbols)
        return held.replace(leg=Leg.LONG), held.replace(leg=Leg.SHORT, quantity=Decimal(-3))

    def fetch_my_trades(self, *asked: Any) -> Any:
        return [each.replace(leg=Leg.LONG) for each in self.venue.fetch_my_trades(*asked)]


class Marketplace(Binance):
    """One market in real time, with a venue behind that a test can look at.

    *before* is called with each request before it is carried out, *after* when it was, before it
    is answered. Unless it *lists*, its list of open orders lags, and shows none.
    """

    def __init__(self, venue: PaperVenue, *, hedged: bool = False, **options: Any) -> None:
        super().__init__(Legs(venue) if hedged else venue, real_ms, **options)
        self.hedged = hedged
        self.venue = venue
        self.price = "60005.0"
        self.trades: list[Trade] = []
        self.lists = True
        self.before: Callable[[Asked], object] = lambda _: None
        self.after: Callable[[Asked], object] = lambda _: None

    def answer(self, asked: Asked) -> Answered:
        self.before(asked)
        place = asked.path.rsplit("/", 1)[-1]
        if place == "24hr":
            answered = self.public({"symbol": "BTCUSDT", "lastPrice": self.price})
        elif place == "aggTrades":
            answered = self.public([self.shown(each) for each in self.trades])
        elif place == "openOrders" and not self.lists:
            answered = self.public([])
        else:
            answered = super().answer(asked)
        self.after(asked)
        return answered

    def post_order(self, params: dict[str, str]) -> Any:
        if params.get("positionSide", "BOTH") != ("LONG" if self.hedged else "BOTH"):
            raise RefusedError(-4061, "Order's position side does not match user's setting.")
        return super().post_order(params)

    def public(self, said: Any) -> Answered:
        return Answered(200, json.dumps(said), {}, self.now_ms())

    def shown(self, trade: Trade) -> dict[str, Any]:
        return {
            "a": trade.trade_id,
            "p": f"{trade.price:f}",
            "q": f"{trade.quantity:f}",
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": trade.time_ms,
            "m": trade.buyer_is_maker,
        }
