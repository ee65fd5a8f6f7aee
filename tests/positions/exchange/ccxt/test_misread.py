"""Answers that a client takes for what they are not: each is refused, or read for what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import Leg, OrderRequest, OrderStatus, OrderUpdate, Side
from cowstate.positions.errors import (
    AmountTypeError,
    AmountValueError,
    ExchangeError,
    InvalidOrderError,
    NetworkError,
    OrderNotFoundError,
    RateLimitedError,
)
from cowstate.positions.exchange.ccxt.amounts import ensure_bounded
from tests.positions.exchange.ccxt.desks import At, at_binance

KINDS = pytest.mark.parametrize("contract", [True, False], ids=["futures", "spot"])

ORDER = {
    "symbol": "BTCUSDT",
    "orderId": 7,
    "clientOrderId": "g-100-B1",
    "price": "100",
    "side": "BUY",
    "origQty": "0.5",
    "executedQty": "0.1",
    "status": "NEW",
    "type": "LIMIT",
    "time": 1_700_000_000_123,
    "updateTime": 1_700_000_000_123,
}
TRADE = {
    "symbol": "BTCUSDT",
    "id": 1,
    "orderId": 7,
    "price": "100",
    "qty": "0.1",
    "commission": "-0.01",
    "commissionAsset": "USDT",
    "time": 1_700_000_000_123,
    "side": "BUY",
    "isBuyer": True,
    "positionSide": "BOTH",
}


def place(at: At) -> OrderUpdate:
    params = {"clientOrderId": "g-100-B1", "postOnly": True}
    return at.exchange.create_order(
        at.symbol, "limit", Side.BUY, Decimal("0.5"), Decimal(100), params
    )


def without(said: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in said.items() if each != name}


def asked(at: At, contract: bool) -> dict[str, Callable[[], Any]]:
    since = at.desk.clock.now_ms - 60_000
    return {
        "openOrders": lambda: at.exchange.fetch_open_orders(at.symbol),
        "positionRisk" if contract else "/account": lambda: at.exchange.fetch_positions(
            [at.symbol]
        ),
        "userTrades" if contract else "myTrades": lambda: at.exchange.fetch_my_trades(
            at.symbol, since
        ),
    }


@KINDS
@pytest.mark.parametrize(
    "body", ["{}", '{"code":0}', '{"result":[]}', "[null]", "[[]]", '{"balances":{"BTC":1}}']
)
def test_a_body_that_is_no_list_is_not_a_list_of_nothing(contract: bool, body: str) -> None:
    with at_binance(contract=contract) as at:
        for path, ask in asked(at, contract).items():
            at.served.fail(path=path, status=200, body=body)
            with pytest.raises(NetworkError):
                ask()


def test_an_empty_list_is_one() -> None:
    """The test above can pass for no other reason than the body's shape."""
    with at_binance() as at:
        for path, ask in asked(at, True).items():
            at.served.fail(path=path, status=200, body="[]")
            assert len(ask()) == 0


@KINDS
@pytest.mark.parametrize(
    "entry",
    [
        without(TRADE, "id"),
        without(TRADE, "time"),
        TRADE | {"time": 1_700_000_000},
        TRADE | {"symbol": "ETHUSDT"},
        TRADE | {"price": "NaN"},
        TRADE | {"qty": "0." + "9" * 120},
    ],
    ids=["no id", "no time", "seconds", "another market", "no number", "too many digits"],
)
def test_a_trade_that_cannot_be_read_is_not_left_out(contract: bool, entry: dict[str, Any]) -> None:
    with at_binance(contract=contract) as at:
        path, ask = list(asked(at, contract).items())[2]
        at.served.fail(path=path, status=200, body=json.dumps([TRADE, entry]))
        with pytest.raises(NetworkError):
            ask()
        at.served.fail(path=path, status=200, body=json.dumps([TRADE]))
        (trade,) = ask()
        # A rebate is a fee below nothing.
        assert (trade.trade_id, trade.fee, trade.moved) == ("1", Decimal("-0.01"), Decimal("0.1"))


@KINDS
@pytest.mark.parametrize(
    "said",
    [
        ORDER | {"symbol": "ETHUSDT"},
        without(ORDER, "orderId"),
        ORDER | {"side": "WHAT"},
        without(ORDER, "executedQty") | {"status": "CANCELED"},
        without(ORDER, "executedQty") | {"status": "FILLED"},
        without(ORDER, "executedQty") | {"status": "EXPIRED"},
        ORDER | {"executedQty": "-0.1"},
    ],
    ids=["market", "no id", "side", "canceled", "filled", "expired", "negative"],
)
def test_an_order_that_cannot_be_read_is_no_fact(contract: bool, said: dict[str, Any]) -> None:
    with at_binance(contract=contract) as at:
        at.served.fail(path="openOrders", status=200, body=json.dumps([said]))
        with pytest.raises(NetworkError):
            at.exchange.fetch_open_orders(at.symbol)
        at.served.fail(method="GET", path="/order", status=200, body=json.dumps(said))
        with pytest.raises(NetworkError):
            at.exchange.fetch_order("7", at.symbol)


@pytest.mark.parametrize(
    "other",
    [{"clientOrderId": "g-200-B7"}, {"side": "SELL"}, {"symbol": "ETHUSDT"}],
    ids=["id", "side", "market"],
)
def test_an_answer_to_another_order_is_none_to_ours(other: dict[str, str]) -> None:
    with at_binance() as at:
        at.served.fail(method="POST", status=200, body=json.dumps(ORDER | other), done=False)
        with pytest.raises(NetworkError):
            place(at)
        if "clientOrderId" in other:
            at.served.fail(method="GET", path="/order", status=200, body=json.dumps(ORDER | other))
            with pytest.raises(NetworkError, match="another order"):
                at.exchange.fetch_order(None, at.symbol, "g-100-B1")
        order = place(at)
        assert order.order_id is not None
        for method, ask in (
            ("GET", at.exchange.fetch_order),
            ("DELETE", at.exchange.cancel_order),
        ):
            body = json.dumps(ORDER | {"orderId": 99, "status": "CANCELED"})
            at.served.fail(method=method, path="/order", status=200, body=body)
            try:
                told = ask(order.order_id, at.symbol)
            except NetworkError:
                continue
            assert told.order_id == order.order_id


@KINDS
def test_a_cancellation_names_its_order_and_not_itself(contract: bool) -> None:
    with at_binance(contract=contract) as at:
        order = place(at)
        at.desk.fill(lots="0.2")
        assert order.order_id is not None
        ended = at.exchange.cancel_order(order.order_id, at.symbol)
        # On spot markets the answer has a client id of its own where others repeat the order's.
        assert (ended.client_oid, ended.status) == ("g-100-B1", OrderStatus.CANCELED)
        assert ended.filled == Decimal("0.2")
        assert at.served.count("GET", "/order") == 0


def test_an_order_of_others_that_closes_all_does_not_hide_ours() -> None:
    closing = ORDER | {"orderId": 8, "origQty": "0", "price": "0", "clientOrderId": "web-1"}
    closing |= {"type": "STOP_MARKET", "stopPrice": "90", "closePosition": True}
    with at_binance() as at:
        at.served.fail(path="openOrders", status=200, body=json.dumps([closing, ORDER]))
        assert [each.order_id for each in at.exchange.fetch_open_orders(at.symbol)] == ["7"]
        # One of ours must say its amount.
        said = [ORDER | {"origQty": "0"}]
        at.served.fail(path="openOrders", status=200, body=json.dumps(said))
        with pytest.raises(NetworkError):
            at.exchange.fetch_open_orders(at.symbol)


@pytest.mark.parametrize("amount", [0.5, Decimal("NaN"), Decimal("Infinity"), None])
def test_what_is_no_amount_is_not_sent(amount: Any) -> None:
    with at_binance() as at:
        for numbers in ((amount, Decimal(100)), (Decimal(1), amount)):
            with pytest.raises((AmountTypeError, AmountValueError)):
                at.exchange.create_order(at.symbol, "limit", Side.BUY, *numbers)
        with pytest.raises(ArgumentTypeError, match="Side"):
            at.exchange.create_order(at.symbol, "limit", "buy", Decimal(1), Decimal(100))  # type: ignore[arg-type]
        for ask in (at.exchange.cancel_order, at.exchange.fetch_order):
            with pytest.raises(ArgumentTypeError, match="order_id"):
                ask(7.5, at.symbol)  # type: ignore[arg-type]
        assert at.served.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with at_binance() as at:
        for address in (f"{at.served.address}/elsewhere", "/fapi/v1/elsewhere"):
            at.served.fail(
                method="POST", done=False, status=status, body="", headers={"Location": address}
            )
            # What answers elsewhere would say that no such order was placed.
            with pytest.raises(NetworkError):
                place(at)
        assert at.served.count("GET", "elsewhere") == at.served.count("POST", "elsewhere") == 0
        assert place(at).status is OrderStatus.NEW


def test_the_time_of_a_limit_is_read_in_all_its_forms() -> None:
    now = 1_700_000_000_000
    for told, wait in (
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30_000),
        ("Tue, 14 Nov 2023 22:13:50", 30_000),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("9" * 5_000, None),
        ("soon", None),
    ):
        with at_binance() as at:
            at.app.now_ms = lambda: now
            at.app.checks_clock = False
            headers = {"Retry-After": told, "Date": "Tue, 14 Nov 2023 22:13:20 GMT"}
            at.app.stamped = False
            at.served.fail(method="POST", done=False, status=429, body="x", headers=headers)
            with pytest.raises(RateLimitedError) as limited:
                place(at)
            assert limited.value.retry_after_ms == wait


def test_a_date_without_a_zone_is_none_of_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with at_binance() as at:
            at.app.stamped = False
            for zone in ("", " -0000", " GMT"):
                headers = {"Date": f"Tue, 14 Nov 2023 22:13:20{zone}"}
                at.served.fail(path="openOrders", status=200, body="[]", headers=headers)
                listing = at.exchange.fetch_open_orders(at.symbol)
                assert listing.answered_ms == 1_700_000_000_000
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_a_venue_writes_commands_no_terminal() -> None:
    with at_binance() as at:
        body = '{"code":-1102,"msg":"\x1b]0;owned\x07 \x1b[2J"}'
        at.served.fail(path="openOrders", status=400, body=body)
        with pytest.raises(ExchangeError) as refused:
            at.exchange.fetch_open_orders(at.symbol)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize("off_ms", [-60_000, 60_000, 3_600_000])
def test_a_stamp_that_the_venues_clock_contradicts_is_none(off_ms: int) -> None:
    with at_binance() as at:
        at.app.stamp_off_ms = off_ms
        # Nobody knows yet whose clock is wrong.
        assert at.exchange.fetch_positions([at.symbol]).answered_ms is not None
        at.exchange.measure_clock()
        for ask in asked(at, True).values():
            assert ask().answered_ms is None
        at.app.stamp_off_ms = 0
        for ask in asked(at, True).values():
            assert ask().answered_ms is not None


@pytest.mark.parametrize("set_by_ms", [8_000, 60_000, -60_000])
def test_a_clock_of_ours_that_was_set_is_measured_again(set_by_ms: int) -> None:
    with at_binance() as at:
        at.exchange.measure_clock()
        right = at.app.now_ms
        at.app.now_ms = lambda: right() + set_by_ms
        if set_by_ms != 8_000:
            # What bears so wrong a time is refused, and is not sent again by itself.
            with pytest.raises(ExchangeError, match="recvWindow"):
                place(at)
            assert at.served.count("POST", "/order") == 1
            assert place(at).status is OrderStatus.NEW
        listing = at.exchange.fetch_open_orders(at.symbol)
        assert listing.answered_ms is not None
        assert abs(at.exchange.time_ms() - at.app.now_ms()) <= at.exchange.promises.clock_ms


def test_an_account_in_the_other_mode_is_no_flat_one() -> None:
    with at_binance(hedge=1) as at, pytest.raises(ExchangeError, match="hedge mode"):
        at.exchange.fetch_positions([at.symbol])
    with at_binance(leg=Leg.LONG) as at, pytest.raises(ExchangeError, match="one-way mode"):
        at.exchange.fetch_positions([at.symbol])
    with pytest.raises(ArgumentValueError, match="long leg"), at_binance(leg=Leg.SHORT):
        pass


def test_of_several_requests_none_is_sent_if_one_is_none() -> None:
    with at_binance() as at:
        good = OrderRequest(at.symbol, Side.BUY, Decimal(1), Decimal(100), "g-100-B1")
        for bad in (
            good.replace(amount=0.5),
            good.replace(price=Decimal("NaN")),
            good.replace(side="buy"),
            good.replace(client_oid=5),
            "buy",
        ):
            with pytest.raises((AmountTypeError, AmountValueError, ArgumentTypeError)):
                at.exchange.create_orders([good, bad])
        with pytest.raises(ArgumentTypeError):
            at.exchange.cancel_orders(["7", None], at.symbol)  # type: ignore[list-item]
        assert at.served.asked == []
        # What only breaks a rule, or is of another market, has an answer of its own.
        wrong = [good.replace(amount=Decimal("0.0001")), good.replace(symbol="ETH/USDT:USDT"), good]
        refused, elsewhere, placed = at.exchange.create_orders(wrong)
        assert isinstance(refused, InvalidOrderError)
        assert isinstance(elsewhere, ExchangeError)
        assert isinstance(placed, OrderUpdate)


@pytest.mark.parametrize("status", ["EXPIRED", "EXPIRED_IN_MATCH", "REJECTED"])
def test_a_post_only_order_that_is_over_at_once_would_have_taken(status: str) -> None:
    said = ORDER | {"executedQty": "0", "status": status, "timeInForce": "GTX"}
    with at_binance() as at:
        at.served.fail(method="POST", done=False, status=200, body=json.dumps(said))
        order = place(at)
        assert order.status in (OrderStatus.EXPIRED, OrderStatus.REJECTED)
        assert order.post_only_reject
        at.served.fail(method="POST", done=False, status=200, body=json.dumps(said))
        plain = {"clientOrderId": "g-100-B1"}
        args = (at.symbol, "limit", Side.BUY, Decimal("0.5"), Decimal(100), plain)
        assert not at.exchange.create_order(*args).post_only_reject


def test_an_order_that_may_not_be_cancelled_is_there() -> None:
    body = '{"code":-2011,"msg":"Order was not canceled due to cancel restrictions."}'
    with at_binance(contract=False) as at:
        order = place(at)
        assert order.order_id is not None
        at.served.fail(method="DELETE", done=False, status=400, body=body)
        with pytest.raises(ExchangeError, match="restrictions") as refused:
            at.exchange.cancel_order(order.order_id, at.symbol)
        assert not isinstance(refused.value, OrderNotFoundError)


def test_a_wallet_that_names_nothing_is_not_an_empty_one() -> None:
    with at_binance(contract=False) as at:
        at.served.fail(path="/account", status=200, body='{"balances":[]}')
        with pytest.raises(NetworkError, match="no account"):
            at.exchange.fetch_positions([at.symbol])
        # Of another currency there is some, and of ours none.
        body = '{"balances":[{"asset":"USDT","free":"1","locked":"0"}]}'
        at.served.fail(path="/account", status=200, body=body)
        assert [each.quantity for each in at.exchange.fetch_positions([at.symbol])] == [0]
        for entry in ('{"asset":"BTC"}', '{"asset":"BTC","free":"x","locked":"0"}'):
            at.served.fail(path="/account", status=200, body=f'{{"balances":[{entry}]}}')
            with pytest.raises(NetworkError):
                at.exchange.fetch_positions([at.symbol])


PIECES = ["0", "1", "7", "99", "_", ".", "-", "+", " ", "\N{FULLWIDTH DIGIT NINE}", "٣", "\u2003"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(TEXTS, st.sampled_from("eE"), TEXTS)
@example("1", "e", "999999999")
@example("1_0", "e", "9")
@example("1", "e", "1_000_000_000")
@example("1", "e", "\N{FULLWIDTH DIGIT NINE}" * 9)
@example(" 1 ", "E", " +0999999999 ")
@example("1", "e", "1_0_0_0")
def test_what_the_client_would_fill_all_memory_with_is_refused_and_nothing_else(
    mantissa: str, letter: str, power: str
) -> None:
    """As it reads numbers itself: before it works with them, that costs nothing."""
    precise = pytest.importorskip("ccxt.base.precise", reason="the client is not installed here")
    text = f"{mantissa}{letter}{power}"
    try:
        vast = abs(int(power)) >= 1_000_000 and precise.Precise(text) is not None
    except ValueError:
        vast = False
    if vast:
        with pytest.raises(ArgumentValueError, match="digits"):
            ensure_bounded([{"filled": text}])
    elif abs_or_none(power) is None or abs_or_none(power) < 1_000_000:
        ensure_bounded([{"filled": text}])


def abs_or_none(text: str) -> Any:
    try:
        return abs(int(text))
    except ValueError:
        return None
