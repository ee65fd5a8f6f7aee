"""Connections of a stream that end, and a stream that is closed: nothing is left of it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.ccxt import LoopThread, OrderStream
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.desks import async_client, binance_client
from tests.positions.exchange.ccxt.scenes import ASK_S, WHERE, at_scene, states
from tests.positions.exchange.ccxt.serving import elsewhere, held_at
from tests.positions.exchange.ccxt.streaming import PATIENCE


@WHERE
def test_a_redirect_is_not_followed(kind: str) -> None:
    """Not as far as to connect to where it leads, with a key in the address."""
    with at_scene(kind) as scene, elsewhere() as (place_of_others, came):
        scene.settle()
        for path in ("listenKey", "exchangeInfo", "user/query-api"):
            answer = {"status": 307, "headers": {"Location": f"{place_of_others}/key"}}
            scene.served.fail(path=path, done=False, **answer)
        scene.streams.leads_to = f"{place_of_others}/ws"
        scene.streams.drop()
        scene.settle(2)
        assert not scene.streams.leads_to
        assert not came()


@WHERE
def test_what_the_client_closes_by_itself_is_begun_anew(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.loop.begin(scene.client.close_ws_clients).outcome.result(PATIENCE)
        scene.settle(2)
        scene.place(price=110)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        assert not scene.asked


@WHERE
def test_a_connection_that_ends_late_is_not_the_one_that_stands(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        (earlier,) = [each for each in scene.client.clients.values() if each.connection]
        scene.streams.drop()
        scene.settle(2)

        async def end() -> None:
            scene.client.on_error(earlier, ConnectionError("it broke"))
            scene.client.on_close(earlier, 1006)

        scene.loop.begin(end).outcome.result(PATIENCE)
        assert scene.stream.hearing().up
        scene.poll()
        assert not scene.asked


@WHERE
def test_a_connection_that_ends_late_does_not_take_the_next_one_along(kind: str) -> None:
    """Of the same address, while that is being connected: the client would forget it."""
    with at_scene(kind) as scene:
        scene.settle()
        (earlier,) = [each for each in scene.client.clients.values() if each.connection]
        scene.streams.slow = asyncio.Event()
        knocked = scene.streams.knocked
        scene.streams.drop()
        scene.streams.until(lambda: scene.streams.knocked > knocked)

        async def end() -> None:
            scene.client.on_close(earlier, 1006)

        scene.loop.begin(end).outcome.result(PATIENCE)
        scene.streams.loop.loop.call_soon_threadsafe(scene.streams.slow.set)
        scene.settle(2)
        assert [each for each in scene.client.clients.values() if each.connection]


def test_what_is_just_being_connected_is_not_begun_anew() -> None:
    with at_scene("futures", timeout=60_000) as scene:
        scene.settle()
        came, goes = held_at(scene.app, "POST", "listenKey")
        scene.streams.drop()
        assert came.wait(PATIENCE)
        scene.stream.restart("that was said of the one before")

        async def nothing() -> None:
            """Once this has run, so has what was begun before."""

        scene.loop.begin(nothing).outcome.result(PATIENCE)
        goes.set()
        scene.settle(2)
        order = scene.place(price=110)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        scene.cancel(order)
        assert states(scene.poll()) == [("g-110-B1", "CANCELED")]
        assert scene.streams.came == 2


@WHERE
def test_when_it_is_closed_it_is_known_not_to_listen(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        # Nobody takes leave of it.
        scene.streams.lame = scene.streams.silent = True
        scene.loop.close()
        assert not scene.stream.hearing().up
        assert scene.stream.hearing().why
        scene.place(price=110, told=False)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]


@WHERE
def test_when_it_is_closed_nothing_is_left(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        session = scene.client.session
        scene.loop.close()
        scene.streams.until(lambda: not scene.streams.lines)
        assert session.closed
        assert scene.client.session is None
        scene.stream.restart("it is over, and that changes nothing")
        # Who asks is answered all the same.
        scene.place(price=110, told=False)
        scene.clock.now += ASK_S
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        # The other one is that of the server.
        loops = [each for each in threading.enumerate() if each.name == "cowstate-loop"]
        assert len(loops) == 1


def test_it_can_be_closed_while_the_venue_is_not_there() -> None:
    with at_scene("futures") as scene:
        scene.streams.sends_away = 1_000_000
        scene.streams.until(lambda: scene.streams.knocked >= 2)
        scene.loop.close()
    with at_scene("futures") as scene:
        # Neither does it answer, nor take leave.
        scene.settle()
        scene.streams.lame = scene.streams.silent = True
        scene.loop.close()


@WHERE
def test_nothing_that_is_secret_is_told(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    told = []
    with at_scene(kind, streaming={"keepAlive": 60, "maxPingPongMisses": 1}) as scene:
        scene.settle()
        scene.streams.lame = True
        scene.streams.until(lambda: scene.streams.came >= 2)
        told.append(scene.stream.hearing().why)
        scene.poll()
        for path in ("listenKey", "exchangeInfo", "user/query-api"):
            scene.served.fail("drop", path=path)
        scene.streams.sends_away = 2
        came = scene.streams.drop()
        scene.streams.until(lambda: scene.streams.came > came)
        told.append(scene.stream.hearing().why)
        scene.poll()
    text = caplog.text + "".join(told)
    keys = [str(number).rjust(64, "k") for number in range(1, 9)]
    for secret in (KEY, SECRET, *keys):
        assert secret not in text


@WHERE
def test_keys_that_will_not_do_leave_the_orders_to_who_asks(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="cowstate")
    with at_scene(kind, apiKey="k" * 20, secret="s" * 20) as scene:
        scene.place(price=110)
        # However often it is refused, it is told once.
        for _ in range(3):
            while not scene.stream.hearing().why:
                scene.poll()
            scene.poll()
        assert scene.asked
        assert ("g-110-B1", "NEW") in states(scene.told)
        lines = [each for each in caplog.records if hasattr(each, "cowstate_event")]
        events = [each.cowstate_event for each in lines]
        assert events.count("orders_polled") <= 1
        assert "orders_streamed" not in events


def test_a_client_that_brings_no_events_is_refused() -> None:
    with LoopThread() as loop:
        with pytest.raises(ArgumentTypeError, match=r"ccxt\.pro"):
            OrderStream(binance_client("http://127.0.0.1:9"), "BTC/USDT", loop)
        client = async_client("binance", "http://127.0.0.1:9")
        client.has = {**client.has, "watchOrders": False}
        with pytest.raises(ArgumentValueError, match="no stream of orders"):
            OrderStream(client, "BTC/USDT", loop)
        rounding = async_client("binance", "http://127.0.0.1:9", number=float)
        with pytest.raises(ArgumentValueError, match="number"):
            OrderStream(rounding, "BTC/USDT", loop)
    with pytest.raises(ExchangeError, match="closed"):
        OrderStream(async_client("binance", "http://127.0.0.1:9"), "BTC/USDT", loop)
