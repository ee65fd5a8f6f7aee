"""Tapes that are played in real time: each trade once, in its time, and where a tape goes on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentValueError
from cowstate.positions import Side, Trade
from cowstate.positions.live.markets import TapeMarket, skipped
from cowstate.positions.live.venue import PaperVenue, Seen

ONE = Decimal(1)


def tape(gaps: list[int]) -> list[Trade]:
    times = [sum(gaps[: number + 1]) for number in range(len(gaps))]
    return [Trade(at, n, Decimal(100 + n), ONE, n % 2 == 0) for n, at in enumerate(times, 1)]


class Shown:
    """In the place of an account: what happened."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []

    def happen(self, trades: list[Trade], source: str) -> None:
        assert source == "tape"
        self.trades += trades

    @property
    def last_price(self) -> Decimal | None:
        return self.trades[-1].price if self.trades else None


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=20),
    st.lists(st.floats(0, 9), max_size=20),
    st.integers(1, 50),
)
def test_each_trade_happens_once_in_order_and_in_its_time(
    gaps: list[int], steps: list[float], speed: int
) -> None:
    trades, shown, now = tape(gaps), Shown(), [5.0]
    market = TapeMarket(iter(trades), shown, "tape", speed, lambda: now[0])  # type: ignore[arg-type]
    for step in [0.0, *steps]:
        now[0] += step
        price = market.advance()
        passed_ms = (now[0] - 5.0) * 1_000 * speed
        due = [each for each in trades if each.time_ms - trades[0].time_ms <= passed_ms]
        assert shown.trades == due
        assert price in (None, due[-1].price)
        if price is None:
            assert due == trades
    now[0] += 1e9
    market.advance()
    assert shown.trades == trades
    assert market.advance() is None
    assert market.advance() is None


def test_an_empty_tape_is_over() -> None:
    market = TapeMarket(iter(()), Shown(), "tape", 1)  # type: ignore[arg-type]
    assert market.advance() is None


def test_who_cannot_keep_up_is_late() -> None:
    shown, now = Shown(), [0.0]
    trades = (Trade(n, n, Decimal(100), ONE, True) for n in range(1, 25_001))
    market = TapeMarket(trades, shown, "tape", 1, lambda: now[0])  # type: ignore[arg-type]
    market.advance()
    now[0] = 3_600.0
    counts = []
    while market.advance() is not None:
        counts.append(len(shown.trades))
    assert counts == [10_001, 20_001, 25_000]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.data())
def test_a_tape_goes_on_behind_what_was_seen(gaps: list[int], data: st.DataObject) -> None:
    trades = tape(gaps)
    count = data.draw(st.integers(0, len(trades)))
    last = trades[count - 1] if count else None
    assert list(skipped(iter(trades), Seen("tape", count, last), "tape")) == trades[count:]
    # What was seen of another source says nothing of this one.
    assert list(skipped(iter(trades), Seen("binance", count, last), "tape")) == trades


@pytest.mark.parametrize("other", [[1, 2], [1, 3, 3]])
def test_another_tape_is_refused(other: list[int]) -> None:
    seen = Seen("tape", 3, tape([1, 2, 3])[-1])
    with pytest.raises(ArgumentValueError, match="trade 3 of this tape"):
        skipped(iter(tape(other)), seen, "tape")


def test_a_tape_that_is_played_again_after_a_death_fills_nothing_twice(tmp_path: Path) -> None:
    def play(upto: int) -> None:
        with PaperVenue(tmp_path / "venue", "X", time_ms=lambda: 9) as venue:
            if not venue.has_traded:
                venue.create_order("X", "limit", Side.BUY, Decimal(3), Decimal(103))
            market = TapeMarket(
                skipped(iter(tape([0] * upto)), venue.seen, "tape"), venue, "tape", 1
            )
            while market.advance() is not None:
                pass
            filled.append(sum(each.quantity for each in venue.fetch_my_trades("X")))

    filled: list[Decimal | int] = []
    for upto in (1, 2, 3, 3, 6):
        play(upto)
    # Of the six trades, those with an even number reach a purchase at 103: the second alone.
    assert filled == [0, 1, 1, 1, 1]
