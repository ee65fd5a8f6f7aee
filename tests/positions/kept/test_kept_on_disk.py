"""Positions in a file: what may be sent, and what was decided, is on disk at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from cowstate import journal
from cowstate.positions import (
    Account,
    InventorySlot,
    OrderRequest,
    OrderStatus,
    OrderUpdate,
    PositionManager,
)
from cowstate.positions.book.kept import Sync
from cowstate.positions.trading.strategy import GridStrategy
from tests.positions.kept.desks import FileDesk, copied
from tests.positions.reconcile.desk import CONFIG
from tests.positions.trading.managing import CONFIG as MANAGED
from tests.positions.trading.managing import PRICE, told

SYNCS: list[Sync] = ["full", "normal", "interval"]


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
