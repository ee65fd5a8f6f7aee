"""Found on the first rule: divergences that are small, each made to happen here."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import Side
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import Stage
from tests.positions.simulation.chaos import twins


def off_by_a_percent(rule: Any, quantity: str) -> Stage:
    """Every slot has an order that works; somebody trades one percent by hand."""
    stage = Stage(rule, levels=3)
    stage.open().trade(1_005)
    stage.look()
    assert all(slot.working for slot in stage.life.manager.snapshot().values())
    stage.by_hand(quantity)
    stage.look(5)
    return stage


@pytest.mark.parametrize("quantity", ["0.02", "-0.02", "-0.025"])
def test_a_small_divergence_needs_no_slot_and_invents_no_short(quantity: str) -> None:
    stage = off_by_a_percent(PresentLife, quantity)
    slots = stage.life.manager.snapshot()
    assert not stage.life.halted()
    assert slots.meta.unattributed == Decimal(quantity)
    assert all(slot.position_qty >= 0 for slot in slots.values())
    stage.heal()
    assert stage.did_no_harm()
    assert off_by_a_percent(twins.HaltsWhereItHasNoSlot, quantity).result.halts[HaltVerdict.SMALL]
    if quantity.startswith("-"):
        assert off_by_a_percent(twins.InventsShorts, quantity).result.shorts


def eroded(rule: Any) -> Stage:
    """Thirty times somebody takes four percent of what is left."""
    stage = Stage(rule, held="100").open()
    for _ in range(30):
        part = stage.ledger.position * Decimal("-0.04")
        stage.by_hand(f"{part:.3f}")
        stage.look(4)
    stage.watch.ends()
    return stage


def test_small_corrections_that_repeat_come_to_an_end() -> None:
    stage = eroded(PresentLife)
    assert stage.life.halted()
    assert not stage.result.unbounded
    # No more was corrected than the rules allow in an hour, and each correction is on record.
    account = stage.life.manager.snapshot().meta
    assert account.corrected_lately(stage.our_ms()) == stage.result.corrected
    assert 0 < stage.result.corrected < 5
    assert not stage.result.harmful
    assert not stage.result.halts[HaltVerdict.WRONG]
    assert eroded(twins.CorrectsWithoutEnd).result.unbounded


def missed_two_that_cancel_out(rule: Any) -> Stage:
    """A purchase and a sale are missed that come to nothing together."""
    stage = Stage(rule, levels=2)
    stage.open().trade(1_005)
    stage.fill(1_000)
    stage.wait(500)
    stage.trade(1_005)
    stage.look()
    stage.hours("gap", 5_000)
    stage.fill(990)
    stage.fill(1_010, side=Side.SELL)
    assert stage.total() == stage.ledger.position
    stage.look()
    return stage


def test_errors_that_cancel_out_in_the_total_are_found() -> None:
    stage = missed_two_that_cancel_out(PresentLife)
    assert stage.gap().closed
    assert stage.said[-1].claim is Claim.EXACT
    assert stage.slot(990).position_qty == Decimal("0.05")
    assert stage.slot(1_000).position_qty == 0
    assert stage.life.manager.get_realized_pnl() == Decimal("0.5")
    assert stage.did_no_harm()
    content = missed_two_that_cancel_out(SeesTheTotalAlone)
    assert content.said[-1].claim is Claim.EXACT
    assert content.gap().missed == Decimal("0.10")


class SeesTheTotalAlone(twins.SaysThatAllIsWell):
    """Learns of no order by itself: where the totals agree, all is well."""

    def join(self):
        pass

    def give_up(self):
        pass
