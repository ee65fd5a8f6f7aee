"""A stream of our orders, by the real client over real websockets, with faults at the socket."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from cowstate.positions import OrderStatus, OrderUpdate
from cowstate.positions.errors import ExchangeError
from tests.positions.exchange.ccxt.scenes import (
    ASK_S,
    GRACE_S,
    HOSTILE,
    ORDERS,
    WHERE,
    Scene,
    at_scene,
    states,
)
from tests.positions.exchange.ccxt.serving import Asked


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


"""What no venue says. After some of these a client of ccxt.pro hears nothing any more by itself."""


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
