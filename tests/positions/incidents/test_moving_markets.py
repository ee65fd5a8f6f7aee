"""Found on the first rule: what moves while it looks, each made to happen here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import Stage
from tests.positions.simulation.chaos import twins


def filled_all_the_time(rule: Any) -> Stage:
    """Something of ours is filled seven times a second, and the positions are two seconds old."""
    stage = Stage(rule, held="20", lot=Decimal(10), position_lag=2_000, interval_ms=1_000)
    stage.buy_at()
    stage.wait(3_000)
    for number in range(400):
        stage.at(150 * number, lambda: stage.fill(1_000, "0.013"))
    return stage


def test_a_market_that_moves_is_no_reason_to_say_nothing() -> None:
    stage = filled_all_the_time(PresentLife)
    stage.look(30)
    claims = {said.claim for said in stage.said[-30:]}
    assert claims <= {Claim.EXACT, Claim.WITHIN}
    assert max(said.width for said in stage.said[-30:]) < Decimal("0.5")
    # And what is really there is proven while it moves, in three passes, and halts.
    stage.by_hand("5")
    stage.look(3)
    assert stage.said[-1].claim is Claim.DIVERGES
    stage.look(4)
    assert stage.result.halts[HaltVerdict.RIGHT]
    assert stage.did_no_harm()


def test_who_waits_until_nothing_moves_says_nothing_and_halts_never() -> None:
    stage = filled_all_the_time(twins.SaysNothingWhileAnythingMoves)
    stage.by_hand("5")
    stage.look(30)
    assert {said.claim for said in stage.said[-29:]} == {Claim.NONE}
    assert not stage.life.halted()


def traded_by_hand_before_each_pass(rule: Any) -> Stage:
    stage = Stage(rule, held="10").open()
    for quantity in ("3", "-1", "2", "4", "-2", "1", "3", "-1"):
        stage.by_hand(quantity)
        stage.look()
    return stage


def test_a_divergence_that_is_another_one_at_each_pass_opens_the_breaker() -> None:
    stage = traded_by_hand_before_each_pass(PresentLife)
    assert stage.life.halted()
    assert stage.result.halts[HaltVerdict.RIGHT]
    assert stage.did_no_harm()
    waiting = traded_by_hand_before_each_pass(twins.WaitsForTheSameNumber)
    assert not waiting.life.halted()
    assert waiting.said[-1].claim is Claim.DIVERGES
