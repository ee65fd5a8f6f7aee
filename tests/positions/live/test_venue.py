"""A paper account that outlives its process: what it answered is on disk before it answers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cowstate import ArgumentValueError, CowstateError
from cowstate.positions import OrderRequest, Side, Trade
from cowstate.positions.errors import (
    DuplicateOrderIdError,
    ExchangeError,
    InvalidOrderError,
    OrderNotFoundError,
)
from cowstate.positions.live.venue import PaperVenue, Seen
from cowstate.positions.simulation.matching import MatchingEngine

PRICES = st.integers(98, 103).map(Decimal)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from(Side), PRICES),
        st.tuples(st.just("cancel"), st.integers(1, 8)),
        st.tuples(st.just("trade"), PRICES, st.integers(1, 9), st.booleans()),
        st.tuples(st.just("die")),
    ),
    max_size=25,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


def told(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except ExchangeError as error:
        return type(error), str(error)


def timeless(items: Any) -> list[Any]:
    return [each.replace(time_ms=0) for each in items]


# Each example opens files, and each order waits for the disk.
@settings(max_examples=25)
@given(ACTS)
def test_it_is_what_its_engine_is_however_often_it_dies(acts: list[Any]) -> None:
    with TemporaryDirectory() as name:
        directory = Path(name)
        clock, engine = Clock(), MatchingEngine("X")
        venue = PaperVenue(directory / "venue", "X", time_ms=clock)
        shown: list[Trade] = []
        try:
            for number, act in enumerate(acts, 1):
                if act[0] == "place":
                    request = OrderRequest("X", act[1], Decimal(2), act[2], f"g-{number}", True)
                    [ours] = venue.create_orders([request])
                    theirs = told(lambda request=request: engine.place(request, 0))
                    assert ours.replace(time_ms=0) == theirs  # type: ignore[union-attr]
                elif act[0] == "cancel":
                    ours, theirs = (
                        told(lambda: venue.cancel_order(act[1], "X")),  # noqa: B023
                        told(lambda: engine.cancel(act[1], 0)),  # noqa: B023
                    )
                    if isinstance(ours, tuple):
                        assert ours == theirs
                    else:
                        assert ours.replace(time_ms=0) == theirs
                elif act[0] == "trade":
                    trade = Trade(number, number, act[1], Decimal(act[2]) / 4, act[3])
                    venue.happen([trade], "tape")
                    engine.match(trade, 0)
                    shown.append(trade)
                else:
                    # What was not written is gone, and only trades that filled nothing may be.
                    venue.close()
                    venue = PaperVenue(directory / "venue", "X", time_ms=clock, begins=False)
                    seen = venue.seen.trades
                    venue.happen(shown[seen:], "tape")
                assert timeless(venue.fetch_open_orders("X")) == timeless(engine.open_orders())
                assert timeless(venue.fetch_my_trades("X")) == timeless(engine.fills())
                (held,) = venue.fetch_positions(["X"])
                assert held.quantity == engine.position
                assert venue.last_price == engine.last_price
                assert venue.seen.trades == len(shown)
        finally:
            venue.close()


def test_what_it_answered_stands_in_the_file_when_it_answers(tmp_path: Path) -> None:
    """Another process reads it while this one lives: the write came before the answer."""
    from cowstate.journal import follow
    from cowstate.positions.live.venue import PaperAccount, PaperFill, PaperOrder

    with PaperVenue(tmp_path / "venue", "X", time_ms=Clock()) as venue:
        order = venue.create_order("X", "limit", Side.BUY, Decimal(2), Decimal(100))
        venue.happen([Trade(1, 1, Decimal(99), Decimal("0.5"), True)], "tape")
        with follow(
            tmp_path / "venue", key=str, record=PaperOrder | PaperFill | PaperAccount, schema=1
        ) as follower:
            kept = follower.snapshot()
        assert kept["order 1"].order.filled == Decimal("0.5")
        assert kept["fill 1"].fill.order_id == order.order_id
        assert kept["account"].position == Decimal("0.5")


def test_what_could_not_be_written_is_no_answer(tmp_path: Path) -> None:
    venue = PaperVenue(tmp_path / "venue", "X", time_ms=Clock())
    venue.close()
    with pytest.raises(CowstateError):
        venue.create_order("X", "limit", Side.BUY, Decimal(2), Decimal(100))
    # Nor is it told to who asks: a death would take it back.
    for ask in (
        lambda: venue.fetch_open_orders("X"),
        lambda: venue.fetch_order(1, "X"),
        lambda: venue.fetch_my_trades("X"),
        lambda: venue.fetch_positions(["X"]),
        lambda: venue.cancel_order(1, "X"),
    ):
        with pytest.raises(CowstateError):
            ask()
    with PaperVenue(tmp_path / "venue", "X", time_ms=Clock()) as again:
        assert not again.has_traded


def test_it_refuses_what_an_exchange_refuses(tmp_path: Path) -> None:
    with PaperVenue(tmp_path / "venue", "X", time_ms=Clock()) as venue:
        two = [OrderRequest("X", Side.BUY, Decimal(1), Decimal(9), "g")] * 2
        taken, refused = venue.create_orders(two)
        assert taken.order_id == 1  # type: ignore[union-attr]
        assert isinstance(refused, DuplicateOrderIdError)
        with pytest.raises(InvalidOrderError):
            venue.create_order("X", "limit", Side.BUY, Decimal(-1), Decimal(9))
        for ask in (
            lambda: venue.fetch_order(7, "X"),
            lambda: venue.cancel_order(7, "X"),
            lambda: venue.fetch_order(None, "X", "h"),
        ):
            with pytest.raises(OrderNotFoundError):
                ask()
        (unknown,) = venue.cancel_orders([7], "X")
        assert isinstance(unknown, OrderNotFoundError)
        for wrong in (
            lambda: venue.fetch_open_orders("Y"),
            lambda: venue.fetch_open_orders("X", "page"),
            lambda: venue.fetch_my_trades("X", None, "page"),
            lambda: venue.fetch_positions(["Y"]),
        ):
            with pytest.raises(ExchangeError):
                wrong()
        assert [each.order_id for each in venue.fetch_open_orders("X")] == [1]
        assert venue.fetch_order(None, "X", "g").order_id == 1


def test_fills_are_in_order_of_time_whatever_the_clock_does(tmp_path: Path) -> None:
    times = iter([500, 400, 300, 200, 100, 50, 40, 30])
    with PaperVenue(tmp_path / "venue", "X", time_ms=lambda: next(times)) as venue:
        for price in (100, 101):
            venue.create_order("X", "limit", Side.BUY, Decimal(1), Decimal(price))
        venue.happen([Trade(1, 1, Decimal(100), Decimal("1.5"), True)], "tape")
        assert [each.time_ms for each in venue.fetch_my_trades("X")] == [500, 500]
        assert len(venue.fetch_my_trades("X", 500)) == 2
        assert len(venue.fetch_my_trades("X", 501)) == 0


def test_another_market_or_an_account_that_is_gone_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "venue"
    for _ in range(2):
        with pytest.raises(ArgumentValueError, match="is gone"):
            PaperVenue(path, "X", time_ms=Clock(), begins=False)
    with PaperVenue(path, "X", time_ms=Clock()):
        pass
    with pytest.raises(ArgumentValueError, match="is one in X"):
        PaperVenue(path, "Y", time_ms=Clock())
    with PaperVenue(path, "X", time_ms=Clock(), begins=False) as venue:
        assert venue.seen == Seen()
