"""Found on the first rule: answers that are older than they look, each made to happen here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import SlotStatus
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.original import OriginalLife
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import LOT, Stage
from tests.positions.simulation.chaos import twins


def filled_and_still_listed(rule: Any) -> Stage:
    """Filled, unheard of, and listed as working for some seconds more."""
    stage = Stage(rule, open_lag=6_000, interval_ms=1_000)
    stage.buy_at()
    stage.look(7)
    stage.fault("lose_event")
    stage.fill(1_000)
    stage.look(2)
    return stage


def test_a_list_that_lags_does_not_hide_what_the_order_itself_says() -> None:
    stage = filled_and_still_listed(PresentLife)
    # Known in the very pass, whatever the list says, and in its own slot.
    assert stage.known("grid-1000-B1").filled == LOT
    assert stage.slot().position_qty == LOT
    stage.heal()
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.did_no_harm()
    # Who has only the list has no slot for what the position shows, and puts it aside.
    hidden = filled_and_still_listed(twins.ThrowsAnswersAway)
    hidden.look(8)
    assert hidden.result.harmful


def filled_and_not_shown_yet(rule: Any, interval_ms: int) -> Stage:
    """Filled and heard of, while the position shows what was so six seconds ago."""
    latency = 20 if interval_ms else 0
    stage = Stage(rule, position_lag=6_000, interval_ms=interval_ms, latency=latency)
    stage.buy_at()
    stage.fill(1_000)
    stage.wait(100)
    stage.look(3)
    return stage


@pytest.mark.parametrize("interval_ms", [0, 1_000, 2_000])
def test_a_position_that_lags_overwrites_no_fill_however_soon_the_passes_come(
    interval_ms: int,
) -> None:
    stage = filled_and_not_shown_yet(PresentLife, interval_ms)
    assert stage.slot().position_qty == LOT
    assert stage.life.manager.snapshot().meta.unattributed == 0
    assert not stage.life.halted()
    stage.wait(6_000)
    assert stage.heal() == 1
    assert stage.did_no_harm()
    for rule in (twins.BelievesThePosition, OriginalLife):
        assert filled_and_not_shown_yet(rule, interval_ms).result.harmful


def test_a_list_of_trades_that_lags_behind_the_stream_is_no_divergence() -> None:
    stage = Stage(trades_lag=2_000, interval_ms=1_000)
    stage.buy_at()
    stage.look(3)
    stage.fill(1_000)
    stage.wait(100)
    stage.look(6)
    assert {said.claim for said in stage.said} <= {Claim.EXACT, Claim.WITHIN}
    assert stage.life.manager.snapshot().meta.unattributed == 0
    stage.heal()
    assert stage.did_no_harm()


def not_found_after_it_was_made(rule: Any) -> Stage:
    stage = Stage(rule, not_found=8_000, interval_ms=1_000)
    stage.open().trade(1_005)
    stage.look(7)
    return stage


def test_an_order_that_is_not_found_for_eight_seconds_opens_no_breaker() -> None:
    stage = not_found_after_it_was_made(PresentLife)
    assert stage.slot().slot_status is SlotStatus.LOCKED
    assert not stage.life.halted()
    # Nor is anything in doubt by it: what it could have filled, the trades would tell.
    assert {said.claim for said in stage.said[-7:]} <= {Claim.EXACT, Claim.WITHIN}
    stage.wait(2_000)
    stage.fill(1_000)
    stage.heal()
    assert stage.did_no_harm()
    halted = not_found_after_it_was_made(twins.HaltsWhereNothingIsFound)
    assert halted.result.halts[HaltVerdict.WRONG]
