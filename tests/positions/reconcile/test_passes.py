"""What one pass comes to: when trading is halted and goes on, and what is corrected and is not."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate.positions import CorrectionKind, ReconcilePolicy, Remedy
from tests.positions.reconcile.desk import Desk, Mute, kinds, stray


def bought_by_others(desk: Desk) -> None:
    """Half a lot is traded in the account by an order of others, and the list of trades tells."""
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")


def halted_by_others(**policy: Any) -> Desk:
    desk = Desk(policy=ReconcilePolicy(**policy))
    bought_by_others(desk)
    return desk


def halted_by_size(**policy: Any) -> Desk:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(**policy))
    desk.drift("0.5")
    desk.later()
    return desk


def halted_by_silence(**policy: Any) -> Desk:
    desk = Desk(Mute, policy=ReconcilePolicy(alarm_ms=20_000, halt_ms=30_000, **policy))
    desk.later()
    desk.exchange.mute = frozenset(["fetch_positions"])  # type: ignore[attr-defined]
    while not desk.reconciler.breaker.is_open("X"):
        last = desk.later()
    assert kinds(last) == [CorrectionKind.BREAKER]
    return desk


@pytest.mark.parametrize(
    ("halted", "flatten", "proof_closes"),
    [
        (lambda: halted_by_others(others=Remedy.HALT), False, False),
        (lambda: halted_by_others(others=Remedy.FLATTEN), True, False),
        (lambda: halted_by_size(large=Remedy.HALT), False, True),
        (lambda: halted_by_size(large=Remedy.FLATTEN), True, False),
        (halted_by_silence, False, True),
    ],
)
def test_a_halt_says_whether_the_position_is_to_be_closed_and_whether_a_proof_ends_it(
    halted: Any, flatten: bool, proof_closes: bool
) -> None:
    desk = halted()
    desk.later()
    state = desk.reconciler.breaker.state("X")
    assert state.open
    assert (state.flatten, state.proof_closes) == (flatten, proof_closes)


@pytest.mark.parametrize("remedy", [Remedy.REPORT, Remedy.REQUERY])
def test_what_is_only_to_be_told_or_looked_at_again_is_not_corrected(remedy: Remedy) -> None:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(small=remedy))
    desk.drift("-0.02")
    assert [kinds(desk.later()) for _ in range(4)] == [[]] * 4
    assert desk.manager.snapshot().meta.unattributed == 0
    assert desk.reconciler.permit().trade is False  # nothing has agreed yet


def test_a_pass_that_halts_trading_corrects_nothing() -> None:
    desk = Desk.holding("0.5", policy=ReconcilePolicy(others=Remedy.HALT))
    desk.drift("-0.02")
    desk.later()
    bought_by_others(desk)
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]
    assert desk.manager.snapshot().meta.unattributed == 0


def test_a_correction_begins_the_evidence_anew() -> None:
    """What differs after it is not proven by what was seen before it."""
    desk = Desk.holding("0.5")
    desk.drift("-0.02")
    desk.later()
    assert kinds(desk.later()) == [CorrectionKind.POSITION]
    (past,) = desk.reconciler.status().divergences
    assert past.ended == "corrected by -0.02"
    desk.drift("-0.002")
    assert kinds(desk.later()) == []
    assert kinds(desk.later()) == [CorrectionKind.POSITION]


def restored(looks: int, lasting_ms: int) -> Desk:
    """Trading is halted for a divergence that was put right since."""
    desk = halted_by_size(looks=looks, lasting_ms=lasting_ms)
    while not desk.reconciler.breaker.is_open("X"):
        desk.later()
    desk.drift("-0.5")
    return desk


@pytest.mark.parametrize(("looks", "lasting_ms"), [(1, 0), (3, 0), (1, 4_500), (2, 4_500), (5, 0)])
def test_a_halt_ends_after_as_many_looks_as_agreed_for_as_long_as_is_asked_for(
    looks: int, lasting_ms: int
) -> None:
    desk = restored(looks, lasting_ms)
    passes = [kinds(desk.later(1_000)) for _ in range(8)]
    # A second and a few milliseconds apart: the sixth comes five seconds after the first.
    ends = max(looks, 6 if lasting_ms else 1)
    assert passes.index([CorrectionKind.CLOSED]) + 1 == ends
    assert passes.count([]) == len(passes) - 1
    assert desk.reconciler.permit().trade


def test_a_halt_does_not_end_while_there_is_another_reason_for_one() -> None:
    desk = halted_by_size(others=Remedy.HALT)
    desk.later()
    desk.drift("-0.5")
    assert kinds(desk.later()) == []
    bought_by_others(desk)
    assert CorrectionKind.CLOSED not in [kind for _ in range(4) for kind in kinds(desk.later())]
    assert desk.reconciler.breaker.is_open("X")


def test_a_halt_does_not_end_by_looks_of_before() -> None:
    desk = halted_by_silence()
    for _ in range(3):
        assert kinds(desk.later()) == []
    assert desk.reconciler.breaker.is_open("X")
