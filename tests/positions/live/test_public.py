"""What anybody may ask of a market, by the real client over real HTTP, and without a key."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate import ArgumentValueError
from cowstate.positions import Side, Trade
from cowstate.positions.errors import ExchangeError, NetworkError
from cowstate.positions.exchange.ccxt.connecting import client_of
from cowstate.positions.exchange.ccxt.keys import Keys
from cowstate.positions.live.public import PublicMarket, PublicTrades
from cowstate.positions.live.venue import PaperVenue
from tests.positions.exchange.ccxt.desks import led_to, real_ms
from tests.positions.exchange.ccxt.serving import Served, serving
from tests.positions.live.marketplace import Marketplace

SYMBOL = "BTC/USDT:USDT"


class Booth:
    """A market that is looked at, and a paper account beside it."""

    def __init__(self, app: Marketplace, served: Served, paper: PaperVenue) -> None:
        self.app, self.served, self.paper = app, served, paper
        client = client_of("binance", Keys({}))
        client.options["fetchMarkets"] = {"types": ["linear"]}
        client.enableRateLimit = False
        led_to(client, served.address)
        self.market = PublicMarket(client, SYMBOL)

    def trade(self, number: int, at: int, price: str = "100", amount: str = "1") -> None:
        self.app.trades.append(Trade(at, number, Decimal(price), Decimal(amount), True))


@pytest.fixture
def booth(tmp_path: Path) -> Iterator[Booth]:
    pytest.importorskip("ccxt", reason="the client is not installed here")
    with (
        PaperVenue(tmp_path / "venue", "X", time_ms=real_ms) as venue,
        PaperVenue(tmp_path / "paper", SYMBOL, time_ms=real_ms) as paper,
    ):
        app = Marketplace(venue)
        with serving(app) as served:
            yield Booth(app, served, paper)


def test_a_price_is_exact_and_asked_without_a_key(booth: Booth) -> None:
    booth.app.price = "60005.10"
    assert str(booth.market.advance()) == "60005.10"
    assert booth.market.rules.tick == Decimal("0.1")
    for asked in booth.served.asked:
        assert "signature" not in asked.query
        assert not asked.headers.get("X-MBX-APIKEY")


@pytest.mark.parametrize("price", ["0", "-1", "", "x"])
def test_a_price_that_is_none_is_no_answer(booth: Booth, price: str) -> None:
    booth.app.price = price
    with pytest.raises(NetworkError):
        booth.market.advance()


def test_a_market_that_is_not_there_is_refused(booth: Booth) -> None:
    client = client_of("binance", Keys({}))
    client.options["fetchMarkets"] = {"types": ["linear"]}
    led_to(client, booth.served.address)
    for _ in range(2):
        with pytest.raises(ArgumentValueError, match="no market"):
            PublicMarket(client, "ETH/USDT:USDT")


def test_a_paper_account_is_shown_each_trade_once(booth: Booth) -> None:
    shown = PublicTrades(booth.market, booth.paper, "binance")
    with pytest.raises(ExchangeError, match="no trade in this market yet"):
        shown.advance()
    booth.trade(1, 1_000)
    booth.paper.create_order(SYMBOL, "limit", Side.BUY, Decimal(9), Decimal(100))
    for number in range(2, 7):
        # Two of one millisecond, which come one after the other, are two.
        booth.trade(number, 1_000 + number // 2)
        assert shown.advance() == 100
        shown.advance()
    held: Any = booth.paper.fetch_positions([SYMBOL]).items[0]
    assert booth.paper.seen.trades == held.quantity == 5
    assert booth.paper.seen.source == "binance"


def test_what_was_before_it_was_first_asked_fills_nothing(booth: Booth) -> None:
    for number in range(1, 5):
        booth.trade(number, 1_000 + number, "90")
    booth.trade(5, 2_000, "120")
    booth.paper.create_order(SYMBOL, "limit", Side.BUY, Decimal(9), Decimal(100))
    shown = PublicTrades(booth.market, booth.paper, "binance")
    assert shown.advance() == 120
    assert not booth.paper.fetch_my_trades(SYMBOL).items
    # An older page, as another machine of the venue's may give, is nothing new.
    booth.app.trades = booth.app.trades[:2]
    assert shown.advance() == 120
    assert booth.paper.seen.trades == 1
