"""What goes wrong at the socket: of an order without an answer nothing is said but that."""

from __future__ import annotations

import traceback
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderStatus, OrderUpdate, Side
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    NetworkError,
    RateLimitedError,
)
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.desks import At, at_binance
from tests.positions.exchange.ccxt.serving import Fault

SILENT = [
    Fault("drop"),
    Fault("drop", done=False),
    Fault("hang"),
    Fault("half"),
    Fault("short"),
    Fault(status=502, body="<html>Bad Gateway</html>"),
    Fault(status=502, body="<html>Bad Gateway</html>", done=False),
    Fault(status=504, body=""),
    Fault(status=500, body='{"code":-1000,"msg":"An unknown error occurred."}'),
    Fault(status=503, body='{"code":-1003,"msg":"Too many requests queued."}'),
    Fault(status=200, body="<html>Welcome</html>"),
    Fault(status=200, body='{"orderId": 1, "status": "NEW", "origQty"'),
    Fault(status=200, body="[]"),
    Fault(status=200, body='{"status": "NEW"}'),
    Fault(status=200, body="{}"),
    Fault(status=200, body='{"orderId": 1, "side": "BUY", "origQty": "NaN", "status": "NEW"}'),
    Fault(
        status=200,
        body='{"orderId": 1, "side": "BUY", "origQty": "1", "executedQty": "1e999999999"}',
    ),
    Fault(status=404, body="<html>Not Found</html>"),
    Fault(
        status=400,
        body='{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status '
        'unknown; execution status unknown."}',
    ),
    Fault(
        status=400,
        body='{"code":-1006,"msg":"An unexpected response was received from the message bus. '
        'Execution status unknown."}',
    ),
    Fault(status=400, body='{"code":-9999,"msg":"Something that nobody has heard of."}'),
    Fault(status=400, body='{"code":-10'),
]
"""After these nobody knows whether an order was placed."""


WAYS = pytest.mark.parametrize("asynchronous", [False, True], ids=["ccxt", "async"])
"""By a client of ccxt itself, and by an asynchronous one on a loop of its own."""


def name_of(fault: Fault) -> str:
    done = "done" if fault.done else "not done"
    return f"{fault.kind or fault.status}, {done}, {fault.body[:24]}"


def place(at: At) -> OrderUpdate:
    params = {"clientOrderId": "g-100-B1", "postOnly": True}
    return at.exchange.create_order(
        at.symbol, "limit", Side.BUY, Decimal("0.5"), Decimal(100), params
    )


@WAYS
@pytest.mark.parametrize("fault", SILENT, ids=name_of)
def test_an_order_without_an_answer_is_unknown(fault: Fault, asynchronous: bool) -> None:
    with at_binance(asynchronous=asynchronous) as at:
        at.served.faults.append(fault._replace(method="POST"))
        with pytest.raises(NetworkError):
            place(at)
        # It was sent once, and whoever asks learns what became of it.
        assert at.served.count("POST", "/order") == 1
        listed = [each.client_oid for each in at.exchange.fetch_open_orders(at.symbol)]
        assert listed == (["g-100-B1"] if fault.done else [])
        if fault.done:
            with pytest.raises(DuplicateOrderIdError):
                place(at)


@WAYS
@pytest.mark.parametrize("fault", SILENT, ids=name_of)
def test_a_cancellation_without_an_answer_is_unknown(fault: Fault, asynchronous: bool) -> None:
    with at_binance(asynchronous=asynchronous) as at:
        order = place(at)
        # What is no order is no answer to a cancellation, and so the order is asked for.
        at.served.faults.append(fault._replace(method="DELETE"))
        ended: OrderUpdate | None = None
        try:
            ended = at.exchange.cancel_order(str(order.order_id), at.symbol)
        except NetworkError:
            pass
        assert at.served.count("DELETE", "/order") == 1
        told = at.exchange.fetch_order(order.order_id, at.symbol)
        assert told.status is (OrderStatus.CANCELED if fault.done else OrderStatus.NEW)
        assert ended is None or ended.status is told.status


READS = {
    "openOrders": lambda at: at.exchange.fetch_open_orders(at.symbol),
    "positionRisk": lambda at: at.exchange.fetch_positions([at.symbol]),
    "userTrades": lambda at: at.exchange.fetch_my_trades(at.symbol, at.desk.clock.now_ms - 60_000),
}


@WAYS
@pytest.mark.parametrize(
    "fault",
    [
        each
        for each in SILENT
        if each.kind in ("drop", "half", "short")
        or each.status >= 500
        or (each.status == 200 and each.body.startswith("<html>"))
    ],
    ids=name_of,
)
@pytest.mark.parametrize("path", READS)
def test_a_list_that_did_not_come_whole_is_no_list(
    path: str, fault: Fault, asynchronous: bool
) -> None:
    with at_binance(asynchronous=asynchronous) as at:
        place(at)
        at.desk.fill(lots="0.2")
        ask: Any = READS[path]
        before = ask(at)
        assert len(before) == 1
        at.served.faults.append(fault._replace(path=path))
        with pytest.raises(ExchangeError):
            ask(at)
        assert ask(at).items[0].replace(time_ms=0) == before.items[0].replace(time_ms=0)


@WAYS
@pytest.mark.parametrize(
    "fault",
    [Fault("drop"), Fault("half"), Fault(status=502, body=f"{KEY} {SECRET}"), Fault(status=400)],
    ids=name_of,
)
def test_nothing_that_is_secret_is_in_an_error(
    fault: Fault, caplog: pytest.LogCaptureFixture, asynchronous: bool
) -> None:
    caplog.set_level("DEBUG", logger="cowstate")
    with at_binance(asynchronous=asynchronous) as at:
        for method, act in (("POST", place), ("GET", READS["openOrders"])):
            at.served.faults.append(fault._replace(method=method))
            with pytest.raises(ExchangeError) as raised:
                act(at)
            told = "".join(traceback.format_exception(raised.value)) + caplog.text
            for secret in (KEY, SECRET, "signature="):
                assert secret not in told


@WAYS
@pytest.mark.parametrize("status", [429, 418])
def test_a_rate_limit_is_known_whatever_stands_in_its_body(status: int, asynchronous: bool) -> None:
    with at_binance(asynchronous=asynchronous) as at:
        for body in ("", "<html>", '{"code":-1003,"msg":"Too much request weight used"}', "{"):
            at.served.fail(
                method="POST", done=False, status=status, body=body, headers={"Retry-After": "7"}
            )
            with pytest.raises(RateLimitedError) as limited:
                place(at)
            assert limited.value.retry_after_ms == 7_000
        assert place(at).status is OrderStatus.NEW


@pytest.mark.parametrize("status", [429, 400, 200])
def test_a_call_in_the_middle_of_another_does_not_judge_it(status: int) -> None:
    """By a finalizer or a signal handler: what its server said is no answer to the order."""
    with at_binance() as at:
        adapter = at.client.session.get_adapter("https://fapi.binance.com")
        send = adapter.send

        def sending(*args: Any, **named: Any) -> Any:
            adapter.send = send
            try:
                return send(*args, **named)
            finally:
                body = "[]" if status == 200 else '{"code":-1003,"msg":"Too many requests."}'
                at.served.fail(path="openOrders", status=status, body=body)
                with suppress(ExchangeError):
                    at.exchange.fetch_open_orders(at.symbol)

        adapter.send = sending
        at.served.fail("drop", method="POST")
        with pytest.raises(NetworkError):
            place(at)
        assert at.served.count("GET", "openOrders") == 1
