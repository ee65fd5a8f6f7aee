"""A real exchange, by a client of ccxt that you have made: `CcxtExchange` (extra ``ccxt``).

`OrderStream` brings the events of our orders, for `cowstate.positions.exchange.streamed`. What the
four venues promise stands in `venues`, each with the page that promises it.
"""

from .client import CcxtExchange
from .clock import Offset
from .failures import Mark
from .lists import Place
from .loops import LoopThread
from .names import Alphabet
from .rules import Rules
from .stream import OrderStream
from .trades import Paging, Walk
from .venues import BINANCE, BYBIT, KRAKEN, OKX, Venue, venue_of

__all__ = [
    "CcxtExchange",
    "LoopThread",
    "OrderStream",
    "Venue",
    "venue_of",
    "BINANCE",
    "BYBIT",
    "KRAKEN",
    "OKX",
    "Alphabet",
    "Mark",
    "Offset",
    "Paging",
    "Place",
    "Rules",
    "Walk",
]
