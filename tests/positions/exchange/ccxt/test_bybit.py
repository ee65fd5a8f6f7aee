"""A real client of ccxt at Bybit's shapes: answers that say little, and lists newest first."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest

from cowstate.positions import OrderStatus, OrderUpdate, Side, TradeKind
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    OrderNotFoundError,
    RateLimitedError,
)
from cowstate.positions.exchange.ccxt import CcxtExchange
from cowstate.positions.exchange.pages import read_pages
from tests.positions.exchange.ccxt.bybit import Bybit
from tests.positions.exchange.ccxt.desks import bybit_client
from tests.positions.exchange.ccxt.serving import Served, serving
from tests.positions.simulation.chaos.desk import Desk

SYMBOL = "BTC/USDT:USDT"


class At(NamedTuple):
    desk: Desk
    app: Bybit
    served: Served
    exchange: CcxtExchange

    def place(self, number: int = 1, price: str = "100") -> OrderUpdate:
        params = {"clientOrderId": f"g-{price}-B{number}", "postOnly": True}
        return self.exchange.create_order(
            SYMBOL, "limit", Side.BUY, Decimal("0.5"), Decimal(price), params
        )

    def since(self) -> int:
        return self.desk.clock.now_ms - 60_000


@pytest.fixture
def at() -> Iterator[At]:
    desk = Desk()
    app = Bybit(desk.exchange, lambda: desk.clock.now_ms)
    with serving(app) as served:
        client = bybit_client(served.address)
        exchange = CcxtExchange(client, SYMBOL, time_ms=lambda: desk.clock.now_ms)
        served.asked.clear()
        yield At(desk, app, served, exchange)


def test_an_order_that_was_taken_is_pending_until_more_is_said(at: At) -> None:
    order = at.place(price="100.5")
    assert order.status is OrderStatus.PENDING
    assert (order.client_oid, order.quantity, order.price) == (
        "g-100.5-B1",
        Decimal("0.5"),
        Decimal("100.5"),
    )
    # A dot is none of Bybit's characters, and it is ours all the same when it is listed.
    (listed,) = at.exchange.fetch_open_orders(SYMBOL)
    assert (listed.client_oid, listed.status) == ("g-100.5-B1", OrderStatus.NEW)
    assert [e.client_oid for e in at.desk.exchange.fetch_open_orders("X")] == ["g-100_5-B1"]
    told = at.exchange.fetch_order(order.order_id, SYMBOL)
    assert told.replace(time_ms=0) == listed.replace(time_ms=0)
    told = at.exchange.fetch_order(None, SYMBOL, "g-100.5-B1")
    assert told.order_id == order.order_id
    assert "None" not in at.served.asked[-1].query


def test_a_cancellation_that_was_taken_is_looked_after(at: At) -> None:
    order = at.place()
    at.desk.fill(lots="0.2")
    assert order.order_id is not None
    ended = at.exchange.cancel_order(order.order_id, SYMBOL)
    assert (ended.status, ended.filled, ended.cost) == (
        OrderStatus.CANCELED,
        Decimal("0.2"),
        Decimal(20),
    )
    with pytest.raises(OrderNotFoundError):
        at.exchange.cancel_order(order.order_id, SYMBOL)
    again = at.place(2)
    assert again.order_id is not None
    at.served.fail("drop", method="GET", path="/order/realtime")
    with pytest.raises(NetworkError, match="was taken"):
        at.exchange.cancel_order(again.order_id, SYMBOL)


def test_errors_are_told_apart_under_status_200(at: At) -> None:
    at.place()
    with pytest.raises(DuplicateOrderIdError):
        at.place()
    with pytest.raises(OrderNotFoundError):
        at.exchange.fetch_order("77", SYMBOL)
    with pytest.raises(OrderNotFoundError):
        at.exchange.fetch_order(None, SYMBOL, "g-101-B1")
    for body, error in (
        ('{"retCode":110007,"retMsg":"ab not enough for new order","result":{}}',
         InsufficientFundsError),
        ('{"retCode":10000,"retMsg":"Server Timeout","result":{}}', NetworkError),
        ('{"retCode":10016,"retMsg":"Server error","result":{}}', NetworkError),
    ):  # fmt: skip
        at.served.fail(method="POST", done=False, status=200, body=body)
        with pytest.raises(error):
            at.place(2)


def test_positions_and_what_else_moved_them(at: At) -> None:
    at.place()
    at.desk.fill(lots="0.2")
    ledger, now = at.desk.ledger, at.desk.clock.now_ms
    ledger.enter(TradeKind.FUNDING, Decimal(0), Decimal(100), now)
    ledger.enter(TradeKind.LIQUIDATION, Decimal("-0.7"), Decimal(90), now)
    (held,) = at.exchange.fetch_positions([SYMBOL])
    assert held.quantity == Decimal("1.5")
    trades = at.exchange.fetch_my_trades(SYMBOL, at.since())
    assert [(each.kind, each.moved) for each in trades] == [
        (TradeKind.TRADE, Decimal("0.2")),
        (TradeKind.FUNDING, Decimal(0)),
        (TradeKind.LIQUIDATION, Decimal("-0.7")),
    ]
    assert [each.client_oid for each in trades] == ["g-100-B1", None, None]


def test_pages_are_walked_to_their_end(at: At) -> None:
    at.app.page = 2
    for number in range(1, 8):
        at.place(number, str(100 + number))
        at.desk.fill(price=100 + number, lots="0.1")
    trades = at.exchange.fetch_my_trades(SYMBOL, at.since())
    assert trades.complete
    assert [each.trade_id for each in trades] == [f"e-{number}" for number in range(1, 8)]
    assert at.served.count("GET", "/execution/list") == 4


def test_a_page_of_open_orders_names_the_next(at: At) -> None:
    for number in range(60):
        at.place(1, str(100 + number))
    pages = read_pages(lambda cursor: at.exchange.fetch_open_orders(SYMBOL, cursor), budget=5)
    assert pages.complete
    assert len({each.client_oid for each in pages.items}) == 60
    assert pages.requests == 2


@pytest.mark.parametrize("result", ["{}", "[]", "null", '{"list":null}', '{"list":{}}'])
def test_a_result_without_a_list_is_not_one_of_nothing(at: At, result: str) -> None:
    at.place()
    at.desk.fill(lots="0.2")
    for path, ask in (
        ("/order/realtime", lambda: at.exchange.fetch_open_orders(SYMBOL)),
        ("/position/list", lambda: at.exchange.fetch_positions([SYMBOL])),
        ("/execution/list", lambda: at.exchange.fetch_my_trades(SYMBOL, at.since())),
    ):
        body = f'{{"retCode":0,"retMsg":"OK","result":{result}}}'
        at.served.fail(method="GET", path=path, status=200, body=body)
        with pytest.raises(NetworkError):
            ask()
        assert len(ask()) == 1


def test_an_account_with_legs_is_no_flat_one(at: At) -> None:
    legs = ",".join(
        f'{{"positionIdx":{number},"symbol":"BTCUSDT","side":"{side}","size":"{size}"}}'
        for number, side, size in ((1, "Buy", "2"), (2, "Sell", "1"))
    )
    body = f'{{"retCode":0,"retMsg":"OK","result":{{"category":"linear","list":[{legs}]}}}}'
    at.served.fail(path="/position/list", status=200, body=body)
    with pytest.raises(ExchangeError, match="hedge mode"):
        at.exchange.fetch_positions([SYMBOL])


def test_a_flat_position_is_told_as_one(at: At) -> None:
    for said, told in (("0", 0), ("0.000", 0)):
        entry = f'{{"positionIdx":0,"symbol":"BTCUSDT","side":"","size":"{said}"}}'
        body = f'{{"retCode":0,"retMsg":"OK","result":{{"list":[{entry}]}}}}'
        at.served.fail(path="/position/list", status=200, body=body)
        assert [each.quantity for each in at.exchange.fetch_positions([SYMBOL])] == [told]
    for said in ('""', "null", '"x"'):
        entry = f'{{"positionIdx":0,"symbol":"BTCUSDT","side":"Buy","size":{said}}}'
        body = f'{{"retCode":0,"retMsg":"OK","result":{{"list":[{entry}]}}}}'
        at.served.fail(path="/position/list", status=200, body=body)
        with pytest.raises(NetworkError):
            at.exchange.fetch_positions([SYMBOL])


def test_a_limit_under_status_200_comes_with_its_time(at: At) -> None:
    body = '{"retCode":10006,"retMsg":"Too many visits!","result":{}}'
    date = {"Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
    reset = {"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": "1700000003000"}
    for headers, wait in ((date | reset, 3_000), (reset, None), (date, None)):
        at.served.fail(method="POST", done=False, status=200, body=body, headers=headers)
        with pytest.raises(RateLimitedError) as limited:
            at.place()
        assert limited.value.retry_after_ms == wait
