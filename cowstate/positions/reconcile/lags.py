"""How late the venue really was, and which of its promises its own answers contradict.

A promise that is too bold does harm, and the answers often show it: one that fits only an old
state of the book is at least so old, and a trade that was missing from a list that should have
held it was listed so late. A sighting proves nothing alone, for somebody may have traded by hand
just what makes an old state fit. So it is said, and counted; only what nobody promised is learnt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from cowstate import Record

from ..book.ledger import Entry
from ..book.model import EXACT
from ..book.remembered import Sighting
from ..exchange.promises import VenuePromises
from .differences import states_in
from .looks import PositionLook, Window
from .standing import Standing

__all__ = [
    "Contradiction",
    "age_of",
    "contradictions",
    "late_trades",
    "sighted",
    "taught",
]


class Contradiction(Record):
    """A promise that answers of the venue contradict: *promised*, and the most that was *seen*.

    All in ms; *seen_ms* is when that was first seen, *times* how often something was.
    """

    promise: str
    promised: int
    seen: int
    times: int
    seen_ms: int

    @property
    def why(self) -> str:
        """The same in words."""
        return (
            f"{self.promise} is promised as {self.promised}, and {self.seen} was seen, the most in "
            f"{self.times} sightings"
        )


def age_of(
    look: PositionLook,
    standing: Standing,
    entries: Sequence[Entry],
    *,
    kept_ms: int,
    promises: VenuePromises,
    divergence: Decimal = Decimal(0),
) -> int | None:
    """Return how old the answer of *look* is at least, in ms; None if no state fits it. Pure.

    The newest state of the book that differs from the answer by *divergence*, which is known from
    elsewhere, ended when the next entry happened; the answer is older than that. To be asked once
    the entries cover the look; they reach back to *kept_ms*.

    >>> moves = [Entry(1, 1, None, 4_000, Decimal(2), Decimal(2), Decimal(0))]
    >>> look = PositionLook(Decimal(0), 9_000, 9_100, answered_ms=9_050)
    >>> promises = VenuePromises.exact(positions_lag_ms=2_000)
    >>> age_of(look, Standing(Decimal(2)), moves, kept_ms=0, promises=promises)
    5050
    """
    if look.answered_ms is None:
        answered = look.sent_ms - promises.clock_ms
        newest = look.came_ms + promises.clock_ms
    else:
        answered = look.answered_ms - promises.stamp_ms
        newest = look.answered_ms + promises.stamp_ms
    states = states_in(Window(kept_ms, max(newest, kept_ms)), standing.listed, entries)
    wanted = EXACT.subtract(look.quantity, divergence)
    for state in reversed(states):
        if state.total == wanted:
            ended = answered if state.until_ms is None else state.until_ms
            return max(answered - ended, 0)
    return None


def late_trades(fresh: Iterable[Entry], since_ms: int, promises: VenuePromises) -> int | None:
    """Return how far the list of trades lags at least, by new entries that it should have had.

    Everything before *since_ms* was complete, by the promised lag, when these were not listed
    yet. None if none is of that time. Pure.
    """
    oldest = min((entry.time_ms for entry in fresh), default=since_ms)
    return promises.trades_lag_ms + since_ms - oldest if oldest < since_ms else None


def sighted(
    sightings: tuple[Sighting, ...], promise: str, seen: int, now_ms: int
) -> tuple[Sighting, ...]:
    """Return *sightings* with one more, of *promise*. Pure."""
    before = next((each for each in sightings if each.promise == promise), None)
    if before is None:
        return (*sightings, Sighting(promise, seen, 1, now_ms))
    most, most_ms = (seen, now_ms) if seen > before.most else (before.most, before.most_ms)
    now = Sighting(promise, most, before.times + 1, most_ms)
    return tuple(now if each is before else each for each in sightings)


def contradictions(
    sightings: Iterable[Sighting], promises: VenuePromises
) -> tuple[Contradiction, ...]:
    """Return which of *promises* the sightings contradict; of the unknown ones, none can be."""
    return tuple(
        Contradiction(each.promise, promised, each.most, each.times, each.most_ms)
        for each in sightings
        if each.promise not in promises.unknown
        and (promised := getattr(promises, each.promise)) < each.most
    )


def taught(promises: VenuePromises, sightings: Iterable[Sighting]) -> VenuePromises:
    """Return *promises* as careful as the sightings demand, where nobody knows; pure.

    They are never made bolder: that nothing late was seen does not mean that nothing ever is.
    """
    raised = {
        each.promise: each.most
        for each in sightings
        if each.promise in promises.unknown and getattr(promises, each.promise) < each.most
    }
    return promises.replace(**raised) if raised else promises
