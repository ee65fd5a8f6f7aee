"""A stream of our orders, by the real client over real websockets, with faults at the socket."""

from __future__ import annotations

import asyncio
import json
import threading
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import OrderStatus, OrderUpdate
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.ccxt import LoopThread, OrderStream
from cowstate.positions.exchange.ccxt.frames import ends
from cowstate.positions.trading.outcomes import UpdateOutcome
from tests.positions.exchange.ccxt.binance import KEY, SECRET
from tests.positions.exchange.ccxt.desks import async_client, binance_client
from tests.positions.exchange.ccxt.scenes import ASK_S, GRACE_S, KINDS, ORDERS, Scene, at_scene
from tests.positions.exchange.ccxt.serving import Asked, elsewhere, held_at
from tests.positions.exchange.ccxt.streaming import PATIENCE

WHERE = pytest.mark.parametrize("kind", KINDS)


def states(news: list[OrderUpdate]) -> list[tuple[str, str]]:
    return [(each.client_oid, each.status.value) for each in news]


@WHERE
def test_what_happens_is_told_and_nothing_is_asked_for_it(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        order = scene.place(price=110)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        assert scene.asked == 0
        scene.fill(110)
        (news,) = [each for each in scene.poll() if each.cost]
        assert (news.status, news.filled, news.cost) == (
            OrderStatus.PARTIALLY_FILLED,
            Decimal("0.2"),
            22,
        )
        # Futures do not say what it cost, so that is asked for.
        assert (scene.asked > 0) is (kind == "futures")
        scene.cancel(order)
        news = scene.poll()[-1]
        assert (news.client_oid, news.status) == ("g-110-B1", OrderStatus.CANCELED)
        scene.poll()
        assert scene.asked == 0
        scene.truthful()
        scene.agrees()


@WHERE
def test_what_happened_while_nobody_listened_is_asked_for(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        first, second = scene.place(1, 100), scene.place(1, 110)
        scene.poll()
        scene.streams.sends_away = 3
        scene.streams.drop()
        scene.streams.until(lambda: scene.streams.knocked >= 3)
        scene.fill(110)
        scene.cancel(first)
        # It is down, so each look asks.
        assert ("g-100-B1", "CANCELED") in states(scene.poll())
        assert scene.asked
        scene.cancel(second)
        scene.settle(2)
        scene.truthful()
        scene.agrees()


@WHERE
@pytest.mark.parametrize("fault", ["drop", "leave", "cut"])
def test_what_a_broken_connection_kept_back_is_asked_for(kind: str, fault: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.place(price=110)
        scene.poll()
        (change,) = scene.fill(110, "0.5", told=False)
        scene.streams.cut(change) if fault == "cut" else getattr(scene.streams, fault)()
        scene.settle(2)
        assert scene.stream.hearing().life == 2
        scene.truthful()
        scene.agrees()


@WHERE
def test_a_venue_that_cannot_be_connected_to_is_asked_meanwhile(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.place(price=110)
        scene.streams.shut()
        while not scene.stream.hearing().why:
            scene.poll()
        scene.fill(110)
        assert ("g-110-B1", "PARTIALLY_FILLED") in states(scene.poll())
        scene.streams.reopen()
        scene.settle(2)
        scene.fill(110, "0.3")
        scene.poll()
        scene.truthful()
        scene.agrees()


@WHERE
def test_a_connection_that_takes_its_time_is_none_until_it_stands(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.streams.slow = asyncio.Event()
        knocked = scene.streams.knocked
        scene.streams.drop()
        scene.streams.until(lambda: scene.streams.knocked > knocked)
        scene.place(price=110, told=False)
        # Nobody waits for it: the venue is asked.
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        scene.streams.loop.loop.call_soon_threadsafe(scene.streams.slow.set)
        scene.settle(2)
        scene.agrees()


@WHERE
def test_what_the_stream_brought_is_not_lost_where_the_venue_does_not_answer(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.place(price=110)
        scene.clock.now += ASK_S
        scene.served.fail("drop", method="GET", path=ORDERS)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        # It is still due, and where there is nothing else to tell, that is told.
        scene.served.fail("drop", method="GET", path=ORDERS)
        with pytest.raises(ExchangeError):
            scene.poll()
        scene.poll()
        assert scene.asked
        scene.poll()
        assert not scene.asked


@WHERE
@pytest.mark.parametrize(("headers", "wait_s"), [({"Retry-After": "7"}, 7), ({}, ASK_S)])
def test_a_venue_that_is_asked_too_often_is_left_alone_whatever_the_stream_brings(
    kind: str, headers: dict[str, str], wait_s: float
) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.place(price=110)
        scene.clock.now += ASK_S
        answer = {"status": 429, "body": "{}", "headers": headers}
        scene.served.fail(method="GET", path=ORDERS, done=False, **answer)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        assert scene.asked == 1
        scene.fill(110)
        scene.clock.now += wait_s - 0.5
        assert ("g-110-B1", "PARTIALLY_FILLED") in states(scene.poll())
        assert not scene.asked
        scene.clock.now += 0.5
        scene.poll()
        assert scene.asked
        scene.truthful()
        scene.agrees()


@WHERE
def test_events_may_come_twice_late_and_in_any_order(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        order = scene.place(price=110, told=False)
        changes = [*scene.history[str(order.order_id)], *scene.fill(110, told=False)]
        changes += scene.fill(110, "0.3", told=False)
        for each in [*changes[::-1], *changes, changes[0]]:
            scene.streams.tell(each)
            scene.poll()
        scene.truthful()
        scene.agrees()


@WHERE
def test_what_the_stream_does_not_tell_is_asked_for_now_and_then_and_it_is_begun_anew(
    kind: str,
) -> None:
    """A connection that stands, answers pings, and brings nothing."""
    with at_scene(kind) as scene:
        scene.settle()
        scene.place(price=110)
        scene.poll()
        scene.streams.mute = True
        scene.fill(110)
        assert not scene.poll()
        scene.clock.now += ASK_S
        assert ("g-110-B1", "PARTIALLY_FILLED") in states(scene.poll())
        assert scene.streams.came == 1
        # It may be that it is only late.
        scene.clock.now += GRACE_S / 2
        scene.poll()
        assert scene.streams.came == 1
        scene.clock.now += GRACE_S / 2
        scene.poll()
        scene.streams.mute = False
        scene.settle(2)
        scene.fill(110, "0.1")
        assert Decimal("0.3") in [each.filled for each in scene.poll()]
        scene.truthful()
        scene.agrees()


@WHERE
def test_a_stream_that_tells_later_than_the_venue_answers_is_not_begun_anew(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.place(price=110)
        scene.poll()
        (change,) = scene.fill(110, told=False)
        scene.clock.now += ASK_S
        assert ("g-110-B1", "PARTIALLY_FILLED") in states(scene.poll())
        scene.streams.tell(change)
        scene.poll()
        scene.clock.now += GRACE_S
        scene.poll()
        scene.streams.until_taken()
        assert scene.streams.came == 1


@WHERE
def test_a_connection_without_answers_to_pings_is_given_up(kind: str) -> None:
    with at_scene(kind, streaming={"keepAlive": 60, "maxPingPongMisses": 1}) as scene:
        scene.heard()
        scene.streams.lame = True
        scene.streams.until(lambda: scene.streams.came >= 2)
        scene.streams.lame = False
        scene.place(price=110)
        scene.fill(110)
        scene.settle(2)
        scene.truthful()
        scene.agrees()


@pytest.mark.parametrize("told", ["listenKeyExpired", "eventStreamTerminated"])
@pytest.mark.parametrize("kind", ["futures", "spot"])
def test_a_stream_that_says_it_is_over_is_begun_anew_with_another_key(kind: str, told: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.app.listen_keys.clear()
        event = {"e": told, "E": 1}
        scene.streams.say(json.dumps(event if kind == "futures" else {"event": event}))
        scene.settle(2)
        scene.place(price=110)
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        assert scene.app.keys_given == (2 if kind == "futures" else 0)


def test_a_key_that_cannot_be_renewed_is_given_up() -> None:
    options = {"fetchMarkets": {"types": ["linear"]}, "listenKeyRefreshRate": 50}
    with at_scene("futures", options=options) as scene:
        scene.heard()
        scene.app.listen_keys.clear()
        scene.heard(2)
        assert scene.app.keys_given >= 2


HOSTILE = [
    "",
    "{",
    "[]",
    "[[[[[[[[",
    "[" * 100_000,
    "null",
    '{"e":"executionReport"}',
    '{"e":"ORDER_TRADE_UPDATE"}',
    '{"e":"ORDER_TRADE_UPDATE","o":[]}',
    '{"e":"ORDER_TRADE_UPDATE","o":{"s":"BTCUSDT","ps":"BOTH","i":1,"X":"FILLED","q":NaN}}',
    '{"topic":"order","data":{}}',
    '{"topic":"order","data":[null]}',
    '{"topic":"order","data":"x"}',
    '{"op":"auth","success":true}',
    '{"id":[],"status":200}',
    '{"e":{}}',
    '{"e":["listenKeyExpired"]}',
]
"""What no venue says. After some of these a client of ccxt.pro hears nothing any more by itself."""


@WHERE
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:40])
def test_what_no_venue_says_is_not_believed_and_does_not_stop_the_rest(
    kind: str, text: str
) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        scene.streams.say(text)
        scene.place(price=110)
        assert ("g-110-B1", "NEW") in states(scene.poll())
        scene.fill(110, "0.5")
        scene.poll()
        scene.truthful()
        scene.agrees()
        assert scene.streams.came == 1


def changed(kind: str, event: Any, **fields: Any) -> str:
    """An event in which some fields of the order say something else."""
    inner = {"futures": lambda: event["o"], "spot": lambda: event["event"]}
    order = event["data"][0] if kind == "bybit" else inner[kind]()
    names = {
        "filled": ("z", "cumExecQty"),
        "quantity": ("q", "qty"),
        "status": ("X", "orderStatus"),
        "market": ("s", "symbol"),
        "side": ("S", "side"),
        "price": ("p", "price"),
        "client": ("c", "orderLinkId"),
    }
    for name, value in fields.items():
        order[names[name][kind == "bybit"]] = value
    return json.dumps(event)


@WHERE
@pytest.mark.parametrize(
    "fields",
    [
        {"filled": "NaN"},
        {"filled": "-1"},
        {"filled": "1e999999999"},
        {"filled": None, "status": "FILLED"},
        {"quantity": "x"},
        {"side": "both"},
        {"price": "Infinity"},
    ],
    ids=str,
)
def test_an_event_that_makes_no_sense_is_none_and_has_the_venue_asked(
    kind: str, fields: dict[str, Any]
) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        order = scene.place(price=110, told=False)
        if kind == "bybit" and "status" in fields:
            fields = {**fields, "status": "Filled"}
        event = scene.app.event(scene.history[str(order.order_id)][-1])
        scene.streams.say(changed(kind, event, **fields))
        news = scene.poll()
        assert scene.asked
        # What is so was told, by who was asked, and nothing else.
        assert states(news) == [("g-110-B1", "NEW")]
        scene.truthful()


@WHERE
def test_a_number_with_a_fraction_is_no_float(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        order = scene.place(price=110, told=False)
        event = scene.app.event(scene.history[str(order.order_id)][-1])
        text = changed(kind, event, quantity="@", price="#")
        scene.streams.say(
            text.replace('"@"', "0.3000000000000000123").replace('"#"', "110.00000000000000007")
        )
        (news,) = scene.poll()
        assert str(news.quantity) == "0.3000000000000000123"
        assert str(news.price) == "110.00000000000000007"


@WHERE
def test_an_event_of_another_market_or_of_orders_of_others_is_not_ours(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        order = scene.place(price=110, told=False)
        change = scene.history[str(order.order_id)][-1]
        scene.streams.say(changed(kind, scene.app.event(change), market="ETHUSDT"))
        assert scene.poll() == []
        scene.streams.say(changed(kind, scene.app.event(change), client="other-110-B1"))
        (news,) = scene.poll()
        assert scene.manager.on_order_update(news) is UpdateOutcome.FOREIGN


ACTS = [
    *("place", "place", "fill", "fill", "cancel", "lose", "late", "again", "stale", "hostile"),
    *("drop", "cut", "leave", "away", "mute", "expire"),
]


@WHERE
@pytest.mark.parametrize("seed", range(4))
def test_whatever_goes_wrong_the_last_state_of_each_order_is_known(kind: str, seed: int) -> None:
    random = Random(f"{kind} {seed}")
    with at_scene(kind) as scene:
        scene.heard()
        placed: list[OrderUpdate] = []
        kept: list[OrderUpdate] = []
        for step in range(40):
            live(scene, random, placed, kept, step)
            scene.clock.now += random.choice([0, 1, 7])
            if random.random() < 0.4:
                scene.poll()
                scene.truthful()
        # It is healthy again.
        scene.streams.mute = False
        scene.streams.sends_away = 0
        came = scene.streams.drop()
        scene.streams.until(lambda: scene.streams.came > came)
        if kind == "futures" and not any(each.subscribed for each in scene.streams.lines):
            # It came with a key that was over by then, and would hear nothing.
            came = scene.streams.drop()
        scene.settle(came + 1)
        for _ in range(2):
            scene.clock.now += ASK_S
            scene.poll()
        scene.truthful()
        scene.agrees()


def live(
    scene: Scene, random: Random, placed: list[OrderUpdate], kept: list[OrderUpdate], step: int
) -> None:
    """One thing that happens, at the venue or on the way."""
    act = random.choice(ACTS)
    told = random.random() < 0.8
    price = random.choice([90, 100, 110])
    match act:
        case "place":
            order = scene.place(step + 1, price, told=told)
            placed.append(order)
            # Who places it has the answer.
            answer = order.replace(symbol=scene.symbol, order_id=str(order.order_id))
            scene.manager.on_order_update(answer)
            scene.orders.expect(answer)
        case "fill":
            scene.fill(price, told=told)
        case "cancel" if placed:
            order = random.choice(placed)
            if not scene.history[str(order.order_id)][-1].status.terminal:
                scene.cancel(order, told=told)
        case "drop" | "leave":
            getattr(scene.streams, act)()
        case "cut" if scene.history:
            scene.streams.cut(random.choice([*scene.history.values()])[-1])
        case "away":
            scene.streams.sends_away = 2
        case "mute":
            scene.streams.mute = not scene.streams.mute
        case "lose":
            kept += scene.fill(price, told=False)
        case "late" if kept:
            scene.streams.tell(kept.pop(random.randrange(len(kept))))
        case "again" | "stale" if scene.history:
            states = random.choice([*scene.history.values()])
            scene.streams.tell(states[-1] if act == "again" else random.choice(states))
        case "hostile":
            scene.streams.say(random.choice(HOSTILE))
        case "expire" if scene.kind == "futures":
            scene.app.listen_keys.clear()
            scene.streams.say('{"e":"listenKeyExpired","E":1}')


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


@pytest.mark.parametrize("kind", ["futures", "spot"])
def test_a_venue_whose_answers_lag_does_not_make_the_stream_deaf(kind: str) -> None:
    with at_scene(kind) as scene:
        scene.settle()
        restarts: list[str] = []
        scene.stream.restart = restarts.append  # type: ignore[method-assign, assignment]
        order = scene.place(price=110)
        scene.poll()
        answer, kept = scene.app.answer, list[Any]()

        def lagging(asked: Asked) -> Any:
            if "openOrders" not in asked.path:
                return answer(asked)
            kept.append(answer(asked))
            return kept[0]

        scene.app.answer = lagging
        scene.clock.now += ASK_S
        scene.poll()
        scene.cancel(order)
        assert states(scene.poll()) == [("g-110-B1", "CANCELED")]
        scene.clock.now += ASK_S
        # It is still in the list.
        assert states(scene.poll()) == [("g-110-B1", "NEW")]
        scene.app.answer = answer
        scene.clock.now += ASK_S
        assert states(scene.poll()) == [("g-110-B1", "CANCELED")]
        scene.clock.now += GRACE_S
        scene.poll()
        assert not restarts
        scene.agrees()


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


def test_an_end_is_known_wherever_it_stands() -> None:
    assert not ends([1], ["x"])
    assert not ends({"e": ["x"]}, ["x"])
    assert ends({"data": {"e": "x"}}, ["x"])
