"""The loop in this process: what a failing venue leads to, and what is told of it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cowstate.positions import GridConfig, PositionManager, Trade, VenuePromises
from cowstate.positions.errors import ExchangeError, NetworkError, RateLimitedError
from cowstate.positions.live.bell import Bell
from cowstate.positions.live.trader import Trader
from cowstate.positions.live.venue import PaperVenue

GRID = GridConfig("X", Decimal(10), Decimal("0.5"), 3, "g")


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Script:
    """A market whose turns a test writes down: a price, or what goes wrong; at the end it rings."""

    def __init__(self, bell: Bell, *turns: Any) -> None:
        self.bell = bell
        self.turns = list(turns)

    def advance(self) -> Decimal | None:
        if not self.turns:
            self.bell.ring("the end of the script")
            return Decimal(105)
        turn = self.turns.pop(0)
        if callable(turn):
            turn = turn()
        if isinstance(turn, Exception):
            raise turn
        return None if turn is None else Decimal(turn)


class Desk:
    """A trader on paper, whose market is a script."""

    def __init__(self, path: Path, *turns: Any, orders: Any = None) -> None:
        self.venue = PaperVenue(path / "venue", "X", time_ms=wall_ms)
        self.manager = PositionManager(GRID, time_ms=wall_ms)
        self.bell = Bell()
        self.trader = Trader(
            self.manager,
            self.venue,
            Script(self.bell, *turns),
            self.bell,
            time_ms=wall_ms,
            every_s=0.01,
            orders=orders,
        )

    def run(self, **how: Any) -> Any:
        try:
            self.trader.run()
            return self.trader.finish(**how)
        finally:
            self.venue.close()


class Moody:
    """A venue that answers, or does not."""

    def __init__(self, venue: PaperVenue) -> None:
        self.venue = venue
        self.silent = False

    def __getattr__(self, name: str) -> Any:
        if self.silent and name.startswith(("fetch", "cancel")):
            raise NetworkError("no answer")
        return getattr(self.venue, name)


class Strict(Moody):
    """A venue that takes no order."""

    def create_orders(self, requests: Any) -> Any:
        return [ExchangeError("no margin") for _ in requests]


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.INFO, "cowstate")
    return lambda: [each.cowstate_event for each in caplog.records]  # type: ignore[attr-defined]


def looked(desk: list[Desk]) -> Callable[[], str]:
    """A turn that waits until the reconciler has seen both sides agree."""

    def turn() -> str:
        pause = threading.Event()
        for _ in range(6_000):
            if desk[0].trader.reconciler.permit().trade:
                return "105"
            pause.wait(0.01)
        raise AssertionError("it never agreed")

    return turn


def test_it_trades_and_tells_what_it_leaves(
    tmp_path: Path, events: Callable[[], list[str]]
) -> None:
    desks: list[Desk] = []

    def fill() -> str:
        desks[0].venue.happen([Trade(1, 1, Decimal(90), Decimal("0.7"), True)], "script")
        return "95"

    desks.append(Desk(tmp_path, looked(desks), fill, "95"))
    ending = desks[0].run()
    assert ending.why == "the end of the script"
    assert ending.position == Decimal("0.7")
    assert (ending.unasked, ending.uncertain, ending.uncancelled) == ("", (), 0)
    # One purchase is full and for sale, one is in part, one below is whole, and one is new.
    assert [(str(each.side), each.price) for each in ending.working] == [
        ("BUY", 70),
        ("BUY", 80),
        ("BUY", 90),
        ("SELL", 110),
    ]
    told = events()
    assert told[0] == "trading_began"
    assert told[-1] == "trading_ended"
    assert told.count("order_filled") == 2
    assert ending.passes >= 2


class Deaf:
    """Order events that never come."""

    def expect(self, order: object) -> None:
        pass

    def poll(self) -> tuple[()]:
        return ()


def test_a_fill_is_told_also_if_the_reconciler_learns_it(
    tmp_path: Path, events: Callable[[], list[str]]
) -> None:
    desks: list[Desk] = []

    def fill() -> str:
        desks[0].venue.happen([Trade(1, 1, Decimal(90), Decimal("0.7"), True)], "script")
        return "105"

    desks.append(Desk(tmp_path, looked(desks), fill, orders=Deaf()))
    assert desks[0].run().position == Decimal("0.7")
    assert events().count("order_filled") == 2


def test_nothing_is_placed_before_the_first_look(
    tmp_path: Path, events: Callable[[], list[str]]
) -> None:
    desk = Desk(tmp_path, "105", "105")

    class Blind:
        """The venue, whose account nobody can see."""

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.venue, name)

        def fetch_positions(self, symbols: Any) -> Any:
            raise NetworkError("no answer")

    desk.trader = Trader(
        desk.manager,
        Blind(),  # type: ignore[arg-type]
        Script(desk.bell, "105", "105", "105"),
        desk.bell,
        time_ms=wall_ms,
        every_s=0.01,
    )
    ending = desk.run()
    assert not desk.venue.has_traded
    assert events().count("trading_waits") == 1
    assert "trading_goes_on" not in events()
    assert not ending.working


def test_a_venue_that_fails_is_told_of_once_and_asked_again(
    tmp_path: Path, events: Callable[[], list[str]]
) -> None:
    desks: list[Desk] = []
    wrong = [NetworkError("no answer"), RateLimitedError("too many", 20), ExchangeError("no")]
    desks.append(Desk(tmp_path, looked(desks), *wrong, "105", NetworkError("again"), "105"))
    desks[0].run()
    told = [each for each in events() if each.startswith("venue")]
    assert told == ["venue_failing", "venue_answers"] * 2


def test_orders_that_are_refused_are_told_of_once(
    tmp_path: Path, events: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    desks: list[Desk] = []
    desks.append(Desk(tmp_path))
    desk = desks[0]
    desk.trader = Trader(
        desk.manager,
        Strict(desk.venue),  # type: ignore[arg-type]
        Script(desk.bell, looked(desks), "105", "105"),
        desk.bell,
        time_ms=wall_ms,
        every_s=0.01,
    )
    ending = desks[0].run()
    assert events().count("orders_refused") == 1
    assert not ending.working
    assert "no margin" in caplog.text


@pytest.mark.parametrize("cancel", [False, True])
def test_an_order_whose_request_had_no_answer_is_told_of_or_cancelled(
    tmp_path: Path, cancel: bool
) -> None:
    desks: list[Desk] = [Desk(tmp_path)]
    desk = desks[0]

    class Mute(Moody):
        """A venue that takes an order, and whose answer does not arrive before the end."""

        def create_orders(self, requests: Any) -> Any:
            self.venue.create_orders(requests)
            desk.bell.ring("the test")
            return [NetworkError("no answer") for _ in requests]

    desk.trader = Trader(
        desk.manager,
        Mute(desk.venue),  # type: ignore[arg-type]
        Script(desk.bell, looked(desks)),
        desk.bell,
        time_ms=wall_ms,
        every_s=0.01,
    )
    ending = desk.run(cancel=cancel)
    assert desk.venue.has_traded
    assert (len(ending.working), ending.uncertain) == (0 if cancel else 1, ())
    # That a pass learnt of it is no correction of what is held.
    assert (ending.uncancelled, ending.corrections) == (0, 0)


class Timed(Bell):
    """A bell that writes down for how long it was waited for, and waits no longer than a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.rests: list[float] = []

    def wait(self, seconds: float) -> None:
        self.rests.append(seconds)
        super().wait(min(seconds, 0.01))


def test_where_orders_are_too_many_it_rests_as_long_as_the_venue_says(tmp_path: Path) -> None:
    desks: list[Desk] = [Desk(tmp_path)]
    desk, sent = desks[0], []

    class Busy(Moody):
        def create_orders(self, requests: Any) -> Any:
            sent.extend(requests)
            return [RateLimitedError("too many", 7_000) for _ in requests]

    bell = desk.bell = Timed()
    desk.trader = Trader(
        desk.manager,
        Busy(desk.venue),  # type: ignore[arg-type]
        Script(bell, looked(desks), "105"),
        bell,
        time_ms=wall_ms,
        every_s=0.01,
    )
    ending = desk.run()
    # Of three purchases in each turn the first was sent, and the others were not tried.
    assert len(sent) == 2
    assert bell.rests[:2] == [7.0, 7.0]
    assert not ending.working
    assert not ending.uncertain


def test_the_end_of_a_tape_is_an_end(tmp_path: Path) -> None:
    desks: list[Desk] = []
    desks.append(Desk(tmp_path, looked(desks), None))
    ending = desks[0].run(cancel=True)
    assert ending.why == "the end of the tape"
    assert not ending.working


def test_a_venue_that_refuses_the_first_question_ends_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)

    class Refusing:
        promises = VenuePromises.exact()

        def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Any:
            raise ExchangeError("Invalid API-key")

    desk.trader = Trader(
        desk.manager,
        Refusing(),  # type: ignore[arg-type]
        Script(desk.bell),
        desk.bell,
        time_ms=wall_ms,
    )
    with pytest.raises(ExchangeError, match="Invalid API-key"):
        desk.run()
    assert not desk.trader.reconciler.status().running


def test_where_the_venue_is_silent_at_the_end_what_is_known_is_told(tmp_path: Path) -> None:
    desks: list[Desk] = []
    desks.append(Desk(tmp_path, looked(desks), "105"))
    desk = desks[0]
    moody = Moody(desk.venue)
    desk.trader = Trader(
        desk.manager,
        moody,  # type: ignore[arg-type]
        Script(desk.bell, looked(desks), "105"),
        desk.bell,
        time_ms=wall_ms,
        every_s=0.01,
    )
    desk.trader.run()
    moody.silent = True
    ending = desk.trader.finish(cancel=True)
    assert ending.unasked == "no answer"
    assert ending.uncancelled == len(ending.working) == 3
    assert [each.price for each in ending.working] == [80, 90, 100]
    # In another life they may be cancelled all the same.
    moody.silent = False
    ending = desk.run(cancel=True)
    assert (ending.unasked, ending.uncancelled, ending.working) == ("", 0, ())
