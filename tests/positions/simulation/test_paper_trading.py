"""A whole trader on the paper exchange, on one thread and on several.

Three participants, as a replay has them: a strategy that keeps a grid of orders, a reconciler
that asks for everything from time to time, and the driver that plays the tape.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate.positions.book.model import EXACT, Side
from cowstate.positions.errors import ExchangeError, NetworkError
from cowstate.positions.exchange.protocol import OrderRequest
from cowstate.positions.simulation import paper
from cowstate.positions.simulation.clock import VirtualClock
from cowstate.positions.simulation.matching import MatchingEngine
from cowstate.positions.simulation.paper import Faults, PaperExchange
from cowstate.positions.simulation.tape import Trade, read_tape, synthetic_tape
from cowstate.positions.simulation.threaded import ThreadedClock
from tests.positions.tapes import futures
from tests.steps import steps_of

SYMBOL = "BTCUSDT"
LOT = Decimal("0.05")
CLOCKS = [VirtualClock, ThreadedClock]


class Strategy:
    """Keeps BUY orders on the levels below the price and a SELL a step above each full one."""

    def __init__(self, exchange, step, levels):
        self.exchange = exchange
        self.step = step
        self.levels = levels
        self.working = {}  # level -> (side, order_id)
        self.held = set()
        self.over = {}  # order_id -> filled
        self.placed = 0

    def __call__(self, items):
        prices = [item.price for item in items if isinstance(item, Trade)]
        for item in items:
            if not isinstance(item, Trade) and item.status.terminal:
                self.over[item.order_id] = item.filled
        for level, (_, order_id) in list(self.working.items()):
            if order_id in self.over:
                del self.working[level]
                if self.over[order_id] == LOT:
                    self.held ^= {level}
        if prices:
            self.act(int(prices[-1] / self.step))

    def act(self, at):
        below = range(at - self.levels, at)
        far = {
            level: order_id
            for level, (side, order_id) in self.working.items()
            if side is Side.BUY and not at - 2 * self.levels < level < at + 2
        }
        self.exchange.cancel_orders(list(far.values()), SYMBOL)
        wanted = [(level, Side.BUY) for level in below if level not in self.held]
        wanted += [(level, Side.SELL) for level in sorted(self.held)]
        wanted = [(level, side) for level, side in wanted if level not in self.working]
        requests = []
        for level, side in wanted:
            self.placed += 1
            price = (level if side is Side.BUY else level + 1) * self.step
            requests.append(OrderRequest(SYMBOL, side, LOT, price, f"g-{self.placed}", True))
        answers = self.exchange.create_orders(requests)
        for (level, side), answer in zip(wanted, answers, strict=True):
            if not isinstance(answer, ExchangeError):
                self.working[level] = (side, answer.order_id)


def trade_on(clock, tape, *, step=10, levels=5, faults=Faults(), seen=None):  # noqa: B008
    """Run it all and return the exchange, the events heard, and how often it was looked at."""
    exchange = PaperExchange(clock, SYMBOL, latency_ms=20, faults=faults)
    heard, looks = [], []
    over = False

    def look(_):
        try:
            position = exchange.fetch_positions([SYMBOL])[0]
            fills = exchange.fetch_my_trades(SYMBOL)
            looks.append((position, fills, exchange.fetch_open_orders(SYMBOL)))
        except NetworkError:
            looks.append(None)
        if not over:
            clock.call_at(clock.now_ms + 1_000, lambda: reconciler.put(None))

    with clock:
        strategy = clock.participant("strategy", Strategy(exchange, Decimal(step), levels))
        reconciler = clock.participant("reconciler", look)
        exchange.subscribe(heard.append)
        exchange.subscribe(strategy.put)
        exchange.subscribe_trades(strategy.put)
        reconciler.put(None)
        exchange.play(tape)
        over = True
        clock.settle()
    return exchange, heard, looks


def check_books(exchange, tape, heard, looks, *, faulty=False):
    audit = exchange.audit()
    fills_at, of_order = defaultdict(list), defaultdict(list)
    for fill in audit.fills:
        fills_at[fill.time_ms, fill.side].append(fill)
        of_order[fill.order_id].append(fill)
    trades_at = defaultdict(list)
    for trade in tape:
        trades_at[trade.time_ms, Side.BUY if trade.buyer_is_maker else Side.SELL].append(trade)

    # No more was filled than was traded, and each order only from prices that reach it.
    for (time_ms, side), fills in fills_at.items():
        trades = trades_at[time_ms, side]
        assert sum(fill.quantity for fill in fills) <= sum(trade.quantity for trade in trades)
        for fill in fills:
            reaching = [t for t in trades if (fill.price - t.price) * side.sign >= 0]
            assert fill.quantity <= sum(t.quantity for t in reaching)

    # Nothing is made or lost on the way from fills to orders to the position.
    for order in audit.orders:
        fills = of_order.pop(order.order_id, [])
        assert order.filled == sum(fill.quantity for fill in fills)
        assert order.cost == sum(fill.quantity * fill.price for fill in fills)
        assert order.filled <= order.quantity
    assert not of_order
    assert audit.position == sum(o.side.sign * o.filled for o in audit.orders)

    # What was heard are the orders' states in order, up to the last.
    if not faulty:
        states = defaultdict(list)
        for event in heard:
            states[event.order_id].append(event)
        assert {order_id: events[-1] for order_id, events in states.items()} == {
            order.order_id: order for order in audit.orders
        }
        for events in states.values():
            assert all(a.filled <= b.filled and not a.status.terminal for a, b in pairwise(events))

    # Each look was a true one, of the moment that it names.
    for position, fills, _ in filter(None, looks):
        before = sum(f.side.sign * f.quantity for f in fills if f.time_ms < position.time_ms)
        then = (f.side.sign * f.quantity for f in fills if f.time_ms == position.time_ms)
        assert position.quantity in list(accumulate(then, initial=before))


@pytest.mark.parametrize("clock", CLOCKS)
def test_the_books_are_right_at_the_end(clock):
    tape = list(synthetic_tape(3, 3_000))
    exchange, heard, looks = trade_on(clock(tape[0].time_ms), tape)
    check_books(exchange, tape, heard, looks)
    fills = exchange.audit().fills
    assert len(fills) > 50
    assert any(fill.quantity < LOT for fill in fills)
    assert len(looks) > 20


@pytest.mark.parametrize("clock", CLOCKS)
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), levels=st.integers(1, 8), step=st.integers(1, 30))
def test_the_books_are_right_whatever_the_tape_and_the_faults(clock, seed, levels, step):
    tape = list(synthetic_tape(seed, 300))
    faults = Faults(
        lose_event=0.1, double_event=0.1, delay_event=0.2, lose_request=0.05,
        delay_request=0.1, lose_answer=0.05, timeout_ms=200, seed=seed,
    )  # fmt: skip
    exchange, heard, looks = trade_on(
        clock(tape[0].time_ms), tape, step=step, levels=levels, faults=faults
    )
    check_books(exchange, tape, heard, looks, faulty=True)


def outcome(seed):
    tape = list(synthetic_tape(5, 1_000))
    faults = Faults(lose_event=0.1, delay_event=0.3, lose_answer=0.1, timeout_ms=100, seed=seed)
    exchange, heard, looks = trade_on(VirtualClock(tape[0].time_ms), tape, faults=faults)
    return exchange.audit(), heard, looks


def test_on_a_virtual_clock_a_run_depends_on_the_seed_alone():
    once = outcome(1)
    assert once == outcome(1)
    assert once != outcome(2)


class GivesTooMuch(MatchingEngine):
    """The seeded bug: each order takes the whole trade, as if it were the only one."""

    def match(self, trade, now_ms):
        return super().match(trade.replace(quantity=trade.quantity + LOT), now_ms)


class ReachesTooFar(MatchingEngine):
    """The seeded bug: a trade fills orders two steps beyond its price."""

    def match(self, trade, now_ms):
        away = -20 if trade.buyer_is_maker else 20
        return super().match(trade.replace(price=trade.price + away), now_ms)


class LosesCount(MatchingEngine):
    """The seeded bug: the position forgets one fill in ten."""

    def _fill(self, order_id, most, now_ms):
        before = self.position
        order = super()._fill(order_id, most, now_ms)
        if len(self._fills) % 10 == 0:
            self.position = EXACT.plus(before)
        return order


@pytest.mark.parametrize("broken", [GivesTooMuch, ReachesTooFar, LosesCount])
def test_that_check_catches_a_broken_engine(monkeypatch, broken):
    monkeypatch.setattr(paper, "MatchingEngine", broken)
    tape = list(synthetic_tape(3, 1_000))
    exchange, heard, looks = trade_on(VirtualClock(tape[0].time_ms), tape)
    with pytest.raises(AssertionError):
        check_books(exchange, tape, heard, looks)


@pytest.mark.parametrize("clock", CLOCKS)
@futures
def test_the_books_are_right_at_the_end_of_a_long_tape(tape_file, clock):
    tape = list(read_tape(tape_file.path))
    exchange, heard, looks = trade_on(clock(tape[0].time_ms), iter(tape), levels=50)
    check_books(exchange, tape, heard, looks)
    assert len(exchange.audit().fills) > 200


def test_a_trade_costs_the_same_however_many_orders_rest_and_are_not_reached():
    def cost_with(resting):
        exchange = PaperExchange(VirtualClock(), SYMBOL)
        low = [Decimal(1000 + n) for n in range(resting)]
        exchange.create_orders([OrderRequest(SYMBOL, Side.BUY, LOT, price) for price in low])
        return steps_of(lambda: exchange.play(synthetic_tape(1, 200)))

    assert cost_with(1_000) < 1.01 * cost_with(10)
