"""`PositionManager` and its lock-based twin do the same, step by step."""

from __future__ import annotations

import threading
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.bench import LockedPositionManager
from cowstate.positions import (
    GridConfig,
    InventorySlot,
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
    """Everything that both can be asked for."""
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
    first = "grid-50000-B1"
    assert manager.on_order_update(told(first, OrderStatus.NEW)) is UpdateOutcome.APPLIED
    assert manager.on_order_update(told(first, OrderStatus.NEW)) is UpdateOutcome.UNCHANGED
    manager.on_order_update(told(first, OrderStatus.PARTIALLY_FILLED, "0.2"))
    manager.on_order_update(told(first, OrderStatus.FILLED))
    now = manager.snapshot()
    assert now.total("position") == Decimal("0.5")
    assert now.total("active_orders") == 0
    assert now.find("order_id", 1).position_qty == Decimal("0.5")
    assert [update.position for update in heard] == [0, 0, Decimal("0.2"), Decimal("0.5")]
    assert [fill.quantity for fill in manager.get_fills()] == [Decimal("0.2"), Decimal("0.3")]


@both
def test_what_was_saved_is_restored(kind: Any) -> None:
    trader, manager = make(PositionManager), make(kind)
    first, *others = trader.calculate_adjustments(PRICE)
    assert others
    trader.on_order_update(told(first.client_oid, OrderStatus.FILLED, order_id=7))
    manager.restore_state(trader.snapshot().values())
    for part in ("slots", "totals", "order_id", "client_oid"):
        assert state(manager)[part] == state(trader)[part]
    manager.restore_state([InventorySlot(Decimal(7))])
    assert manager.snapshot().total("position") == 0
    assert list(manager.snapshot()) == ["7"]
    assert manager.snapshot().find_key("order_id", 7) is None


def test_a_single_slot_is_read_as_the_snapshot_has_it() -> None:
    manager = LockedPositionManager(CONFIG)
    manager.on_order_update(told("grid-50000-B1", OrderStatus.PARTIALLY_FILLED, "0.2", 7))
    there = manager.snapshot()["50000"]
    assert manager.get_slot("50000") == there
    assert manager.find("order_id", 7) == manager.find("client_oid", "grid-50000-B1") == there
    assert manager.get_slot("49990") is manager.find("order_id", 8) is None


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
varied = st.builds(
    lambda update, more, time_ms, post_only_reject: update.replace(
        cost=update.cost * more, time_ms=time_ms, post_only_reject=post_only_reject
    ),
    events | numbered,
    st.sampled_from([Decimal(1), Decimal("1.01")]),
    st.sampled_from([999, 1_000, 1_001]),
    st.booleans(),
)
facts = st.one_of(events | numbered, clashing, varied)
trades = st.one_of(
    st.tuples(st.just("on_order_update"), facts),
    st.tuples(st.just("calculate_adjustments"), st.sampled_from([PRICE, Decimal(49981)])),
    st.tuples(st.just("force_sync"), st.sampled_from([Decimal("0.7"), Decimal(-1), Decimal(9)])),
    st.tuples(st.sampled_from(["cancel_all_buy_orders", "cancel_all_sell_orders"]), st.none()),
)


def hash_of(client_oid: str) -> int:
    return sum(ord(char) * 31**place for place, char in enumerate(client_oid))


def learn_in_lockstep(managers: list[Any], updates: list[OrderUpdate], parts: list[str]) -> None:
    heard: list[list[PositionUpdate]] = [[], []]
    starts = [manager.snapshot().version for manager in managers]
    for manager, told_of in zip(managers, heard, strict=True):
        manager.on_update(told_of.append)
    for update in updates:
        answers = [manager.on_order_update(update) for manager in managers]
        assert answers[0] == answers[1]
        states = [state(manager) for manager in managers]
        for part in parts:
            assert states[0][part] == states[1][part]
    one, other = ([update.replace(version=0) for update in told_of] for told_of in heard)
    assert one == other
    for told_of, start in zip(heard, starts, strict=True):
        versions = [start, *(update.version for update in told_of)]
        # What contradicts makes a version as well, in which no slot changes.
        assert all(later > earlier for earlier, later in pairwise(versions))


def filled(*sequences: int, order_id: int | None) -> list[OrderUpdate]:
    oids = [f"grid-50000-B{sequence}" for sequence in sequences]
    return [told(oid, OrderStatus.FILLED, order_id=order_id) for oid in oids]


@given(st.lists(facts, max_size=20))
# The oldest order is the last to be heard of, and is not the one that is forgotten.
@example(filled(*range(2, 10), 1, order_id=None))
# One that is forgotten has the exchange's id of one that is remembered.
@example(filled(*range(1, 11), order_id=77))
# A fill is told again, with more cost.
@example([update.replace(cost=update.cost * n) for n in (1, 2) for update in filled(1, order_id=7)])
def test_in_lockstep_both_answer_and_hold_the_same(updates: list[OrderUpdate]) -> None:
    managers = [make(kind) for kind in KINDS]
    learn_in_lockstep(managers, updates, list(state(managers[0])))


@given(st.lists(trades, max_size=8), st.lists(facts, min_size=1, max_size=8))
def test_from_what_a_trader_left_both_go_on_alike(
    left: list[tuple[str, Any]], updates: list[OrderUpdate]
) -> None:
    trader = make(PositionManager)
    for name, argument in left:
        with suppress(ShortfallError):
            getattr(trader, name)(*([] if argument is None else [argument]))
    managers = [make(kind) for kind in KINDS]
    for manager in managers:
        manager.restore_state(trader.snapshot().values())
    # What was restored is no news to the one, and changes of a version like any to the other.
    parts = [part for part in state(managers[0]) if part not in ("orders", "positions")]
    learn_in_lockstep(managers, updates, parts)
