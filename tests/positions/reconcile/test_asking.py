"""What is asked of a venue, in which order, how patiently, and within which budget."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import (
    GridConfig,
    Listing,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    PositionReport,
    ReconcilePolicy,
    Side,
    TradeReport,
    VenuePromises,
)
from cowstate.positions.book.findings import Findings
from cowstate.positions.book.ledger import Ledger
from cowstate.positions.errors import (
    ExchangeError,
    NetworkError,
    OrderNotFoundError,
    OrderNotFoundYetError,
    OrderPurgedError,
    RateLimitedError,
)
from cowstate.positions.reconcile.asking import Asker, Heard
from cowstate.positions.reconcile.fates import Said

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 3, "grid")
POLICY = ReconcilePolicy(queries=4, pages=3, repeats=2, repeat_ms=100)


def order(price: int, number: int | None = None) -> OrderUpdate:
    return OrderUpdate(
        "X", f"grid-{price}-B1", number, Side.BUY, Decimal(price), Decimal(1), OrderStatus.NEW
    )


def trade(number: int, order_id: int) -> TradeReport:
    return TradeReport(number, order_id, None, "X", Side.BUY, Decimal(9), Decimal(1), 1_000)


class Venue:
    """Notes what it is asked; each request takes 1 ms. *fails* gives errors, by what is asked."""

    promises = VenuePromises.exact(trades_carry_client_ids=False)

    def __init__(self) -> None:
        self.now = 1_000
        self.calls: list[str] = []
        self.fails: dict[str, list[ExchangeError]] = {}
        self.paused: list[float] = []
        self.trades: list[TradeReport] = []
        self.manager = PositionManager(CONFIG, time_ms=lambda: self.now)
        self.answer: Callable[[Any, Any], OrderUpdate] = self.unknown

    def asked(self, what: str) -> None:
        self.calls.append(what)
        self.now += 1
        errors = self.fails.get(what.split(maxsplit=1)[0])
        if errors:
            raise errors.pop(0)

    def unknown(self, order_id: Any, client_oid: Any) -> OrderUpdate:
        raise OrderNotFoundError("unknown")

    def fetch_positions(self, symbols: Any) -> Listing[PositionReport]:
        self.asked("positions")
        return Listing((PositionReport("X", Decimal(3)), PositionReport("Y", Decimal(9))))

    def fetch_open_orders(self, symbol: str, cursor: Any = None) -> Listing[OrderUpdate]:
        self.asked(f"orders {cursor}")
        return Listing()

    def fetch_order(self, order_id: Any, symbol: str, client_oid: Any) -> OrderUpdate:
        self.asked(f"order {order_id or client_oid}")
        return self.answer(order_id, client_oid)

    def fetch_my_trades(self, symbol: str, since: Any, cursor: Any = None) -> Listing[TradeReport]:
        self.asked(f"trades {since} {cursor}")
        first = int(cursor or 0)
        page = self.trades[first : first + 2]
        over = first + 2 >= len(self.trades)
        return Listing(tuple(page), over, None if over else str(first + 2))

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += round(seconds * 1_000)

    def asker(self) -> Asker:
        return Asker(self, CONFIG, POLICY, lambda: self.now, self.pause)  # type: ignore[arg-type]

    def ask(self, ledger: Ledger = Ledger(), patiently: bool = False) -> Heard:  # noqa: B008
        return self.asker().ask(
            self.manager.snapshot, ledger, Findings(), self.promises, patiently=patiently
        )

    def ask_again(self, heard: Heard) -> Heard:
        return self.asker().ask_again(heard, Ledger(), self.promises)


def test_the_position_comes_first_and_the_trades_come_last() -> None:
    venue = Venue()
    venue.manager.on_order_update(order(90, 7))
    heard = venue.ask()
    assert venue.calls == ["positions", "orders None", "order 7", "trades 0 None"]
    (look,) = heard.looks
    assert (look.quantity, look.sent_ms, look.came_ms) == (Decimal(3), 1_000, 1_001)
    assert heard.answered == {"positions", "open orders", "trades"}
    assert (heard.requests, heard.asked) == (4, ("grid-90-B1",))


def test_orders_of_which_only_trades_tell_are_asked_for_within_the_same_budget() -> None:
    venue = Venue()
    for price in (70, 80, 90):
        venue.manager.on_order_update(order(price, price))
    venue.trades = [trade(number, 100 + number) for number in range(1, 5)]
    heard = venue.ask()
    assert heard.asked == ("grid-70-B1", "grid-80-B1", "grid-90-B1", "#101")
    assert venue.calls[-1] == "order 101"


def test_trades_are_read_page_by_page_and_gone_on_with_where_they_were_cut() -> None:
    venue = Venue()
    venue.trades = [trade(number, 1) for number in range(1, 10)]
    heard = venue.ask(Ledger(since_ms=500))
    trades = [call for call in venue.calls if call.startswith("trades")]
    assert trades == ["trades 500 None", "trades 500 2", "trades 500 4"]
    assert len(heard.read.trades) == 6
    assert heard.read.reading is not None
    assert not heard.read.reading.complete
    assert heard.read.cursor == "6"
    assert "trades" not in heard.answered
    heard = venue.ask(Ledger(since_ms=500, cursor="6"))
    assert [each.trade_id for each in heard.read.trades] == [7, 8, 9]
    assert heard.read.reading is not None
    assert heard.read.reading.complete


def test_a_cursor_that_is_not_taken_any_more_is_not_tried_for_ever() -> None:
    venue = Venue()
    venue.fails["trades"] = [ExchangeError("no such page")] * 3
    heard = venue.ask(Ledger(cursor="6"))
    assert heard.read.reading is None
    assert heard.read.cursor is None
    assert heard.errors == ("trades: no such page",)


@pytest.mark.parametrize("what", ["positions", "orders", "trades"])
def test_what_is_refused_is_asked_for_again_as_often_as_the_policy_says(what: str) -> None:
    venue = Venue()
    venue.fails[what] = [NetworkError("lost"), ExchangeError("busy")]
    heard = venue.ask()
    assert len(heard.answered) == 3
    assert venue.paused == [0.1, 0.1]
    venue.fails[what] = [NetworkError("lost")] * 3
    heard = venue.ask()
    assert len(heard.answered) == 2
    assert heard.requests == 5


def test_a_look_counts_from_the_request_that_was_answered() -> None:
    venue = Venue()
    venue.fails["positions"] = [NetworkError("lost")]
    (look,) = venue.ask().looks
    assert look.sent_ms == 1_101


@pytest.mark.parametrize(("retry_ms", "paused"), [(500, [0.5]), (501, []), (None, [0.1])])
def test_how_long_the_venue_says_to_wait_counts_within_bounds(
    retry_ms: int | None, paused: list[float]
) -> None:
    venue = Venue()
    venue.fails["orders"] = [RateLimitedError("too many", retry_ms)]
    heard = venue.ask()
    assert venue.paused == paused
    assert ("open orders" in heard.answered) is bool(paused)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OrderNotFoundError("x"), Said.NOT_FOUND),
        (OrderNotFoundYetError("x"), Said.NOT_YET),
        (OrderPurgedError("x"), Said.PURGED),
    ],
)
def test_how_an_order_is_not_found_is_told_apart(error: ExchangeError, said: Said) -> None:
    venue = Venue()
    venue.manager.on_order_update(order(90, 7))
    venue.fails["order"] = [error]
    (answer,) = venue.ask().orders.answers
    assert answer.said is said


def test_a_query_without_an_answer_is_no_answer_and_is_not_repeated() -> None:
    venue = Venue()
    venue.manager.on_order_update(order(90, 7))
    venue.fails["order"] = [NetworkError("lost")]
    heard = venue.ask()
    assert heard.orders.answers == ()
    assert heard.errors == ("order grid-90-B1: lost",)
    assert venue.calls.count("order 7") == 1


def test_an_answer_that_does_not_repeat_our_id_is_about_what_was_asked_for() -> None:
    venue = Venue()
    venue.manager.on_order_update(order(90))
    venue.answer = lambda order_id, client_oid: order(90, 7).replace(client_oid="x-7")
    (answer,) = venue.ask().orders.answers
    assert answer.update is not None
    assert answer.update.client_oid == "grid-90-B1"


@pytest.mark.parametrize(("patiently", "paused"), [(True, [2.001]), (False, [])])
def test_who_is_patient_waits_until_the_trades_have_come_up_to_the_look(
    patiently: bool, paused: list[float]
) -> None:
    venue = Venue()
    venue.promises = VenuePromises.exact(trades_lag_ms=2_000)
    venue.ask(patiently=patiently)
    assert venue.paused == paused


def test_another_look_adds_its_position_and_the_trades_after_it_and_leaves_the_rest() -> None:
    venue = Venue()
    venue.trades = [trade(1, 7)]
    heard = venue.ask()
    venue.calls.clear()
    venue.trades = [trade(2, 7)]
    again = venue.ask_again(heard)
    assert venue.calls == ["positions", "trades 0 None"]
    assert again.looks[:-1] == heard.looks
    assert again.looks[-1].sent_ms == heard.orders.now_ms
    assert [each.trade_id for each in again.read.trades] == [1, 2]
    assert again.requests == heard.requests + 2
    assert (again.orders, again.answered, again.errors) == (heard.orders, heard.answered, ())


def test_what_another_look_is_refused_is_told() -> None:
    venue = Venue()
    heard = venue.ask()
    venue.fails["trades"] = [NetworkError("lost")] * 3
    again = venue.ask_again(heard)
    assert (len(again.looks), again.read, again.errors) == (2, heard.read, ("trades: lost",))
    venue.fails["positions"] = [NetworkError("lost")] * 3
    again = venue.ask_again(heard)
    assert (again.looks, again.errors) == (heard.looks, ("positions: lost",))
    assert again.requests == heard.requests + 3
