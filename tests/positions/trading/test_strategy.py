"""The strategy at work: what it sends, and what it makes of every kind of answer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import CowstateError
from cowstate.positions import (
    GridConfig,
    OrderStatus,
    OrderUpdate,
    PaperExchange,
    PositionManager,
    SlotStatus,
    Trade,
    VirtualClock,
    plan_grid,
)
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    NetworkError,
    OrderNotFoundError,
)
from cowstate.positions.trading.strategy import GridStrategy

CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 3, "grid")
TOP = Decimal("50003.5")
LOWER = Decimal("49983.5")  # two levels down
HIGHER = Decimal("50043.5")  # four levels up: every order of TOP is out of the window


class Recorded(PaperExchange):
    """A paper exchange that notes what it is asked, and whose answers can be replaced."""

    def __init__(self, clock, symbol):
        super().__init__(clock, symbol, latency_ms=0)
        self.calls = []
        self.answer = lambda answers: answers

    def create_orders(self, requests):
        self.calls.append(("create", [request.client_oid for request in requests]))
        return self.answer(super().create_orders(requests))

    def cancel_orders(self, order_ids, symbol):
        self.calls.append(("cancel", list(order_ids)))
        return self.answer(super().cancel_orders(order_ids, symbol))


class Desk:
    """A manager, a strategy and an exchange whose order stream is cut off: answers must do."""

    def __init__(self):
        self.clock = VirtualClock()
        self.exchange = Recorded(self.clock, "BTCUSDT")
        self.manager = PositionManager(CONFIG, time_ms=lambda: self.clock.now_ms)
        self.strategy = GridStrategy(self.manager, self.exchange, lambda: self.clock.now_ms)

    def statuses(self):
        return {key: slot.slot_status for key, slot in self.manager.snapshot().items()}


def failing(error):
    def answer(_):
        raise error

    return answer


@pytest.fixture
def desk():
    return Desk()


def test_a_step_places_the_whole_plan_post_only_and_learns_the_answers(desk):
    assert desk.strategy.step(TOP) == 3
    oids = ["grid-49980-B1", "grid-49990-B1", "grid-50000-B1"]
    assert desk.exchange.calls == [("create", oids)]
    assert set(desk.statuses().values()) == {SlotStatus.LOCKED}
    working = [slot.working for slot in desk.manager.snapshot().values()]
    assert all(order.order_id and order.status is OrderStatus.NEW for order in working)


def test_a_step_with_nothing_to_do_asks_nothing(desk):
    desk.strategy.step(TOP)
    version = desk.manager.snapshot().version
    assert desk.strategy.step(TOP) == 0
    assert len(desk.exchange.calls) == 1
    assert desk.manager.snapshot().version == version


def test_cancellations_go_before_new_orders(desk):
    desk.strategy.step(TOP)
    assert desk.strategy.step(HIGHER) == 6
    assert [kind for kind, _ in desk.exchange.calls] == ["create", "cancel", "create"]
    assert len(desk.exchange.audit().open_orders) == 3


def test_what_was_given_up_while_cancellations_went_is_not_sent_and_not_counted(desk):
    desk.strategy.step(TOP)
    refused = []

    def meanwhile(answers):
        desk.exchange.answer = lambda later: later
        orders = [slot.working for slot in desk.manager.snapshot().values() if slot.working]
        order = next(order for order in orders if order.status is OrderStatus.PENDING)
        refused.append(order.client_oid)
        desk.manager.on_order_update(
            OrderUpdate("BTCUSDT", order.client_oid, None, order.side, order.price,
                        order.quantity, OrderStatus.REJECTED)
        )  # fmt: skip
        return answers

    desk.exchange.answer = meanwhile
    assert desk.strategy.step(HIGHER) == 5
    (kind, sent), (name,) = desk.exchange.calls[-1], refused
    assert (kind, len(sent)) == ("create", 2)
    assert name not in sent


def test_an_order_through_the_market_is_refused_as_post_only_and_planned_again(desk):
    desk.exchange.on_trade(Trade(0, 1, LOWER, Decimal(1), buyer_is_maker=False))
    desk.strategy.step(TOP)
    slot = desk.manager.snapshot()["50000"]
    assert slot.slot_status is SlotStatus.FREE
    assert slot.post_only_fail_count == 1
    assert plan_grid(desk.manager.snapshot(), TOP, CONFIG)


@pytest.mark.parametrize("whole", [True, False], ids=["for all at once", "for each"])
@pytest.mark.parametrize(
    "error",
    [NetworkError("no answer"), DuplicateOrderIdError("there is one")],
    ids=["no answer", "its id is taken"],
)
def test_a_placed_order_of_unknown_fate_stays_pending(desk, error, whole):
    desk.exchange.answer = failing(error) if whole else (lambda answers: [error] * len(answers))
    desk.strategy.step(TOP)
    assert set(desk.statuses().values()) == {SlotStatus.PENDING}
    desk.strategy.step(TOP)
    assert len(desk.exchange.calls) == 1


@pytest.mark.parametrize("error", [NetworkError("no answer"), OrderNotFoundError("it is over")])
@pytest.mark.parametrize("whole", [True, False], ids=["for all at once", "for each"])
def test_a_cancellation_that_was_not_accepted_may_be_asked_for_again(desk, error, whole):
    desk.strategy.step(TOP)
    desk.exchange.answer = failing(error) if whole else (lambda answers: [error] * len(answers))
    desk.strategy.step(HIGHER)
    assert desk.manager.snapshot()["50000"].working.cancel_requested is False
    desk.exchange.answer = lambda answers: answers
    desk.strategy.step(HIGHER)
    assert [kind for kind, _ in desk.exchange.calls].count("cancel") == 2


@pytest.mark.parametrize("whole", [True, False], ids=["for all at once", "for each"])
def test_an_order_that_is_refused_is_over_and_leaves_its_slot_free(desk, whole):
    error = ExchangeError("too small")
    desk.exchange.answer = failing(error) if whole else (lambda answers: [error] * len(answers))
    desk.strategy.step(TOP)
    assert set(desk.statuses().values()) == {SlotStatus.FREE}
    last = [slot.closed[-1].status for slot in desk.manager.snapshot().values()]
    assert set(last) == {OrderStatus.REJECTED}


def test_an_answer_that_does_not_repeat_our_id_belongs_to_the_request_in_its_place(desk):
    desk.exchange.answer = lambda answers: [
        answer.replace(client_oid=f"x-{answer.order_id}") for answer in answers
    ]
    desk.strategy.step(TOP)
    assert set(desk.statuses().values()) == {SlotStatus.LOCKED}
    there = {order.client_oid: order.order_id for order in desk.exchange.audit().open_orders}
    here = {slot.client_oid: slot.order_id for slot in desk.manager.snapshot().values()}
    assert here == there


@pytest.mark.parametrize("answer", [lambda a: a[:-1], lambda a: [*a, a[0]], lambda _: []])
def test_another_number_of_answers_than_of_requests_is_an_error(desk, answer):
    desk.exchange.answer = answer
    with pytest.raises(ExchangeError, match="answers to 3 requests"):
        desk.strategy.step(TOP)
    assert set(desk.statuses().values()) == {SlotStatus.PENDING}


@pytest.mark.parametrize("price", [Decimal(0), Decimal(-1), Decimal("nan"), 50000.5, "50000"])
def test_a_price_that_is_none_is_refused_and_nothing_is_sent(desk, price):
    with pytest.raises(CowstateError, match="last_price"):
        desk.strategy.step(price)
    assert desk.exchange.calls == []


@given(st.lists(st.integers(4_990, 5_010), min_size=1, max_size=12))
def test_after_every_step_nothing_is_left_to_plan_at_that_price(prices):
    desk = Desk()
    for price in prices:
        last = Decimal(price) * 10 + Decimal("3.5")
        desk.exchange.on_trade(Trade(0, 1, last, Decimal("0.01"), buyer_is_maker=False))
        desk.clock.settle()
        for order in desk.exchange.audit().orders:
            desk.manager.on_order_update(order)
        desk.strategy.step(last)
        assert plan_grid(desk.manager.snapshot(), last, CONFIG) == ()
        working = {order.client_oid for order in desk.exchange.audit().open_orders}
        assert working == {s.client_oid for s in desk.manager.snapshot().values() if s.working}
