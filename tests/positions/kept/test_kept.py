"""Positions in a file: what one life has acknowledged is what the next one begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from cowstate import journal
from cowstate.positions import (
    AlarmKind,
    CorrectionKind,
    Dispute,
    OrderStatus,
    PositionManager,
)
from cowstate.positions.reconcile.life import Life
from tests.positions.kept.desks import FileDesk
from tests.positions.reconcile.desk import kinds
from tests.positions.trading.managing import CONFIG as MANAGED
from tests.positions.trading.managing import PRICE, told

Desks: TypeAlias = Callable[..., FileDesk]


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[Desks]:
    """Makes a desk in a file, which is closed at the end."""
    made: list[FileDesk] = []

    def make(held: str = "0") -> FileDesk:
        made.append(FileDesk.holding_in(tmp_path / "a.db", held))
        return made[-1]

    yield make
    for desk in made:
        desk.manager.close()


def test_all_of_a_version_is_in_the_file_and_is_what_the_next_life_begins_with(
    desks: Desks,
) -> None:
    desk = desks()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.trade(100, "0.5")
    desk.later()
    before = desk.manager.snapshot()
    assert before.total("position") == Decimal("0.5")
    desk.die()
    now = desk.manager.snapshot()
    assert (now, now.meta, now.version) == (before, before.meta, before.version)
    assert [now.total(each) for each in ("position", "active_orders", "realized_profit")] == [
        before.total(each) for each in ("position", "active_orders", "realized_profit")
    ]
    assert now.find("client_oid", "grid-100-B1") == before["100"]


def test_a_life_that_begins_looks_before_it_trades_and_learns_what_it_missed(
    desks: Desks,
) -> None:
    desk = desks()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.later()
    assert desk.reconciler.permit().trade
    desk.trade(100, "0.2")
    desk.die()
    assert not desk.reconciler.permit().trade
    report = desk.later()
    assert kinds(report) == [CorrectionKind.JOINED]
    assert report.agrees
    assert desk.reconciler.permit().trade
    assert desk.manager.snapshot().total("position") == Decimal("0.2")


def test_disputes_corrections_and_the_unattributed_quantity_survive(desks: Desks) -> None:
    desk = desks("0.5")
    desk.drift("-0.02")
    desk.later()
    assert kinds(desk.later()) == [CorrectionKind.POSITION]
    action = desk.manager.calculate_adjustments(Decimal(105))[0]
    placed = desk.place(action)
    desk.manager.on_order_update(placed)
    desk.manager.on_order_update(placed.replace(price=Decimal(1)))
    (dispute,) = desk.reconciler.status().disputes
    desk.die()
    assert desk.manager.snapshot().meta.unattributed == Decimal("-0.02")
    status = desk.reconciler.status()
    assert status.disputes == (dispute,)
    assert isinstance(dispute, Dispute)
    report = desk.later()
    assert AlarmKind.DISPUTE in {alarm.kind for alarm in report.alarms}
    (correction,) = desk.manager.snapshot().meta.corrections
    assert desk.reconciler.undo(correction)
    assert desk.reconciler.settle(dispute)
    desk.die()
    assert desk.manager.snapshot().meta.unattributed == 0
    assert desk.reconciler.status().disputes == ()


def test_the_breaker_survives_with_how_often_it_has_opened(desks: Desks) -> None:
    desk = desks()
    desk.later()
    desk.reconciler.breaker.open("X", "somebody says so", desk.now())
    desk.die()
    assert desk.reconciler.permit().why == "somebody says so"
    assert desk.reconciler.resume("somebody says so")
    desk.die()
    assert not desk.reconciler.breaker.is_open("X")
    assert desk.later().agrees
    assert desk.reconciler.permit().trade
    desk.reconciler.breaker.open("X", "and again", desk.now())
    assert desk.reconciler.breaker.state("X").trips == 2


def test_a_breaker_that_could_not_be_saved_is_saved_by_the_next_pass(desks: Desks) -> None:
    desk = desks()
    desk.later()
    store = desk.manager.store
    update_meta = store.update_meta

    def refused(*_: Any) -> Any:
        store.update_meta = update_meta  # type: ignore[method-assign]
        raise journal.JournalError("the disk is full")

    store.update_meta = refused  # type: ignore[method-assign]
    desk.reconciler.breaker.open("X", "somebody says so", desk.now())
    assert not store.snapshot().meta.breaker.open
    assert not desk.reconciler.permit().trade
    desk.later()
    desk.die()
    assert desk.reconciler.permit().why == "somebody says so"


def test_a_cancellation_that_an_earlier_life_asked_for_is_asked_for_again(desks: Desks) -> None:
    desk = desks()
    (action, *_) = desk.manager.calculate_adjustments(Decimal(105))
    desk.manager.on_order_update(desk.place(action))
    assert [each.client_oid for each in desk.manager.cancel_all_buy_orders()] == [action.client_oid]
    assert desk.manager.snapshot()[action.slot].in_flight
    desk.die()
    assert not desk.manager.snapshot()[action.slot].in_flight
    assert [each.client_oid for each in desk.manager.cancel_all_buy_orders()] == [action.client_oid]


def test_what_happened_in_earlier_lives_is_read_from_the_log(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with PositionManager.open(path, MANAGED) as manager:
        first, second, _ = manager.calculate_adjustments(PRICE)
        manager.on_order_update(told(first, OrderStatus.FILLED, "0.5", order_id=1, time_ms=1_000))
        manager.on_order_update(told(second, order_id=2, time_ms=2_000))
        fills, orders = manager.get_fills(), manager.get_order_history()
        (position,) = manager.get_position_history()
    with PositionManager.open(path, MANAGED) as manager:
        # What this life adds comes after that, whichever was asked for first.
        manager.on_order_update(told(second, OrderStatus.FILLED, "0.5", order_id=2, time_ms=3_000))
        assert manager.get_fills()[:-1] == fills
        assert manager.get_fills()[-1].quantity == Decimal("0.5")
        assert {each.client_oid for each in manager.get_order_history()} == {
            each.client_oid for each in orders
        }
        old, new = manager.get_position_history()
        assert old.replace(time_ms=0) == position.replace(time_ms=0)
        assert old.time_ms >= 1_000
        assert new.position == Decimal(1)
    with PositionManager.open(path, MANAGED, history=1) as manager:
        assert len(manager.get_fills()) == 1
    with PositionManager.open(path, MANAGED, history=0) as manager:
        assert manager.get_fills() == ()
    with PositionManager.open(path, MANAGED) as manager:
        manager.store.journal.compact(versions=1)  # type: ignore[attr-defined]
    with PositionManager.open(path, MANAGED) as manager:
        assert len(manager.get_fills()) == 1


def test_a_life_that_goes_on_elsewhere_knows_what_it_knew(desks: Desks) -> None:
    desk = desks("0.5")
    desk.later()
    desk.drift("-0.02")
    desk.later()
    life = msgspec.json.encode(desk.reconciler.life())
    desk.die()
    desk.reconciler.go_on(msgspec.json.decode(life, type=Life))
    assert desk.reconciler.status().passes == 2
    again = desk.reconciler.life()
    assert again is not None
    assert again.memory == msgspec.json.decode(life, type=Life).memory
    # The second look proves it; to a life that begins anew it would be the first.
    assert kinds(desk.later()) == [CorrectionKind.POSITION]


def test_a_life_is_told_by_nobody_while_a_pass_runs(desks: Desks) -> None:
    desk = desks()
    heard: list[Life | None] = []
    desk.clock.call_at(desk.now() + 5_001, lambda: heard.append(desk.reconciler.life()))
    desk.later()
    assert heard == [None]
    assert desk.reconciler.life() is not None
