"""Found on the first rule: a process that starts from what was so some seconds ago."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cowstate.positions import Side
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.original import OriginalLife
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import Stage
from tests.positions.simulation.chaos import twins


def started_from_an_old_state(rule: Any) -> Stage:
    """What it saved is from before a purchase, its fill, its sale, and another purchase."""
    stage = Stage(rule)
    before = stage.open().life.save()
    stage.trade(1_005)
    stage.fill(1_000)
    stage.wait(500)
    stage.trade(1_005)
    stage.fill(1_010, "0.02", side=Side.SELL)
    stage.wait(500)
    stage.trade(996)
    stage.wait(10_000)
    stage.restart(before)
    return stage


def test_a_start_from_an_old_state_heals_and_trades_only_then() -> None:
    stage = started_from_an_old_state(PresentLife)
    assert not stage.gap().closed
    # Nothing is placed before the first look that agrees: ids would be used twice.
    placed = len(stage.ledger.engine.orders())
    assert stage.trade(1_005) == []
    stage.heal()
    assert stage.life.may_trade()
    assert len(stage.ledger.engine.orders()) == placed
    assert stage.slot().position_qty == Decimal("0.03")
    assert stage.total() == stage.ledger.position == Decimal("2.03")
    assert stage.did_no_harm()
    hasty = started_from_an_old_state(OriginalLife)
    assert hasty.trade(1_005)
    hasty.look(3)
    assert hasty.result.harmful


def died_while_it_was_halted(rule: Any) -> Stage:
    stage = Stage(rule).open()
    stage.by_hand("1")
    stage.look(6)
    assert stage.life.halted()
    stage.restart()
    return stage


def test_an_open_breaker_is_open_after_a_restart() -> None:
    stage = died_while_it_was_halted(PresentLife)
    assert stage.life.halted()
    assert not stage.life.may_trade()
    stage.look(3)
    assert stage.life.halted()
    # A halt is for people to end; it is one and the same, and right.
    assert stage.result.halts[HaltVerdict.RIGHT] >= 1
    assert stage.did_no_harm()
    forgetful = died_while_it_was_halted(twins.ForgetsTheBreaker)
    assert not forgetful.life.halted()
    assert forgetful.life.may_trade()
    assert forgetful.look().claim is Claim.NONE
