"""The matching engine against a plain model, in lockstep."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.book.model import OrderStatus, Side
from cowstate.positions.errors import (
    AmountTypeError,
    AmountValueError,
    ExchangeError,
    OrderNotFoundError,
)
from cowstate.positions.exchange.protocol import OrderRequest
from cowstate.positions.simulation.matching import Limits, MatchingEngine
from cowstate.positions.simulation.tape import Trade

SYMBOL = "BTCUSDT"
BUY, SELL = Side.BUY, Side.SELL

prices = st.integers(95, 105).map(Decimal)
amounts = st.integers(1, 30).map(lambda n: Decimal(n) / 10)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(Side), amounts, prices, st.booleans()),
        st.tuples(st.just("cancel"), st.integers(1, 20)),
        st.tuples(st.just("trade"), prices, amounts, st.booleans()),
    ),
    max_size=40,
)


class Model:
    """What the engine must do, written to be obvious: it looks at every order, every time."""

    def __init__(self):
        self.orders = []
        self.last = None

    def place(self, side, amount, price, post_only):
        through = self.last is not None and (
            price > self.last if side is BUY else price < self.last
        )
        status = OrderStatus.EXPIRED if post_only and through else OrderStatus.NEW
        self.orders.append([side, amount, price, status, Decimal(0)])

    def cancel(self, order_id):
        if order_id > len(self.orders) or self.orders[order_id - 1][3].terminal:
            return False
        self.orders[order_id - 1][3] = OrderStatus.CANCELED
        return True

    def trade(self, price, quantity, buyer_is_maker):
        self.last = price
        side = BUY if buyer_is_maker else SELL
        reached = [
            order
            for order in self.orders
            if order[0] is side
            and not order[3].terminal
            and (order[2] >= price if side is BUY else order[2] <= price)
        ]
        for order in sorted(reached, key=lambda order: -order[2] * side.sign):
            take = min(quantity, order[1] - order[4])
            if take:
                order[4] += take
                order[3] = (
                    OrderStatus.FILLED if order[4] == order[1] else OrderStatus.PARTIALLY_FILLED
                )
            quantity -= take


def place(engine, side, amount, price, *, post_only=False, client_oid=None, now_ms=0):
    request = OrderRequest(SYMBOL, side, Decimal(amount), Decimal(price), client_oid, post_only)
    return engine.place(request, now_ms)


@given(steps)
def test_the_engine_does_what_the_plain_model_does(script):
    engine, model = MatchingEngine(SYMBOL), Model()
    for now_ms, (kind, *args) in enumerate(script):
        if kind == "place":
            side, amount, price, post_only = args
            place(engine, side, amount, price, post_only=post_only, now_ms=now_ms)
            model.place(*args)
        elif kind == "cancel":
            try:
                engine.cancel(*args, now_ms)
                cancelled = True
            except OrderNotFoundError:
                cancelled = False
            assert cancelled == model.cancel(*args)
        else:
            price, quantity, buyer_is_maker = args
            before = len(engine.fills())
            updates = engine.match(Trade(now_ms, 1, price, quantity, buyer_is_maker), now_ms)
            model.trade(*args)
            fills = engine.fills()[before:]
            assert sum(fill.quantity for fill in fills) <= quantity
            assert all((fill.price - price) * fill.side.sign >= 0 for fill in fills)
            assert [fill.order_id for fill in fills] == [order.order_id for order in updates]
        orders = engine.orders()
        assert [[o.side, o.quantity, o.price, o.status, o.filled] for o in orders] == model.orders
    working = [order for order in orders if not order.status.terminal] if script else []
    assert engine.open_orders() == working
    for order in engine.orders():
        fills = [fill for fill in engine.fills() if fill.order_id == order.order_id]
        assert order.filled == sum(fill.quantity for fill in fills) <= order.quantity
        assert order.cost == sum(fill.quantity * fill.price for fill in fills)
    assert engine.position == sum(o.side.sign * o.filled for o in engine.orders())


@given(steps)
def test_the_amounts_are_exact_in_any_decimal_context(script):
    def run():
        engine = MatchingEngine(SYMBOL)
        for now_ms, (kind, *args) in enumerate(script):
            if kind == "place":
                place(engine, *args[:3], now_ms=now_ms)
            elif kind == "trade":
                engine.match(Trade(now_ms, 1, *args), now_ms)
        return engine.orders(), engine.position

    wide = run()
    with localcontext(prec=1):
        assert run() == wide


def test_the_best_price_is_filled_first_and_of_equals_the_oldest():
    for side, best, worse in ((BUY, 101, 100), (SELL, 99, 100)):
        engine = MatchingEngine(SYMBOL)
        for price in (worse, best, worse, best):
            place(engine, side, 1, price)
        trade = Trade(1, 1, Decimal(100), Decimal("3.5"), side is BUY)
        filled = [(order.order_id, order.filled) for order in engine.match(trade, 1)]
        assert filled == [(2, 1), (4, 1), (1, 1), (3, Decimal("0.5"))]


def test_a_fill_is_at_the_orders_own_price():
    engine = MatchingEngine(SYMBOL)
    place(engine, BUY, 2, 100)
    engine.match(Trade(1, 1, Decimal(90), Decimal("0.5"), True), 1)
    (order,) = engine.match(Trade(2, 2, Decimal(95), Decimal(1), True), 2)
    assert (order.filled, order.cost) == (Decimal("1.5"), 150)
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert [(f.price, f.quantity, f.trade_id) for f in engine.fills(since_ms=2)] == [(100, 1, 2)]


def test_a_post_only_order_priced_through_the_last_trade_expires_and_stays_known():
    engine = MatchingEngine(SYMBOL)
    assert place(engine, BUY, 1, 200, post_only=True).status is OrderStatus.NEW
    engine.match(Trade(1, 1, Decimal(100), Decimal("0.1"), False), 1)
    for side, price in ((BUY, 101), (SELL, 99)):
        order = place(engine, side, 1, price, post_only=True)
        assert order.status is OrderStatus.EXPIRED
        assert order.post_only_reject
        assert engine.order(order.order_id, None) == order
        assert place(engine, side, 1, price).status is OrderStatus.NEW
        assert place(engine, side, 1, 100, post_only=True).status is OrderStatus.NEW


def test_an_order_is_found_by_either_id():
    engine = MatchingEngine(SYMBOL)
    mine = place(engine, BUY, 1, 100, client_oid="g-100-B1")
    unnamed = place(engine, BUY, 1, 100)
    assert engine.order(None, "g-100-B1") == engine.order(mine.order_id, None) == mine
    assert engine.order(None, unnamed.client_oid) == unnamed
    for order_id, client_oid in ((99, None), (99, "g-100-B1"), (None, "g-1"), (None, "")):
        with pytest.raises(OrderNotFoundError, match="no order"):
            engine.order(order_id, client_oid)


def test_what_is_over_cannot_be_cancelled_again():
    engine = MatchingEngine(SYMBOL)
    order = place(engine, BUY, 1, 100)
    assert engine.cancel(order.order_id, 5).status is OrderStatus.CANCELED
    with pytest.raises(OrderNotFoundError, match="is CANCELED already"):
        engine.cancel(order.order_id, 6)
    with pytest.raises(OrderNotFoundError, match="unknown"):
        engine.cancel(77, 6)


@pytest.mark.parametrize(
    ("amount", "price", "client_oid", "problem"),
    [
        (0, 100, None, "above zero"),
        (-1, 100, None, "above zero"),
        (1, 0, None, "above zero"),
        ("0.5", 1000, None, "amount 0.5 is below the least, 1"),
        (1, 49, None, r"cost 49 \(1 at 49\) is below the least, 50"),
        (1, 100, "", "1 to 36"),
        (1, 100, "x" * 37, "1 to 36"),
        (1, 100, "a b", "1 to 36"),
        (1, 100, "taken", "is taken, by order 1"),
    ],
)
def test_a_refused_order_leaves_no_trace(amount, price, client_oid, problem):
    engine = MatchingEngine(SYMBOL, Limits(amount=Decimal(1), cost=Decimal(50)))
    first = place(engine, BUY, 1, 100, client_oid="taken")
    engine.cancel(first.order_id, 0)
    before = engine.orders()
    with pytest.raises(ExchangeError, match=problem):
        place(engine, BUY, amount, price, client_oid=client_oid)
    assert engine.orders() == before
    assert engine.open_orders() == []


def test_limits_are_amounts():
    with pytest.raises(AmountTypeError):
        Limits(amount=0.1)
    with pytest.raises(AmountValueError):
        Limits(cost=Decimal(-1))
