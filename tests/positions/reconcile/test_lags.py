"""How late the venue really was: never more than it was, and said where a promise is broken."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings

from cowstate.positions.book.ledger import Entry
from cowstate.positions.book.remembered import Sighting
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.lags import (
    Contradiction,
    age_of,
    contradictions,
    late_trades,
    sighted,
    taught,
)
from cowstate.positions.reconcile.looks import PositionLook
from cowstate.positions.reconcile.standing import Standing
from tests.positions.reconcile.judging import Desk, worlds

PROMISES = VenuePromises.exact(positions_lag_ms=2_000, trades_lag_ms=1_000)


def entry(time_ms: int, moved: int, number: int = 1) -> Entry:
    return Entry(number, number, None, time_ms, Decimal(moved), Decimal(moved), Decimal(0))


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_an_answer_is_never_said_to_be_older_than_it_is(world):
    """What is seen of a lag never contradicts a promise that is kept."""
    for each in Desk(world).run():
        (truth,) = each.truths
        age = age_of(
            each.look,
            each.standing,
            each.ledger.entries,
            kept_ms=each.ledger.kept_ms,
            promises=world.promises,
            divergence=truth,
        )
        assert age is not None
        assert 0 <= age <= world.promises.positions_lag_ms


@pytest.mark.parametrize(
    ("quantity", "divergence", "age"),
    [(6, 0, 0), (2, 0, 4_050), (0, 0, 8_050), (1, 0, None), (7, 1, 0), (3, 1, 4_050)],
)
def test_an_answer_that_fits_only_an_old_state_shows_its_age(quantity, divergence, age):
    entries = [entry(1_000, 2), entry(5_000, 4, 2)]
    look = PositionLook(Decimal(quantity), 9_000, 9_100, answered_ms=9_050)
    found = age_of(
        look,
        Standing(Decimal(6)),
        entries,
        kept_ms=0,
        promises=PROMISES,
        divergence=Decimal(divergence),
    )
    assert found == age
    if age:
        unstamped = look.replace(answered_ms=None)
        careful = PROMISES.replace(clock_ms=30, stamp_ms=20)
        options = {"kept_ms": 0, "divergence": Decimal(divergence)}
        assert age_of(look, Standing(Decimal(6)), entries, promises=careful, **options) == age - 20
        assert age_of(unstamped, Standing(Decimal(6)), entries, promises=careful, **options) == (
            age - 80
        )


def test_nothing_is_said_of_states_that_are_forgotten():
    look = PositionLook(Decimal(0), 9_000, 9_100, answered_ms=9_050)
    entries = [entry(5_000, 4, 2)]
    options = {"promises": PROMISES}
    assert age_of(look, Standing(Decimal(4)), entries, kept_ms=5_000, **options) == 4_050
    assert age_of(look, Standing(Decimal(4)), entries, kept_ms=5_001, **options) is None


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_no_list_is_said_to_lag_more_than_it_does(world):
    seen = []

    class Watching(Desk):
        def read(self, each):
            since, before = self.ledger.since_ms, self.ledger
            super().read(each)
            known = {entry.identity for entry in before.entries}
            fresh = [entry for entry in self.ledger.entries if entry.identity not in known]
            seen.append(late_trades(fresh, since, self.promises))

    for _ in Watching(world).run():
        pass
    assert set(seen) <= {None}


def test_a_trade_that_should_have_been_listed_shows_how_late_the_list_is():
    assert late_trades([entry(4_000, 1), entry(5_500, 1)], 5_000, PROMISES) == 2_000
    assert late_trades([entry(5_000, 1)], 5_000, PROMISES) is None
    assert late_trades([], 5_000, PROMISES) is None


def test_sightings_keep_the_most():
    seen = sighted((), "positions_lag_ms", 3_000, 1)
    seen = sighted(seen, "trades_lag_ms", 10, 2)
    seen = sighted(seen, "positions_lag_ms", 2_500, 3)
    seen = sighted(seen, "positions_lag_ms", 3_000, 4)
    assert seen == (Sighting("positions_lag_ms", 3_000, 3, 1), Sighting("trades_lag_ms", 10, 1, 2))
    seen = sighted(seen, "positions_lag_ms", 3_001, 5)
    assert seen[0] == Sighting("positions_lag_ms", 3_001, 4, 5)


def test_a_broken_promise_is_said_and_an_unknown_one_is_learnt():
    seen = sighted(sighted((), "positions_lag_ms", 3_000, 1), "trades_lag_ms", 1_000, 1)
    seen = sighted(seen, "positions_lag_ms", 500, 9)
    (broken,) = contradictions(seen, PROMISES)
    assert broken == Contradiction("positions_lag_ms", 2_000, 3_000, 2, 1)
    # What was seen the other time kept the promise, and is not said to have broken it.
    assert broken.why == (
        "positions_lag_ms is promised as 2000, and 3000 was seen, the most in 2 sightings"
    )
    assert taught(PROMISES, seen) is PROMISES
    unknown = VenuePromises.careful().replace(positions_lag_ms=500, trades_lag_ms=5_000)
    assert contradictions(seen, unknown) == ()
    learnt = taught(unknown, seen)
    assert (learnt.positions_lag_ms, learnt.trades_lag_ms) == (3_000, 5_000)
    assert learnt.unknown == unknown.unknown
