"""The reconciler on a real (paper) exchange: what its passes learn, and what without answers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import (
    CorrectionKind,
    OrderStatus,
    OrderUpdate,
    PassOutcome,
    PassReport,
    ReconcilePolicy,
    Side,
    SlotStatus,
    VerdictKind,
)
from cowstate.positions.errors import OrderNotFoundError, OrderPurgedError
from tests.positions.reconcile.desk import LIFETIME, START, Desk, Mute, Paper, kinds, stray


def test_a_manager_that_hears_nothing_learns_everything_from_the_passes() -> None:
    desk = Desk()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.place(action)
    assert kinds(desk.later()) == [CorrectionKind.ADOPTED] * 2
    desk.trade(100, "0.2")
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot().total("position") == Decimal("0.2")
    desk.trade(100, "0.3")
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot().total("position") == Decimal("0.5")
    desk.exchange.cancel_order(desk.manager.snapshot()["90"].order_id, "X")  # type: ignore[arg-type]
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot()["90"].slot_status is SlotStatus.FREE
    report = desk.later()
    assert report.agrees
    assert report.corrections == ()


def test_a_pass_that_learns_a_fill_says_that_all_agrees_in_the_same_pass() -> None:
    desk = Desk()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.place(action)
    desk.trade(100, "0.5")
    report = desk.later()
    assert report.agrees
    assert CorrectionKind.ADOPTED in kinds(report)


def test_all_that_a_pass_writes_is_one_commit() -> None:
    desk = Desk()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.place(action)
    desk.trade(100, "0.5")
    before = desk.manager.store.snapshot().version
    desk.later()
    assert desk.manager.store.snapshot().version == before + 1


def test_an_order_that_never_arrived_is_given_up_after_its_lifetime_only() -> None:
    desk = Desk()
    desk.manager.calculate_adjustments(Decimal(105))
    assert kinds(desk.later(500)) == []
    assert kinds(desk.later(LIFETIME - 700)) == []
    assert desk.manager.snapshot().total("active_orders") == 2
    # Counted from when they went out, not from when they were first asked for.
    assert kinds(desk.later(300)) == [CorrectionKind.EXPIRED] * 2
    assert desk.manager.snapshot().total("active_orders") == 0


def test_an_acknowledged_order_that_is_not_found_any_more_is_over_with_what_it_filled() -> None:
    desk = Desk(Mute)
    action = desk.manager.calculate_adjustments(Decimal(105))[1]
    desk.manager.on_order_update(desk.place(action))
    desk.trade(100, "0.2")
    # The other one, which never went out, is over in the second.
    assert [desk.later().agrees for _ in range(2)] == [True, True]
    desk.exchange.amnesia = True  # type: ignore[attr-defined]
    assert CorrectionKind.EXPIRED not in kinds(desk.later(500))
    assert CorrectionKind.EXPIRED in kinds(desk.later(500))
    assert desk.manager.snapshot()["100"].tail[-1].status is OrderStatus.CANCELED
    assert desk.manager.snapshot()["100"].position_qty == Decimal("0.2")


def test_an_order_that_the_venue_calls_purged_is_over_at_once() -> None:
    class Purging(Paper):
        def fetch_order(self, order_id: Any, symbol: str, client_oid: Any = None) -> Any:
            raise OrderPurgedError("gone")

    desk = Desk(Purging)
    desk.manager.calculate_adjustments(Decimal(105))
    assert kinds(desk.later(100)) == [CorrectionKind.EXPIRED] * 2


@pytest.mark.parametrize("when", ["during the look", "before the commit"])
def test_an_order_that_is_heard_of_before_it_is_given_up_is_not(when: str) -> None:
    class Late(Paper):
        told: Callable[[], object] = staticmethod(lambda: None)

        def fetch_order(self, order_id: Any, symbol: str, client_oid: Any = None) -> Any:
            try:
                return super().fetch_order(order_id, symbol, client_oid)
            except OrderNotFoundError:
                if client_oid == "grid-100-B1":
                    self.told()
                raise

    desk = Desk(Late)
    action = desk.manager.calculate_adjustments(Decimal(105))[1]
    fact = OrderUpdate(
        "X", action.client_oid, 9, Side.BUY, action.price, action.quantity, OrderStatus.NEW
    )
    desk.later(500)

    def tell() -> None:
        desk.manager.on_order_update(fact)

    if when == "during the look":
        desk.exchange.told = tell  # type: ignore[attr-defined]
    else:
        # The plan is made when the history of fills has been asked for; then comes the news.
        desk.before_commit(tell)
    report = desk.later(2_000)
    dropped = [CorrectionKind.DROPPED] * (when == "before the commit")
    assert sorted(kinds(report)) == sorted([CorrectionKind.EXPIRED, *dropped])
    assert desk.manager.snapshot()["100"].slot_status is SlotStatus.LOCKED
    assert desk.manager.snapshot()["90"].slot_status is SlotStatus.FREE


def test_an_order_that_came_just_now_is_not_counted_as_missing_for_long() -> None:
    """That it was not found before it came says nothing of an order that exists."""
    desk = Desk(Mute)
    action = desk.manager.calculate_adjustments(Decimal(105))[0]
    desk.later(500)
    desk.manager.on_order_update(desk.place(action))
    desk.exchange.amnesia = True  # type: ignore[attr-defined]
    desk.later(500)
    slots = desk.manager.snapshot()
    order = slots[slots.find_key("client_oid", action.client_oid)].order(action.client_oid)
    assert order.status is OrderStatus.NEW


def test_an_order_of_ours_that_nobody_knew_is_taken_in() -> None:
    """It is ours by its id, so it is no ghost: its slot takes it in, with its fills."""
    desk = Desk()
    desk.place(stray("grid-90-B7"))
    desk.place(stray("web_1"))
    desk.trade(90, "0.2")
    report = desk.later()
    assert kinds(report) == [CorrectionKind.JOINED]
    assert [order.client_oid for order in report.facts.foreign] == ["web_1"]
    assert desk.manager.snapshot().total("position") == Decimal("0.2")
    assert desk.manager.snapshot()["90"].slot_status is SlotStatus.LOCKED
    assert report.agrees


def ghost() -> Desk:
    """A desk at whose exchange an order works that its manager believes to be over."""
    desk = Desk(Mute)
    action = desk.manager.calculate_adjustments(Decimal(105))[0]
    placed = desk.place(action)
    desk.manager.on_order_update(placed.replace(status=OrderStatus.CANCELED))
    return desk


def test_an_order_that_works_there_and_is_over_here_is_cancelled_when_that_is_certain() -> None:
    desk = ghost()
    assert CorrectionKind.CANCELED not in kinds(desk.later(500))
    assert CorrectionKind.CANCELED in kinds(desk.later(500))
    assert desk.exchange.audit().open_orders == ()
    assert CorrectionKind.CANCELED not in kinds(desk.later())


def test_no_answer_to_a_cancellation_leaves_it_for_a_later_pass() -> None:
    desk = ghost()
    desk.exchange.mute = frozenset(["cancel_order"])  # type: ignore[attr-defined]
    assert [kinds(desk.later(400)) for _ in range(2)] == [[], []]
    desk.exchange.mute = frozenset()  # type: ignore[attr-defined]
    desk.later(500)
    assert CorrectionKind.CANCELED in kinds(desk.later(500))


def test_the_fills_of_a_forgotten_process_are_found_by_its_trades() -> None:
    desk = Desk()
    desk.place(stray("grid-90-B7"))
    desk.trade(90, "0.5")
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot()["90"].position_qty == Decimal("0.5")
    assert desk.manager.snapshot()["90"].last_sequence == 7


# Answers that do not come


def test_where_nothing_is_answered_the_pass_is_abandoned_and_nothing_concluded() -> None:
    desk = Desk(Mute)
    desk.manager.calculate_adjustments(Decimal(105))
    before = desk.manager.snapshot()
    desk.exchange.mute = frozenset(["fetch"])  # type: ignore[attr-defined]
    report = desk.later()
    assert (report.outcome, report.why.count("no answer")) == (PassOutcome.ABANDONED, 5)
    assert desk.manager.snapshot() is before
    status = desk.reconciler.status()
    assert (status.passes, status.abandoned) == (0, 1)


def test_without_a_position_the_orders_are_learnt_all_the_same() -> None:
    desk = Desk(Mute)
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.place(action)
    desk.exchange.mute = frozenset(["fetch_positions"])  # type: ignore[attr-defined]
    report = desk.later()
    assert kinds(report) == [CorrectionKind.ADOPTED] * 2
    assert report.verdict is not None
    assert report.verdict.kind is VerdictKind.SILENT


def test_without_a_list_of_orders_the_trades_tell_what_was_filled() -> None:
    desk = Desk(Mute)
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.trade(100, "0.2")
    desk.exchange.mute = frozenset(["fetch_open_orders", "fetch_order"])  # type: ignore[attr-defined]
    report = desk.later()
    assert kinds(report) == [CorrectionKind.JOINED]
    assert report.agrees


def test_without_trades_the_orders_say_how_far_it_can_be_known() -> None:
    desk = Desk(Mute)
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.exchange.mute = frozenset(["fetch_my_trades"])  # type: ignore[attr-defined]
    assert desk.later().agrees
    desk.trade(100, "0.2")
    report = desk.later()
    assert kinds(report) == [CorrectionKind.JOINED]
    assert report.verdict is not None
    assert report.verdict.kind is VerdictKind.WITHIN
    assert report.verdict.width == Decimal("0.2")


def test_a_list_that_is_refused_is_asked_for_again_in_the_same_pass() -> None:
    desk = Desk(Mute)
    desk.exchange.refusals = 2  # type: ignore[attr-defined]
    report = desk.later()
    assert report.agrees
    assert report.requests == 5


def test_no_answer_about_an_order_leaves_it_in_doubt() -> None:
    desk = Desk(Mute)
    desk.manager.calculate_adjustments(Decimal(105))
    desk.exchange.mute = frozenset(["fetch_order"])  # type: ignore[attr-defined]
    assert desk.later().queries == 2
    assert desk.later().queries == 2
    assert desk.manager.snapshot().total("active_orders") == 2


def test_silence_is_an_alarm_and_halts_if_the_policy_says_so() -> None:
    policy = ReconcilePolicy(alarm_ms=20_000, halt_ms=30_000)
    desk = Desk(Mute, policy=policy)
    assert desk.later().agrees
    desk.exchange.mute = frozenset(["fetch_positions"])  # type: ignore[attr-defined]
    said = [(len(desk.later().alarms), desk.reconciler.permit().trade) for _ in range(9)]
    assert said[2] == (0, True)
    assert (2, True) in said
    assert said[-1] == (2, False)
    desk.exchange.mute = frozenset()  # type: ignore[attr-defined]
    assert CorrectionKind.CLOSED in kinds(desk.later()) + kinds(desk.later())
    assert desk.reconciler.permit().trade


def test_a_pass_inside_a_pass_does_nothing() -> None:
    desk = Desk()
    inner: list[PassReport] = []
    desk.clock.call_at(START + 5_010, lambda: inner.append(desk.reconciler.reconcile()))
    assert desk.later().outcome is PassOutcome.DONE
    assert [report.outcome for report in inner] == [PassOutcome.BUSY]
    assert desk.reconciler.status().passes == 1
