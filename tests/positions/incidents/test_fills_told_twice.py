"""Incidents: one fill, told by several and at several times, is one fill.

Each test is named by what happened elsewhere; docs/explanation/incidents.md tells where.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cowstate.positions import Listing, OrderStatus
from cowstate.positions.book.account import held
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.simulation.chaos.original import OriginalLife
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife
from tests.positions.incidents import wrong
from tests.positions.incidents.stage import LOT, Adapter, Stage
from tests.positions.simulation.chaos.twins import TriesTheSameFactForEver


def told_by_the_stream_after_a_query(rule: Any) -> Stage:
    stage = Stage(rule, interval_ms=500)
    stage.buy_at()
    stage.fault("delay_event")
    stage.fill(1_000)
    stage.look(3)
    stage.wait(4_000)
    return stage


def test_a_late_stream_fill_after_a_query_has_told_it_counts_once() -> None:
    stage = told_by_the_stream_after_a_query(PresentLife)
    assert stage.known("grid-1000-B1").status is OrderStatus.FILLED
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    stage.heal()
    assert stage.did_no_harm()
    assert told_by_the_stream_after_a_query(wrong.AddsWhatEachMessageTells).total() == Decimal(
        "2.10"
    )


def seen_in_the_position_first(rule: Any) -> Stage:
    """The position shows a fill at once; the list of trades and the stream tell it later."""
    stage = Stage(rule, trades_lag=2_000)
    stage.buy_at()
    stage.fault("delay_event")
    stage.fill(1_000)
    stage.look()
    stage.wait(4_000)
    return stage


def test_a_fill_inferred_from_the_position_does_not_race_the_real_one() -> None:
    stage = seen_in_the_position_first(PresentLife)
    assert stage.total() == stage.ledger.position == Decimal("2.05")
    assert stage.slot().position_qty == LOT
    stage.heal()
    assert stage.did_no_harm()
    # Who makes the position right at once has the fill twice when it comes.
    raced = seen_in_the_position_first(OriginalLife)
    assert raced.result.harmful
    assert raced.total() == Decimal("2.10")


def restarted_with_twenty(rule: Any, old: bool) -> Stage:
    # The list of trades is read again from some seconds before where it was read to.
    stage = Stage(rule, held="20", lot=Decimal(20), trades_lag=2_000, clock=2_000).open()
    before = stage.life.save()
    stage.trade(1_005)
    stage.fill(1_000, "20")
    stage.wait(1_000)
    stage.look(2)
    stage.restart(before if old else None)
    return stage


def test_twenty_bought_are_not_shown_as_forty_after_a_restart() -> None:
    for old in (False, True):
        stage = restarted_with_twenty(PresentLife, old)
        stage.heal()
        assert stage.slot().position_qty == 20
        assert stage.total() == stage.ledger.position == 40  # 20 were held before
        assert stage.did_no_harm()
    assert restarted_with_twenty(wrong.ReplaysTheFills, False).slot().position_qty == 40


def edited_and_filled(rule: Any) -> Stage:
    """Somebody makes an order larger, and no fact of it fits what the book has of it."""
    stage = Stage(rule)
    stage.buy_at()
    stage.hours("gap", 60_000)
    stage.amend("grid-1000-B1", 1_000, "0.07")
    stage.fill(1_000, "0.07")
    stage.look(4)
    return stage


def test_the_same_missing_fills_are_not_found_for_ever() -> None:
    stage = edited_and_filled(PresentLife)
    assert stage.gap().closed
    slots = dict(stage.life.manager.snapshot())
    for _ in range(10):
        assert stage.look().claim is Claim.EXACT
    assert dict(stage.life.manager.snapshot()) == slots
    assert stage.did_no_harm()
    stuck = edited_and_filled(TriesTheSameFactForEver)
    stuck.look(10)
    assert not stuck.gap().closed
    assert {said.claim for said in stuck.said[-10:]} == {Claim.NONE}


def paid_for_holding(rule: Any) -> Stage:
    stage = Stage(rule).open()
    stage.book(TradeKind.FUNDING, "0")
    stage.look(2)
    stage.book(TradeKind.FUNDING, "0.004")
    stage.look(3)
    return stage


def test_funding_is_not_booked_as_a_fill() -> None:
    stage = paid_for_holding(PresentLife)
    stage.heal()
    assert stage.total() == stage.ledger.position == Decimal("2.004")
    assert not any(slot.orders for slot in stage.life.manager.snapshot().values())
    assert stage.did_no_harm()
    assert paid_for_holding(wrong.BooksEveryEntry).total() == 8


class BooksFundingAsATrade(Adapter):
    """An adapter that reads what a payment was for, the whole position, as a quantity traded."""

    def fetch_my_trades(self, *arguments: Any) -> Any:
        listed = self.exchange.fetch_my_trades(*arguments)
        items = tuple(
            entry.replace(kind=TradeKind.TRADE, order_id=9_000, quantity=Decimal(2))
            if entry.kind is TradeKind.FUNDING
            else entry
            for entry in listed
        )
        return Listing(items, listed.complete, listed.cursor, answered_ms=listed.answered_ms)


def test_an_adapter_that_books_funding_as_a_trade_is_found_out() -> None:
    stage = Stage(adapter=BooksFundingAsATrade).open()
    stage.book(TradeKind.FUNDING, "0")
    stage.look(5)
    assert "-2" in stage.life.halted()
    assert not stage.life.may_trade()
    # No slot holds what was never bought, and nothing offers it.
    slots = stage.life.manager.snapshot()
    assert held(slots) == stage.ledger.position == 2
