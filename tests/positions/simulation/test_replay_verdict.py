"""The verdict of a replay can be the other one: what is broken on purpose differs at the end."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest

from cowstate.cli import main
from cowstate.positions import (
    Faults,
    OrderStatus,
    OrderUpdate,
    PaperExchange,
    PassOutcome,
    PassReport,
    Permit,
    PositionManager,
    Reconciler,
    Side,
    synthetic_tape,
)
from cowstate.positions.errors import ShortfallError
from cowstate.positions.reconcile.evidence import Evidence
from cowstate.positions.reconcile.possible import Possible
from cowstate.positions.reconcile.verdicts import verdict_of
from tests.positions.replaying import REPLAY, modes, options, run

ZERO = Decimal(0)


class Deaf(PositionManager):
    """Drops every tenth event."""

    heard = 0

    def on_order_update(self, update):
        self.heard += 1
        if self.heard % 10 == 0:
            return None
        return super().on_order_update(update)


class Idle(Reconciler):
    """Reports passes in which all was well, and does not look."""

    def __init__(self, manager, exchange, **options):
        super().__init__(manager, exchange, **options)
        self.manager, self.exchange = manager, exchange

    def permit(self):
        return Permit()

    def reconcile(self):
        agrees = verdict_of(
            Evidence().after(Possible.of([ZERO]), 0),
            now_ms=0,
            fresh=True,
            accounted=ZERO,
            lot=ZERO,
            policy=self.policy,
        )
        return PassReport(PassOutcome.DONE, 0, agrees)


class Original(Idle):
    """The rule that ours replaces: what is not listed is cancelled, the position overwritten."""

    def reconcile(self):
        manager, symbol = self.manager, self.manager.config.symbol
        before = manager.snapshot()
        listed = {order.client_oid for order in self.exchange.fetch_open_orders(symbol)}
        for slot in before.values():
            order = slot.working
            if order is not None and order.client_oid not in listed:
                names = ("client_oid", "order_id", "side", "price", "quantity")
                facts = [getattr(order, name) for name in names]
                manager.on_order_update(OrderUpdate(symbol, *facts, OrderStatus.CANCELED))
        (position,) = self.exchange.fetch_positions([symbol])
        with suppress(ShortfallError):
            manager.force_sync(position.quantity)
        return super().reconcile()


class Silent(PaperExchange):
    """Does not tell of every third event, if it is a fill."""

    told = 0

    def _tell(self, order, now):
        self.told += 1
        if order.filled and self.told % 3 == 0:
            return order
        return super()._tell(order, now)


class Liquidating(PaperExchange):
    """Once, takes something for which there was no order at all."""

    amount = Decimal("0.5")

    def on_trade(self, trade):
        super().on_trade(trade)
        if trade.trade_id == 1_000:
            self._engine.position -= self.amount


TWINS = {
    "a manager that drops events": {"PositionManager": Deaf, "Reconciler": Idle},
    "an exchange that fills in silence": {"PaperExchange": Silent, "Reconciler": Idle},
    "a reconciler with the original rule": {"Reconciler": Original},
    "a position that no order explains": {"PaperExchange": Liquidating},
}


def lively(*, threads=False):
    # Requests overtake one another: an order sent before the look may arrive after it.
    faults = Faults(delay_request=0.3)
    return options(threads=threads, latency_ms=100, reconcile_ms=500, faults=faults)


@modes
def test_as_it_is_both_sides_agree(threads):
    assert run(synthetic_tape(seed=1, count=4_000), lively(threads=threads)).report.agrees


@modes
@pytest.mark.parametrize("broken", TWINS.values(), ids=TWINS.keys())
def test_what_is_broken_on_purpose_differs_at_the_end(broken, threads):
    world = run(synthetic_tape(seed=1, count=4_000), lively(threads=threads), **broken)
    assert not world.report.agrees
    assert world.report.differences
    assert all(" here" in line and " exchange" in line for line in world.report.differences)


@pytest.mark.parametrize(
    "broken", [b for b in TWINS.values() if b.get("Reconciler") is not Original]
)
def test_the_command_then_says_where_and_ends_with_1(monkeypatch, capsys, broken):
    for name, kind in broken.items():
        monkeypatch.setattr(f"{REPLAY}.{name}", kind)
    command = ["replay", "--seed=1", "--count=4000", "--latency=100"]
    assert main(command) == 1
    table, differences = capsys.readouterr().out.split("DIFFERS from the exchange:\n")
    assert "agrees" not in table
    lines = differences.splitlines()
    assert lines
    assert all(line.startswith(("  position: ", "  order grid-")) for line in lines)
    assert main([*command, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["agrees"] is False
    assert [f"  {line}" for line in report["differences"]] == lines


def test_the_reconciler_repairs_what_a_deaf_manager_and_a_silent_exchange_break():
    for broken in ({"PositionManager": Deaf}, {"PaperExchange": Silent}):
        world = run(synthetic_tape(seed=1, count=4_000), options(), **broken)
        assert world.report.agrees
        assert dict(world.report.corrections)["JOINED"] > 0


def test_a_large_divergence_halts_the_trading_and_is_not_called_settled():
    world = run(synthetic_tape(seed=1, count=4_000), options(), PaperExchange=Liquidating)
    report = world.report
    assert "it differs by -0.5" in report.halted
    assert not report.settled
    assert dict(report.corrections)["BREAKER"] == 1
    assert report.differences == (
        f"position: {report.position} here, {report.position - Decimal('0.5')} at the exchange",
    )


def test_a_small_divergence_is_corrected_and_then_both_sides_agree():
    class Leaking(Liquidating):
        amount = Decimal("0.01")

    world = run(synthetic_tape(seed=1, count=4_000), options(), PaperExchange=Leaking)
    assert world.report.agrees
    assert world.report.settled
    assert dict(world.report.corrections)["POSITION"] == 1


@pytest.mark.parametrize("field", ["order_id", "side", "price", "quantity", "filled"])
def test_each_fact_of_a_working_order_is_compared(field):
    false = {"order_id": 10**9, "side": Side.SELL, "filled": Decimal("0.001")}

    class Lying(PaperExchange):
        def audit(self):
            audit = super().audit()
            lie = audit.open_orders[0]
            lie = lie.replace(**{field: false.get(field, Decimal(7))})
            orders = (
                o if o.order_id != audit.open_orders[0].order_id else lie for o in audit.orders
            )
            return audit.replace(orders=tuple(orders))

    world = run(synthetic_tape(seed=1, count=500), options(), PaperExchange=Lying)
    (difference,) = world.report.differences
    assert f": {field} is " in difference


def test_an_order_that_only_one_side_knows_is_named():
    class Hiding(PaperExchange):
        def audit(self):
            audit = super().audit()
            hidden, *_, shown = audit.open_orders
            extra = shown.replace(client_oid="grid-1-B1", order_id=10**9)
            orders = [o for o in audit.orders if o.order_id != hidden.order_id]
            return audit.replace(orders=(*orders, extra))

    world = run(synthetic_tape(seed=1, count=500), options(), PaperExchange=Hiding)
    only_here, only_there = world.report.differences
    assert only_here.startswith("order grid-")
    assert only_here.endswith(" works here and not at the exchange")
    assert only_there == "order grid-1-B1 works at the exchange and not here"


def test_when_the_breaker_has_opened_no_order_is_placed_any_more():
    placed, opened = [], []

    class Watched(Liquidating):
        def create_orders(self, requests):
            placed.append(self._clock.now_ms)
            return super().create_orders(requests)

    class Noting(Reconciler):
        def reconcile(self):
            report = super().reconcile()
            if self.breaker.is_open("BTCUSDT"):
                opened.append(self.breaker.state("BTCUSDT").opened_ms)
            return report

    # Calm enough for positions to be compared while it lasts.
    tape = list(synthetic_tape(seed=1, count=3_000, gap_ms=200, swing=8))
    run(tape, options(reconcile_ms=1_000), PaperExchange=Watched, Reconciler=Noting)
    assert placed
    assert max(placed) <= opened[0] < tape[-1].time_ms - 20_000
