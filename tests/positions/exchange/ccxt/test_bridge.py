"""An asynchronous client of ccxt, on a loop of its own: who calls waits, and nothing is guessed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import OrderStatus, OrderUpdate, Side
from cowstate.positions.errors import ExchangeError, NetworkError, RateLimitedError
from cowstate.positions.exchange.ccxt import CcxtExchange, LoopThread
from cowstate.positions.exchange.ccxt.bridge import Bridge
from tests.positions.exchange.ccxt.desks import At, async_client, at_binance, binance_client
from tests.positions.exchange.ccxt.serving import elsewhere, held_at, in_a_thread

PATIENCE = 30


def place(at: At, number: int = 1, *, amount: str = "0.5", price: str = "100") -> OrderUpdate:
    params = {"clientOrderId": f"g-{price}-B{number}", "postOnly": True}
    return at.exchange.create_order(
        at.symbol, "limit", Side.BUY, Decimal(amount), Decimal(price), params
    )


@pytest.mark.parametrize("contract", [True, False], ids=["futures", "spot"])
def test_an_order_lives_and_ends(contract: bool) -> None:
    with at_binance(contract=contract, asynchronous=True) as at:
        order = place(at, amount="0.123", price="61000.1")
        assert (order.client_oid, order.status) == ("g-61000.1-B1", OrderStatus.NEW)
        # To the last digit, there and back.
        assert (order.quantity, order.price) == (Decimal("0.123"), Decimal("61000.1"))
        at.desk.fill(61000, "0.1")
        listing = at.exchange.fetch_open_orders(at.symbol)
        assert [each.filled for each in listing] == [Decimal("0.1")]
        assert listing.answered_ms is not None
        assert [each.quantity for each in at.exchange.fetch_positions([at.symbol])] == [
            Decimal("2.1")
        ]
        since = at.desk.clock.now_ms - 60_000
        assert [each.quantity for each in at.exchange.fetch_my_trades(at.symbol, since)] == [
            Decimal("0.1")
        ]
        ended = at.exchange.cancel_order(order.order_id or "", at.symbol)
        assert (ended.status, ended.filled) == (OrderStatus.CANCELED, Decimal("0.1"))
        assert at.exchange.fetch_order(None, at.symbol, "g-61000.1-B1").filled == Decimal("0.1")
        assert abs(at.exchange.measure_clock().middle) < 60_000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_redirect_is_not_followed(status: int, method: str) -> None:
    """Not as far as to connect to where it leads."""
    with at_binance(asynchronous=True) as at, elsewhere() as (place_of_others, came):
        at.served.fail(
            method=method,
            done=False,
            status=status,
            headers={"Location": f"{place_of_others}/order"},
        )
        with pytest.raises(ExchangeError, match="redirect") as raised:
            place(at) if method == "POST" else at.exchange.fetch_open_orders(at.symbol)
        assert method == "GET" or isinstance(raised.value, NetworkError)
        assert not came()
        # What comes after is none the worse.
        assert place(at).status is OrderStatus.NEW


def test_a_redirect_to_the_same_place_is_not_followed() -> None:
    with at_binance(asynchronous=True) as at:
        for status in (301, 302, 307, 308):
            at.served.asked.clear()
            at.served.fail(
                method="POST",
                done=False,
                status=status,
                headers={"Location": f"{at.served.address}/elsewhere"},
            )
            with pytest.raises(NetworkError):
                place(at)
            assert [each.method for each in at.served.asked] == ["POST"]


def test_a_request_whose_connection_ends_is_not_sent_again() -> None:
    """By itself aiohttp does, and the answer to the second one is that there is no such order."""
    with at_binance(asynchronous=True) as at:
        order = place(at)
        for _ in range(3):
            at.served.fail("drop", method="DELETE")
        with pytest.raises(NetworkError):
            at.exchange.cancel_order(order.order_id or "", at.symbol)
        assert at.served.count("DELETE", "/order") == 1


def test_a_call_that_takes_too_long_is_ended_and_not_taken_for_refused() -> None:
    with at_binance(asynchronous=True, settings={"timeout": 60_000}) as at, LoopThread() as loop:
        came, goes = held_at(at.app, "POST", "/order")
        client = async_client(
            "binance",
            at.served.address,
            timeout=60_000,
            options={"fetchMarkets": {"types": ["linear"]}},
        )
        exchange = CcxtExchange(client, at.symbol, loop=loop)
        bridge = limit_calls(exchange, came)
        with pytest.raises(NetworkError):
            exchange.create_order(at.symbol, "limit", Side.BUY, Decimal("0.5"), Decimal(100))
        goes.set()
        bridge._limit_s = PATIENCE
        assert at.served.count("POST", "/order") == 1
        # The client goes on, and is asked for what became of it.
        exchange.fetch_open_orders(at.symbol)


def limit_calls(exchange: CcxtExchange, came: threading.Event) -> Bridge:
    """Have the bridge of *exchange* wait until a request *came*, and no longer."""
    calls = exchange._calls._calls
    bridge = calls._called.__self__
    assert isinstance(bridge, Bridge)
    bridge._limit_s = 0.0
    begin = bridge._loop.begin

    def begun(work: Any) -> Any:
        running = begin(work)
        if not came.is_set():
            assert came.wait(PATIENCE)
        return running

    bridge._loop.begin = begun  # type: ignore[method-assign]
    return bridge


class Client:
    """As much of a client as a bridge calls, whose ends are in our hands."""

    asyncio_loop = None

    def __init__(self) -> None:
        self.began = threading.Event()
        self.ends = threading.Event()
        self.stubborn = False
        self.log: list[str] = []
        self.session: Any = self
        self.trace_configs: list[Any] = []
        self.clients: dict[str, Any] = {}

    def open(self) -> None:
        pass

    async def close(self) -> None:
        self.log.append("closed")

    async def close_ws_clients(self) -> None:
        pass

    async def work(self, said: str) -> str:
        self.log.append(said)
        self.began.set()
        while not self.ends.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
        return said


def test_what_does_not_end_is_not_known_and_nothing_else_begins() -> None:
    pytest.importorskip("aiohttp")
    client = Client()
    client.stubborn = True
    with LoopThread() as loop:
        bridge = Bridge(client, loop, limit_s=0.01, grace_s=0.01)
        with pytest.raises(NetworkError, match="not known"):
            bridge.call("work", "first")
        with pytest.raises(ExchangeError, match="nothing was sent") as raised:
            bridge.call("work", "second")
        assert not isinstance(raised.value, NetworkError)
        client.ends.set()
        bridge = Bridge(client, loop)
        assert bridge.call("work", "third") == "third"
    assert client.log == ["first", "third", "closed", "closed"]


def test_what_is_ended_in_time_raises_that_it_was() -> None:
    pytest.importorskip("aiohttp")
    client = Client()
    with LoopThread() as loop:
        bridge = Bridge(client, loop, limit_s=0.0)
        with pytest.raises((CancelledError, NetworkError)):
            bridge.call("work", "first")
        client.ends.set()
        bridge = Bridge(client, loop)
        assert bridge.call("work", "second") == "second"


def test_a_loop_that_is_closed_ends_what_waits_and_takes_nothing() -> None:
    pytest.importorskip("aiohttp")
    client = Client()
    loop = LoopThread()
    bridge = Bridge(client, loop)
    thread, found = in_a_thread(lambda: bridge.call("work", "first"))
    assert client.began.wait(PATIENCE)
    loop.close()
    thread.join(PATIENCE)
    assert isinstance(found[0], CancelledError)
    with pytest.raises(ExchangeError, match="closed"):
        bridge.call("work", "second")
    loop.close()
    assert client.log == ["first", "closed"]
    assert not [each for each in threading.enumerate() if each.name == "cowstate-loop"]


@pytest.mark.parametrize("waits", [False, True], ids=["free", "waited for"])
def test_what_runs_on_the_loop_does_not_wait_for_it(waits: bool) -> None:
    """A finalizer, say, while another thread has the lock and waits for that loop."""
    with at_binance(asynchronous=True, settings={"timeout": 60_000}) as at:
        came, goes = held_at(at.app, "POST", "/order")
        bridge = at.exchange._calls._calls._called.__self__  # type: ignore[attr-defined]
        thread, found = in_a_thread((lambda: place(at)) if waits else goes.set)
        assert not waits or came.wait(PATIENCE)

        async def finalizer() -> Any:
            return at.exchange.fetch_open_orders(at.symbol)

        with pytest.raises(ExchangeError, match="cannot wait") as raised:
            bridge._loop.begin(finalizer).outcome.result(PATIENCE)
        assert not isinstance(raised.value, NetworkError)
        goes.set()
        thread.join(PATIENCE)
        assert not at.served.count("GET", "openOrders")
        assert not waits or found[0].status is OrderStatus.NEW


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_a_process_that_was_forked_off_nothing_is_sent_and_nobody_waits() -> None:
    async def work() -> None:
        raise AssertionError

    with LoopThread() as loop:
        child = os.fork()
        if not child:
            status = 1
            try:
                try:
                    loop.begin(work)
                except ExchangeError as error:
                    status = 0 if "forked" in str(error) else 2
                loop.close()
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_when_it_is_closed_nothing_is_left_of_a_client() -> None:
    before = threading.active_count()
    with at_binance(asynchronous=True) as at:
        place(at)
        session, client = at.client.session, at.client
    assert session.closed
    assert client.session is None
    assert threading.active_count() == before


def test_a_client_of_the_other_kind_is_refused() -> None:
    with at_binance() as at, LoopThread() as loop:
        other = async_client("binance", at.served.address)
        with pytest.raises(ArgumentTypeError, match="LoopThread"):
            CcxtExchange(other, at.symbol)
        with pytest.raises(ArgumentTypeError, match="async_support"):
            CcxtExchange(binance_client(at.served.address), at.symbol, loop=loop)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"number": float}, "number"),
        ({"verbose": True}, "verbose"),
        ({"options": {"maxRetriesOnFailure": 3}}, "maxRetriesOnFailure"),
        ({"socksProxy": "socks5://127.0.0.1:9"}, "SOCKS"),
        ({"ws_socks_proxy": "socks5://127.0.0.1:9"}, "SOCKS"),
    ],
)
def test_a_client_that_would_do_harm_is_refused(settings: dict[str, Any], why: str) -> None:
    client = async_client("binance", "http://127.0.0.1:9", **settings)
    with LoopThread() as loop, pytest.raises(ArgumentValueError, match=why):
        CcxtExchange(client, "BTC/USDT:USDT", loop=loop)


def test_a_client_that_has_run_elsewhere_is_refused() -> None:
    with at_binance(asynchronous=True) as at, LoopThread() as loop:
        with pytest.raises(ArgumentValueError, match="another adapter's"):
            CcxtExchange(at.client, at.symbol, loop=loop)
        with pytest.raises(ArgumentValueError, match="another loop"):
            Bridge(at.client, loop)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
@pytest.mark.parametrize("status", [429, 400, 200])
def test_a_call_in_the_middle_of_another_does_not_judge_it(status: int) -> None:
    """By a signal handler, while this thread waits: its answer is no answer to the order."""
    told: list[Any] = []
    with at_binance(asynchronous=True) as at:
        came, goes = held_at(at.app, "POST", "/order")

        def handle(*_: object) -> None:
            goes.set()
            body = "[]" if status == 200 else '{"code":-1003,"msg":"Too many requests."}'
            at.served.fail(path="openOrders", status=status, body=body)
            with suppress(ExchangeError):
                told.append(at.exchange.fetch_open_orders(at.symbol))

        def signalled() -> None:
            assert came.wait(PATIENCE)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

        before = signal.signal(signal.SIGUSR1, handle)
        thread = threading.Thread(target=signalled)
        thread.start()
        try:
            at.served.fail("drop", method="POST")
            with pytest.raises(NetworkError):
                place(at)
        finally:
            thread.join(PATIENCE)
            signal.signal(signal.SIGUSR1, before)
        assert at.served.count("GET", "openOrders") == 1
        assert len(told) == (status == 200)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_ctrl_c_ends_what_it_waits_for_and_leaves_the_client_usable() -> None:
    with at_binance(asynchronous=True, settings={"timeout": 60_000}) as at:
        came, goes = held_at(at.app, "POST", "/order")

        def signalled() -> None:
            assert came.wait(PATIENCE)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=signalled)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            place(at)
        thread.join(PATIENCE)
        goes.set()
        at.exchange.fetch_open_orders(at.symbol)


def test_a_rate_limit_tells_how_long_to_wait() -> None:
    with at_binance(asynchronous=True) as at:
        at.served.fail(done=False, status=429, body="{}", headers={"Retry-After": "7"})
        with pytest.raises(RateLimitedError) as limited:
            at.exchange.fetch_open_orders(at.symbol)
        assert limited.value.retry_after_ms == 7_000
