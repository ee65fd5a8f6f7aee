"""The position manager: facts, intentions, and what is derived from them."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from cowstate import ArgumentTypeError, ArgumentValueError
from cowstate.positions import (
    ActionKind,
    ActionOutcome,
    ActionResult,
    OrderAction,
    OrderStatus,
    PositionManager,
    PositionUpdate,
    Side,
    SlotStatus,
    UpdateOutcome,
)
from cowstate.positions.errors import AmountTypeError
from tests.positions.trading.managing import CONFIG, PRICE, check_derived, make, told


def test_orders_are_pending_in_the_store_before_the_caller_can_send_them() -> None:
    manager = make()
    actions = manager.calculate_adjustments(PRICE)
    assert [action.client_oid for action in actions] == [
        "grid-49980-B1",
        "grid-49990-B1",
        "grid-50000-B1",
    ]
    assert all(slot.slot_status is SlotStatus.PENDING for slot in manager.snapshot().values())
    assert manager.calculate_adjustments(PRICE) == ()
    assert manager.get_slot_count() == manager.snapshot().total("active_orders") == 3


def test_a_round_trip_realizes_the_step_and_each_partial_fill_counts_when_it_happens() -> None:
    manager = make()
    buy = manager.calculate_adjustments(PRICE)[-1]
    partial = told(buy, OrderStatus.PARTIALLY_FILLED, "0.2")
    assert manager.on_order_update(partial) is UpdateOutcome.APPLIED
    assert manager.snapshot().total("position") == Decimal("0.2")
    assert manager.on_order_update(told(buy, OrderStatus.FILLED, "0.5")) is UpdateOutcome.APPLIED
    (sell,) = manager.calculate_adjustments(PRICE)
    assert (sell.side, sell.price, sell.quantity) == (Side.SELL, Decimal(50010), Decimal("0.5"))
    manager.on_order_update(told(sell, OrderStatus.FILLED, "0.5", order_id=2))
    assert manager.snapshot().total("position") == 0
    assert manager.get_realized_pnl() == Decimal(5)
    assert [fill.quantity for fill in manager.get_fills()] == [
        Decimal("0.2"),
        Decimal("0.3"),
        Decimal("0.5"),
    ]
    positions = [update.position for update in manager.get_position_history()]
    assert positions == [Decimal("0.2"), Decimal("0.5"), Decimal(0)]
    assert [order.status for order in manager.get_order_history()][-2:] == [
        OrderStatus.FILLED,
        OrderStatus.FILLED,
    ]
    check_derived(manager)


def test_an_update_that_tells_nothing_new_makes_no_version() -> None:
    manager = make()
    update = told(manager.calculate_adjustments(PRICE)[0])
    manager.on_order_update(update)
    before = manager.snapshot()
    assert manager.on_order_update(update) is UpdateOutcome.UNCHANGED
    assert manager.snapshot() is before


def test_what_cannot_be_used_is_counted_and_told_and_changes_nothing() -> None:
    manager = make()
    first, second, _ = manager.calculate_adjustments(PRICE)
    manager.on_order_update(told(first, order_id=1))
    before = manager.snapshot()
    cases = [
        (told(first).replace(client_oid="web_1", order_id=99), UpdateOutcome.FOREIGN),
        (told(first).replace(symbol="ETHUSDT"), UpdateOutcome.FOREIGN),
        (told(first).replace(client_oid="web_1", order_id=None), UpdateOutcome.FOREIGN),
        (told(first).replace(quantity=Decimal(7)), UpdateOutcome.CONTRADICTORY),
        (told(second, order_id=1), UpdateOutcome.CONTRADICTORY),
    ]
    for update, outcome in cases:
        assert manager.on_order_update(update) is outcome
    now = manager.snapshot()
    assert now.diff(before) == {}
    # What contradicts is kept for somebody to settle.
    assert [each.about for each in now.meta.findings.disputes] == ["quantity", "order id"]
    assert manager.get_reports() == {UpdateOutcome.FOREIGN: 3, UpdateOutcome.CONTRADICTORY: 2}


def test_an_order_that_was_forgotten_is_reported_as_retired() -> None:
    manager = make()
    for sequence in range(1, 12):
        action = OrderAction(
            ActionKind.PLACE, "50000", Side.BUY, Decimal(50000), Decimal(1),
            f"grid-50000-B{sequence}",
        )  # fmt: skip
        manager.on_order_update(told(action, OrderStatus.CANCELED, order_id=sequence))
    late = told(action.replace(client_oid="grid-50000-B1"), OrderStatus.FILLED, "1", order_id=1)
    assert manager.on_order_update(late) is UpdateOutcome.RETIRED
    assert manager.snapshot().total("position") == 0


def test_an_overfill_is_counted_and_reported() -> None:
    manager = make()
    buy = manager.calculate_adjustments(PRICE)[0]
    assert manager.on_order_update(told(buy, OrderStatus.FILLED, "0.7")) is UpdateOutcome.OVERFILLED
    assert manager.snapshot().total("position") == Decimal("0.7")
    assert manager.get_reports() == {UpdateOutcome.OVERFILLED: 1}


def test_an_update_without_our_client_id_is_found_by_the_order_id() -> None:
    manager = make()
    buy = manager.calculate_adjustments(PRICE)[0]
    manager.on_order_update(told(buy, order_id=7))
    anonymous = told(buy, OrderStatus.FILLED, "0.5", order_id=7).replace(client_oid="x")
    assert manager.on_order_update(anonymous) is UpdateOutcome.APPLIED
    assert manager.snapshot().total("position") == Decimal("0.5")


def test_a_fill_of_an_order_that_only_its_id_tells_of_makes_its_slot() -> None:
    manager = make()
    action = OrderAction(
        ActionKind.PLACE, "123.5", Side.BUY, Decimal("123.5"), Decimal(1), "grid-123.5-B4"
    )
    assert manager.on_order_update(told(action, OrderStatus.FILLED, "1")) is UpdateOutcome.APPLIED
    assert manager.snapshot()["123.5"].position_qty == 1
    check_derived(manager)


def test_the_results_of_actions_are_joined_in() -> None:
    manager = make()
    first, second, third = manager.calculate_adjustments(PRICE)
    manager.apply_action_results(
        [
            ActionResult(first, ActionOutcome.ACCEPTED, told(first, order_id=1)),
            ActionResult(second, ActionOutcome.REJECTED, reason="would", post_only_reject=True),
            ActionResult(third, ActionOutcome.UNKNOWN),
        ]
    )
    now = manager.snapshot()
    assert now["49980"].slot_status is SlotStatus.LOCKED
    assert now["49990"].slot_status is SlotStatus.FREE
    assert now["49990"].post_only_fail_count == 1
    assert now["50000"].slot_status is SlotStatus.PENDING
    (again,) = manager.calculate_adjustments(PRICE)
    assert again.client_oid == "grid-49990-B2"
    manager.apply_action_results([ActionResult(again, ActionOutcome.ACCEPTED)])
    assert manager.snapshot()["49990"].slot_status is SlotStatus.LOCKED


@pytest.mark.parametrize("outcome", [ActionOutcome.REJECTED, ActionOutcome.UNKNOWN])
def test_a_cancellation_that_failed_may_be_asked_for_again(outcome: ActionOutcome) -> None:
    manager = make()
    for number, action in enumerate(manager.calculate_adjustments(PRICE)):
        manager.on_order_update(told(action, order_id=number))
    actions = manager.cancel_all_buy_orders()
    assert [action.order_id for action in actions] == [0, 1, 2]
    assert all(slot.in_flight for slot in manager.snapshot().values())
    manager.apply_action_results(ActionResult(action, outcome) for action in actions)
    assert not any(slot.in_flight for slot in manager.snapshot().values())
    assert manager.cancel_all_sell_orders() == ()


def test_a_result_for_a_slot_that_is_gone_changes_nothing() -> None:
    action = OrderAction(ActionKind.CANCEL, "7", Side.BUY, Decimal(7), Decimal(1), "grid-7-B1", 1)
    manager = PositionManager(CONFIG)
    manager.apply_action_results([ActionResult(action, ActionOutcome.REJECTED)])
    assert manager.snapshot().version == 0


def test_cancel_all_leaves_out_what_the_exchange_has_not_acknowledged() -> None:
    manager = make()
    first, *_ = manager.calculate_adjustments(PRICE)
    manager.on_order_update(told(first))
    assert [action.client_oid for action in manager.cancel_all_buy_orders()] == [first.client_oid]


def test_a_plan_that_was_overtaken_is_made_again_and_never_marks_a_stale_slot() -> None:
    manager = make()
    manager.initialize(PRICE)
    retry = manager.store.retry
    drafts = []

    def overtaken(fn, attempts=5):  # type: ignore[no-untyped-def]
        def with_rival(draft):  # type: ignore[no-untyped-def]
            fn(draft)
            drafts.append(draft)
            if len(drafts) == 1:
                rival = OrderAction(
                    ActionKind.PLACE, "50000", Side.BUY, Decimal(50000), Decimal("0.5"),
                    "grid-50000-B1",
                )  # fmt: skip
                manager.on_order_update(told(rival, OrderStatus.FILLED, "0.5"))

        return retry(with_rival, attempts)

    manager.store.retry = overtaken  # type: ignore[method-assign]
    actions = manager.calculate_adjustments(PRICE)
    assert len(drafts) == 2
    assert actions[-1].client_oid == "grid-50000-S2"
    check_derived(manager)


def test_on_update_tells_of_every_commit_until_it_is_closed() -> None:
    manager = make(history=0)
    seen: list[PositionUpdate] = []
    subscription = manager.on_update(seen.append)
    buy = manager.calculate_adjustments(PRICE)[0]
    manager.on_order_update(told(buy, OrderStatus.PARTIALLY_FILLED, "0.2"))
    subscription.close()
    manager.on_order_update(told(buy, OrderStatus.FILLED, "0.5"))
    assert [(update.version, update.position, update.slots) for update in seen][1:] == [
        (2, Decimal("0.2"), ("49980",))
    ]
    assert [fill.quantity for fill in seen[1].fills] == [Decimal("0.2")]
    assert manager.get_fills() == ()


def test_the_history_is_bounded() -> None:
    manager = make(history=2)
    buy = manager.calculate_adjustments(PRICE)[0]
    for filled in ("0.1", "0.2", "0.3"):
        manager.on_order_update(told(buy, OrderStatus.PARTIALLY_FILLED, filled))
    assert [update.position for update in manager.get_position_history()] == [
        Decimal("0.2"),
        Decimal("0.3"),
    ]
    assert len(manager.get_fills()) == 2


def test_wrong_types_are_refused_with_a_clear_error() -> None:
    manager = make()
    with pytest.raises(ArgumentTypeError, match="GridConfig"):
        PositionManager("BTCUSDT")  # type: ignore[arg-type]
    with pytest.raises(ArgumentValueError, match="history"):
        PositionManager(CONFIG, history=-1)
    with pytest.raises(ArgumentTypeError, match="OrderUpdate"):
        manager.on_order_update({"id": 1})  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="ActionResult"):
        manager.apply_action_results([1])  # type: ignore[list-item]
    with pytest.raises(ArgumentTypeError, match="subscriber"):
        manager.on_update(3)  # type: ignore[arg-type]
    with pytest.raises(AmountTypeError):
        manager.calculate_adjustments(50005.0)  # type: ignore[arg-type]
    with pytest.raises(AmountTypeError):
        manager.force_sync(0.5)  # type: ignore[arg-type]


def test_updates_from_many_threads_lose_nothing() -> None:
    manager = make(history=1_000)
    actions = manager.calculate_adjustments(PRICE)
    steps = [Decimal(n) / 100 for n in range(1, 51)]
    barrier = threading.Barrier(len(actions))

    def stream(action: OrderAction, order_id: int) -> None:
        barrier.wait()
        for filled in steps:
            status = (
                OrderStatus.PARTIALLY_FILLED if filled < action.quantity else OrderStatus.FILLED
            )
            manager.on_order_update(told(action, status, filled, order_id))

    threads = [
        threading.Thread(target=stream, args=(action, number))
        for number, action in enumerate(actions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.snapshot().total("position") == Decimal("1.5")
    assert manager.snapshot().version == 1 + 150
    assert sum(fill.quantity for fill in manager.get_fills()) == Decimal("1.5")
    check_derived(manager)
