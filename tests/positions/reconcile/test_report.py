"""What an operator reads: a line that says whether to worry, with the numbers."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from cowstate.positions import ReconcilePolicy, VerdictKind
from tests.positions.reconcile.desk import Desk, Mute


def test_before_the_first_look_it_says_what_trading_waits_for() -> None:
    status = Desk().reconciler.status()
    assert not status.worry
    assert status.summary == (
        "OK X: trading waits: no look of this life has agreed exactly yet; nothing was looked at "
        "yet; not known exactly for 0.0 s; never agreed exactly"
    )


def test_when_all_is_well_it_says_so_with_the_numbers() -> None:
    desk = Desk.holding("0.5")
    desk.later()
    desk.clock.run_until(desk.now() + 1_000)
    status = desk.reconciler.status()
    assert not status.worry
    assert status.in_doubt_since_ms is None
    assert status.agreed_ms is not None
    assert status.held == Decimal("0.5")
    assert re.fullmatch(
        r"OK X: it agrees exactly; 0\.5 held; last agreed exactly 1\.\d s ago; "
        r"0 orders asked for in 3 requests",
        status.summary,
    )


def test_a_divergence_is_something_to_look_at_before_anything_is_done_about_it() -> None:
    desk = Desk.holding("0.5")
    desk.later()
    desk.drift("-0.02")
    desk.later()
    status = desk.reconciler.status()
    assert status.worry
    assert status.verdict is not None
    assert status.verdict.kind is VerdictKind.DIVERGES
    assert status.summary.startswith("WORRY X: it differs by -0.02, proven in 1 looks over 0 ms")
    assert "last agreed exactly 5.1 s ago" in status.summary


def test_how_long_nothing_was_known_exactly_is_said_and_then_it_is_an_alarm() -> None:
    desk = Desk(Mute, policy=ReconcilePolicy(alarm_ms=12_000))
    desk.later()
    desk.exchange.mute = frozenset(["fetch_positions"])  # type: ignore[attr-defined]
    desk.later()
    status = desk.reconciler.status()
    assert "not known exactly for 5." in status.summary
    assert not status.worry
    desk.later()
    desk.later()
    status = desk.reconciler.status()
    assert status.worry
    assert "ALARM: position has not been known exactly for 1" in status.summary
    assert "ALARM: positions was not answered in full for 1" in status.summary
    assert {alarm.what for alarm in status.alarms} == {"position", "positions"}


def test_a_halt_comes_first_with_its_reason() -> None:
    desk = Desk.holding("0.5")
    desk.drift("0.5")
    desk.later()
    desk.later()
    status = desk.reconciler.status()
    assert status.summary.startswith("WORRY X: HALTED: it differs by 0.5, which is large")
    assert status.halted == desk.reconciler.permit().why
    assert status.waits_for == ""


def test_what_is_possible_is_told_as_numbers_or_as_what_lies_between() -> None:
    desk = Desk(Mute)
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.manager.on_order_update(desk.place(action))
    desk.exchange.mute = frozenset(["fetch_my_trades"])  # type: ignore[attr-defined]
    desk.later()
    desk.trade(100, "0.2")
    report = desk.later()
    assert "it agrees to within 0.2 (the difference is between " in report.summary
    assert "did JOINED grid-100-B1" in report.summary
    assert report.summary.endswith("; 5 requests, 0 orders asked for")


@pytest.mark.parametrize("what", ["quantity", "price"])
def test_a_dispute_is_an_alarm_until_somebody_has_settled_it(what: str) -> None:
    desk = Desk()
    action = desk.manager.calculate_adjustments(Decimal(105))[1]
    placed = desk.place(action)
    edited = placed.replace(**{what: Decimal(7)})
    desk.manager.on_order_update(edited)
    desk.later()
    (dispute,) = desk.reconciler.status().disputes
    assert dispute.about == what
    assert f"order grid-100-B1: its {what} is " in desk.reconciler.status().summary
    assert desk.reconciler.settle(dispute)
    assert not desk.reconciler.settle(dispute)
    # It is not raised again, though the order stays as it is.
    desk.manager.on_order_update(edited)
    assert desk.later().alarms == ()
    assert desk.reconciler.status().disputes == ()
