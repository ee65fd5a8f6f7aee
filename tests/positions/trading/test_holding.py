"""No sale of what is not there, whatever slots hold and offer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import (
    ActionKind,
    GridConfig,
    InventorySlot,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    Side,
    apply_order_update,
    plan_grid,
)
from cowstate.positions.book.account import held
from cowstate.positions.trading.holding import within_holding

CONFIG = GridConfig("X", Decimal(10), Decimal(3), 3, "grid")
PRICE = Decimal(135)


def slot_of(
    price: int, quantity: int, offered: int | None, requested: bool, known: bool
) -> InventorySlot:
    """A slot that holds *quantity*, of which a SELL at work offers *offered*."""
    slot = InventorySlot(Decimal(price), Decimal(quantity))
    if offered is None:
        return slot
    name = f"grid-{price}-S1"
    order = OrderUpdate(
        "X",
        name,
        price if known else None,
        Side.SELL,
        Decimal(price + 10),
        Decimal(offered),
        OrderStatus.NEW,
    )
    slot = apply_order_update(slot, order)
    return slot.replace(working=slot.working.replace(cancel_requested=requested))


slots_st = st.dictionaries(
    st.sampled_from([100, 110, 120, 130, 140]),
    st.tuples(
        st.integers(-2, 5),
        st.one_of(st.none(), st.integers(1, 5)),
        st.booleans(),
        st.sampled_from([True, True, False]),
    ),
).map(lambda slots: {str(price): slot_of(price, *rest) for price, rest in slots.items()})
owed = st.integers(-12, 3).map(lambda number: Decimal(number) / 2)


def offered(slots, actions) -> Decimal:
    """All that is for sale once *actions* are carried out, what is being cancelled left out."""
    cancelled = {each.client_oid for each in actions if each.kind is ActionKind.CANCEL}
    working = [order for slot in slots.values() for order in slot.orders if not order.terminal]
    stays = [
        order.remaining
        for order in working
        if order.side is Side.SELL
        and not order.cancel_requested
        and order.client_oid not in cancelled
        and order.order_id is not None
    ]
    return sum(stays, Decimal(0)) + sum(sold(actions).values(), Decimal(0))


def sold(actions) -> dict[str, Decimal]:
    return {
        each.client_oid: each.quantity
        for each in actions
        if each.kind is ActionKind.PLACE and each.side is Side.SELL
    }


def for_sale(manager: PositionManager) -> Decimal:
    """All that works as a SELL, or will when its request has arrived."""
    works = [slot.working for slot in manager.snapshot().values() if slot.working is not None]
    return sum((order.remaining for order in works if order.side is Side.SELL), Decimal(0))


@given(slots_st, owed)
def test_no_more_is_for_sale_than_is_held(slots, unattributed):
    plan = plan_grid(slots, PRICE, CONFIG)
    kept = within_holding(plan, slots, unattributed)
    total = sum((slot.position_qty for slot in slots.values()), Decimal(0)) + unattributed
    if unattributed < 0:
        assert offered(slots, kept) <= max(total, 0)
    before, after = sold(plan), sold(kept)
    assert all(0 < quantity <= before[name] for name, quantity in after.items())
    # New sales come after all that works, and may still be filled though it is being cancelled.
    working = [order for slot in slots.values() for order in slot.orders if not order.terminal]
    works = sum((order.remaining for order in working if order.side is Side.SELL), Decimal(0))
    if after and unattributed < 0:
        assert works + sum(after.values()) <= total


@given(slots_st, owed)
def test_all_else_of_a_plan_stays_and_what_is_held_is_for_sale(slots, unattributed):
    plan = plan_grid(slots, PRICE, CONFIG)
    kept = within_holding(plan, slots, unattributed)
    others = [each for each in plan if each.client_oid not in sold(plan)]
    rest = [each for each in kept if each.client_oid not in sold(plan)]
    more = [each for each in rest if each not in others]
    assert [each for each in rest if each in others] == others
    assert all(each.kind is ActionKind.CANCEL and each.side is Side.SELL for each in more)
    assert all(each.order_id is not None for each in more)
    requested = {
        order.client_oid
        for slot in slots.values()
        for order in slot.orders
        if order.cancel_requested
    }
    assert not requested & {each.client_oid for each in more}
    if more:
        # And no more than is needed: without the last of them, too much would be for sale.
        total = sum((slot.position_qty for slot in slots.values()), Decimal(0)) + unattributed
        stays = sum(
            (
                order.remaining
                for slot in slots.values()
                for order in slot.orders
                if not order.cancel_requested
                and order.client_oid not in {each.client_oid for each in more}
            ),
            Decimal(0),
        )
        assert stays + min(more, key=lambda each: each.price).quantity > total
    assert [Decimal(each.slot) for each in kept] == sorted(Decimal(each.slot) for each in kept)
    if unattributed >= 0:
        assert kept == plan
    else:
        total = sum((slot.position_qty for slot in slots.values()), Decimal(0)) + unattributed
        working = [order for slot in slots.values() for order in slot.orders]
        works = sum((order.remaining for order in working), Decimal(0))
        room = max(total - works, Decimal(0))
        wanted = sum(sold(plan).values(), Decimal(0))
        assert sum(sold(kept).values(), Decimal(0)) == min(room, wanted)


def test_the_lowest_sale_goes_first_and_the_highest_is_cancelled_first():
    slots = {str(price): slot_of(price, 3, None, False, True) for price in (100, 110, 120)}
    plan = plan_grid(slots, Decimal(105), CONFIG)
    kept = sold(within_holding(plan, slots, Decimal("-4.5")))
    assert {name: str(quantity) for name, quantity in kept.items()} == {
        "grid-100-S1": "3",
        "grid-110-S1": "1.5",
    }
    slots = {str(price): slot_of(price, 3, 3, False, True) for price in (100, 110, 120)}
    cancelled = within_holding((), slots, Decimal("-4.5"))
    assert [each.client_oid for each in cancelled] == ["grid-110-S1", "grid-120-S1"]
    assert [each.order_id for each in within_holding((), slots, Decimal("-0.5"))] == [120]


def test_a_sale_that_the_plan_cancels_is_not_cancelled_twice():
    slots = {str(price): slot_of(price, 3, 3, False, True) for price in (100, 110)}
    (planned,) = within_holding((), slots, Decimal("-0.5"))
    assert planned.client_oid == "grid-110-S1"
    assert within_holding((planned,), slots, Decimal("-0.5")) == (planned,)
    # What is for sale exactly is not too much.
    assert within_holding((), slots, Decimal("-0.5")) == (planned,)
    whole = {"100": slot_of(100, 3, 2, False, True)}
    assert within_holding((), whole, Decimal(-1)) == ()


def test_the_manager_sells_no_more_than_is_held():
    manager = PositionManager(CONFIG, history=0)
    manager.restore_state([InventorySlot(Decimal(100), Decimal(3))])
    manager.store.update_meta(lambda account: account.corrected(Decimal("-0.5"), 1_000))
    assert held(manager.snapshot()) == Decimal("2.5")
    actions = manager.calculate_adjustments(Decimal(105))
    assert sold(actions) == {"grid-100-S1": Decimal("2.5")}
    assert manager.snapshot()["100"].working.quantity == Decimal("2.5")


def test_two_plans_at_once_sell_no_more_than_is_held():
    """What the one may sell depends on what the other has just offered, of another slot."""
    now = [0]

    def meanwhile() -> int:
        # The clock is asked when a plan is made and not committed yet.
        now[0] += 1
        if now[0] == 1:
            manager.calculate_adjustments(Decimal(155))
        return now[0]

    manager = PositionManager(CONFIG, history=0, time_ms=meanwhile)
    refused = InventorySlot(Decimal(90), Decimal(3))
    for number in range(1, CONFIG.post_only_limit + 2):
        name = f"grid-90-S{number}"
        order = OrderUpdate(
            "X", name, None, Side.SELL, Decimal(100), Decimal(3), OrderStatus.REJECTED
        )
        refused = apply_order_update(refused, order.replace(post_only_reject=True))
    # Its sale goes as high as the market is: at 155 the other one's is the first to be reached.
    manager.restore_state([refused, InventorySlot(Decimal(100), Decimal(3))])
    manager.store.update_meta(lambda account: account.corrected(Decimal(-3), 1_000))
    manager.calculate_adjustments(Decimal(85))
    assert now[0] > 1
    assert for_sale(manager) == held(manager.snapshot()) == 3


def test_a_plan_and_a_correction_at_once_sell_no_more_than_is_held():
    now = [0]

    def meanwhile() -> int:
        now[0] += 1
        if now[0] == 1:
            manager.store.update_meta(lambda account: account.corrected(Decimal(-2), 1_000))
        return now[0]

    manager = PositionManager(CONFIG, history=0, time_ms=meanwhile)
    manager.restore_state([InventorySlot(Decimal(100), Decimal(3))])
    manager.calculate_adjustments(Decimal(105))
    assert for_sale(manager) == held(manager.snapshot()) == 1


@pytest.mark.parametrize("broken", ["ignores what works", "cancels nothing"])
def test_a_seeded_bug_is_found(broken, monkeypatch):
    real = within_holding

    def seeded(actions, slots, unattributed):
        if broken == "cancels nothing":
            found = real(actions, slots, unattributed)
            return tuple(
                each for each in found if each in actions or each.client_oid in sold(actions)
            )
        idle = {key: InventorySlot(slot.price, slot.position_qty) for key, slot in slots.items()}
        return real(actions, idle, unattributed)

    monkeypatch.setitem(globals(), "within_holding", seeded)
    with pytest.raises((AssertionError, ExceptionGroup)):
        test_no_more_is_for_sale_than_is_held()
