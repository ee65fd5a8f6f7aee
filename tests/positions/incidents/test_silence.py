"""Found on the first rule: endpoints that fail for ever and lists that are cut, and nobody told."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import Listing
from cowstate.positions.errors import ExchangeError
from cowstate.positions.simulation.chaos.oracle import HaltVerdict
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents.stage import Adapter, Stage
from tests.positions.simulation.chaos import twins


@pytest.mark.parametrize("endpoint", ["position", "open", "trades"])
def test_an_endpoint_that_always_fails_is_an_alarm(endpoint: str) -> None:
    stage = Stage()
    stage.buy_at()
    stage.look(2)
    assert not stage.life.alarmed()
    stage.silence(endpoint, 10**8)
    stage.look(3)
    stage.fill(1_000)
    stage.look(40)
    assert stage.life.alarmed()
    # The rest of each pass goes on: the fill is known by whatever still answers.
    assert stage.slot().position_qty == Decimal("0.05")
    assert stage.did_no_harm()
    stage.venue.script.hours["silent"].spans.clear()
    stage.heal()
    stage.look(2)
    assert not stage.life.alarmed()


def test_a_query_of_an_order_that_always_fails_leaves_no_order_in_doubt_by_its_trades() -> None:
    stage = Stage()
    stage.buy_at()
    stage.silence("order", 10**8)
    stage.hours("gap", 10**8)
    stage.fill(1_000)
    stage.look(6)
    assert stage.slot().position_qty == Decimal("0.05")
    assert stage.said[-1].claim is Claim.EXACT
    assert stage.did_no_harm()


def test_lists_that_come_in_pages_are_read_to_their_end() -> None:
    stage = Stage(levels=4, page=3, held="20", lot=Decimal(1))
    stage.open().trade(1_005)
    stage.hours("gap", 60_000)
    for number in range(10):
        stage.at(30 * number, lambda: stage.fill(970, "0.3"))
    stage.wait(400)
    assert len(stage.ledger.entries) > 9
    assert len(stage.ledger.engine.open_orders()) >= 2
    assert stage.heal() == 1
    assert stage.total() == stage.ledger.position == Decimal("23.0")
    assert stage.did_no_harm()


def test_a_list_that_was_cut_is_not_taken_for_all() -> None:
    stage = Stage(levels=4, held="20", lot=Decimal(1))
    stage.open().trade(1_005)
    stage.fault("truncated", 3)
    stage.look()
    assert all(
        not order.terminal
        for slot in stage.life.manager.snapshot().values()
        for order in slot.orders
    )
    stage.heal()
    assert stage.did_no_harm()


def test_without_trades_an_order_that_is_not_found_is_in_doubt() -> None:
    stage = Stage(no_trades=1, not_found=40_000)
    stage.open(30)
    stage.hours("gap", 10**8)
    stage.trade(1_005)
    stage.fill(1_000)
    stage.look(18)
    # By that order it may be explained, so it is no divergence, and nothing is corrected.
    assert {said.claim for said in stage.said[-18:]} == {Claim.WITHIN}
    assert stage.life.manager.snapshot().meta.unattributed == 0
    stage.look(6)
    assert stage.slot().position_qty == Decimal("0.05")
    stage.heal()
    assert stage.did_no_harm()


class CutsItsTrades(Adapter):
    """A venue that lists half of our trades, not saying where that goes on, and no orders."""

    cuts = False

    def fetch_my_trades(self, *arguments: Any) -> Any:
        listed = self.exchange.fetch_my_trades(*arguments)
        if not self.cuts or len(listed) < 2:
            return listed
        return Listing(tuple(listed)[: len(listed) // 2], False, answered_ms=listed.answered_ms)

    def fetch_order(self, *arguments: Any) -> Any:
        return self.of_orders(self.exchange.fetch_order(*arguments))

    def fetch_open_orders(self, *arguments: Any) -> Any:
        return self.of_orders(self.exchange.fetch_open_orders(*arguments))

    def of_orders(self, answer: Any) -> Any:
        if self.cuts:
            raise ExchangeError("orders cannot be asked for now")
        return answer


def test_a_position_is_not_held_against_half_of_the_trades() -> None:
    adapters = []
    stage = Stage(adapter=lambda exchange: adapters.append(CutsItsTrades(exchange)) or adapters[0])
    stage.buy_at()
    stage.hours("gap", 60_000)
    for _ in range(5):
        stage.fill(1_000, "0.01")
    adapters[0].cuts = True
    stage.look(4)
    assert Claim.DIVERGES not in {said.claim for said in stage.said}
    assert not stage.life.halted()
    adapters[0].cuts = False
    stage.heal()
    assert stage.slot().position_qty == Decimal("0.05")
    assert stage.did_no_harm()


def refused_its_trades(rule: Any) -> Stage:
    """The list of trades is refused, always; somebody trades by hand."""
    stage = Stage(rule, no_trades=1, held="20")
    stage.open(30)
    stage.look(3)
    return stage


def test_a_position_is_judged_without_trades_too() -> None:
    stage = refused_its_trades(PresentLife)
    assert stage.said[-1].claim in (Claim.EXACT, Claim.WITHIN)
    stage.by_hand("5")
    stage.look(8)
    assert stage.result.halts[HaltVerdict.RIGHT]
    assert stage.did_no_harm()
    blind = refused_its_trades(twins.NeedsTheTrades)
    blind.by_hand("5")
    blind.look(14)
    assert {said.claim for said in blind.said} == {Claim.NONE}
    assert blind.result.untold
