"""Polling for what changed about orders: nothing that was seen once is left behind."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentValueError
from cowstate.positions import Listing, OrderStatus, OrderUpdate
from cowstate.positions.errors import ExchangeError, RateLimitedError
from cowstate.positions.exchange.polled import PolledOrders
from tests.positions.simulation.chaos.desk import Desk

ACTS = st.lists(
    st.tuples(st.sampled_from(["place", "fill", "cancel", "poll"]), st.integers(0, 5)),
    max_size=25,
)


def seen(told: dict[Any, OrderUpdate], updates: tuple[OrderUpdate, ...]) -> None:
    for update in updates:
        before = told.get(update.order_id)
        assert before is None or before.replace(time_ms=0) != update.replace(time_ms=0)
        assert before is None or not before.status.terminal
        told[update.order_id] = update


@given(ACTS, st.booleans())
def test_the_last_that_is_told_of_an_order_is_what_is_so(acts: Any, page: bool) -> None:
    desk = Desk(page=2 if page else 0)
    orders, told, placed = PolledOrders(desk.exchange, "X"), dict[Any, OrderUpdate](), []
    for act, number in acts:
        if act == "place":
            placed.append(desk.place(len(placed) + 1, 100 + number))
            orders.expect(placed[-1])
        elif act == "fill":
            desk.fill(100 + number)
        elif act == "cancel" and placed:
            order = placed[number % len(placed)]
            now = desk.clock.now_ms
            current = desk.ledger.order_at(order.order_id, now)
            if current is not None and not current.status.terminal:
                desk.exchange.cancel_order(order.order_id, "X")
        elif act == "poll":
            seen(told, orders.poll())
    seen(told, orders.poll())
    for order in placed:
        truth = desk.ledger.order_at(order.order_id, desk.clock.now_ms)
        assert truth is not None
        last = told.get(order.order_id, order)
        assert last.replace(time_ms=0) == truth.replace(time_ms=0)
    assert orders.poll() == ()


def test_an_order_that_was_neither_listed_nor_expected_is_missed() -> None:
    """And one that was expected is not: the difference that `expect` makes."""
    told = []
    for expected in (False, True):
        desk = Desk()
        orders = PolledOrders(desk.exchange, "X")
        order = desk.place()
        if expected:
            orders.expect(order)
        desk.fill(lots="0.5")
        told.append([update.status for update in orders.poll()])
    assert told == [[], [OrderStatus.FILLED]]


def test_what_a_stream_has_told_in_full_is_not_asked_for() -> None:
    for told in (False, True):
        desk = Desk()
        orders = PolledOrders(desk.exchange, "X")
        order = desk.place()
        orders.poll()
        desk.fill(lots="0.5")
        now = desk.ledger.order_at(order.order_id, desk.clock.now_ms)
        assert now is not None
        # Without a cost it is not in full.
        orders.heard(now if told else now.replace(cost=now.cost * 0))
        assert [update.cost for update in orders.poll()] == ([] if told else [now.cost])


def test_an_order_of_which_only_a_stream_knew_is_asked_for() -> None:
    desk = Desk()
    orders = PolledOrders(desk.exchange, "X")
    order = desk.place()
    orders.heard(order)
    desk.fill(lots="0.5")
    assert [update.status for update in orders.poll()] == [OrderStatus.FILLED]


def test_how_much_is_left_to_be_asked_for_is_known() -> None:
    desk = Desk()
    orders = PolledOrders(desk.exchange, "X", queries=2)
    placed = [desk.place(number, 100 + number) for number in range(5)]
    orders.poll()
    assert orders.rest == 0
    for each in placed:
        desk.exchange.cancel_order(each.order_id, "X")
    rests = []
    for _ in range(3):
        orders.poll()
        rests.append(orders.rest)
    assert rests == [3, 1, 0]


def test_what_could_not_be_asked_for_is_asked_for_again() -> None:
    desk = Desk()
    orders = PolledOrders(desk.exchange, "X")
    desk.place()
    assert len(orders.poll()) == 1
    desk.fill(lots="0.5")
    desk.hours("rate_limit", 0, 5_000)
    with pytest.raises(ExchangeError):
        orders.poll()
    desk.wait(6_000)
    assert [update.status for update in orders.poll()] == [OrderStatus.FILLED]


def test_whoever_cannot_be_told_does_not_stand_before_the_rest() -> None:
    class Dumb:
        """Of the first order it says that it works, and lists none."""

        def __init__(self, desk: Desk) -> None:
            self.desk = desk
            self.first: object = None

        def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
            return Listing()

        def fetch_order(self, order_id: object, symbol: str) -> OrderUpdate:
            if order_id == self.first:
                raise ExchangeError("no answer that makes sense")
            return self.desk.exchange.fetch_order(order_id, symbol)  # type: ignore[arg-type]

    desk = Desk()
    venue = Dumb(desk)
    orders = PolledOrders(venue, "X", queries=1)  # type: ignore[arg-type]
    placed = [desk.place(number, 100 + number) for number in (1, 2)]
    venue.first = placed[0].order_id
    for each in placed:
        orders.expect(each)
    desk.fill(102)
    told = [update for _ in range(3) for update in orders.poll()]
    assert [update.order_id for update in told] == [placed[1].order_id]


def test_who_asks_too_often_asks_for_no_more_and_loses_nothing() -> None:
    class Busy:
        """It answers one question about an order, and then says that it is asked too often."""

        def __init__(self, desk: Desk) -> None:
            self.desk = desk
            self.asked = 0

        def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
            self.asked = 0
            return self.desk.exchange.fetch_open_orders(symbol, cursor)

        def fetch_order(self, order_id: object, symbol: str) -> OrderUpdate:
            self.asked += 1
            if self.asked > 1:
                raise RateLimitedError("too many", 7_000)
            return self.desk.exchange.fetch_order(order_id, symbol)  # type: ignore[arg-type]

    desk = Desk()
    venue = Busy(desk)
    orders = PolledOrders(venue, "X")  # type: ignore[arg-type]
    placed = [desk.place(number, 100 + number) for number in range(1, 5)]
    for each in placed:
        orders.expect(each)
    for price in (104, 103, 102, 101):
        desk.fill(price, "0.5")
    told = []
    for left in (3, 2, 1, 0):
        told += [update.order_id for update in orders.poll()]
        assert venue.asked == (2 if left else 1)
    assert sorted(told) == [each.order_id for each in placed]  # type: ignore[type-var]


def test_without_a_page_nothing_can_be_asked_for() -> None:
    with pytest.raises(ArgumentValueError, match="at least 1 page"):
        PolledOrders(Desk().exchange, "X", pages=0)
