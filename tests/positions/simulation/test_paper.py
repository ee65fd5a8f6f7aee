"""The paper exchange: latency, faults, blocking calls, and the books at the end."""

from __future__ import annotations

import threading
from decimal import Decimal
from itertools import pairwise

import pytest

from cowstate import ArgumentValueError, ClosedError
from cowstate.positions.book.model import OrderStatus, Side
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    NetworkError,
    OrderNotFoundError,
    TapeError,
)
from cowstate.positions.exchange.protocol import Exchange, OrderRequest
from cowstate.positions.simulation.clock import VirtualClock
from cowstate.positions.simulation.paper import Faults, Limits, PaperExchange
from cowstate.positions.simulation.tape import Trade
from cowstate.positions.simulation.threaded import ThreadedClock

SYMBOL = "BTCUSDT"
BUY, SELL = Side.BUY, Side.SELL
LATENCY = 50


def make(clock=None, **options):
    options = {"latency_ms": LATENCY} | options
    return PaperExchange(clock or VirtualClock(), SYMBOL, **options)


def order(exchange, side=BUY, amount=1, price=100, **params):
    return exchange.create_order(SYMBOL, "limit", side, Decimal(amount), Decimal(price), params)


def trade(time_ms, price=100, quantity=1, buyer_is_maker=True):
    return Trade(time_ms, time_ms, Decimal(price), Decimal(quantity), buyer_is_maker)


def listen(exchange):
    heard = []
    exchange.subscribe(
        lambda event: heard.append(
            (exchange._clock.now_ms, event.order_id, event.status, event.filled)
        )
    )
    return heard


def test_it_is_an_exchange():
    exchange: Exchange = make()
    assert exchange.fetch_open_orders(SYMBOL).items == ()


def test_a_request_a_reply_and_an_event_take_the_latency_each():
    clock = VirtualClock()
    exchange = make(clock)
    heard = listen(exchange)
    created = order(exchange, clientOrderId="g-100-B1")
    assert (created.time_ms, clock.now_ms) == (50, 100)
    assert (created.client_oid, created.status) == ("g-100-B1", OrderStatus.NEW)
    exchange.play([trade(200, quantity="0.4"), trade(300, price=99)])
    clock.settle()
    assert heard == [
        (100, 1, OrderStatus.NEW, 0),
        (250, 1, OrderStatus.PARTIALLY_FILLED, Decimal("0.4")),
        (350, 1, OrderStatus.FILLED, 1),
    ]
    assert exchange.fetch_positions([SYMBOL])[0].quantity == 1
    assert [fill.quantity for fill in exchange.fetch_my_trades(SYMBOL)] == [
        Decimal("0.4"),
        Decimal("0.6"),
    ]
    assert len(exchange.fetch_my_trades(SYMBOL, since_ms=300)) == 1
    assert exchange.fetch_order(None, SYMBOL, "g-100-B1").status is OrderStatus.FILLED


def test_an_answer_is_of_the_moment_when_the_request_arrived_not_of_the_return():
    clock = VirtualClock()
    exchange = make(clock)
    order(exchange)
    looks = []
    clock.call_at(200, lambda: looks.append(exchange.fetch_open_orders(SYMBOL)))
    exchange.play([trade(240, quantity="0.1"), trade(260, quantity="0.2"), trade(500, 101)])
    ((seen,),) = looks
    assert (seen.time_ms, seen.filled) == (250, Decimal("0.1"))
    (now,) = exchange.audit().open_orders
    assert now.filled == Decimal("0.3")


def test_trades_and_other_requests_go_on_while_a_call_blocks():
    clock = VirtualClock()
    exchange = make(clock)
    prices = []
    exchange.subscribe_trades(lambda t: prices.append((clock.now_ms, t.price)))
    clock.call_at(10, lambda: prices.append(order(exchange).status))
    exchange.play([trade(20, 90), trade(30, 91), trade(200, 92)])
    assert prices == [(70, 90), (80, 91), OrderStatus.NEW]
    clock.settle()
    assert prices[-1] == (250, 92)


def test_a_batch_takes_the_time_of_one_request_and_hides_no_refusal():
    clock = VirtualClock()
    exchange = make(clock)
    results = exchange.create_orders(
        [
            OrderRequest(SYMBOL, BUY, Decimal(1), Decimal(99), "a"),
            OrderRequest(SYMBOL, BUY, Decimal(1), Decimal(98), "a"),
            OrderRequest(SYMBOL, SELL, Decimal(1), Decimal(101), "b"),
        ]
    )
    assert clock.now_ms == 2 * LATENCY
    assert [getattr(result, "order_id", type(result)) for result in results] == [
        1,
        DuplicateOrderIdError,
        2,
    ]
    gone = exchange.cancel_orders([2, 7, 1], SYMBOL)
    assert clock.now_ms == 4 * LATENCY
    assert [getattr(result, "status", type(result)) for result in gone] == [
        OrderStatus.CANCELED,
        OrderNotFoundError,
        OrderStatus.CANCELED,
    ]
    assert exchange.create_orders([]) == []
    assert clock.now_ms == 4 * LATENCY


def test_a_post_only_order_through_the_market_is_answered_expired():
    exchange = make()
    exchange.play([trade(1, 100)])
    assert order(exchange, price=101, postOnly=True).post_only_reject
    assert not order(exchange, price=100, postOnly=True).post_only_reject


# Faults


def test_a_lost_event_never_comes_and_a_doubled_one_comes_twice():
    for faults, times in ((Faults(lose_event=1), 0), (Faults(double_event=1), 2)):
        exchange = make(faults=faults)
        heard = listen(exchange)
        order(exchange)
        exchange._clock.settle()
        assert heard == [(100, 1, OrderStatus.NEW, 0)] * times


def test_delayed_events_overtake_one_another_and_without_faults_none_does():
    def filled(faults):
        clock = VirtualClock()
        exchange = make(clock, faults=faults)
        order(exchange, amount=50)
        heard = listen(exchange)
        exchange.play(trade(time_ms) for time_ms in range(200, 250))
        clock.settle()
        return [filled for _, _, _, filled in heard]

    late = filled(Faults(delay_event=0.5, max_delay_ms=100))
    assert late != sorted(late)
    assert sorted(late) == filled(Faults()) == list(range(1, 51))


@pytest.mark.parametrize(
    ("faults", "done_at_timeout", "done_later"),
    [
        (Faults(lose_request=1), 0, 0),
        (Faults(lose_answer=1), 1, 1),
        (Faults(delay_request=1, max_delay_ms=10**6, timeout_ms=500, seed=1), 0, 1),
    ],
)
def test_no_answer_may_mean_done_or_not_or_not_yet(faults, done_at_timeout, done_later):
    clock = VirtualClock()
    exchange = make(clock, faults=faults)
    with pytest.raises(NetworkError, match="no answer"):
        order(exchange)
    assert clock.now_ms == faults.timeout_ms
    assert len(exchange.audit().orders) == done_at_timeout
    clock.settle()
    assert len(exchange.audit().orders) == done_later


def test_an_answer_that_nobody_waits_for_any_more_is_not_given():
    clock = VirtualClock()
    exchange = make(clock, faults=Faults(delay_request=1, max_delay_ms=10**6, seed=1))
    results = exchange.create_orders([OrderRequest(SYMBOL, BUY, Decimal(1), Decimal(99))])
    clock.settle()
    assert len(exchange.audit().orders) == 1
    assert [type(result) for result in results] == [NetworkError]


def test_a_request_that_is_late_but_in_time_is_answered():
    clock = VirtualClock()
    exchange = make(clock, faults=Faults(delay_request=1, max_delay_ms=20))
    assert order(exchange).status is OrderStatus.NEW
    assert 100 < clock.now_ms <= 120


@pytest.mark.parametrize(
    "wrong",
    [
        {"lose_event": -0.1},
        {"double_event": 1.1},
        {"delay_event": float("nan")},
        {"lose_answer": "often"},
        {"max_delay_ms": 0},
        {"timeout_ms": 2.5},
        {"seed": None},
    ],
)
def test_faults_are_probabilities(wrong):
    with pytest.raises(ArgumentValueError, match=next(iter(wrong))):
        Faults(**wrong)


# The tape


def test_an_error_of_the_tape_comes_out_of_play_though_it_arose_inside_a_request():
    def torn():
        yield trade(10)
        yield trade(20)
        raise TapeError("x.csv", 3, "torn")

    clock = VirtualClock()
    exchange = make(clock)

    def reconcile():
        try:
            exchange.fetch_open_orders(SYMBOL)
        except Exception:
            pass

    clock.call_at(5, reconcile)
    with pytest.raises(TapeError, match="torn"):
        exchange.play(torn())


def test_a_trade_stamped_in_the_past_happens_now_and_an_empty_tape_is_no_trouble():
    clock = VirtualClock(1_000)
    exchange = make(clock)
    order(exchange)
    exchange.play([])
    exchange.play([trade(1_500), trade(1_400, 101)])
    assert clock.now_ms == 1_500
    assert [fill.time_ms for fill in exchange.audit().fills] == [1_500]


# Threads


@pytest.mark.parametrize("latency", [0, 3])
def test_requests_of_many_threads_are_each_answered_once_with_their_own_answer(latency):
    clock = ThreadedClock(lead_ms=5)
    exchange = make(clock, latency_ms=latency)
    start = threading.Barrier(4)
    answers = {}

    def ask(items):
        (name,) = items
        start.wait(300)
        answers[name] = [order(exchange, clientOrderId=f"{name}-{n}") for n in range(50)]

    with clock:
        for name in "abcd":
            clock.participant(name, ask).put(name)
        clock.settle()
    orders = exchange.audit().orders
    assert sorted(o.order_id for made in answers.values() for o in made) == list(range(1, 201))
    for name, made in answers.items():
        assert [o.client_oid for o in made] == [f"{name}-{n}" for n in range(50)]
        assert all(b.time_ms >= a.time_ms + 2 * latency for a, b in pairwise(made))
        assert set(made) <= set(orders)


def test_the_main_thread_may_ask_when_nobody_else_drives():
    with ThreadedClock() as clock:
        exchange = make(clock)
        assert order(exchange).status is OrderStatus.NEW
        assert clock.now_ms == 100


def test_a_closed_clock_ends_a_request_that_blocks():
    with ThreadedClock() as clock:
        exchange = make(clock)
        sent, ended = threading.Event(), []
        exchange._clock = Told(clock, sent)

        def ask(_):
            try:
                order(exchange)
            except ClosedError:
                ended.append(True)

        clock.participant("p", ask).put(1)
        assert sent.wait(300)
    assert ended == [True]
    assert exchange.audit().orders == ()


class Told:
    """A clock that tells when a request has been sent."""

    def __init__(self, clock, sent):
        self._clock = clock
        self._sent = sent

    def __getattr__(self, name):
        return getattr(self._clock, name)

    def call_at(self, time_ms, fn):
        self._clock.call_at(time_ms, fn)
        self._sent.set()


def test_what_the_exchange_refuses_is_refused_after_the_way_there_and_back():
    exchange = make(limits=Limits(amount=Decimal(2)))
    with pytest.raises(ExchangeError, match="below the least"):
        order(exchange)
    assert exchange._clock.now_ms == 100
    with pytest.raises(OrderNotFoundError):
        exchange.fetch_order(1, SYMBOL)


@pytest.mark.parametrize("wrong", [-1, 0.5, None])
def test_a_latency_is_a_whole_number_of_milliseconds(wrong):
    with pytest.raises(ArgumentValueError, match="latency_ms"):
        make(latency_ms=wrong)
