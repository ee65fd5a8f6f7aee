"""Which account a command is about, in its arguments, and a client of it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from cowstate import ArgumentValueError

from ..book.account import Account
from ..book.reports import Leg
from ..exchange.ccxt import CcxtExchange, LoopThread, OrderStream
from ..exchange.ccxt.connecting import client_of, streaming_client_of
from ..exchange.ccxt.keys import VARIABLES, Keys, keys_from_environment, keys_from_file
from ..exchange.streamed import StreamedOrders
from ..live.public import PublicMarket
from ..trading.manager import wall_clock_ms
from .options import whole

__all__ = [
    "KEYS",
    "add_account",
    "add_positions",
    "ensure_leg",
    "exchange_of",
    "market_of",
    "streamed_of",
]

KEYS: Final = f"""\
The keys are those in {", ".join(VARIABLES)},
or in the file that --keys names, in TOML: apiKey, secret and, where the exchange wants one,
password. They are never printed.
"""

_LAGS: Final = ("positions_lag_ms", "open_orders_lag_ms", "order_lag_ms", "trades_lag_ms")


def add_account(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add to *parser* what says whose account it is, and what is known of the exchange."""
    parser.add_argument("--exchange", required=required, metavar="ID", help="its id in ccxt")
    parser.add_argument(
        "--symbol",
        required=required,
        help="ccxt's unified symbol, as BTC/USDT or BTC/USDT:USDT",
    )
    parser.add_argument(
        "--lag",
        type=whole(0),
        metavar="MS",
        help="how late its answers are at most, if you know; else 20 seconds are allowed for",
    )
    parser.add_argument(
        "--leg",
        choices=("long", "short"),
        help="of an account in hedge mode: long; a grid buys first, so it has no short one",
    )
    parser.add_argument(
        "--keys", metavar="FILE", help="where the keys stand, if not in the environment"
    )


def add_positions(parser: argparse.ArgumentParser) -> None:
    """Add to *parser* what says where the positions are kept."""
    parser.add_argument(
        "--journal",
        required=True,
        metavar="FILE",
        help="the file of the positions, or the URL of a database",
    )
    parser.add_argument("--name", help="in a database: the name of the store")


def exchange_of(args: argparse.Namespace) -> CcxtExchange:
    """Return the account that *args* name, its clock measured.

    Raises:
        CowstateError: the keys, the exchange or the market will not do, or nobody answers.
    """
    if args.leg == "short":
        raise ArgumentValueError(
            "--leg short: a grid buys first and sells what it has bought, so it trades the long "
            "leg alone; give --leg long, and leave the short one to others"
        )
    leg = Leg.NET if args.leg is None else Leg.LONG
    known: dict[str, Any] = {} if args.lag is None else dict.fromkeys(_LAGS, args.lag)
    client = client_of(args.exchange, _keys_of(args))
    exchange = CcxtExchange(client, args.symbol, leg=leg, known=known)
    exchange.measure_clock()
    return exchange


def ensure_leg(kept: Account, leg: Leg) -> None:
    """Refuse positions that are of another leg, whose trades would be passed over. Pure.

    Raises:
        ArgumentValueError: it says which leg they are of.

    >>> ensure_leg(Account(), Leg.LONG)
    """
    ledger = kept.ledger
    if ledger.began_ms is None or ledger.leg is leg:
        return
    if leg is Leg.NET:
        raise ArgumentValueError("--journal holds positions in the long leg; give --leg long")
    raise ArgumentValueError(
        "--journal holds positions of an account without legs; leave out --leg, or name another one"
    )


@contextmanager
def streamed_of(
    args: argparse.Namespace, exchange: CcxtExchange
) -> Generator[StreamedOrders | None]:
    """Yield the events of the account's orders by a stream; None, where the exchange has none.

    Raises:
        CowstateError: the keys will not do.
    """
    client = streaming_client_of(args.exchange, _keys_of(args))
    if client is None:
        yield None
        return
    # What is signed bears the time of the venue, as far as that was measured.
    client.options["timeDifference"] = wall_clock_ms() - exchange.time_ms()
    with LoopThread() as loop:
        stream = OrderStream(client, args.symbol, loop, leg=exchange.leg)
        yield StreamedOrders(exchange, args.symbol, stream)


def _keys_of(args: argparse.Namespace) -> Keys:
    return keys_from_environment(os.environ) if args.keys is None else keys_from_file(args.keys)


def market_of(exchange_id: str, symbol: str) -> PublicMarket:
    """Return what anybody may ask of a market, by a client of its own, which has no keys.

    Raises:
        CowstateError: the exchange or the market will not do, or nobody answers.
    """
    return PublicMarket(client_of(exchange_id, Keys({})), symbol)
