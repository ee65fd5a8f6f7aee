"""Slips of whoever asks a simulated exchange are refused before they are sent, by each of them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions.book.model import OrderStatus, Side
from cowstate.positions.errors import AmountTypeError, ExchangeError
from cowstate.positions.exchange.protocol import OrderRequest
from cowstate.positions.simulation.chaos.client import ChaosExchange
from cowstate.positions.simulation.chaos.faults import WorldFaults
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.script import Dice, script_of
from cowstate.positions.simulation.chaos.venue import Venue
from cowstate.positions.simulation.clock import VirtualClock
from cowstate.positions.simulation.paper import PaperExchange
from cowstate.positions.simulation.tape import Trade

SYMBOL = "BTCUSDT"
BUY = Side.BUY
ONE = Decimal(1)


def paper(clock):
    exchange = PaperExchange(clock, SYMBOL)
    return exchange, exchange.on_trade


def chaos(clock):
    faults = WorldFaults(market=0)
    venue = Venue(clock, Ledger(SYMBOL), script_of(1, faults, 1, 1), faults, Dice(1))
    return ChaosExchange(venue), venue.trade


both = pytest.mark.parametrize("make", [paper, chaos])


def order(exchange, **params):
    return exchange.create_order(SYMBOL, "limit", BUY, ONE, Decimal(100), params)


@both
@pytest.mark.parametrize(
    ("call", "error", "problem"),
    [
        (lambda e: e.create_order(SYMBOL, "market", BUY, ONE, ONE), ExchangeError, "limit order"),
        (lambda e: e.create_order(SYMBOL, "limit", BUY, 0.1, ONE), AmountTypeError, "float"),
        (lambda e: e.create_order(SYMBOL, "limit", BUY, ONE, 100), AmountTypeError, "price"),
        (lambda e: e.create_order(SYMBOL, "limit", "BUY", ONE, ONE), ArgumentTypeError, "side"),
        (lambda e: e.create_order("ETH", "limit", BUY, ONE, ONE), ExchangeError, "'ETH'"),
        (lambda e: order(e, clientOrderId=7), ArgumentTypeError, "clientOrderId"),
        (lambda e: order(e, postOnly="yes"), ArgumentTypeError, "postOnly"),
        (lambda e: order(e, timeInForce="GTX"), ArgumentValueError, "timeInForce"),
        (lambda e: e.create_orders([OrderRequest(SYMBOL, BUY, ONE, ONE, b"x")]),
         ArgumentTypeError, "client_oid"),
        (lambda e: e.create_orders([OrderRequest("ETH", BUY, ONE, ONE)]), ExchangeError, "'ETH'"),
        (lambda e: e.cancel_order("1", SYMBOL), ArgumentTypeError, "order_id"),
        (lambda e: e.cancel_orders(["1"], SYMBOL), ArgumentTypeError, "order_id"),
        (lambda e: e.cancel_order(1, "ETH"), ExchangeError, "'ETH'"),
        (lambda e: e.fetch_order(None, SYMBOL), ArgumentValueError, "name the order"),
        (lambda e: e.fetch_order([], SYMBOL), ArgumentTypeError, "order_id"),
        (lambda e: e.fetch_order(None, SYMBOL, 5), ArgumentTypeError, "client_oid"),
        (lambda e: e.fetch_order(1, "ETH"), ExchangeError, "'ETH'"),
        (lambda e: e.fetch_my_trades(SYMBOL, 1.5), ArgumentTypeError, "since_ms"),
        (lambda e: e.fetch_my_trades(SYMBOL, None, "page"), ExchangeError, "no page 'page'"),
        (lambda e: e.fetch_my_trades("ETH"), ExchangeError, "'ETH'"),
        (lambda e: e.fetch_positions(SYMBOL), ArgumentTypeError, r"\['BTCUSDT'\]"),
        (lambda e: e.fetch_positions(["ETH"]), ExchangeError, "'ETH'"),
        (lambda e: e.fetch_open_orders("ETH"), ExchangeError, "no market 'ETH'"),
        (lambda e: e.fetch_open_orders(SYMBOL, "page"), ExchangeError, "no page 'page'"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_before_it_is_sent(make, call, error, problem):
    clock = VirtualClock(5)
    exchange, _ = make(clock)
    with pytest.raises(error, match=problem):
        call(exchange)
    assert clock.now_ms == 5


@both
def test_an_order_that_is_post_only_is_so_at_the_exchange(make):
    clock = VirtualClock(5)
    exchange, market = make(clock)
    market(Trade(5, 1, Decimal(90), ONE, buyer_is_maker=True))
    asked = OrderRequest(SYMBOL, BUY, ONE, Decimal(100), "post-only", True)
    for answer in (order(exchange, postOnly=True), *exchange.create_orders([asked])):
        assert (answer.status, answer.post_only_reject) == (OrderStatus.EXPIRED, True)
    assert order(exchange, clientOrderId="g-1").client_oid == "g-1"
    assert [each.client_oid for each in exchange.fetch_open_orders(SYMBOL)] == ["g-1"]
