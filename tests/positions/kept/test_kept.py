"""Positions in a file: what was acknowledged is there after any end; other files are refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, cast

import msgspec
import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, journal
from cowstate.positions import (
    Account,
    AlarmKind,
    CorrectionKind,
    Dispute,
    InventorySlot,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    PositionManager,
)
from cowstate.positions.book.kept import Sync
from cowstate.positions.errors import OtherGridError
from cowstate.positions.reconcile.life import Life
from cowstate.positions.trading.strategy import GridStrategy
from tests.positions.kept.desks import FileDesk, copied
from tests.positions.reconcile.desk import CONFIG, kinds
from tests.positions.trading.managing import CONFIG as MANAGED
from tests.positions.trading.managing import PRICE, told

SYNCS: list[Sync] = ["full", "normal", "interval"]


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


def seen_in(path: Path) -> journal.JournaledStore[str, InventorySlot, Account | None]:
    """What is in a copy of the file, as a process that died now would leave it."""
    image = path.with_name("seen.db")
    for old in path.parent.glob("seen.db*"):
        old.unlink()
    copied(path, image)
    return journal.open_store(image, key=str, record=InventorySlot, meta=Account, schema=1)


def account_in(path: Path) -> Account:
    with seen_in(path) as seen:
        account = seen.snapshot().meta
    assert account is not None
    return account


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


def test_what_the_breaker_and_an_operator_decided_is_on_disk_with_an_interval(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    desk = FileDesk(path, sync="interval")
    try:
        desk.later()
        desk.manager.store.update_meta(lambda account: account.corrected(Decimal(1), desk.now()))
        (correction,) = desk.manager.snapshot().meta.corrections
        desk.reconciler.breaker.open("X", "somebody says so", desk.now())
        assert account_in(path).breaker.open
        assert desk.reconciler.resume("somebody says so")
        assert not account_in(path).breaker.open
        assert account_in(path).unattributed == 1
        assert desk.reconciler.undo(correction)
        assert account_in(path).unattributed == 0
        (action, _) = desk.manager.calculate_adjustments(Decimal(105))
        placed = desk.place(action)
        desk.manager.on_order_update(placed)
        desk.manager.on_order_update(placed.replace(price=Decimal(1)))
        (dispute,) = desk.reconciler.status().disputes
        assert desk.reconciler.settle(dispute)
        assert account_in(path).findings.settled_disputes == (dispute,)
    finally:
        desk.manager.close()


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


@pytest.mark.parametrize("sync", SYNCS)
def test_what_may_be_sent_is_on_disk_whatever_the_sync(tmp_path: Path, sync: Sync) -> None:
    path = tmp_path / "a.db"
    with PositionManager.open(path, MANAGED, sync=sync, interval=3_600) as manager:
        actions = manager.calculate_adjustments(PRICE)
        with seen_in(path) as seen:
            for action in actions:
                order = seen.snapshot()[action.slot].working
                assert order is not None
                assert (order.client_oid, order.status) == (
                    action.client_oid,
                    OrderStatus.PENDING,
                )
        manager.on_order_update(told(actions[0], order_id=1))
        manager.cancel_all_buy_orders()
        with seen_in(path) as seen:
            assert seen.snapshot()[actions[0].slot].in_flight


class Looking:
    """A venue that looks into the file of whoever asks, when a request comes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1_000
        self.taken: list[OrderUpdate] = []
        self.canceled: list[object] = []

    def create_orders(self, requests: Sequence[OrderRequest]) -> list[OrderUpdate]:
        with seen_in(self.path) as store:
            kept = {each.client_oid: each.working for each in store.snapshot().values()}
        made = []
        for request in requests:
            working = kept[request.client_oid]
            assert working is not None
            assert (working.status, working.status_ms) == (OrderStatus.PENDING, self.now)
            made.append(
                OrderUpdate(
                    request.symbol, working.client_oid, len(self.taken) + len(made) + 1,
                    request.side, request.price, request.amount, OrderStatus.NEW, time_ms=self.now,
                )
            )  # fmt: skip
        self.taken += made
        return made

    def cancel_orders(self, ids: Sequence[int], _: str) -> list[OrderUpdate]:
        with seen_in(self.path) as store:
            kept = {each.order_id: each.working for each in store.snapshot().values()}
        for each in ids:
            working = kept[each]
            assert working is not None
            assert working.cancel_requested
        self.canceled += ids
        self.now += 1_000  # and what goes out after that is noted anew
        return [self.taken[each - 1].replace(status=OrderStatus.CANCELED) for each in ids]


@pytest.mark.parametrize("sync", SYNCS)
def test_each_request_is_on_disk_when_it_comes_to_the_venue(tmp_path: Path, sync: Sync) -> None:
    path = tmp_path / "a.db"
    venue = Looking(path)
    with PositionManager.open(
        path, CONFIG, sync=sync, interval=3_600, time_ms=lambda: venue.now
    ) as manager:
        strategy = GridStrategy(manager, cast(Any, venue), lambda: venue.now)
        assert strategy.step(Decimal(105)) == 2
        assert strategy.step(Decimal(135)) == 4
    assert len(venue.taken) == 4
    assert len(venue.canceled) == 2


def test_a_file_of_another_grid_is_refused_by_what_differs(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    PositionManager.open(path, MANAGED).close()
    for changes, said in (
        ({"symbol": "ETHUSDT"}, "symbol is BTCUSDT there, and ETHUSDT here"),
        ({"prefix": "other"}, "orders are not of this grid"),
        ({"levels": 7}, "regrid=True"),
        ({"quantity": Decimal(9), "levels": 7}, "quantity is .*; levels is"),
    ):
        with pytest.raises(OtherGridError, match=said) as caught:
            PositionManager.open(path, MANAGED.replace(**changes))
        assert caught.value.fields == tuple(changes)
    for name in ("symbol", "prefix"):
        with pytest.raises(OtherGridError):
            PositionManager.open(path, MANAGED.replace(**{name: "other"}), regrid=True)
    wider = MANAGED.replace(levels=7)
    PositionManager.open(path, wider, regrid=True).close()
    with pytest.raises(OtherGridError):
        PositionManager.open(path, MANAGED)
    with PositionManager.open(path, wider) as manager:
        assert manager.snapshot().meta.grid == wider


def test_a_file_that_is_open_is_refused_and_free_again_when_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with PositionManager.open(path, MANAGED) as manager:
        with pytest.raises(journal.WriterActiveError):
            PositionManager.open(path, MANAGED)
        manager.calculate_adjustments(PRICE)
    manager.close()
    with pytest.raises(journal.JournalClosedError):
        manager.calculate_adjustments(PRICE + 100)
    # One that was refused has let go of it.
    with pytest.raises(OtherGridError):
        PositionManager.open(path, MANAGED.replace(symbol="other"))
    with pytest.raises(ValueError, match="history"):
        PositionManager.open(path, MANAGED, history=-1)
    PositionManager.open(path, MANAGED).close()


def test_what_is_no_file_of_positions_is_refused(tmp_path: Path) -> None:
    def kept(name: str, **options: Any) -> Path:
        with journal.open_store(tmp_path / name, key=str, **options) as store:
            store.set("1", 1 if options["record"] is int else InventorySlot(Decimal(1)))
        return tmp_path / name

    (tmp_path / "text").write_text("not a database, and long enough to be read as one" * 20)
    for path, said in (
        (kept("numbers", record=int, schema=1), "not of these types"),
        (kept("slots", record=InventorySlot, schema=1), "not a position manager's"),
        (kept("newer", record=InventorySlot, schema=99), "schema"),
        (kept("older", record=InventorySlot), "schema"),
        (tmp_path / "text", "text"),
    ):
        with pytest.raises(journal.JournalFileError, match=said):
            PositionManager.open(path, MANAGED)


def test_what_is_no_grid_is_refused_before_a_file_is_made(tmp_path: Path) -> None:
    for path, config, options in (
        (tmp_path / "a.db", "BTCUSDT", {}),
        (MANAGED, tmp_path / "a.db", {}),
        (tmp_path / "a.db", MANAGED, {"sync": "sometimes"}),
    ):
        with pytest.raises((ArgumentTypeError, ArgumentValueError)):
            PositionManager.open(path, config, **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_new_file_that_was_never_begun_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    journal.open_store(path, key=str, record=InventorySlot, meta=Account, schema=1).close()
    with PositionManager.open(path, MANAGED) as manager:
        assert manager.snapshot().meta.grid == MANAGED
        manager.restore_state([InventorySlot(Decimal(100), Decimal(1))])
        assert manager.snapshot().meta.grid == MANAGED


def test_no_file_and_no_database_is_touched_by_who_keeps_none(tmp_path: Path) -> None:
    program = (
        "import sys; from cowstate.positions import *; from decimal import Decimal;"
        "m = PositionManager(GridConfig('X', Decimal(10), Decimal(1), 2, 'g')); "
        "m.calculate_adjustments(Decimal(105)); m.close(); "
        "print('sqlite3' in sys.modules, 'cowstate.journal' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == ["False", "False"]
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_follow_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with PositionManager.open(path, MANAGED) as manager:
        actions = manager.calculate_adjustments(PRICE)
        follower = journal.follow(path, key=str, record=InventorySlot, meta=Account, schema=1)
        try:
            manager.on_order_update(told(actions[0], OrderStatus.FILLED, "0.5", order_id=1))
            follower.wait_for(version=manager.snapshot().version, timeout=60)
            assert follower.snapshot() == manager.snapshot()
        finally:
            follower.close()


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
