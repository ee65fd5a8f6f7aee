"""The position a reconciler holds against the venue's: corrected, told, or trading halted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from cowstate import ArgumentValueError
from cowstate.positions import CorrectionKind, ReconcilePolicy, Remedy, TradeKind, VerdictKind
from tests.positions.reconcile.desk import START, Desk, kinds, stray


def test_what_others_trade_is_told_to_the_digit_and_taken_for_ours_by_a_later_look() -> None:
    desk = Desk()
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")
    desk.drift("0.1")
    first = desk.later()
    assert first.corrections == ()
    assert first.others == ((TradeKind.TRADE, Decimal("0.5")),)
    assert first.standing is not None
    assert first.standing.accounted == Decimal("0.5")
    desk.drift("-0.1")
    assert kinds(desk.later()) == [CorrectionKind.OTHERS]
    assert desk.manager.snapshot().meta.unattributed == Decimal("0.5")
    assert desk.later().corrections == ()


def test_what_others_trade_halts_if_the_policy_says_so_until_an_operator_has_been_told() -> None:
    desk = Desk(policy=ReconcilePolicy(others=Remedy.HALT))
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]
    told = desk.reconciler.status().halted
    assert "0.5" in told
    assert kinds(desk.later()) == []
    with pytest.raises(ArgumentValueError, match=r"0\.5"):
        desk.reconciler.resume("all is well")
    assert desk.reconciler.permit().why == told
    assert desk.reconciler.resume(told)
    assert desk.later().corrections == ()
    assert desk.reconciler.permit().trade
    assert not desk.reconciler.resume(told)


def test_a_large_divergence_opens_the_breaker_once_and_shows_in_the_status() -> None:
    desk = Desk.holding("0.5")
    desk.drift("0.5")
    first = desk.later()
    assert first.verdict is not None
    assert first.verdict.kind is VerdictKind.DIVERGES
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]
    assert desk.reconciler.breaker.is_open("X")
    assert kinds(desk.later()) == []
    status = desk.reconciler.status()
    assert dict(status.corrections)[CorrectionKind.BREAKER] == 1
    assert status.worry
    assert "HALTED" in status.summary
    assert "0.5" in status.halted
    assert not desk.reconciler.permit().trade


def test_the_breaker_closes_when_both_sides_are_proven_to_agree_and_not_sooner() -> None:
    desk = Desk.holding("0.5")
    desk.drift("0.5")
    desk.later()
    desk.later()
    desk.drift("-0.5")
    assert kinds(desk.later()) == []
    assert kinds(desk.later()) == [CorrectionKind.CLOSED]
    assert desk.reconciler.permit().trade
    (past,) = desk.reconciler.status().divergences
    assert past.least == Decimal("0.5")


def test_a_breaker_that_was_opened_by_hand_is_closed_by_hand() -> None:
    desk = Desk.holding("0.5")
    desk.reconciler.breaker.open("X", "maintenance", 1)
    assert [kinds(desk.later()) for _ in range(4)] == [[]] * 4
    assert desk.reconciler.status().halted == "maintenance"
    assert desk.reconciler.resume("maintenance")


def test_a_small_divergence_that_lasts_is_corrected_beside_the_slots() -> None:
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    assert kinds(desk.later()) == []
    before = desk.manager.snapshot()
    report = desk.later()
    (correction,) = report.corrections
    assert correction.kind is CorrectionKind.POSITION
    assert correction.detail == "by -0.02, from 0.5"
    now = desk.manager.snapshot()
    assert now.meta.unattributed == Decimal("-0.02")
    assert now.diff(before) == {}
    assert desk.later().agrees


def test_a_correction_can_be_undone_and_is_then_a_divergence_again() -> None:
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    (correction,) = desk.later().corrections
    assert correction.quantity is not None
    assert desk.reconciler.undo(correction.quantity)
    assert not desk.reconciler.undo(correction.quantity)
    verdict = desk.later().verdict
    assert verdict is not None
    assert verdict.kind is VerdictKind.DIVERGES


def by_hand(desk: Desk) -> None:
    desk.manager.store.update_meta(lambda account: account.corrected(Decimal("-0.02"), START))


def into_slots(desk: Desk) -> None:
    desk.manager.force_sync(Decimal("0.48"))


@pytest.mark.parametrize("correct", [by_hand, into_slots])
def test_what_an_operator_corrects_is_not_corrected_again(
    correct: Callable[[Desk], None],
) -> None:
    """The evidence was about what was held before."""
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    correct(desk)
    assert kinds(desk.later()) == []
    assert desk.later().agrees


def test_what_is_forced_into_slots_is_not_held_beside_them_as_well() -> None:
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    assert kinds(desk.later()) == [CorrectionKind.POSITION]
    desk.manager.force_sync(Decimal("0.48"))
    assert desk.manager.snapshot().total("position") == Decimal("0.48")
    assert desk.manager.snapshot().meta.unattributed == 0
    assert desk.later().agrees


def test_while_the_breaker_is_open_no_position_is_corrected() -> None:
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.reconciler.breaker.open("X", "by hand", 1)
    assert [kinds(desk.later()) for _ in range(4)] == [[]] * 4
    assert desk.manager.snapshot().meta.unattributed == 0


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(dry_run=True))
    before = desk.manager.snapshot()
    desk.drift("-0.02")
    assert kinds(desk.later()) == []
    report = desk.later()
    assert kinds(report) == [CorrectionKind.POSITION]
    assert report.dry_run
    assert "would do POSITION" in report.summary
    # It goes on as if it had done it.
    assert desk.later().agrees
    assert desk.manager.snapshot() is before
    assert desk.reconciler.permit().trade
