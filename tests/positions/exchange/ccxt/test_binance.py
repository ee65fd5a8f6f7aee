"""A real client of ccxt at Binance's shapes: orders, positions, trades, to the last digit."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, getcontext, localcontext

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import FeeAsset, Leg, OrderRequest, OrderStatus, OrderUpdate, Side
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    InvalidOrderError,
    OrderNotFoundError,
    OrderPurgedError,
    RateLimitedError,
)
from cowstate.positions.exchange.ccxt import CcxtExchange
from tests.positions.exchange.ccxt.desks import At, at_binance, binance_client

KINDS = pytest.mark.parametrize("contract", [True, False], ids=["futures", "spot"])


def place(at: At, number: int = 1, *, amount: str = "0.5", price: str = "100") -> OrderUpdate:
    params = {"clientOrderId": f"g-{price}-B{number}", "postOnly": True}
    return at.exchange.create_order(
        at.symbol, "limit", Side.BUY, Decimal(amount), Decimal(price), params
    )


@KINDS
def test_an_order_lives_and_ends(contract: bool) -> None:
    with at_binance(contract=contract) as at:
        order = place(at)
        assert (order.client_oid, order.status, order.filled) == ("g-100-B1", OrderStatus.NEW, 0)
        assert isinstance(order.order_id, str)
        listing = at.exchange.fetch_open_orders(at.symbol)
        assert listing.complete
        assert [each.client_oid for each in listing] == ["g-100-B1"]
        at.desk.fill(lots="0.2")
        for told in (
            at.exchange.fetch_order(order.order_id, at.symbol),
            at.exchange.fetch_order(None, at.symbol, "g-100-B1"),
        ):
            assert told.status is OrderStatus.PARTIALLY_FILLED
            assert (told.filled, told.cost, told.quantity) == (Decimal("0.2"), 20, Decimal("0.5"))
        ended = at.exchange.cancel_order(order.order_id, at.symbol)
        assert (ended.status, ended.filled) == (OrderStatus.CANCELED, Decimal("0.2"))
        assert not len(at.exchange.fetch_open_orders(at.symbol))
        with pytest.raises(OrderNotFoundError):
            at.exchange.cancel_order(order.order_id, at.symbol)


@KINDS
def test_what_is_held_is_told_with_its_moment(contract: bool) -> None:
    with at_binance(contract=contract) as at:
        listing = at.exchange.fetch_positions([at.symbol])
        (held,) = listing
        assert (held.quantity, held.leg, held.symbol) == (2, Leg.NET, at.symbol)
        assert listing.answered_ms is not None
        assert abs(listing.answered_ms - at.app.now_ms()) < 60_000
        at.app.stamped = False
        assert at.exchange.fetch_positions([at.symbol]).answered_ms is None


def test_a_position_without_an_entry_price_is_held_all_the_same() -> None:
    with at_binance() as at:
        # ccxt's own list leaves it out, and an empty list means that nothing is held.
        assert at.client.fetch_positions([at.symbol]) == []
        assert [each.quantity for each in at.exchange.fetch_positions([at.symbol])] == [2]


def test_what_is_held_on_a_spot_market_is_not_looked_for_among_futures() -> None:
    options = {"fetchMarkets": {"types": ["spot"]}, "defaultType": "future"}
    with at_binance(contract=False, settings={"options": options}) as at:
        assert [each.quantity for each in at.exchange.fetch_positions([at.symbol])] == [2]
        assert at.served.asked[-1].path == "/api/v3/account"


def test_legs_are_told_apart() -> None:
    with at_binance(hedge=1, leg=Leg.LONG) as at:
        assert at.exchange.promises.hedged
        held = {each.leg: each.quantity for each in at.exchange.fetch_positions([at.symbol])}
        assert held == {Leg.LONG: 2, Leg.SHORT: 0}
        place(at)
        assert at.served.asked[-1].params["positionSide"] == "LONG"
        at.desk.fill()
        since = at.desk.clock.now_ms - 60_000
        assert [e.leg for e in at.exchange.fetch_my_trades(at.symbol, since)] == [Leg.LONG]


@KINDS
def test_fees_are_told_with_what_they_are_taken_from(contract: bool) -> None:
    with at_binance(contract=contract, fee=0.001) as at:
        place(at)
        at.desk.fill(lots="0.2")
        (trade,) = at.exchange.fetch_my_trades(at.symbol, at.desk.clock.now_ms - 60_000)
        assert (trade.fee, trade.fee_asset) == (Decimal("0.0002"), FeeAsset.BASE)
        assert (trade.filled, trade.moved) == (Decimal("0.2"), Decimal("0.1998"))
        assert trade.client_oid is None
        assert trade.order_id == at.exchange.fetch_open_orders(at.symbol)[0].order_id


def test_amounts_and_prices_leave_as_they_are() -> None:
    with at_binance() as at:
        place(at, amount="0.123", price="61000.1")
        sent = at.served.asked[-1].params
        assert Decimal(sent["quantity"]) == Decimal("0.123")
        assert Decimal(sent["price"]) == Decimal("61000.1")
        assert sent["newClientOrderId"] == "g-61000.1-B1"
        assert sent["timeInForce"] == "GTX"


@pytest.mark.parametrize(
    ("amount", "price", "why"),
    [
        ("0.0005", "100", "no multiple of 0.001"),
        ("0.5", "100.05", "no multiple of 0.10; 100.00 is"),
        ("1000.001", "100", "at most 1000 is taken"),
        ("0.04", "100", "amount times price is 4"),
        ("0.5", "0.9", "price is 0.9, and at least 1.00"),
        ("0", "100", "amount is 0"),
    ],
)
def test_what_the_market_does_not_take_is_not_sent(amount: str, price: str, why: str) -> None:
    with at_binance() as at:
        with pytest.raises(InvalidOrderError, match=why):
            place(at, amount=amount, price=price)
        assert at.served.asked == []


@KINDS
def test_an_id_that_is_taken_is_no_refusal(contract: bool) -> None:
    with at_binance(contract=contract) as at:
        place(at)
        with pytest.raises(DuplicateOrderIdError):
            place(at)


@KINDS
def test_a_refusal_for_margin_is_one(contract: bool) -> None:
    with at_binance(contract=contract, refuse=1) as at, pytest.raises(InsufficientFundsError):
        place(at)


@KINDS
def test_a_post_only_order_that_would_take_is_an_answer(contract: bool) -> None:
    with at_binance(contract=contract) as at:
        at.desk.fill(price=90)
        status = 400
        code = (
            '{"code":-5022,"msg":"Due to the order could not be executed as maker, the Post Only '
            'order will be rejected."}'
            if contract
            else '{"code":-2010,"msg":"Order would immediately match and take."}'
        )
        at.served.fail(method="POST", done=False, status=status, body=code)
        order = place(at)
        assert (order.status, order.post_only_reject) == (OrderStatus.REJECTED, True)
        at.served.fail(method="POST", done=False, status=status, body=code)
        with pytest.raises(InvalidOrderError):
            at.exchange.create_order(at.symbol, "limit", Side.BUY, Decimal(1), Decimal(100))


def test_several_orders_have_an_answer_each() -> None:
    with at_binance() as at:
        requests = [
            OrderRequest(at.symbol, Side.BUY, Decimal(1), Decimal(price), f"g-{price}-B1")
            for price in (100, 100, 101)
        ]
        first, second, third = at.exchange.create_orders(requests)
        assert isinstance(first, OrderUpdate)
        assert isinstance(second, DuplicateOrderIdError)
        assert isinstance(third, OrderUpdate)
        ids = [first.order_id, "77", third.order_id]
        ended = at.exchange.cancel_orders([str(each) for each in ids], at.symbol)
        assert [type(each) for each in ended] == [OrderUpdate, OrderNotFoundError, OrderUpdate]


def test_not_found_and_archived_are_told_apart() -> None:
    with at_binance(contract=False) as at:
        with pytest.raises(OrderNotFoundError) as never:
            at.exchange.fetch_order("77", at.symbol)
        assert not isinstance(never.value, OrderPurgedError)
        at.app.archived.add("77")
        with pytest.raises(OrderPurgedError):
            at.exchange.fetch_order("77", at.symbol)


def test_a_cost_that_the_venue_does_not_tell_is_not_made_up() -> None:
    with at_binance(contract=False, no_cost=1) as at:
        order = place(at)
        at.desk.fill(lots="0.2")
        told = at.exchange.fetch_order(order.order_id, at.symbol)
        assert (told.filled, told.cost) == (Decimal("0.2"), 0)
        # The client works one out from the limit, which is not what was paid.
        assert Decimal(at.client.fetch_order(order.order_id, at.symbol)["cost"]) != 0


def test_too_many_requests_come_with_their_time() -> None:
    with at_binance() as at:
        at.desk.hours("rate_limit", 0, 60_000)
        with pytest.raises(RateLimitedError) as limited:
            place(at)
        wait = limited.value.retry_after_ms
        assert wait is not None
        assert 0 < wait <= 60_000


def test_a_clock_that_is_off_is_measured_and_made_good() -> None:
    with at_binance() as at:
        right = at.app.now_ms
        at.app.now_ms = lambda: right() + 25_000
        with pytest.raises(ExchangeError, match="recvWindow"):
            place(at)
        offset = at.exchange.measure_clock()
        assert offset.lowest <= 25_000 <= offset.highest
        assert abs(at.exchange.time_ms() - at.app.now_ms()) <= at.exchange.promises.clock_ms
        assert place(at).status is OrderStatus.NEW
        narrower = at.exchange.measure_clock()
        assert offset.lowest <= narrower.lowest <= narrower.highest <= offset.highest


def test_a_number_that_is_no_text_is_not_rounded_either() -> None:
    order = (
        '[{"symbol":"BTCUSDT","orderId":7,"clientOrderId":"g-100-B1","price":100.10,"side":"BUY",'
        '"origQty":0.30000000000000000001,"executedQty":0.1,"cumQuote":1e1,"status":"NEW",'
        '"type":"LIMIT","time":1700000000123,"updateTime":1700000000123}]'
    )
    with at_binance() as at:
        at.served.fail(path="openOrders", status=200, body=order)
        (listed,) = at.exchange.fetch_open_orders(at.symbol)
        assert listed.quantity == Decimal("0.30000000000000000001")
        assert (listed.price, listed.cost) == (Decimal("100.10"), 10)
        assert listed.time_ms == 1_700_000_000_123


def test_the_callers_context_of_decimals_is_left_alone() -> None:
    with at_binance() as at, localcontext() as context:
        context.rounding, context.prec = ROUND_CEILING, 5
        before = getcontext().copy()
        place(at, amount="0.123", price="123456.7")
        assert Decimal(at.served.asked[-1].params["price"]) == Decimal("123456.7")
        after = getcontext()
        assert (after.rounding, after.prec) == (before.rounding, before.prec)
        assert after.traps == before.traps


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"number": float}, "number"),
        ({"precisionMode": 2}, "precisionMode"),
        ({"options": {"maxRetriesOnFailure": 3}}, "maxRetriesOnFailure"),
        ({"options": {"order": {"maxRetriesOnFailure": 1}}}, "maxRetriesOnFailure"),
    ],
)
def test_a_client_that_would_do_harm_is_refused(settings: dict[str, object], why: str) -> None:
    client = binance_client("http://127.0.0.1:9", **settings)
    with pytest.raises(ArgumentValueError, match=why):
        CcxtExchange(client, "BTC/USDT:USDT")


def test_what_is_no_market_or_no_client_is_refused() -> None:
    with at_binance() as at:
        client = binance_client(at.served.address)
        with pytest.raises(ArgumentValueError, match="unified symbols"):
            CcxtExchange(client, "BTCUSD")
        with pytest.raises(ArgumentValueError, match="no finite number"):
            client.options["recvWindow"] = "soon"
            CcxtExchange(client, at.symbol)
        client.options["recvWindow"] = 5_000
        # Whoever was refused may try again with the same client.
        assert CcxtExchange(client, at.symbol).rules.symbol == at.symbol
        with pytest.raises(ArgumentValueError, match="another adapter's already"):
            CcxtExchange(at.client, at.symbol)
        with pytest.raises(ArgumentTypeError, match="no client of ccxt"):
            CcxtExchange(object(), at.symbol)
        with pytest.raises(ExchangeError, match="no market"):
            at.exchange.fetch_open_orders("ETH/USDT:USDT")
        with pytest.raises(ExchangeError, match="no page"):
            at.exchange.fetch_open_orders(at.symbol, "7")
