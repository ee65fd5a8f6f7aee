"""A venue keeps its promises, true ones, whatever is wrong with it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from cowstate.positions.book.reports import Leg
from cowstate.positions.errors import (
    ExchangeError,
    OrderNotFoundError,
)
from cowstate.positions.exchange.promises import FOREVER
from cowstate.positions.simulation.chaos.client import promises_of
from cowstate.positions.simulation.chaos.faults import WorldFaults
from cowstate.positions.simulation.chaos.rules import PresentLife
from cowstate.positions.simulation.chaos.script import START_MS
from cowstate.positions.simulation.chaos.world import live, silenced
from cowstate.positions.simulation.chaos.worlds import WORLDS, specs_of


class Checks(PresentLife):
    """Compares each answer with all that was so within what is promised of its age."""

    def __init__(self, exchange: Any, *rest: Any) -> None:
        super().__init__(exchange, *rest)
        self.exchange = exchange
        self.ledger = exchange._venue.ledger
        self.promises = exchange.promises

    def moments(self, lag: int) -> list[int]:
        """The moments at which anything changed, within *lag* before the answer left, or sooner."""
        ledger, now = self.ledger, self.exchange._venue.now_ms
        # Looked at from when it was sent: the answer left the venue somewhat later than that.
        start = now - lag - 1_000
        changed = {
            *ledger._moments,
            *(v.time_ms for each in ledger._versions.values() for v in each),
        }
        return [start, *(int(moment) for moment in sorted(changed) if start < moment <= now)]

    def reconcile(self) -> Any:
        for check in (self.position, self.open_orders, self.orders, self.trades):
            try:
                check()
            except ExchangeError:
                pass
        return super().reconcile()

    def position(self) -> None:
        for report in self.exchange.fetch_positions(["BTCUSDT"]):
            if report.leg is not Leg.SHORT:
                shown = {
                    self.ledger.position_at(moment)
                    for moment in self.moments(self.promises.positions_lag_ms)
                }
                assert report.quantity in shown
                CHECKED["position"] += 1

    def open_orders(self) -> None:
        listing = self.exchange.fetch_open_orders("BTCUSDT")
        shown = {(order.order_id, order.filled) for order in listing}
        if not self.exchange._faults.no_ids:
            then = [
                self.ledger.open_at(moment)
                for moment in self.moments(self.promises.open_orders_lag_ms)
            ]
            assert any(shown <= {(order.order_id, order.filled) for order in o} for o in then)
            CHECKED["open"] += 1

    def orders(self) -> None:
        for order in self.ledger.engine.orders()[-2:]:
            now = self.exchange._venue.now_ms
            created = self.ledger.created[order.order_id]
            old = created + self.promises.hidden_ms + self.promises.order_lag_ms < now
            try:
                answer = self.exchange.fetch_order(order.order_id, "BTCUSDT")
            except OrderNotFoundError:
                kept = self.promises.kept_ms == FOREVER
                assert not old or not kept
            else:
                moments = self.moments(self.promises.order_lag_ms)
                then = [self.ledger.order_at(order.order_id, moment) for moment in moments]
                assert answer.filled in {each.filled for each in then if each is not None}
                CHECKED["order"] += 1

    def trades(self) -> None:
        listing = self.exchange.fetch_my_trades("BTCUSDT", START_MS)
        as_of = self.exchange._venue.now_ms - 1_000 - self.promises.trades_lag_ms
        found = [*listing]
        while not listing.complete:
            listing = self.exchange.fetch_my_trades("BTCUSDT", START_MS, listing.cursor)
            found += listing
        certain = self.ledger.entries_at(as_of, START_MS)
        assert [each.trade_id for each in found[: len(certain)]] == [
            each.trade_id for each in certain
        ]
        CHECKED["trades"] += 1


CHECKED: Counter[str] = Counter()


def test_no_answer_is_older_than_what_is_promised_in_any_world() -> None:
    CHECKED.clear()
    with silenced():
        for spec in specs_of(len(WORLDS)):
            live(spec.replace(active_passes=3), Checks)
    assert min(CHECKED[name] for name in ("position", "open", "order", "trades")) > 200


def test_promises_are_those_of_the_faults() -> None:
    calm = promises_of(WorldFaults())
    assert (calm.positions_lag_ms, calm.hidden_ms, calm.kept_ms) == (0, 0, FOREVER)
    assert calm.ids_unique_ms == FOREVER
    assert calm.empty_is_flat
    assert not calm.unknown
    faults = WorldFaults(position_lag=5, frozen=1, stale=0.1, purge=9, reuse=1, page=3, empty=1)
    bad = promises_of(faults)
    assert (bad.positions_lag_ms, bad.order_lag_ms, bad.kept_ms) == (8_000, 4_000, 9)
    assert (bad.ids_unique_ms, bad.trades_page, bad.empty_is_flat) == (0, 3, False)
