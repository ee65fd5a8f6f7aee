"""What the messages of a stream say, and what is made of those that no venue sends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cowstate.positions.exchange.ccxt.frames import ends
from cowstate.positions.trading.outcomes import UpdateOutcome
from tests.positions.exchange.ccxt.scenes import HOSTILE, WHERE, at_scene, states


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


def test_an_end_is_known_wherever_it_stands() -> None:
    assert not ends([1], ["x"])
    assert not ends({"e": ["x"]}, ["x"])
    assert ends({"data": {"e": "x"}}, ["x"])
