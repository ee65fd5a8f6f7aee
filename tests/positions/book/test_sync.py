"""Plans for the total position: exact, deterministic, and never stopping short in silence."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import (
    GridConfig,
    InventorySlot,
    Order,
    OrderStatus,
    Side,
    plan_force_sync,
    plan_restore,
)
from cowstate.positions.errors import AmountTypeError, AmountValueError, ShortfallError

CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.5"), 3, "grid")
ONE = Decimal(1)


def slot_at(price: int, held: Decimal, busy: bool) -> InventorySlot:
    oid = f"grid-{price}-B1"
    order = Order(oid, 1, Side.BUY, Decimal(price), ONE, OrderStatus.NEW, price)
    return InventorySlot(Decimal(price), held, working=order if busy else None)


tenths = st.integers(-10, 10).map(lambda n: Decimal(n) / 10)


@st.composite
def grids(draw: st.DrawFn) -> dict[str, InventorySlot]:
    held = draw(st.lists(st.tuples(tenths, st.booleans()), min_size=1, max_size=8))
    slots = [slot_at(100 + 10 * number, *what) for number, what in enumerate(held)]
    return {slot.key: slot for slot in slots}


def room_for(slots: dict[str, InventorySlot], sign: int) -> Decimal:
    free = [slot.position_qty * sign for slot in slots.values() if slot.working is None]
    return sum((ONE - held for held in free), Decimal(0))


def total_of(slots: dict[str, InventorySlot]) -> Decimal:
    return sum((slot.position_qty for slot in slots.values()), Decimal(0))


@given(slots=grids(), total=st.integers(-60, 60).map(lambda n: Decimal(n) / 10), seed=st.integers())
def test_force_sync_is_exact_or_says_by_how_much_it_falls_short(
    slots: dict[str, InventorySlot], total: Decimal, seed: int
) -> None:
    mixed = list(slots.items())
    Random(seed).shuffle(mixed)
    wanted = total - total_of(slots)
    room = room_for(slots, 1 if wanted > 0 else -1)
    if abs(wanted) > room:
        with pytest.raises(ShortfallError) as caught:
            plan_force_sync(dict(mixed), total, ONE)
        assert caught.value.wanted == total
        assert caught.value.missing == wanted - room.copy_sign(wanted)
        return
    planned = plan_force_sync(slots, total, ONE)
    assert list(plan_force_sync(dict(mixed), total, ONE).items()) == list(planned.items())
    assert all(slots[key].working is None for key in planned)
    assert all(quantity.copy_abs() <= 1 for quantity in planned.values())
    synced = {
        key: slot.replace(position_qty=planned.get(key, slot.position_qty))
        for key, slot in slots.items()
    }
    assert total_of(synced) == total
    assert plan_force_sync(synced, total, ONE) == {}


def test_what_must_go_leaves_the_lowest_slots_first_and_what_must_come_enters_the_highest() -> None:
    slots = {slot.key: slot for slot in (slot_at(price, ONE, False) for price in (10, 20, 30))}
    assert plan_force_sync(slots, Decimal("1.5"), ONE) == {"10": 0, "20": Decimal("0.5")}
    slots["20"] = slot_at(20, Decimal("-0.5"), False)
    slots["30"] = slot_at(30, Decimal(0), False)
    planned = plan_force_sync(slots, Decimal("1.2"), ONE)
    assert planned == {"20": 0, "30": Decimal("0.2")}


@given(
    total=st.integers(-30, 300).map(lambda n: Decimal(n) / 10),
    price=st.integers(200, 3000).map(lambda n: Decimal(n) / 2),
)
def test_a_restored_total_is_exact_whatever_the_price(total: Decimal, price: Decimal) -> None:
    planned = plan_restore({}, total, price, CONFIG)
    assert sum(planned.values()) == total
    assert all(0 < quantity.copy_abs() <= CONFIG.quantity for quantity in planned.values())
    assert all((Decimal(key) > price) is (total > 0) for key in planned)


def test_a_restore_passes_over_slots_that_are_taken() -> None:
    slots = {slot.key: slot for slot in (slot_at(110, ONE, False), slot_at(120, Decimal(0), True))}
    assert plan_restore(slots, Decimal("1.2"), Decimal(101), CONFIG) == {"130": Decimal("0.2")}


def test_amounts_that_are_none_are_refused() -> None:
    with pytest.raises(AmountTypeError):
        plan_force_sync({}, 1.0, ONE)  # type: ignore[arg-type]
    with pytest.raises(AmountValueError):
        plan_restore({}, Decimal("NaN"), ONE, CONFIG)
    with pytest.raises(AmountValueError):
        plan_restore({}, ONE, Decimal(0), CONFIG)
