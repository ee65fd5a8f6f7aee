"""A halt is missing from when it could be known that it is needed, and for ten passes since."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions.book.reports import TradeKind
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.simulation.chaos.delays import LongHalt
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.oracle import Gap
from cowstate.positions.simulation.chaos.sight import Look, Sight

LAG = 20_000
PASS = 1_000
PRICE = Decimal(1_000)
BOUND = Decimal("0.1")
GAP = Gap(unexplained=Decimal("0.3"))


class Scene:
    """Somebody bought 0.3 by hand at the moment 0, at a venue whose positions lag."""

    def __init__(self, lag: int = LAG) -> None:
        self.ledger = Ledger("X", held=Decimal(2))
        self.ledger.enter(None, Decimal("0.3"), PRICE, 0)
        self.sight = Sight(self.ledger, VenuePromises.exact(positions_lag_ms=lag))
        self.halt = LongHalt(lag, lag, 0)
        self.now = 0

    def passes(self, count: int, age: int | None = 0) -> None:
        """Passes, one a second, that hear of a moment that is *age* old, or of nothing."""
        for _ in range(count):
            self.now += PASS
            if age is not None:
                self.sight.hear(Look(self.now, self.now, self.now - age))
            self.halt.pass_ends(GAP, BOUND, self.sight, self.ledger.untold_ms, self.now)

    @property
    def is_missing(self) -> bool:
        return self.halt.is_missing(self.now)


def test_where_nothing_lags_it_is_missing_after_ten_passes():
    scene = Scene(lag=0)
    scene.passes(10)
    assert not scene.is_missing
    scene.passes(1)
    assert scene.is_missing
    assert scene.halt.passes == 11


def test_what_no_answer_has_shown_is_not_missing_however_long():
    """`lagging` 700307: the venue showed 20 s later what had made it large."""
    scene = Scene()
    scene.passes(20, age=LAG)
    assert not scene.is_missing
    scene.passes(9, age=LAG)
    assert not scene.is_missing
    scene.passes(2, age=LAG)
    assert scene.is_missing


def test_what_is_shown_at_once_counts_from_there_when_the_venue_may_have_shown_it():
    scene = Scene()
    scene.passes(20)
    assert not scene.is_missing
    scene.passes(1)
    assert scene.is_missing


def test_what_may_be_small_in_another_history_is_not_missing():
    """0.25 was booked at 15 s; an answer of before it fits 0.3 more, and of after it 0.05 more."""
    scene = Scene()
    scene.passes(15, age=LAG)
    scene.ledger.enter(TradeKind.ADJUSTMENT, Decimal("0.25"), PRICE, scene.now - 1)
    scene.passes(19, age=LAG)
    assert scene.sight.others() == {0, Decimal("-0.25")}
    assert not scene.is_missing
    scene.passes(11, age=LAG)
    assert scene.sight.others() == {0}
    assert scene.is_missing


def test_who_hears_nothing_though_the_venue_would_show_it_could_have_known():
    scene = Scene()
    scene.passes(20, age=None)
    assert not scene.is_missing
    scene.passes(11, age=None)
    assert scene.is_missing


@pytest.mark.parametrize("passes", [0, 5])
def test_it_begins_anew_where_it_is_small_or_halted(passes: int):
    scene = Scene(lag=0)
    scene.passes(11)
    scene.halt.begins_anew(scene.now)
    scene.passes(passes)
    assert not scene.is_missing
    scene.passes(11 - passes)
    assert scene.is_missing


# Seeded bugs: a halt that is never missing, and one that is counted before anybody could know


def test_a_seeded_bug_is_found(monkeypatch):
    monkeypatch.setattr(Sight, "others", lambda _self, **_options: None)
    with pytest.raises(AssertionError):
        test_where_nothing_lags_it_is_missing_after_ten_passes()
    monkeypatch.setattr(Sight, "others", lambda _self, **_options: frozenset({Decimal(0)}))
    for law in (
        test_what_no_answer_has_shown_is_not_missing_however_long,
        test_what_may_be_small_in_another_history_is_not_missing,
    ):
        with pytest.raises(AssertionError):
            law()
