"""When an answer was given: looks at the position, readings of the trades, and their moments.

Two clocks occur. The venue's stamps its answers and our trades; our own says when a request left
and when its answer came. What is derived from one is never compared with what is derived from the
other but within `VenuePromises.clock_ms`.
"""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

from ..book.model import EXACT
from ..book.reports import Leg, PositionReport
from ..exchange.listing import Listing
from ..exchange.promises import VenuePromises

__all__ = [
    "PositionLook",
    "TradesReading",
    "Window",
    "complete_until",
    "covers",
    "quantity_of",
    "shows",
    "window_of",
]


class PositionLook(Record):
    """One answer to the question for a position.

    Attributes:
        quantity: what the venue says is held, signed.
        sent_ms: when the request left, by our clock.
        came_ms: when the answer came, by our clock.
        answered_ms: when the venue answered, by its clock; None if it does not say.
        as_of_ms: of which moment the answer is, by the venue's clock; None if it does not say.
    """

    quantity: Decimal
    sent_ms: int
    came_ms: int
    answered_ms: int | None = None
    as_of_ms: int | None = None


class TradesReading(Record):
    """One reading of the list of our trades, over all of its pages.

    Attributes:
        sent_ms: when its first request left, by our clock.
        complete: whether it came to the end of the list.
        as_of_ms: of which moment the list is, by the venue's clock; None if it does not say.
    """

    sent_ms: int
    complete: bool
    as_of_ms: int | None = None


class Window(Record):
    """The moments of which an answer may be: from *lowest* to *highest*, by the venue's clock.

    *fits* is False if the answer's stamp contradicts the promises: then the window holds the
    moments that either clock allows.
    """

    lowest: int
    highest: int
    fits: bool = True


def quantity_of(
    listing: Listing[PositionReport], symbol: str, leg: Leg, promises: VenuePromises
) -> Decimal | None:
    """Return what *listing* says is held in one leg, None if it says nothing of it.

    Several reports of one leg (isolated and cross margin, say) add up. A leg that is missing
    from a list of positions that names another leg of the symbol is flat; a list without the
    symbol says so only if the venue promises it.

    >>> promises = VenuePromises.careful()
    >>> listing = Listing((PositionReport("X", Decimal(2), leg=Leg.LONG),))
    >>> quantity_of(listing, "X", Leg.SHORT, promises), quantity_of(listing, "Y", Leg.NET, promises)
    (Decimal('0'), None)
    """
    there = [report for report in listing if report.symbol == symbol]
    if not listing.complete or not (there or promises.empty_is_flat):
        return None
    if any((report.leg is Leg.NET) is not (leg is Leg.NET) for report in there):
        # One net position was asked for and legs came, or the other way round.
        return None
    total = Decimal(0)
    for report in there:
        if report.leg is leg:
            total = EXACT.add(total, report.quantity)
    return total


def window_of(look: PositionLook, promises: VenuePromises) -> Window:
    """Return the moments whose state *look* may show. Pure.

    By the venue's stamp the answer was given at ``answered_ms``, so it shows a moment of the lag
    before that. By our own clock it was given between sending and coming. Both are true, so the
    moment is in both windows; where these have nothing in common, a promise is broken, and
    what either allows is taken.

    >>> look = PositionLook(Decimal(1), 10_000, 10_200, answered_ms=10_100)
    >>> window = window_of(look, VenuePromises.exact(positions_lag_ms=2_000, clock_ms=50))
    >>> window.lowest, window.highest
    (8100, 10100)
    """
    lag, slack = promises.positions_lag_ms, promises.clock_ms
    lowest, highest = look.sent_ms - lag - slack, look.came_ms + slack
    if look.as_of_ms is not None:
        early, late = look.as_of_ms - promises.stamp_ms, look.as_of_ms + promises.stamp_ms
    elif look.answered_ms is not None:
        early = look.answered_ms - lag - promises.stamp_ms
        late = look.answered_ms + promises.stamp_ms
    else:
        return Window(lowest, highest)
    if max(lowest, early) > min(highest, late):
        return Window(min(lowest, early), max(highest, late), fits=False)
    return Window(max(lowest, early), min(highest, late))


def shows(reading: TradesReading, happened_ms: int, promises: VenuePromises) -> bool:
    """Whether *reading* lists every trade that had happened at a moment of our clock. Pure.

    It was asked for later than that by more than the list may lag, for a millisecond is long.
    """
    return reading.complete and reading.sent_ms - promises.trades_lag_ms > happened_ms


def covers(reading: TradesReading, look: PositionLook, promises: VenuePromises) -> bool:
    """Whether every trade that *look* can have seen is listed in *reading*. Pure.

    *reading* must have been asked for after the answer of *look* had come. The moment of the look
    is no later than that, so a list that does not lag covers it, and one that lags if it was asked
    for later by more than its lag: by one and the same clock, ours. Or the list says itself of
    which moment it is, and that is past the window of the look.
    """
    if not reading.complete:
        return False
    if promises.trades_lag_ms == 0 or shows(reading, look.came_ms, promises):
        return True
    if reading.as_of_ms is None:
        return False
    return reading.as_of_ms - promises.stamp_ms > window_of(look, promises).highest


def complete_until(reading: TradesReading, promises: VenuePromises) -> int:
    """Return a moment of the venue's clock before which *reading* has left nothing out. Pure.

    From there on the list is to be read again. It means something for a complete reading only.

    >>> complete_until(TradesReading(9_000, True), VenuePromises.exact(trades_lag_ms=2_000))
    7000
    """
    until = reading.sent_ms - promises.trades_lag_ms - promises.clock_ms
    if reading.as_of_ms is None:
        return until
    return max(until, reading.as_of_ms - promises.stamp_ms)
