"""What is shown of the file of a position manager is what its records say."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.journal.reading import Reader
from cowstate.positions import GridConfig, InventorySlot, PositionManager
from cowstate.positions.book.account import Account, held
from cowstate.positions.book.findings import Dispute, Findings
from cowstate.positions.book.model import OrderStatus, Side
from cowstate.positions.book.remembered import BreakerState
from cowstate.positions.book.slots import Order
from cowstate.web.messages import encoded, state_of
from cowstate.web.seen import seen_in
from cowstate.web.trader import ALARMS, account_of, ladder_row, position_of, slot_of
from cowstate.web.watcher import board_of

GRID = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 4, "grid")
AMOUNTS = st.decimals(min_value=0, max_value=9, places=2)


def order(n: int, side: Side, status: OrderStatus, quantity: Decimal, filled: Decimal) -> Order:
    name = f"grid-100-{side.value[0]}{n}"
    return Order(name, n, side, Decimal(100), quantity, status, n, min(filled, quantity))


ORDERS = st.builds(
    order,
    st.integers(1, 99),
    st.sampled_from(Side),
    st.sampled_from(OrderStatus),
    AMOUNTS,
    AMOUNTS,
)


def board_at(path: Path) -> Any:
    reader = Reader(str(path))
    try:
        return board_of(seen_in(reader, None, [], 0.0, 0.0)).snapshot()
    finally:
        reader.close()


def test_a_manager_s_file_is_shown_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "grid.db"
    manager = PositionManager.open(path, GRID)
    try:
        manager.calculate_adjustments(Decimal(100))
        slots = manager.snapshot()
    finally:
        manager.close()
    message = json.loads(encoded(state_of(board_at(path))))
    position = message["position"]
    assert position["symbol"] == "BTCUSDT"
    assert Decimal(position["held"]) == held(slots)
    working = [slot.working for slot in slots.values() if slot.working is not None]
    assert position["working"] == len(working)
    assert len(message["rows"]) == len(slots)
    for name, _, row in message["rows"]:
        slot = slots[json.loads(name)]
        assert row == json.loads(json.dumps(ladder_row(slot)))
        assert Decimal(row["price"]) == slot.price


@given(st.lists(ORDERS, max_size=6, unique_by=lambda each: each.sequence), AMOUNTS)
def test_the_interval_holds_whatever_orders_at_work_may_have_filled(
    orders: list[Order], quantity: Decimal
) -> None:
    alive = [each for each in orders if not each.terminal]
    slot = InventorySlot(Decimal(100), quantity, tail=tuple(orders))
    told = position_of([slot], Account(grid=GRID))
    lowest, known, highest = (Decimal(told[name]) for name in ("lowest", "held", "highest"))
    assert known == quantity
    assert told["working"] == len(alive)
    for side, end in ((Side.SELL, lowest), (Side.BUY, highest)):
        left = sum((each.remaining for each in alive if each.side is side), Decimal(0))
        assert end == known + side.sign * left


def test_the_breaker_and_what_is_in_dispute_are_told(tmp_path: Path) -> None:
    hostile = "<b>" * 1_000
    disputes = tuple(
        Dispute(f"grid-{n}-B1", n, hostile, hostile, hostile, 1_000) for n in range(ALARMS + 3)
    )
    findings = Findings(disputes=disputes).not_found("grid-1-B1", 7)
    findings = findings.listed_though_over(9, "g", 8)
    account = Account(
        grid=GRID,
        breaker=BreakerState(True, hostile, 5_000, 2),
        findings=Findings(disputes=disputes)
        .not_found("grid-1-B1", 7)
        .listed_though_over(9, "g", 8),
    )
    told = position_of([], account)
    assert told["breaker"]["open"] is True
    assert told["breaker"]["trips"] == 2
    assert (len(told["alarms"]), told["more_alarms"]) == (ALARMS, 5)
    assert len(encoded(told)) < 100_000
    few = position_of([], account.replace(findings=account.findings.replace(disputes=())))
    assert [each["kind"] for each in few["alarms"]] == ["LISTED", "NOT FOUND"]
    assert [each["since_ms"] for each in few["alarms"]] == [8, 7]


NUMBERS = [
    *("NaN", "sNaN", "Infinity", "-Infinity", "1E+999999", "1E-999999", "0E-999999"),
    *("1E+999999999999999999", "0E+999999999999999999", "9" * 5_000, "1." + "1" * 60_000),
]


@pytest.mark.parametrize("number", NUMBERS, ids=lambda each: each[:9])
def test_whatever_number_somebody_wrote_browsers_are_told_the_rest(
    tmp_path: Path, number: str
) -> None:
    path = tmp_path / "grid.db"
    manager = PositionManager.open(path, GRID)
    manager.calculate_adjustments(Decimal(100))
    manager.close()
    whole = state_of(board_at(path))
    with sqlite3.connect(path) as other:
        [(key, value)] = other.execute("SELECT min(key), value FROM records").fetchall()
        slot = json.loads(value)
        account = json.loads(other.execute("SELECT value FROM meta").fetchone()[0])
        places = [(slot, name) for name in ("price", "position_qty", "cash")]
        places += [(slot["working"], name) for name in ("price", "quantity", "filled", "cost")]
        places += [(account["ledger"], "unattributed")]
        for holder, name in places:
            was, holder[name] = holder[name], number
            other.execute("UPDATE records SET value = ? WHERE key = ?", (json.dumps(slot), key))
            other.execute("UPDATE meta SET value = ?", (json.dumps(account),))
            other.commit()
            told = json.loads(encoded(state_of(board_at(path))))
            assert [row[0] for row in told["rows"]] == [row[0] for row in whole["rows"]]
            assert [row[2] for row in told["rows"]][1:] == [row[2] for row in whole["rows"]][1:]
            assert len(encoded(told)) < len(encoded(whole)) + 5_000
            holder[name] = was
    other.close()


@given(st.text() | st.binary() | st.just('{"grid":null}') | st.just('{"restored":"x"}'))
def test_what_is_none_of_a_manager_s_is_none(value: str | bytes) -> None:
    assert account_of(value) is None
    assert slot_of(value) is None


def test_of_a_part_of_the_slots_nothing_is_said_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "grid.db"
    manager = PositionManager.open(path, GRID)
    manager.calculate_adjustments(Decimal(100))
    manager.close()
    assert state_of(board_at(path))["position"] is not None
    with sqlite3.connect(path) as other:
        other.execute("UPDATE records SET value = '{}' WHERE key = (SELECT min(key) FROM records)")
    other.close()
    assert state_of(board_at(path))["position"] is None
