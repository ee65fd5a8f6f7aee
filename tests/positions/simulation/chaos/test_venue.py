"""A venue keeps its promises, true ones, and each fault does what its name says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderRequest, OrderStatus, Side, Trade, VirtualClock
from cowstate.positions.book.reports import Leg, TradeKind
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InsufficientFundsError,
    NetworkError,
    OrderNotFoundError,
    RateLimitedError,
)
from cowstate.positions.exchange.promises import FOREVER
from cowstate.positions.simulation.chaos.client import ChaosExchange, ProcessDied, promises_of
from cowstate.positions.simulation.chaos.faults import TIMEOUT_MS, WorldFaults
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.rules import PresentLife
from cowstate.positions.simulation.chaos.script import START_MS, Dice, Hours, script_of
from cowstate.positions.simulation.chaos.venue import Venue
from cowstate.positions.simulation.chaos.world import live, silenced
from cowstate.positions.simulation.chaos.worlds import WORLDS, specs_of

LOT = Decimal("0.5")


class Desk:
    """A venue, whoever asks it, and what the stream brought."""

    def __init__(self, seed: int = 1, active_ms: int = 60_000, **faults: float) -> None:
        self.faults = WorldFaults(**{"market": 0, "latency": 20, **faults})
        self.clock = VirtualClock(START_MS)
        self.ledger = Ledger(
            "X", fee=Decimal(str(self.faults.fee)), reuse=bool(self.faults.reuse), held=Decimal(2)
        )
        script = script_of(seed, self.faults, active_ms, 10_000)
        self.venue = Venue(self.clock, self.ledger, script, self.faults, Dice(seed))
        self.events: list[Any] = []
        self.venue.listen(lambda event: self.events.append((self.clock.now_ms, event)))
        self.exchange = ChaosExchange(self.venue)

    def place(self, number: int = 1, price: int = 100) -> Any:
        request = OrderRequest("X", Side.BUY, LOT, Decimal(price), f"g-{price}-B{number}")
        (answer,) = self.exchange.create_orders([request])
        return answer

    def fill(self, price: int = 100, lots: str = "0.2") -> None:
        now = self.clock.now_ms
        self.venue.trade(Trade(now, now, Decimal(price), Decimal(lots), True))

    def wait(self, ms: int) -> None:
        self.clock.run_until(self.clock.now_ms + ms)

    def hours(self, kind: str, begin: int, end: int) -> None:
        self.venue.script.hours[kind] = Hours([(START_MS + begin, START_MS + end)])


# The promises


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


# The faults, one by one


def test_a_message_takes_half_its_latency_at_least() -> None:
    desk = Desk(latency=100)
    before = desk.clock.now_ms
    desk.place()
    assert 100 <= desk.clock.now_ms - before <= 200
    desk.wait(100)
    assert [event.status for _, event in desk.events] == [OrderStatus.NEW]


def shows_the_fill(desk: Desk) -> dict[str, Callable[[], bool]]:
    exchange = desk.exchange
    return {
        "position": lambda: exchange.fetch_positions(["X"])[0].quantity != 2,
        "open": lambda: exchange.fetch_open_orders("X")[0].filled != 0,
        "order": lambda: exchange.fetch_order(1, "X").filled != 0,
        "trades": lambda: len(exchange.fetch_my_trades("X")) != 0,
    }


@pytest.mark.parametrize("endpoint", ["position", "open", "order", "trades"])
def test_an_endpoint_that_lags_shows_what_was(endpoint: str) -> None:
    ages = set()
    for seed in range(12):
        desk = Desk(seed, **{f"{endpoint}_lag": 1_000})
        desk.place()
        desk.wait(3_000)
        desk.fill()
        done = desk.clock.now_ms
        exchange = desk.exchange
        for _ in range(20):
            shown = shows_the_fill(desk)[endpoint]()
            age = exchange.last_left_ms - done
            ages.add((shown, age // 250))
            assert shown or age <= 1_000
            others = [ask() for name, ask in shows_the_fill(desk).items() if name != endpoint]
            assert all(others)
    assert {(False, 0), (False, 3), (True, 4)} <= ages


def test_a_new_order_is_neither_found_nor_listed_for_as_long_as_it_hides() -> None:
    desk = Desk(not_found=2_000)
    desk.place()
    hidden = desk.venue.hidden_until(1)
    assert START_MS < hidden <= START_MS + 2_100
    with pytest.raises(OrderNotFoundError):
        desk.exchange.fetch_order(None, "X", "g-100-B1")
    assert not len(desk.exchange.fetch_open_orders("X"))
    desk.clock.run_until(hidden)
    assert desk.exchange.fetch_order(None, "X", "g-100-B1").order_id == 1
    assert len(desk.exchange.fetch_open_orders("X")) == 1


def test_only_what_ended_without_a_fill_is_purged() -> None:
    desk = Desk(purge=1_000)
    desk.place(1)
    desk.place(2)
    desk.fill()
    for order_id in (1, 2):
        desk.exchange.cancel_order(order_id, "X")
    assert desk.exchange.fetch_order(2, "X").status is OrderStatus.CANCELED
    desk.wait(1_000)
    assert desk.exchange.fetch_order(1, "X").filled == Decimal("0.2")
    with pytest.raises(OrderNotFoundError):
        desk.exchange.fetch_order(2, "X")


@pytest.mark.parametrize("faults", [{"page": 2}, {"truncated": 0.8}, {}])
def test_pages_say_that_they_are_not_all_and_together_are(faults: dict[str, float]) -> None:
    desk = Desk(**faults)
    for number in range(1, 8):
        desk.place(number)
        desk.fill(lots="0.01")
    for fetch in (desk.exchange.fetch_open_orders, desk.exchange.fetch_my_trades):
        found: list[Any] = []
        cursor, pages = None, 0
        while pages == 0 or cursor is not None:
            page: Any = (
                fetch("X", cursor)
                if fetch == desk.exchange.fetch_open_orders
                else fetch("X", START_MS, cursor)  # type: ignore[call-arg]
            )
            assert page.complete is (page.cursor is None)
            found += page
            cursor, pages = page.cursor, pages + 1
        assert len(found) == len({*map(repr, found)}) == 7
        assert (pages > 1) is bool(faults)


def test_hours_in_which_it_refuses_says_nothing_or_shows_one_state() -> None:
    desk = Desk()
    desk.hours("rate_limit", 1_000, 2_000)
    desk.hours("empty", 3_000, 4_000)
    desk.hours("frozen", 5_000, 6_000)
    desk.clock.run_until(START_MS + 1_000)
    with pytest.raises(RateLimitedError) as refused:
        desk.exchange.fetch_positions(["X"])
    until = START_MS + 2_000 - desk.clock.now_ms
    assert refused.value.retry_after_ms is not None
    assert until <= refused.value.retry_after_ms <= until + 20
    desk.clock.run_until(START_MS + 3_000)
    assert not len(desk.exchange.fetch_positions(["X"]))
    desk.clock.run_until(START_MS + 5_500)
    desk.ledger.enter(None, LOT, LOT, desk.clock.now_ms)
    assert desk.exchange.fetch_positions(["X"])[0].quantity == 2
    desk.clock.run_until(START_MS + 6_000)
    assert desk.exchange.fetch_positions(["X"])[0].quantity == Decimal("2.5")


def test_one_endpoint_errs_while_it_is_silent_and_trades_where_they_are_refused() -> None:
    desk = Desk(no_trades=1)
    desk.hours("silent", 1_000, 2_000)
    desk.clock.run_until(START_MS + 1_000)
    with pytest.raises(ExchangeError, match="internal error"):
        # Which endpoint it is, the beginning of the hour says: 1,000 by four leaves the first.
        desk.exchange.fetch_positions(["X"])
    assert not len(desk.exchange.fetch_open_orders("X"))
    with pytest.raises(ExchangeError, match="internal error"):
        desk.exchange.fetch_my_trades("X")


@pytest.mark.parametrize(
    ("fault", "error", "placed"),
    [
        ("lose_request", NetworkError, False),
        ("lose_answer", NetworkError, True),
        ("refuse", InsufficientFundsError, False),
        ("duplicate", DuplicateOrderIdError, True),
    ],
)
def test_a_request_fails_before_or_after_its_effect(
    fault: str, error: type[Exception], placed: bool
) -> None:
    desk = Desk(**{fault: 1})
    before = desk.clock.now_ms
    assert isinstance(desk.place(), error)
    assert (desk.clock.now_ms - before == TIMEOUT_MS) is (error is NetworkError)
    assert len(desk.ledger.engine.orders()) == placed
    assert not desk.venue.flight.coming


def test_a_late_request_arrives_when_its_sender_is_gone_or_too_late_for_the_window() -> None:
    fates = Counter[bool]()
    for seed in range(40):
        desk = Desk(seed, late_request=1)
        answer = desk.place()
        if isinstance(answer, NetworkError):
            under_way = bool(desk.venue.flight.coming)
            desk.wait(10_000)
            assert bool(desk.ledger.engine.orders()) is under_way or not under_way
            fates[bool(desk.ledger.engine.orders())] += 1
            assert not desk.venue.flight.coming
    assert fates[True]
    assert fates[False]


def test_events_are_lost_doubled_late_and_away() -> None:
    def events(**faults: float) -> list[Any]:
        desk = Desk(**faults)
        for number in range(1, 20):
            desk.place(number)
        desk.wait(5_000)
        return [event.order_id for _, event in desk.events]

    numbers = [*range(1, 20)]
    assert events() == numbers
    assert events(lose_event=1) == []
    assert sorted(events(double_event=1)) == sorted(numbers * 2)
    late = events(delay_event=0.5)
    assert sorted(late) == numbers
    assert late != numbers
    desk = Desk()
    desk.hours("gap", 0, 1_000)
    desk.place()
    desk.wait(5_000)
    assert not desk.events
    assert not desk.venue.flight.facts


def test_what_is_under_way_is_known_until_it_arrives() -> None:
    desk = Desk(latency=100)
    desk.venue.send(lambda sent: desk.venue.cancel(1, sent), lambda _: None, ending=1)
    request = OrderRequest("X", Side.BUY, LOT, Decimal(100), "g-100-B1")
    answers: list[Any] = []
    desk.venue.send(lambda sent: desk.venue.place(request, sent), answers.append, coming="g-100-B1")
    flight = desk.venue.flight
    assert ([*flight.coming.values()], [*flight.ending.values()]) == (["g-100-B1"], [1])
    while not desk.ledger.engine.orders():
        desk.wait(1)
    assert not flight.coming
    assert len(flight.facts) == 2
    desk.wait(200)
    assert not flight.facts
    assert not flight.ending
    assert answers[0].order_id == 1


def test_who_listens_no_more_hears_nothing() -> None:
    desk = Desk(latency=100)
    desk.place()
    desk.fill()
    desk.venue.listen(None)
    desk.wait(1_000)
    assert not desk.events
    assert not desk.venue.flight.facts


def test_a_process_that_died_while_it_waited_does_not_go_on() -> None:
    desk = Desk()
    desk.clock.call_at(START_MS + 5, lambda: setattr(desk.exchange, "died", True))
    with pytest.raises(ProcessDied):
        desk.exchange.fetch_positions(["X"])


def test_ids_costs_and_stamps_are_left_out_where_the_venue_does_not_say_them() -> None:
    desk = Desk(no_ids=1, no_cost=1, no_stamp=1)
    desk.place()
    desk.fill()
    desk.wait(100)
    assert desk.exchange.fetch_open_orders("X")[0].client_oid == "x-1"
    assert desk.exchange.fetch_order(1, "X").client_oid == "x-1"
    assert desk.exchange.fetch_my_trades("X")[0].client_oid is None
    assert desk.exchange.fetch_order(1, "X").cost == 0
    assert desk.events[-1][1].cost == 0
    assert desk.events[-1][1].filled
    assert desk.exchange.fetch_positions(["X"]).answered_ms is None


def test_legs_and_fees_and_entries_of_other_kinds_are_told() -> None:
    desk = Desk(hedge=1, fee=0.001)
    desk.place()
    desk.fill()
    desk.ledger.enter(TradeKind.FUNDING, Decimal(0), LOT, desk.clock.now_ms)
    long, short = desk.exchange.fetch_positions(["X"])
    assert (long.leg, short.leg) == (Leg.LONG, Leg.SHORT)
    assert long.quantity == Decimal("2.1998")
    bought, funding = desk.exchange.fetch_my_trades("X")
    assert (bought.fee, bought.leg, funding.kind) == (Decimal("0.0002"), Leg.LONG, "FUNDING")


def test_what_is_asked_of_another_market_or_for_another_type_is_refused() -> None:
    desk = Desk()
    for request in (
        lambda: desk.exchange.fetch_positions(["Y"]),
        lambda: desk.exchange.fetch_open_orders("Y"),
        lambda: desk.exchange.fetch_my_trades("Y"),
        lambda: desk.exchange.fetch_order(1, "Y"),
        lambda: desk.exchange.cancel_order(1, "Y"),
        lambda: desk.exchange.create_order("X", "market", Side.BUY, LOT, LOT),
    ):
        with pytest.raises(ExchangeError):
            request()
    (answer,) = desk.exchange.cancel_orders([9], "X")
    assert isinstance(answer, OrderNotFoundError)
