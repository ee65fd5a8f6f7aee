"""What an endpoint shows, says, leaves out and refuses, fault by fault."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderStatus, Side
from cowstate.positions.book.reports import Leg, TradeKind
from cowstate.positions.errors import (
    ExchangeError,
    OrderNotFoundError,
    RateLimitedError,
)
from cowstate.positions.simulation.chaos.script import START_MS
from tests.positions.simulation.chaos.desk import LOT, Desk


def shows_the_fill(desk: Desk) -> dict[str, Callable[[], bool]]:
    exchange = desk.exchange
    return {
        "position": lambda: exchange.fetch_positions(["X"])[0].quantity != 2,
        "open": lambda: exchange.fetch_open_orders("X")[0].filled != 0,
        "order": lambda: exchange.fetch_order(1, "X").filled != 0,
        "trades": lambda: len(exchange.fetch_my_trades("X")) != 0,
    }


@pytest.mark.parametrize("endpoint", ["position", "open", "order", "trades"])
def test_an_endpoint_that_lags_shows_what_was(endpoint: str) -> None:
    ages = set()
    for seed in range(12):
        desk = Desk(seed, **{f"{endpoint}_lag": 1_000})
        desk.place()
        desk.wait(3_000)
        desk.fill()
        done = desk.clock.now_ms
        exchange = desk.exchange
        for _ in range(20):
            shown = shows_the_fill(desk)[endpoint]()
            age = exchange.last_left_ms - done
            ages.add((shown, age // 250))
            assert shown or age <= 1_000
            others = [ask() for name, ask in shows_the_fill(desk).items() if name != endpoint]
            assert all(others)
    assert {(False, 0), (False, 3), (True, 4)} <= ages


def test_a_new_order_is_neither_found_nor_listed_for_as_long_as_it_hides() -> None:
    desk = Desk(not_found=2_000)
    desk.place()
    hidden = desk.venue.hidden_until(1)
    assert START_MS < hidden <= START_MS + 2_100
    with pytest.raises(OrderNotFoundError):
        desk.exchange.fetch_order(None, "X", "g-100-B1")
    assert not len(desk.exchange.fetch_open_orders("X"))
    desk.clock.run_until(hidden)
    assert desk.exchange.fetch_order(None, "X", "g-100-B1").order_id == 1
    assert len(desk.exchange.fetch_open_orders("X")) == 1


def test_only_what_ended_without_a_fill_is_purged() -> None:
    desk = Desk(purge=1_000)
    desk.place(1)
    desk.place(2)
    desk.fill()
    for order_id in (1, 2):
        desk.exchange.cancel_order(order_id, "X")
    assert desk.exchange.fetch_order(2, "X").status is OrderStatus.CANCELED
    desk.wait(1_000)
    assert desk.exchange.fetch_order(1, "X").filled == Decimal("0.2")
    with pytest.raises(OrderNotFoundError):
        desk.exchange.fetch_order(2, "X")


@pytest.mark.parametrize("faults", [{"page": 2}, {"truncated": 0.8}, {}])
def test_pages_say_that_they_are_not_all_and_together_are(faults: dict[str, float]) -> None:
    desk = Desk(**faults)
    for number in range(1, 8):
        desk.place(number)
        desk.fill(lots="0.01")
    for fetch in (desk.exchange.fetch_open_orders, desk.exchange.fetch_my_trades):
        found: list[Any] = []
        cursor, pages = None, 0
        while pages == 0 or cursor is not None:
            page: Any = (
                fetch("X", cursor)
                if fetch == desk.exchange.fetch_open_orders
                else fetch("X", START_MS, cursor)  # type: ignore[call-arg]
            )
            assert page.complete is (page.cursor is None)
            found += page
            cursor, pages = page.cursor, pages + 1
        assert len(found) == len({*map(repr, found)}) == 7
        assert (pages > 1) is bool(faults)


def test_hours_in_which_it_refuses_says_nothing_or_shows_one_state() -> None:
    desk = Desk()
    desk.hours("rate_limit", 1_000, 2_000)
    desk.hours("empty", 3_000, 4_000)
    desk.hours("frozen", 5_000, 6_000)
    desk.clock.run_until(START_MS + 1_000)
    with pytest.raises(RateLimitedError) as refused:
        desk.exchange.fetch_positions(["X"])
    until = START_MS + 2_000 - desk.clock.now_ms
    assert refused.value.retry_after_ms is not None
    assert until <= refused.value.retry_after_ms <= until + 20
    desk.clock.run_until(START_MS + 3_000)
    assert not len(desk.exchange.fetch_positions(["X"]))
    desk.clock.run_until(START_MS + 5_500)
    desk.ledger.enter(None, LOT, LOT, desk.clock.now_ms)
    assert desk.exchange.fetch_positions(["X"])[0].quantity == 2
    desk.clock.run_until(START_MS + 6_000)
    assert desk.exchange.fetch_positions(["X"])[0].quantity == Decimal("2.5")


def test_one_endpoint_errs_while_it_is_silent_and_trades_where_they_are_refused() -> None:
    desk = Desk(no_trades=1)
    desk.hours("silent", 1_000, 2_000)
    desk.clock.run_until(START_MS + 1_000)
    with pytest.raises(ExchangeError, match="internal error"):
        # Which endpoint it is, the beginning of the hour says: 1,000 by four leaves the first.
        desk.exchange.fetch_positions(["X"])
    assert not len(desk.exchange.fetch_open_orders("X"))
    with pytest.raises(ExchangeError, match="internal error"):
        desk.exchange.fetch_my_trades("X")


def test_ids_costs_and_stamps_are_left_out_where_the_venue_does_not_say_them() -> None:
    desk = Desk(no_ids=1, no_cost=1, no_stamp=1)
    desk.place()
    desk.fill()
    desk.wait(100)
    assert desk.exchange.fetch_open_orders("X")[0].client_oid == "x-1"
    assert desk.exchange.fetch_order(1, "X").client_oid == "x-1"
    assert desk.exchange.fetch_my_trades("X")[0].client_oid is None
    assert desk.exchange.fetch_order(1, "X").cost == 0
    assert desk.events[-1][1].cost == 0
    assert desk.events[-1][1].filled
    assert desk.exchange.fetch_positions(["X"]).answered_ms is None


def test_legs_and_fees_and_entries_of_other_kinds_are_told() -> None:
    desk = Desk(hedge=1, fee=0.001)
    desk.place()
    desk.fill()
    desk.ledger.enter(TradeKind.FUNDING, Decimal(0), LOT, desk.clock.now_ms)
    long, short = desk.exchange.fetch_positions(["X"])
    assert (long.leg, short.leg) == (Leg.LONG, Leg.SHORT)
    assert long.quantity == Decimal("2.1998")
    bought, funding = desk.exchange.fetch_my_trades("X")
    assert (bought.fee, bought.leg, funding.kind) == (Decimal("0.0002"), Leg.LONG, "FUNDING")


def test_what_is_asked_of_another_market_or_for_another_type_is_refused() -> None:
    desk = Desk()
    for request in (
        lambda: desk.exchange.fetch_positions(["Y"]),
        lambda: desk.exchange.fetch_open_orders("Y"),
        lambda: desk.exchange.fetch_my_trades("Y"),
        lambda: desk.exchange.fetch_order(1, "Y"),
        lambda: desk.exchange.cancel_order(1, "Y"),
        lambda: desk.exchange.create_order("X", "market", Side.BUY, LOT, LOT),
    ):
        with pytest.raises(ExchangeError):
            request()
    (answer,) = desk.exchange.cancel_orders([9], "X")
    assert isinstance(answer, OrderNotFoundError)
