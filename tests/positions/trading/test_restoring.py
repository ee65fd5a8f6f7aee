"""Where a position manager starts from: a saved state, or a total alone; and force_sync."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError, ConflictError
from cowstate.positions import (
    InventorySlot,
    OrderStatus,
    PositionManager,
    SlotStatus,
)
from cowstate.positions.errors import AmountValueError, ShortfallError
from tests.positions.trading.managing import CONFIG, PRICE, check_derived, make, told


def test_a_saved_state_is_restored_from_a_pickled_snapshot_and_its_fills_are_not_new() -> None:
    manager = make()
    first, second, _ = manager.calculate_adjustments(PRICE)
    manager.on_order_update(told(first, OrderStatus.FILLED, "0.5", order_id=1))
    manager.on_order_update(told(second, order_id=2))
    manager.cancel_all_buy_orders()
    saved = pickle.loads(pickle.dumps(manager.snapshot()))
    restored = make()
    restored.restore_state(saved)
    now = restored.snapshot()
    assert now.total("position") == Decimal("0.5")
    assert now["49980"] == saved["49980"]
    assert not now["49990"].in_flight
    assert now["50000"].slot_status is SlotStatus.PENDING
    assert restored.get_fills() == ()
    assert restored.get_position_history()[-1].position == Decimal("0.5")
    restored.restore_state(saved.values())
    assert restored.snapshot().version == 2
    check_derived(restored)


def test_a_state_that_is_none_is_refused_and_the_old_one_kept() -> None:
    manager = make()
    manager.calculate_adjustments(PRICE)
    before = manager.snapshot()
    slot = InventorySlot(Decimal(10))
    with pytest.raises(ArgumentValueError, match="twice"):
        manager.restore_state([slot, slot])
    with pytest.raises(ArgumentTypeError, match="InventorySlots"):
        manager.restore_state(["50000"])  # type: ignore[list-item]
    other = PositionManager(CONFIG.replace(prefix="other"))
    with pytest.raises(ArgumentValueError, match="prefix"):
        other.restore_state(before)
    assert manager.snapshot() is before


@pytest.mark.parametrize("total", ["0", "0.3", "1.7", "-0.8"])
def test_a_position_known_by_its_total_alone_is_spread_over_free_slots(total: str) -> None:
    manager = make()
    manager.calculate_adjustments(PRICE)
    manager.restore_from_exchange_position(Decimal(total), PRICE)
    now = manager.snapshot()
    assert now.total("position") == Decimal(total)
    holding = [slot for slot in now.values() if slot.position_qty]
    assert bool(holding) is bool(Decimal(total))
    assert all(slot.working is None for slot in holding)
    assert manager.get_realized_pnl() == 0
    assert manager.get_fills() == ()


def test_a_restored_total_that_no_grid_can_hold_is_refused() -> None:
    manager = make()
    with pytest.raises(ShortfallError):
        manager.restore_from_exchange_position(Decimal(-9), Decimal(25))
    with pytest.raises(AmountValueError, match="slots"):
        manager.restore_from_exchange_position(Decimal(10**9), PRICE)
    assert manager.snapshot().version == 0


def test_force_sync_relies_on_every_slot_and_conflicts_if_one_moved() -> None:
    manager = make()
    manager.restore_from_exchange_position(Decimal(1), PRICE)
    manager.initialize(PRICE)
    draft = manager.store.draft()
    manager.draft_force_sync(draft, Decimal("0.5"))
    stranger = manager.calculate_adjustments(PRICE)[0]
    assert stranger.slot not in draft.changes
    with pytest.raises(ConflictError):
        draft.commit()
    assert manager.snapshot().total("position") == 1


def test_force_sync_corrects_the_total_and_realizes_nothing() -> None:
    manager = make()
    manager.restore_from_exchange_position(Decimal(1), PRICE)
    manager.force_sync(Decimal("0.3"))
    assert manager.snapshot().total("position") == Decimal("0.3")
    assert manager.get_realized_pnl() == 0
    with pytest.raises(ShortfallError) as caught:
        manager.force_sync(Decimal(99))
    assert pickle.loads(pickle.dumps(caught.value)).missing == caught.value.missing
    assert manager.snapshot().total("position") == Decimal("0.3")
