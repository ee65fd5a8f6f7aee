"""When an answer was given, what a list of positions says, and when trades are complete."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions.book.reports import Leg, PositionReport
from cowstate.positions.exchange.listing import Listing
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.looks import (
    PositionLook,
    TradesReading,
    Window,
    complete_until,
    covers,
    quantity_of,
    window_of,
)

ONE = Decimal(1)
LOOK = PositionLook(ONE, 10_000, 10_200)
PROMISES = VenuePromises.exact(positions_lag_ms=2_000, clock_ms=50, stamp_ms=5)


def report(quantity: int, leg: Leg = Leg.NET, symbol: str = "X") -> PositionReport:
    return PositionReport(symbol, Decimal(quantity), leg=leg)


# What a list of positions says


@pytest.mark.parametrize(
    ("reports", "leg", "quantity"),
    [
        ([report(2)], Leg.NET, 2),
        ([report(-2)], Leg.NET, -2),
        ([report(2), report(3)], Leg.NET, 5),
        ([report(2), report(9, symbol="Y")], Leg.NET, 2),
        ([report(2, Leg.LONG), report(-3, Leg.SHORT)], Leg.LONG, 2),
        ([report(2, Leg.LONG), report(-3, Leg.SHORT)], Leg.SHORT, -3),
        ([report(2, Leg.LONG)], Leg.SHORT, 0),
        ([report(2, Leg.LONG), report(-3, Leg.SHORT)], Leg.NET, None),
        ([report(2)], Leg.LONG, None),
        ([report(9, symbol="Y")], Leg.NET, None),
        ([], Leg.NET, None),
    ],
)
def test_legs_are_judged_apart_and_silence_is_not_zero(reports, leg, quantity):
    listing = Listing(tuple(reports))
    assert quantity_of(listing, "X", leg, VenuePromises.careful()) == quantity


def test_an_empty_list_is_flat_only_where_the_venue_promises_it():
    flat = VenuePromises.careful(empty_is_flat=True)
    assert quantity_of(Listing(), "X", Leg.NET, flat) == 0
    assert quantity_of(Listing((report(9, symbol="Y"),)), "X", Leg.LONG, flat) == 0
    assert quantity_of(Listing(complete=False), "X", Leg.NET, flat) is None
    assert quantity_of(Listing((report(2),), complete=False), "X", Leg.NET, flat) is None


# Windows


@pytest.mark.parametrize(
    ("stamps", "window"),
    [
        ({}, Window(7_950, 10_250)),
        ({"answered_ms": 10_100}, Window(8_095, 10_105)),
        ({"answered_ms": 10_250}, Window(8_245, 10_250)),
        ({"answered_ms": 9_950}, Window(7_950, 9_955)),
        ({"as_of_ms": 9_000}, Window(8_995, 9_005)),
        ({"as_of_ms": 9_000, "answered_ms": 10_100}, Window(8_995, 9_005)),
        ({"answered_ms": 10_255}, Window(8_250, 10_250)),
        ({"answered_ms": 12_260}, Window(7_950, 12_265, fits=False)),
        ({"answered_ms": 7_900}, Window(5_895, 10_250, fits=False)),
        ({"as_of_ms": 7_000}, Window(6_995, 10_250, fits=False)),
    ],
)
def test_a_window_is_what_both_clocks_allow(stamps, window):
    assert window_of(LOOK.replace(**stamps), PROMISES) == window


# Readings


@pytest.mark.parametrize(
    ("lag", "sent", "covered"),
    [
        (0, 10_200, True),
        (0, 10_300, True),
        (100, 10_300, False),
        (100, 10_301, True),
        (2_000, 10_300, False),
    ],
)
def test_a_reading_covers_a_look_if_it_was_asked_for_later_by_more_than_the_lag(lag, sent, covered):
    promises = PROMISES.replace(trades_lag_ms=lag)
    assert covers(TradesReading(sent, True), LOOK, promises) is covered
    assert not covers(TradesReading(sent, False), LOOK, promises)


@pytest.mark.parametrize(("as_of", "covered"), [(10_110, False), (10_111, True), (None, False)])
def test_a_reading_that_says_its_moment_need_not_wait(as_of, covered):
    promises = PROMISES.replace(trades_lag_ms=20_000)
    look = LOOK.replace(answered_ms=10_100)
    assert covers(TradesReading(10_210, True, as_of), look, promises) is covered
    assert not covers(TradesReading(10_210, False, as_of), look, promises)


def test_the_list_is_read_on_from_where_nothing_is_left_out():
    promises = PROMISES.replace(trades_lag_ms=2_000)
    assert complete_until(TradesReading(9_000, True), promises) == 6_950
    assert complete_until(TradesReading(9_000, True, 8_990), promises) == 8_985
    assert complete_until(TradesReading(9_000, True, 5_000), promises) == 6_950
