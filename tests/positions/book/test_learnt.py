"""When the book learnt of each fill: by our clock, and never earlier than it did."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import GridConfig, OrderStatus, OrderUpdate, PositionManager, Side
from cowstate.positions.book.learnt import FillHistory, FillLog, Growth, Learnt
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.looks import TradesReading
from cowstate.positions.reconcile.standing import HeldOrder, held_orders

CONFIG = GridConfig("X", Decimal(10), Decimal(3), 3, "grid")
KEEP = 100


class Clock:
    now = 1_000


def fill(name: str, filled: int) -> OrderUpdate:
    price = Decimal(name.split("-")[1])
    side = Side.BUY if "-B" in name else Side.SELL
    return OrderUpdate(
        "X", name, None, side, price, Decimal(9), OrderStatus.PARTIALLY_FILLED, Decimal(filled)
    )


def logged(clock: Clock) -> tuple[PositionManager, FillLog]:
    manager = PositionManager(CONFIG, history=0, time_ms=lambda: clock.now)
    log = FillLog(KEEP, lambda: clock.now)
    manager.store.subscribe(log.record)
    return manager, log


NAMES = ["grid-100-B1", "grid-100-S2", "grid-110-B1"]
events = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(NAMES), st.integers(0, 8)), max_size=12
)


@given(events)
def test_each_fill_is_known_since_it_was_learnt_and_of_the_old_ones_not_too_early(events):
    clock = Clock()
    manager, log = logged(clock)
    truth: dict[str, list[Learnt]] = {name: [Learnt(1_000, Decimal(0))] for name in NAMES}
    for pause, name, filled in events:
        clock.now += pause
        manager.on_order_update(fill(name, filled))
        sign = -1 if "-S" in name else 1
        if filled > abs(truth[name][-1].filled):
            truth[name].append(Learnt(clock.now, Decimal(sign * filled)))
    history = log.history()
    assert history.version == manager.snapshot().version
    assert history.floor_ms <= clock.now
    for name in NAMES:
        now = truth[name][-1].filled
        known = history.of(name, now)
        assert known[-1].filled == now
        assert [each.learnt_ms for each in known] == sorted(each.learnt_ms for each in known)
        # Of what is still kept, all is told; of the rest only that it was known by the floor.
        kept = [each for each in truth[name][1:] if each.learnt_ms > history.floor_ms]
        assert set(kept) <= set(known)
        before = [each for each in truth[name] if each.learnt_ms <= history.floor_ms]
        assert known[0].filled in {each.filled for each in before} | {now}
    grown = history.since(0)
    assert all(each.learnt_ms >= grown[-1].learnt_ms - KEEP for each in grown)
    assert history.since(clock.now + 1) == ()


def test_what_a_restored_state_holds_was_known_before():
    clock = Clock()
    manager, log = logged(clock)
    manager.on_order_update(fill("grid-100-B1", 2))
    saved = manager.snapshot()
    clock.now += 10
    manager.restore_state(saved)
    assert log.history() == FillHistory(manager.snapshot().version, 1_010)
    assert log.history().of("grid-100-B1", Decimal(2)) == (Learnt(1_010, Decimal(2)),)


def test_what_is_old_is_let_go():
    clock = Clock()
    manager, log = logged(clock)
    manager.on_order_update(fill("grid-100-B1", 2))
    clock.now += KEEP + 1
    manager.on_order_update(fill("grid-100-B1", 3))
    history = log.history()
    assert history.growths == (Growth(1_101, Decimal(1), "grid-100-B1", Decimal(2)),)
    assert history.floor_ms == 1_000


def test_what_a_reading_must_show_is_what_was_known_before_it():
    clock = Clock()
    manager, log = logged(clock)
    manager.on_order_update(fill("grid-100-S2", 2))
    clock.now += 50
    manager.on_order_update(fill("grid-100-S2", 5))
    reading = TradesReading(1_060, True)
    steps = (Decimal(0), Decimal(-2), Decimal(-5))
    for lag, due, due_ms in ((0, -5, 1_050), (20, -2, 1_000), (60, 0, 0)):
        promises = VenuePromises.exact(trades_lag_ms=lag)
        found = held_orders(manager.snapshot(), log.history(), reading, promises)
        assert found == (HeldOrder("grid-100-S2", None, Decimal(-5), Decimal(due), due_ms, steps),)
