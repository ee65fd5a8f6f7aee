"""The two races of the system that this replaces, reproduced, and why neither can happen here.

The data race: slots handed out live are read while the stream changes them. The logical race:
an update between the look and the correction, which the correction then overwrites. Both are
driven by events at named points: no sleeps, no luck, the same outcome every time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import (
    CorrectionKind,
    GridConfig,
    Listing,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    PositionReport,
    ReconcilePolicy,
    Reconciler,
    Side,
    TradeReport,
    UpdateOutcome,
    VenuePromises,
)
from cowstate.positions.book.account import held

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 1, "grid")
OID = "grid-100-B1"


def update(
    status: OrderStatus, filled: str = "0", oid: str = OID, order_id: int = 7
) -> OrderUpdate:
    amount = Decimal(filled)
    return OrderUpdate(
        "X", oid, order_id, Side.BUY, Decimal(100), Decimal("0.5"), status, amount, amount * 100
    )


FILL = update(OrderStatus.FILLED, "0.5")
WHOLE_STATES = {("LOCKED", Decimal(0)), ("FREE", Decimal("0.5"))}


# The data race


class LiveSlot:
    """A mutable slot with its mutex, as the original held them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.slot_status = "LOCKED"
        self.position_qty = Decimal(0)


class LockingTwin:
    """The original in small: a locked map of mutable slots, handed out live by `get_slots`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.slots = {"100": LiveSlot()}

    def get_slots(self) -> Mapping[str, LiveSlot]:
        with self.lock:
            return dict(self.slots)

    def on_order_update(self, fact: OrderUpdate) -> None:
        with self.lock:
            slot = self.slots["100"]
        with slot.lock:
            slot.slot_status = "FREE"
            slot.position_qty += fact.filled


class MendedTwin(LockingTwin):
    """The twin with the race repaired: every slot is copied under its lock."""

    def get_slots(self) -> Mapping[str, LiveSlot]:
        copies: dict[str, LiveSlot] = {}
        with self.lock:
            for key, slot in self.slots.items():
                copies[key] = copy = LiveSlot()
                with slot.lock:
                    copy.slot_status = slot.slot_status
                    copy.position_qty = slot.position_qty
        return copies


def read_around_an_update(
    look: Callable[[], Mapping[str, Any]], write: Callable[[OrderUpdate], object]
) -> tuple[str, Decimal]:
    """Read two fields of one slot; between the two, another thread applies the whole fill.

    The schedule, by the events' names: the reader looks and reads the status; the writer goes
    from its beginning to its end; the reader reads the quantity.
    """
    status_is_read, fill_is_applied = threading.Event(), threading.Event()

    def stream() -> None:
        status_is_read.wait()
        write(FILL)
        fill_is_applied.set()

    writer = threading.Thread(target=stream)
    writer.start()
    slot = look()["100"]
    status = str(slot.slot_status)
    status_is_read.set()
    fill_is_applied.wait()
    quantity = slot.position_qty
    writer.join()
    return status, quantity


def working_manager() -> PositionManager:
    manager = PositionManager(CONFIG, time_ms=lambda: 1)
    manager.calculate_adjustments(Decimal(105))
    manager.on_order_update(update(OrderStatus.NEW))
    return manager


def test_slots_handed_out_live_are_read_torn() -> None:
    twin = LockingTwin()
    torn = read_around_an_update(twin.get_slots, twin.on_order_update)
    assert torn == ("LOCKED", Decimal("0.5"))
    assert torn not in WHOLE_STATES


def test_the_schedule_tells_a_torn_read_from_a_whole_one() -> None:
    mended = MendedTwin()
    assert read_around_an_update(mended.get_slots, mended.on_order_update) in WHOLE_STATES


def test_the_same_schedule_over_a_snapshot_reads_one_state_whole() -> None:
    manager = working_manager()
    whole = read_around_an_update(manager.snapshot, manager.on_order_update)
    assert whole == ("LOCKED", Decimal(0))
    slot = manager.snapshot()["100"]
    assert (slot.slot_status.value, slot.position_qty) == ("FREE", Decimal("0.5"))


def test_a_snapshot_and_what_is_derived_from_it_are_of_one_version_whatever_comes_after() -> None:
    manager = working_manager()
    before = manager.snapshot()
    manager.on_order_update(FILL)
    assert before.total("position") == sum(slot.position_qty for slot in before.values()) == 0
    assert before.total("active_orders") == 1
    assert before.find("order_id", 7) is before["100"]


# The logical race


class Remote:
    """The exchange, with a hook at each point at which something may happen meanwhile.

    Each answer takes 10 ms.
    """

    promises = VenuePromises.exact(lifetime_ms=10)

    def __init__(self, position: str, *orders: OrderUpdate) -> None:
        self.now = 1_000
        self.position = Decimal(position)
        self.orders = {order.client_oid: order for order in orders}
        self.trades: list[TradeReport] = []
        self.meanwhile: dict[str, Callable[[], object]] = {}
        self.calls: list[str] = []

    def _at(self, point: str) -> int:
        answered = self.now = self.now + 5
        self.calls.append(point)
        self.now += 2
        self.meanwhile.pop(point, lambda: None)()
        self.now += 3
        return answered

    def fill(self) -> None:
        """The order fills at the exchange."""
        self.orders[OID] = FILL
        self.position += FILL.filled
        self.trades.append(
            TradeReport(1, 7, OID, "X", Side.BUY, Decimal(100), FILL.filled, self.now)
        )

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Listing[OrderUpdate]:
        listed = tuple(order for order in self.orders.values() if not order.status.terminal)
        return Listing(listed, answered_ms=self._at("orders"))

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        report = PositionReport("X", self.position)
        return Listing((report,), answered_ms=self._at("positions"))

    def fetch_order(self, order_id: int | None, symbol: str, client_oid: str | None) -> OrderUpdate:
        order = self.orders[OID]
        self._at("order")
        return order

    def fetch_my_trades(
        self, symbol: str, since_ms: int, cursor: str | None = None
    ) -> Listing[TradeReport]:
        listed = tuple(self.trades)
        return Listing(listed, answered_ms=self._at("trades"))


def original_rule(manager: PositionManager, remote: Remote) -> None:
    """Missing means cancelled; a position that differs is overwritten."""
    seen = manager.snapshot()
    listed = {order.client_oid for order in remote.fetch_open_orders("X")}
    total = remote.fetch_positions(["X"])[0].quantity
    for key, slot in seen.items():
        if slot.working is not None and slot.working.client_oid not in listed:
            over = slot.working.replace(status=OrderStatus.CANCELED)
            manager.store.set(key, slot.replace(working=None, tail=(*slot.tail, over)))
    if seen.total("position") != total:
        manager.force_sync(total)


def reconciler(manager: PositionManager, remote: Remote, **options: Any) -> Reconciler:
    policy = ReconcilePolicy(small_part=Decimal(1), hour_part=Decimal(1), looks=1, lasting_ms=0)
    return Reconciler(
        manager,
        remote,  # type: ignore[arg-type]
        policy=options.get("policy", policy),
        time_ms=lambda: remote.now,
    )


def holding(quantity: str) -> PositionManager:
    """A manager that holds *quantity* in free slots above, with grid-100-B1 at work below."""
    manager = working_manager()
    manager.initialize(Decimal(145))
    manager.restore_from_exchange_position(Decimal(quantity), Decimal(105))
    return manager


def fill_in(manager: PositionManager, remote: Remote) -> None:
    """The order fills at the exchange, and the stream tells it at once."""
    remote.fill()
    manager.on_order_update(FILL)


def test_by_the_original_rule_a_fill_between_look_and_correction_is_overwritten() -> None:
    manager, remote = holding("1"), Remote("1", update(OrderStatus.NEW))
    remote.position = Decimal("0.9")
    remote.meanwhile["positions"] = lambda: fill_in(manager, remote)
    original_rule(manager, remote)
    assert manager.snapshot().total("position") == Decimal("0.9")
    assert remote.position == Decimal("1.4")


@pytest.mark.parametrize("point", ["positions", "orders", "trades"])
def test_a_fill_during_the_look_is_kept_and_the_correction_is_right_all_the_same(
    point: str,
) -> None:
    manager, remote = holding("1"), Remote("0.9", update(OrderStatus.NEW))
    remote.meanwhile[point] = lambda: fill_in(manager, remote)
    (correction,) = reconciler(manager, remote).reconcile().corrections
    assert correction.kind is CorrectionKind.POSITION
    assert manager.snapshot().total("position") == Decimal("1.5")
    assert held(manager.snapshot()) == remote.position == Decimal("1.4")


def test_a_fill_between_decision_and_commit_is_kept_too() -> None:
    manager, remote = holding("1"), Remote("0.9", update(OrderStatus.NEW))
    ours = reconciler(manager, remote)
    transaction = manager.store.transaction

    def overtaken(**options: Any) -> Any:
        manager.store.transaction = transaction  # type: ignore[method-assign]
        fill_in(manager, remote)
        return transaction(**options)

    manager.store.transaction = overtaken  # type: ignore[method-assign]
    (correction,) = ours.reconcile().corrections
    assert correction.kind is CorrectionKind.POSITION
    assert manager.snapshot().total("position") == Decimal("1.5")
    assert held(manager.snapshot()) == remote.position == Decimal("1.4")


def test_without_a_race_the_same_divergence_is_corrected() -> None:
    manager, remote = holding("1"), Remote("0.9", update(OrderStatus.NEW))
    report = reconciler(manager, remote).reconcile()
    assert [correction.kind for correction in report.corrections] == [CorrectionKind.POSITION]
    # The position first, so that everything else is newer than it.
    assert remote.calls == ["positions", "orders", "trades"]
    assert held(manager.snapshot()) == Decimal("0.9")


@pytest.mark.parametrize("point", ["positions", "orders", "trades"])
def test_a_fill_of_which_the_stream_tells_late_is_not_taken_for_a_divergence(point: str) -> None:
    naive = holding("1")
    original_rule(naive, Remote("1.5", update(OrderStatus.NEW)))
    naive.on_order_update(FILL)
    assert naive.snapshot().total("position") == Decimal(2)
    manager, remote = holding("1"), Remote("1", update(OrderStatus.NEW))
    ours = reconciler(manager, remote)
    remote.meanwhile[point] = remote.fill
    assert ours.reconcile().agrees
    assert ours.reconcile().agrees
    manager.on_order_update(FILL)
    assert held(manager.snapshot()) == remote.position == Decimal("1.5")


def test_missing_is_not_cancelled() -> None:
    # The order is filled, and the event is late: the original frees the slot and forgets it.
    naive, remote = working_manager(), Remote("0", FILL)
    original_rule(naive, remote)
    assert naive.snapshot()["100"].tail[-1].status is OrderStatus.CANCELED
    manager = working_manager()
    ours = reconciler(manager, remote)
    remote.fill()
    (correction,) = ours.reconcile().corrections
    assert correction.kind is CorrectionKind.JOINED
    assert manager.snapshot().total("position") == Decimal("0.5")
    assert manager.snapshot()["100"].tail[-1].status is OrderStatus.FILLED


def test_a_large_divergence_opens_the_breaker_and_changes_no_slot() -> None:
    manager, remote = holding("1"), Remote("0.5", update(OrderStatus.NEW))
    before = manager.snapshot()
    it = reconciler(manager, remote, policy=ReconcilePolicy(looks=1, lasting_ms=0))
    assert [c.kind for c in it.reconcile().corrections] == [CorrectionKind.BREAKER]
    assert it.breaker.is_open("X")
    assert it.reconcile().corrections == ()
    assert manager.snapshot().diff(before) == {}


def test_an_update_whose_slot_is_replaced_between_look_and_write_is_not_lost() -> None:
    manager = working_manager()
    write = manager.store.update

    def replaced_first(key: str, fn: Any) -> Any:
        manager.store.update = write  # type: ignore[method-assign]
        manager.restore_state([])
        return write(key, fn)

    manager.store.update = replaced_first  # type: ignore[method-assign]
    assert manager.on_order_update(FILL) is UpdateOutcome.APPLIED
    assert manager.snapshot().total("position") == Decimal("0.5")


def test_a_state_that_is_restored_while_a_pass_looks_is_looked_at_anew() -> None:
    manager, remote = holding("1"), Remote("0.9", update(OrderStatus.NEW))
    saved = manager.snapshot()
    ours = reconciler(manager, remote)
    remote.meanwhile["trades"] = lambda: manager.restore_state(saved)
    assert ours.reconcile().corrections == ()
    assert not ours.permit().trade
    assert [each.kind for each in ours.reconcile().corrections] == [CorrectionKind.POSITION]
