"""Alarms come by age, halt where the policy says so, and the gate opens at the first agreement."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions.reconcile.alarms import (
    Alarm,
    AlarmKind,
    Watch,
    alarms_of,
    halted_by,
    waits_for,
)
from cowstate.positions.reconcile.lags import Contradiction
from cowstate.positions.reconcile.policy import ReconcilePolicy
from cowstate.positions.reconcile.standing import Overdue

POLICY = ReconcilePolicy(alarm_ms=1_000)
FRESH = Watch(began_ms=0)


@pytest.mark.parametrize(
    ("watch", "since"),
    [(FRESH, 0), (FRESH.looked(500, None), 500), (FRESH.looked(500, 500), 500)],
)
def test_what_is_not_known_exactly_for_too_long_is_an_alarm(watch, since):
    assert alarms_of(watch, since + 1_000, POLICY) == ()
    (alarm,) = alarms_of(watch, since + 1_001, POLICY)
    assert alarm == Alarm(
        AlarmKind.DOUBT, "position", since, False, "position has not been known exactly for 1001 ms"
    )


def test_an_endpoint_that_does_not_answer_is_an_alarm():
    watch = FRESH.asked("trades", False, 100).asked("positions", True, 100).looked(9_999, 9_999)
    watch = watch.asked("positions", True, 5_000).asked("trades", False, 5_000)
    assert watch.heard == (("positions", 5_000), ("trades", 100))
    (alarm,) = alarms_of(watch, 5_001, POLICY)
    assert (alarm.kind, alarm.what, alarm.since_ms) == (AlarmKind.SILENCE, "trades", 100)
    assert alarms_of(watch.asked("trades", True, 5_001), 5_001, POLICY) == ()


def test_doubt_halts_only_where_the_policy_says_so_and_later():
    assert halted_by(alarms_of(FRESH, 99_999, POLICY)) is None
    policy = POLICY.replace(halt_ms=2_000)
    assert halted_by(alarms_of(FRESH, 2_000, policy)) is None
    assert halted_by(alarms_of(FRESH, 2_001, policy)) == (
        "position has not been known exactly for 2001 ms"
    )


def test_disputes_and_broken_promises_are_alarms_at_once():
    overdue = Overdue("g-100-B1", 7, Decimal(3), 40)
    broken = Contradiction("hidden_ms", 0, 500, 2, 30)
    dispute, promise = alarms_of(FRESH, 50, POLICY, [overdue], [broken])
    assert (dispute.kind, dispute.what, dispute.since_ms) == (AlarmKind.DISPUTE, "g-100-B1", 40)
    assert "3 stands in the book" in dispute.why
    assert promise == Alarm(AlarmKind.PROMISE, "hidden_ms", 30, False, broken.why)
    assert halted_by([dispute, promise]) is None


def test_trading_waits_for_the_first_exact_agreement():
    assert waits_for(FRESH, POLICY)
    assert waits_for(FRESH.looked(5, None), POLICY)
    assert waits_for(FRESH.looked(5, 5), POLICY) is None
    assert waits_for(FRESH.looked(5, 5).looked(7, None), POLICY) is None
    assert waits_for(FRESH, POLICY.replace(gate=False)) is None


def test_a_look_that_is_not_exact_makes_nothing_forgotten():
    watch = FRESH.looked(5, 5).looked(None, None).looked(7, None)
    assert (watch.exact_ms, watch.agreed_ms) == (7, 5)
