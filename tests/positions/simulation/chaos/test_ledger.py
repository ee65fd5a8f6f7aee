"""A ledger knows what was so at every moment, as whoever had looked then would have seen it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import OrderRequest, Side, Trade
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    OrderNotFoundError,
)
from cowstate.positions.simulation.chaos.ledger import Ledger

ops = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "cancel", "amend", "trade", "manual", "booked", "foreign"]),
        st.integers(0, 30),
    ),
    max_size=40,
)
LOT = Decimal("0.5")


def done(ledger: Ledger, op: str, number: int, now: int) -> None:
    price = Decimal(90 + number % 20)
    working = ledger.engine.open_orders()
    match op:
        case "buy" | "sell" | "foreign":
            side = Side.SELL if op == "sell" else Side.BUY
            count = len(ledger.created) + 1
            name = f"web_{count}" if op == "foreign" else f"g-{price}-{side[0]}{count}"
            ledger.place(OrderRequest("X", side, LOT, price, name), now)
        case "cancel" if working:
            ledger.cancel(working[number % len(working)].order_id, now)  # type: ignore[arg-type]
        case "amend" if working:
            order = working[number % len(working)]
            ledger.amend(order.order_id, order.price + 1, order.quantity + LOT, now)  # type: ignore[arg-type]
        case "trade":
            ledger.match(Trade(now, now, price, LOT * (number % 4 + 1) / 2, number % 2 == 0), now)
        case "manual":
            ledger.enter(None, Decimal(number - 15) / 100, price, now)
        case "booked":
            ledger.enter([*TradeKind][number % 4], LOT, price, now)
        case _:
            pass


def seen(ledger: Ledger) -> Any:
    return ledger.position, ledger.engine.open_orders(), [*ledger.entries]


@given(ops, st.sampled_from([Decimal(0), Decimal("0.001")]))
def test_every_moment_is_remembered_as_it_was(made: list[tuple[str, int]], fee: Decimal) -> None:
    ledger = Ledger("X", fee=fee, held=Decimal(3), ours="g-")
    moments = {0: seen(ledger)}
    for number, (op, size) in enumerate(made, 1):
        # Several things may happen in one millisecond.
        now = number // 2 + 1
        done(ledger, op, size, now)
        moments[now] = seen(ledger)
    for moment, (position, orders, entries) in moments.items():
        assert ledger.position_at(moment) == position
        assert ledger.open_at(moment) == orders
        assert ledger.entries_at(moment, None) == entries
        for order in orders:
            assert ledger.order_at(order.order_id, moment) == order


@given(ops, st.sampled_from([Decimal(0), Decimal("0.001")]))
def test_the_position_is_what_our_trades_and_the_others_come_to(
    made: list[tuple[str, int]], fee: Decimal
) -> None:
    ledger = Ledger("X", fee=fee, held=Decimal(3), ours="g-")
    for now, (op, size) in enumerate(made, 1):
        done(ledger, op, size, now)
    ours = sum(entry.moved for entry in ledger.entries if (entry.client_oid or "").startswith("g-"))
    assert ledger.position == 3 + ours + ledger.outside_since(0)
    assert [entry.trade_id for entry in ledger.entries] == [*range(1, len(ledger.entries) + 1)]


def test_pages_by_number_and_since_a_time_leave_nothing_out() -> None:
    ledger = Ledger("X")
    for now in (5, 5, 5, 9):
        ledger.enter(TradeKind.FUNDING, LOT, Decimal(1), now)
    assert len(ledger.entries_at(9, 5)) == 4
    assert [entry.trade_id for entry in ledger.entries_at(9, 5, after=2)] == [3, 4]
    assert ledger.entries_at(8, 6) == []


def test_an_entry_may_move_nothing_and_what_nothing_tells_has_no_entry() -> None:
    ledger = Ledger("X", held=Decimal(1))
    ledger.enter(TradeKind.FUNDING, Decimal(0), Decimal(1), 1)
    assert (ledger.position, len(ledger.entries), ledger.told) == (1, 1, 0)
    ledger.enter(None, LOT, Decimal(1), 2)
    assert (ledger.position, len(ledger.entries), ledger.told) == (Decimal("1.5"), 1, 0)
    ledger.enter(TradeKind.LIQUIDATION, -LOT, Decimal(1), 3)
    assert (ledger.position, len(ledger.entries), ledger.told) == (1, 2, LOT)
    assert ledger.outside_since(1) == 0
    assert ledger.outside_since(2) == -LOT


def test_what_others_moved_is_known_by_when_and_by_whether_it_was_told() -> None:
    ledger = Ledger("X", held=Decimal(9))
    ledger.enter(None, Decimal(1), LOT, 10)
    ledger.enter(TradeKind.ADJUSTMENT, Decimal(2), LOT, 20)
    ledger.enter(TradeKind.ADJUSTMENT, Decimal(4), LOT, 30)
    assert [ledger.outside_since(time) for time in (9, 10, 20, 30)] == [7, 6, 4, 0]
    assert [ledger.outside_since(9, told) for told in (9, 20, 30)] == [7, 5, 1]
    assert ledger.outside_since(20, 30) == 0


def test_an_id_may_be_used_again_only_where_the_venue_lets_it_be() -> None:
    for reuse in (False, True):
        ledger = Ledger("X", reuse=reuse)
        request = OrderRequest("X", Side.BUY, LOT, Decimal(100), "g-100-B1")
        first = ledger.place(request, 1)
        with pytest.raises(DuplicateOrderIdError):
            ledger.place(request, 2)
        ledger.cancel(first.order_id, 3)  # type: ignore[arg-type]
        if reuse:
            assert ledger.place(request, 4).order_id == 2
            assert ledger.engine.order(None, "g-100-B1").order_id == 2
        else:
            with pytest.raises(DuplicateOrderIdError):
                ledger.place(request, 4)


def test_only_what_works_can_be_amended_and_not_below_what_is_filled() -> None:
    ledger = Ledger("X")
    order = ledger.place(OrderRequest("X", Side.BUY, LOT, Decimal(100), "g-100-B1"), 1)
    ledger.match(Trade(2, 1, Decimal(100), LOT / 2, True), 2)
    with pytest.raises(ValueError, match="what is left"):
        ledger.amend(1, Decimal(100), LOT / 2, 3)
    ledger.amend(1, Decimal(101), LOT, 4)
    (filled,) = ledger.match(Trade(5, 2, Decimal(101), LOT, True), 5)
    assert filled.status.terminal
    assert order.order_id == filled.order_id
    with pytest.raises(OrderNotFoundError):
        ledger.amend(1, Decimal(100), LOT, 6)
    with pytest.raises(ExchangeError):
        ledger.amend(2, Decimal(100), LOT, 6)


def test_what_changed_is_told_once() -> None:
    ledger = Ledger("X")
    ledger.place(OrderRequest("X", Side.BUY, LOT, Decimal(100), "g-100-B1"), 1)
    assert (ledger.take_changed(), ledger.take_changed()) == ([1], [])
