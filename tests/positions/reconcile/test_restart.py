"""A process that starts anew looks before it trades, and reads on from where it was."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from cowstate.positions import (
    CorrectionKind,
    InventorySlot,
    ReconcilePolicy,
    VerdictKind,
)
from cowstate.positions.book.remembered import Sighting
from tests.positions.reconcile.desk import START, Desk, Mute, kinds


def saved_by(desk: Desk) -> object:
    return pickle.loads(pickle.dumps(desk.manager.snapshot()))


def test_nothing_is_traded_before_the_first_look_that_agrees_exactly() -> None:
    desk = Desk()
    assert not desk.reconciler.permit().trade
    assert "trading waits" in desk.reconciler.status().summary
    assert desk.later().agrees
    assert desk.reconciler.permit().trade


def test_a_state_that_is_restored_waits_for_a_look_again() -> None:
    desk = Desk()
    desk.later()
    desk.manager.restore_state(desk.manager.snapshot())
    assert not desk.reconciler.permit().trade
    assert desk.later().agrees
    assert desk.reconciler.permit().trade


def test_where_the_policy_has_no_gate_trading_begins_at_once() -> None:
    assert Desk(policy=ReconcilePolicy(gate=False)).reconciler.permit().trade


def test_what_was_filled_since_an_older_state_was_saved_is_read_from_its_cursor() -> None:
    desk = Desk()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.later()
    saved = saved_by(desk)
    desk.trade(100, "0.5")
    desk.trade(90, "0.2")
    assert desk.later().agrees
    desk.begin(saved)
    assert desk.manager.snapshot().total("position") == 0
    report = desk.later()
    assert kinds(report) == [CorrectionKind.JOINED] * 2
    assert report.agrees
    assert desk.manager.snapshot().total("position") == Decimal("0.7")


def test_what_was_corrected_stays_corrected_and_is_not_corrected_again() -> None:
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    assert kinds(desk.later()) == [CorrectionKind.POSITION]
    desk.begin(saved_by(desk))
    assert desk.later().agrees
    assert desk.manager.snapshot().meta.unattributed == Decimal("-0.02")


def test_an_open_breaker_is_open_after_a_restart_and_the_same_proof_closes_it() -> None:
    desk = Desk.holding("0.5")
    desk.drift("0.5")
    desk.later()
    desk.later()
    why = desk.reconciler.permit().why
    desk.begin(saved_by(desk))
    assert desk.reconciler.permit().why == why
    desk.drift("-0.5")
    desk.later()
    assert CorrectionKind.CLOSED in kinds(desk.later())
    assert desk.reconciler.permit().trade
    desk.begin(saved_by(desk))
    desk.later()
    assert desk.reconciler.permit().trade


def test_an_open_breaker_is_taken_over_by_a_state_that_is_restored_in_the_same_life() -> None:
    desk = Desk()
    desk.reconciler.breaker.open("X", "by hand", 1)
    saved = saved_by(desk)
    desk.reconciler.resume("by hand")
    desk.manager.restore_state(saved)  # type: ignore[arg-type]
    desk.later()
    assert desk.reconciler.permit().why == "by hand"


def test_evidence_of_another_life_proves_nothing() -> None:
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    desk.begin(saved_by(desk))
    report = desk.later()
    assert report.corrections == ()
    assert report.verdict is not None
    assert report.verdict.kind is VerdictKind.DIVERGES
    assert kinds(desk.later()) == [CorrectionKind.POSITION]


def test_a_state_that_knows_of_no_list_of_trades_begins_where_it_is() -> None:
    """What an older version saved: slots, with orders whose fills they have counted."""
    desk = Desk()
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.trade(100, "0.2")
    desk.later()
    desk.begin(list(desk.manager.snapshot().values()))
    report = desk.later()
    assert report.agrees
    assert report.alarms == ()
    desk.trade(100, "0.3")
    assert desk.later().agrees
    assert desk.manager.snapshot().total("position") == Decimal("0.5")


def test_an_answer_from_before_a_fresh_start_can_be_judged() -> None:
    class Lagging(Mute):
        @property
        def promises(self):  # type: ignore[no-untyped-def]
            return super().promises.replace(positions_lag_ms=20_000)

    desk = Desk(Lagging, saved=[InventorySlot(Decimal(300))])
    assert desk.later(10).agrees


@pytest.mark.parametrize("name", ["agreed_ms", "sightings", "divergences"])
def test_what_was_seen_is_saved(name: str) -> None:
    desk = Desk.holding("0.5")
    seen = (Sighting("hidden_ms", 5, 1, START),)
    desk.manager.store.update_meta(lambda account: account.replace(sightings=seen))
    desk.drift("0.5")
    desk.later()
    desk.drift("-0.5")
    desk.later()
    account = desk.manager.snapshot().meta
    desk.begin(saved_by(desk))
    assert getattr(desk.manager.snapshot().meta, name) == getattr(account, name)
    assert account.divergences
    assert account.agreed_ms
    assert account.sightings == seen
