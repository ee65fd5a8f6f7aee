"""What an exchange answers, as a client of ccxt unified it, through the readings of each venue."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from decimal import Decimal
from random import Random
from typing import Any, Final

from cowstate.positions.book.reports import Leg
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.ccxt.calls import readable
from cowstate.positions.exchange.ccxt.lists import Place, entries_in
from cowstate.positions.exchange.ccxt.reader import Reader, market_in
from cowstate.positions.exchange.ccxt.rules import Rules
from cowstate.positions.exchange.ccxt.trades import Walk, older_page
from cowstate.positions.exchange.ccxt.venues import VENUES
from tests.hostile.door import Door, Knock, bounded, outcome
from tests.hostile.drawing import mutated_tree

__all__ = ["DOORS"]

RULES: Final = Rules("BTC/USDT:USDT", "BTCUSDT", "BTC", "USDT", "USDT", contract=True)

ORDER: Final[dict[str, Any]] = {
    "id": "71", "clientOrderId": "grid-50000-B7", "symbol": "BTC/USDT:USDT", "side": "buy",
    "type": "limit", "price": "50000", "amount": "0.05", "filled": "0.01", "status": "open",
    "timestamp": 1_700_000_000_000, "lastUpdateTimestamp": 1_700_000_000_500, "triggerPrice": None,
    "info": {
        "symbol": "BTCUSDT", "origClientOrderId": "grid-50000-B7", "orderLinkId": "grid-50000-B7",
        "cumQuote": "500", "executedQty": "0.01", "cumExecQty": "0.01", "nextPageCursor": "p:2",
        "status": "NEW", "instId": "BTC-USDT-SWAP", "accFillSz": "0.01", "vol_exec": "0.01",
    },
}  # fmt: skip

TRADE: Final[dict[str, Any]] = {
    "id": "9001", "order": "71", "symbol": "BTC/USDT:USDT", "side": "sell", "price": "50010.5",
    "amount": "0.01", "timestamp": 1_700_000_000_700, "fee": {"cost": "0.02", "currency": "USDT"},
    "info": {
        "symbol": "BTCUSDT", "positionSide": "LONG", "execType": "Trade", "seq": 4,
        "orderLinkId": "grid-50000-B7", "clOrdId": "gridZ50000ZB7", "billId": "77", "id": "77",
        "subType": "1", "nextPageCursor": "p:3",
    },
}  # fmt: skip

POSITION: Final[dict[str, Any]] = {
    "symbol": "BTC/USDT:USDT", "contracts": "0.25", "side": "short", "hedged": False,
    "timestamp": 1_700_000_000_000,
}  # fmt: skip

LISTED: Final[dict[str, Any]] = {
    "symbol": "BTCUSDT", "positionAmt": "-0.25", "updateTime": 1_700_000_000_000,
    "positionSide": "BOTH",
}  # fmt: skip

BALANCE: Final[dict[str, Any]] = {"BTC": {"free": "1", "used": "0.5", "total": "1.5"}}

MARKETS: Final[dict[str, Any]] = {
    "BTC/USDT:USDT": {
        "symbol": "BTC/USDT:USDT", "id": "BTCUSDT", "base": "BTC", "quote": "USDT",
        "settle": "USDT", "contract": True, "linear": True, "contractSize": "0.01",
        "precision": {"amount": "0.001", "price": "0.1"},
        "limits": {"amount": {"min": "0.001", "max": "100"}, "price": {"min": "1"},
                   "cost": {"min": "5"}},
    }
}  # fmt: skip

_SAID: Final[tuple[Any, ...]] = (
    *(("orders", [ORDER]), ("trades", [TRADE, {**TRADE, "id": "9002"}]), ("order", ORDER)),
    *(("positions", [POSITION]), ("listed", [LISTED]), ("balance", BALANCE), ("page", [TRADE])),
)


def _numbers(found: Any) -> list[Decimal]:
    """All numbers in what was read, however deep."""
    if isinstance(found, Decimal):
        return [found]
    if isinstance(found, list | tuple):
        return [number for each in found for number in _numbers(each)]
    fields = getattr(found, "__struct_fields__", ())
    return [number for name in fields for number in _numbers(getattr(found, name))]


@contextmanager
def _opened() -> Generator[Knock]:
    venues = VENUES

    def knock(random: Random) -> str:
        venue = random.choice(venues)
        leg = random.choice((Leg.NET, Leg.LONG))
        name, said = random.choice((*_SAID, ("market", MARKETS), ("body", {"data": [1]})))
        said = mutated_tree(random, said)

        def read(said: Any) -> Any:
            if name == "market":
                return market_in(said, "BTC/USDT:USDT", venue)
            if name == "body":
                return entries_in(said, Place(("data",)))
            reader = Reader(None, RULES, venue, leg)
            if name == "page":
                found, token = reader.page(said)
                _walked(venue.walk, found, token)
                return reader.trades(found)
            return getattr(reader, name)(said)

        how, found = outcome(lambda: readable(name, read, said), ExchangeError)
        bounded(*_numbers(found))
        return how

    yield knock


def _walked(walk: Walk, found: Any, token: str | None) -> None:
    from cowstate.positions.exchange.ccxt.trades import Step

    older_page(walk.replace(page=1), Step(0, 10), len(found), found, token)


DOORS: Final = [Door("venue", "the answers of a venue, as ccxt unified them", _opened)]
