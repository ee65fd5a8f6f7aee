"""A venue with a stream of orders, by the real client of ``ccxt.pro``, and who listens: `Scene`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import GridConfig, OrderUpdate, PositionManager
from cowstate.positions.exchange.ccxt import CcxtExchange, LoopThread, OrderStream
from cowstate.positions.exchange.polled import PolledOrders
from cowstate.positions.exchange.streamed import StreamedOrders
from tests.positions.exchange.ccxt.binance import Binance
from tests.positions.exchange.ccxt.bybit import Bybit
from tests.positions.exchange.ccxt.desks import async_client, binance_client, bybit_client
from tests.positions.exchange.ccxt.serving import Served, serving
from tests.positions.exchange.ccxt.streaming import Streams, streaming
from tests.positions.simulation.chaos.desk import Desk

__all__ = [
    "ASK_S",
    "GRACE_S",
    "HOSTILE",
    "KINDS",
    "ORDERS",
    "SETTLE_S",
    "WHERE",
    "Clock",
    "Scene",
    "at_scene",
    "fields_of",
    "states",
]

KINDS = ("futures", "spot", "bybit")
WHERE = pytest.mark.parametrize("kind", KINDS)
ORDERS = "rder"
"""Stands in the paths by which the venues are asked for orders, and in no others."""

ASK_S, SETTLE_S, GRACE_S = 30.0, 5.0, 10.0


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
"""Messages that no venue sends."""


class Clock:
    """Seconds, in our hands."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def fields_of(update: OrderUpdate) -> tuple[Any, ...]:
    """What a state of an order is."""
    return update.status, update.filled


class Scene:
    """A venue, its stream, and whoever listens."""

    def __init__(
        self, kind: str, desk: Desk, app: Any, served: Served, streams: Streams, loop: LoopThread
    ) -> None:
        self.kind, self.desk, self.app = kind, desk, app
        self.served, self.streams, self.loop = served, streams, loop
        self.symbol = "BTC/USDT" if kind == "spot" else "BTC/USDT:USDT"
        self.clock = Clock()
        self.client: Any = None
        self.exchange: CcxtExchange
        self.stream: OrderStream
        self.orders: StreamedOrders
        self.manager = self.new_manager()
        self.told: list[OrderUpdate] = []
        self.history: dict[str, list[OrderUpdate]] = {}
        self.asked = 0

    def new_manager(self) -> PositionManager:
        config = GridConfig(self.symbol, Decimal(10), Decimal("0.5"), 5, "g")
        return PositionManager(config, time_ms=lambda: self.desk.clock.now_ms)

    # What happens at the venue

    def changes(self) -> list[OrderUpdate]:
        """What changed since this was called last, as it is now."""
        now = self.desk.clock.now_ms
        found = [self.desk.ledger.order_at(each, now) for each in self.desk.ledger.take_changed()]
        changed = [each for each in found if each is not None]
        for each in changed:
            self.history.setdefault(str(each.order_id), []).append(each)
        return changed

    def happens(self, *, told: bool = True) -> list[OrderUpdate]:
        """Have the stream tell what has changed, unless it is not *told*."""
        changed = self.changes()
        if told:
            for each in changed:
                self.streams.tell(each)
        return changed

    def place(self, number: int = 1, price: int = 100, *, told: bool = True) -> OrderUpdate:
        order: OrderUpdate = self.desk.place(number, price)
        self.happens(told=told)
        return order

    def fill(self, price: int = 100, lots: str = "0.2", *, told: bool = True) -> list[OrderUpdate]:
        self.desk.fill(price, lots)
        return self.happens(told=told)

    def cancel(self, order: OrderUpdate, *, told: bool = True) -> None:
        self.desk.exchange.cancel_order(order.order_id or "", "X")
        self.happens(told=told)

    # Who listens

    def listen(self, **settings: Any) -> None:
        """Begin to."""
        name = "bybit" if self.kind == "bybit" else "binance"
        markets = {"types": ["spot" if self.kind == "spot" else "linear"]}
        given = {"options": {"fetchMarkets": markets}, **settings}
        self.client = async_client(name, self.served.address, self.streams.address, **given)
        self.stream = OrderStream(
            self.client, self.symbol, self.loop, shortest_s=0.01, longest_s=0.05, clock=self.clock
        )
        self.orders = StreamedOrders(
            self.exchange,
            self.symbol,
            self.stream,
            ask_s=ASK_S,
            settle_s=SETTLE_S,
            grace_s=GRACE_S,
            clock=self.clock,
        )

    def heard(self, lives: int = 1) -> None:
        """Wait until a connection stands, by whoever listens, too."""
        self.streams.until_heard(lives)
        self.streams.until_taken()
        # It is known there that it stands before the first ping is answered.
        assert self.stream.hearing().up

    def settle(self, lives: int = 1) -> None:
        """Let a connection stand for so long that it is asked no longer."""
        self.heard(lives)
        self.clock.now += SETTLE_S
        self.poll()

    def poll(self) -> list[OrderUpdate]:
        """Learn what is new, and return it."""
        self.streams.until_taken()
        # The client of the stream asks for other things by itself, whenever it likes.
        before = self.served.count("GET", ORDERS)
        news = [*self.orders.poll()]
        self.asked = self.served.count("GET", ORDERS) - before
        self.told += news
        for each in news:
            self.manager.on_order_update(each)
        return news

    def truthful(self) -> None:
        """Nothing was told of an order that was not so once."""
        for each in self.told:
            states = self.history[str(each.order_id)]
            assert fields_of(each) in [fields_of(state) for state in states]
            assert each.cost in (0, *(state.cost for state in states))
            assert (each.symbol, each.client_oid) == (self.symbol, states[0].client_oid)
            assert (each.price, each.quantity) == (states[0].price, states[0].quantity)

    def agrees(self) -> None:
        """What the manager knows is what one knows that polled, and what is so."""
        polled = PolledOrders(self.exchange, self.symbol)
        other = self.new_manager()
        for states in self.history.values():
            polled.heard(states[0].replace(symbol=self.symbol, order_id=str(states[0].order_id)))
            other.on_order_update(
                states[0].replace(symbol=self.symbol, order_id=str(states[0].order_id))
            )
        while True:
            for each in polled.poll():
                other.on_order_update(each)
            if not polled.rest:
                break
        mine, theirs = book_of(self.manager), book_of(other)
        assert {*mine.items()} ^ {*theirs.items()} == set()
        for name, states in self.history.items():
            (order,) = [
                each
                for slot in self.manager.snapshot().values()
                for each in slot.orders
                if each.order_id == name
            ]
            assert (order.status, order.filled, order.cost) == (
                states[-1].status,
                states[-1].filled,
                states[-1].cost,
            )


def book_of(manager: PositionManager) -> dict[str, Any]:
    """What a manager knows of orders, without when it learnt it."""
    return {
        each.client_oid: (each.order_id, each.side, each.price, each.status, each.filled, each.cost)
        for slot in manager.snapshot().values()
        for each in slot.orders
    }


@contextmanager
def at_scene(kind: str, **settings: Any) -> Iterator[Scene]:
    """Yield a venue of that *kind* whose stream is listened to, from the next moment on."""
    desk = Desk()

    def now_ms() -> int:
        return desk.clock.now_ms

    app: Any
    if kind == "bybit":
        app = Bybit(desk.exchange, now_ms)
    else:
        app = Binance(desk.exchange, now_ms, contract=kind == "futures", checks_clock=False)
    with serving(app) as served, streaming(app) as streams, LoopThread() as loop:
        scene = Scene(kind, desk, app, served, streams, loop)
        if kind == "bybit":
            client = bybit_client(served.address, enableRateLimit=False)
        else:
            client = binance_client(served.address, kind == "futures")
        scene.exchange = CcxtExchange(client, scene.symbol, time_ms=now_ms)
        scene.listen(**settings)
        yield scene


def states(news: list[OrderUpdate]) -> list[tuple[str, str]]:
    return [(each.client_oid, each.status.value) for each in news]
