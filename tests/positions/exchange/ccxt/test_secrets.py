"""No key leaves: not to a log, a terminal or another host, nor in what an error holds."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal

import pytest

from cowstate import ArgumentValueError
from cowstate.positions import Side
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.ccxt import CcxtExchange
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.desks import At, at_binance, binance_client


def everything(at: At) -> None:
    """Do everything that there is, well and badly."""
    exchange, symbol = at.exchange, at.symbol
    order = exchange.create_order(symbol, "limit", Side.BUY, Decimal("0.5"), Decimal(100))
    assert order.order_id is not None
    exchange.fetch_open_orders(symbol)
    exchange.fetch_positions([symbol])
    exchange.fetch_my_trades(symbol, at.desk.clock.now_ms - 60_000)
    exchange.fetch_order(order.order_id, symbol)
    exchange.cancel_order(order.order_id, symbol)
    for fault in ("drop", "half", "short"):
        at.served.fail(fault, path="openOrders")
        with pytest.raises(ExchangeError):
            exchange.fetch_open_orders(symbol)


def test_a_client_of_the_users_writes_none_either(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    out = io.StringIO()
    with at_binance() as at, redirect_stdout(out), redirect_stderr(out):
        everything(at)
    told = out.getvalue() + caplog.text
    assert KEY not in told
    assert SECRET not in told
    # The test can fail: this is what the client writes on its own.
    with at_binance() as at:
        at.client.logger = logging.getLogger("ccxt.base.exchange")
        at.exchange.fetch_open_orders(at.symbol)
        assert KEY in caplog.text


def test_a_client_that_prints_its_requests_is_refused() -> None:
    client = binance_client("http://127.0.0.1:9", verbose=True)
    with pytest.raises(ArgumentValueError, match="verbose"):
        CcxtExchange(client, "BTC/USDT:USDT")


def test_nothing_that_is_shown_of_an_error_holds_one() -> None:
    """Locals, too: some tools write the variables of each frame."""
    with at_binance() as at:
        for fault in ("drop", "half"):
            at.served.fail(fault, path="openOrders")
            with pytest.raises(ExchangeError) as raised:
                at.exchange.fetch_open_orders(at.symbol)
            shown = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
            text = "".join(shown.format())
            assert KEY not in text
            assert SECRET not in text
            assert raised.value.__suppress_context__
            assert raised.value.__cause__ is None
        for each in (at.exchange, at.exchange.rules, at.exchange.promises):
            assert KEY not in f"{each!r} {each}"


def test_keys_are_no_arguments() -> None:
    """What is running, everybody on a machine may list."""
    said = subprocess.run(
        [sys.executable, "-m", "cowstate", "reconcile", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    options = {word.strip("[],") for word in said.split() if word.startswith(("--", "[--"))}
    assert options == {
        "--dry-run",
        "--exchange",
        "--help",
        "--journal",
        "--keys",
        "--lag",
        "--leg",
        "--name",
        "--symbol",
    }
