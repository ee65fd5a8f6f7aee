"""`PositionManager` and its lock-based twin do the same, step by step."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.bench import LockedPositionManager
from cowstate.positions import (
    ActionOutcome,
    ActionResult,
    GridConfig,
    InventorySlot,
    OrderAction,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    PositionUpdate,
    Side,
    UpdateOutcome,
)
from cowstate.positions.errors import ShortfallError

CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.5"), 3, "grid")
PRICE = Decimal("50005")
KINDS = (PositionManager, LockedPositionManager)

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def make(kind: Any, history: int = 100) -> Any:
    return kind(CONFIG, history=history, time_ms=lambda: 1_000)


def state(manager: Any) -> dict[str, Any]:
    """Everything that a manager can be asked for."""
    now = manager.snapshot()
    ids = [order.order_id for slot in now.values() for order in slot.orders if order.order_id]
    oids = [order.client_oid for slot in now.values() for order in slot.orders]
    return {
        "slots": dict(now),
        "totals": [now.total(name) for name in ("position", "active_orders", "realized_profit")],
        "order_id": {one: now.find_key("order_id", one) for one in (*ids, 99)},
        "client_oid": {one: now.find_key("client_oid", one) for one in (*oids, "?")},
        "fills": manager.get_fills(),
        "orders": manager.get_order_history(),
        "positions": [update.replace(version=0) for update in manager.get_position_history()],
        "pnl": manager.get_realized_pnl(),
        "count": manager.get_slot_count(),
        "reports": manager.get_reports(),
    }


def told(
    client_oid: str, status: OrderStatus, filled: str = "0", order_id: int | None = 1
) -> OrderUpdate:
    price, tag = client_oid.split("-")[1:]
    side = Side.BUY if tag[0] == "B" else Side.SELL
    quantity = Decimal("0.5")
    amount = max(Decimal(filled), quantity if status is OrderStatus.FILLED else Decimal(0))
    return OrderUpdate(
        "BTCUSDT",
        client_oid,
        order_id,
        side,
        Decimal(price),
        quantity,
        status,
        amount,
        amount * Decimal(price),
        1_000,
    )


@both
def test_a_fill_moves_the_position_and_what_follows_from_it(kind: Any) -> None:
    manager = make(kind)
    heard: list[PositionUpdate] = []
    manager.on_update(heard.append)
    actions = manager.calculate_adjustments(PRICE)
    first = actions[0].client_oid
    assert manager.on_order_update(told(first, OrderStatus.NEW)) is UpdateOutcome.APPLIED
    assert manager.on_order_update(told(first, OrderStatus.NEW)) is UpdateOutcome.UNCHANGED
    manager.on_order_update(told(first, OrderStatus.PARTIALLY_FILLED, "0.2"))
    manager.on_order_update(told(first, OrderStatus.FILLED))
    now = manager.snapshot()
    assert now.total("position") == Decimal("0.5")
    assert now.total("active_orders") == 2
    assert now.find("order_id", 1).position_qty == Decimal("0.5")
    assert [update.position for update in heard] == [0, 0, Decimal("0.2"), Decimal("0.5")]
    assert [fill.quantity for fill in manager.get_fills()] == [Decimal("0.2"), Decimal("0.3")]


@both
def test_force_sync_is_exact_or_raises(kind: Any) -> None:
    manager = make(kind)
    manager.initialize(PRICE)
    manager.force_sync(Decimal("1.2"))
    assert manager.snapshot().total("position") == Decimal("1.2")
    assert manager.get_realized_pnl() == 0
    with pytest.raises(ShortfallError):
        manager.force_sync(Decimal(99))
    assert manager.snapshot().total("position") == Decimal("1.2")


@both
def test_what_was_saved_is_restored(kind: Any) -> None:
    manager, other = make(kind), make(kind)
    for action in manager.calculate_adjustments(PRICE):
        manager.on_order_update(told(action.client_oid, OrderStatus.FILLED, order_id=None))
    other.restore_state(manager.snapshot())
    assert state(other)["slots"] == state(manager)["slots"]
    assert state(other)["totals"] == state(manager)["totals"]
    other.restore_state([InventorySlot(Decimal(7))])
    assert other.snapshot().total("position") == 0
    assert list(other.snapshot()) == ["7"]


def test_orders_beyond_the_tail_are_forgotten_alike() -> None:
    ends = []
    for kind in KINDS:
        manager = make(kind)
        oids = [f"grid-50000-B{number}" for number in range(1, 12)]
        for number, oid in enumerate(oids, start=1):
            manager.on_order_update(told(oid, OrderStatus.FILLED, order_id=number))
        outcomes = [
            manager.on_order_update(told(oid, OrderStatus.FILLED, "0.7", order_id=number))
            for number, oid in enumerate(oids, start=1)
        ]
        assert outcomes[:3] == [UpdateOutcome.RETIRED] * 3
        assert outcomes[3:] == [UpdateOutcome.OVERFILLED] * 8
        assert manager.snapshot().find_key("order_id", 1) is None
        assert manager.snapshot().find_key("client_oid", oids[0]) is None
        ends.append(state(manager))
    assert ends[0] == ends[1]


@both
def test_updates_from_many_threads_all_count(kind: Any) -> None:
    manager = make(kind)
    oids = [f"grid-{1000 + 10 * n}-B{k}" for n in range(4) for k in range(1, 9)]

    def tell(part: int) -> None:
        for oid in oids[part::4]:
            for status in (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED):
                manager.on_order_update(told(oid, status, "0.1", order_id=None))

    threads = [threading.Thread(target=tell, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = manager.snapshot()
    assert now.total("position") == Decimal("0.5") * len(oids)
    assert sum(slot.position_qty for slot in now.values()) == now.total("position")


# In lockstep: the same calls to both, compared after each.

order_names = st.builds(
    lambda price, side, sequence: f"grid-{price}-{side}{sequence}",
    st.sampled_from([49980, 49990, 50000]),
    st.sampled_from("BS"),
    st.integers(1, 12),
)
foreign = st.sampled_from(["other-50000-B1", "web_x-1-B1"])
events = st.builds(
    told,
    order_names | foreign,
    st.sampled_from(OrderStatus),
    st.sampled_from(["0", "0.2", "0.4", "0.7"]),
    st.none(),
)
numbered = st.builds(
    lambda oid, status, filled: told(oid, status, filled, order_id=hash_of(oid)),
    order_names,
    st.sampled_from(OrderStatus),
    st.sampled_from(["0", "0.2", "0.5"]),
)
clashing = st.builds(lambda oid: told(oid, OrderStatus.NEW, order_id=77), order_names)
calls = st.one_of(
    st.tuples(st.just("on_order_update"), events | numbered),
    st.tuples(st.just("on_order_update"), clashing),
    st.tuples(st.just("calculate_adjustments"), st.sampled_from([PRICE, Decimal(49981)])),
    st.tuples(st.just("force_sync"), st.sampled_from([Decimal("0.7"), Decimal(-1), Decimal(9)])),
    st.tuples(st.just("initialize"), st.just(PRICE)),
    st.tuples(st.just("restore_from_exchange_position"), st.just(Decimal(2))),
    st.tuples(st.sampled_from(["cancel_all_buy_orders", "cancel_all_sell_orders"]), st.none()),
    st.tuples(st.just("answer"), st.sampled_from(ActionOutcome)),
)


def hash_of(client_oid: str) -> int:
    return sum(ord(char) * 31**place for place, char in enumerate(client_oid))


def call(manager: Any, name: str, argument: Any, actions: list[OrderAction]) -> Any:
    if name == "answer":
        results = [ActionResult(action, argument) for action in actions]
        return manager.apply_action_results(results)
    if name == "restore_from_exchange_position":
        return manager.restore_from_exchange_position(argument, PRICE)
    if argument is None:
        return getattr(manager, name)()
    return getattr(manager, name)(argument)


@given(st.lists(calls, max_size=14))
@example(
    # Found: the cancellation that is taken back is the working order's, not the last order's.
    [
        ("on_order_update", told("grid-49980-S1", OrderStatus.PENDING, order_id=None)),
        ("on_order_update", told("grid-49980-S1", OrderStatus.NEW, order_id=5)),
        ("cancel_all_sell_orders", None),
        ("on_order_update", told("grid-49980-B2", OrderStatus.REJECTED, order_id=None)),
        ("answer", ActionOutcome.REJECTED),
    ]
)
def test_in_lockstep_both_answer_and_hold_the_same(sequence: list[tuple[str, Any]]) -> None:
    managers = [make(kind) for kind in KINDS]
    heard: list[list[PositionUpdate]] = [[], []]
    for manager, updates in zip(managers, heard, strict=True):
        manager.on_update(updates.append)
    actions: list[OrderAction] = []
    for name, argument in sequence:
        answers = []
        for manager in managers:
            try:
                answers.append(call(manager, name, argument, actions))
            except ShortfallError as error:
                answers.append(str(error))
        if name == "force_sync":
            answers = [answer if isinstance(answer, str) else None for answer in answers]
        assert answers[0] == answers[1]
        if name.startswith(("calculate", "cancel")):
            actions = list(answers[0])
        assert state(managers[0]) == state(managers[1])
    assert heard[0] == heard[1]
