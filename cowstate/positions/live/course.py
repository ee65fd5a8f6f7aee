"""What a turn of the loop leads to, as pure functions: what is told, how long to rest.

A turn takes a price, hears of the orders and places what the grid wants. What came of it is a
`Turn`, what is remembered from one to the next is a `Course`. Nothing here looks at a clock.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from cowstate import Record

from ..exchange.promises import VenuePromises

__all__ = ["LONGEST_REST_S", "Course", "Telling", "Turn", "after", "next_pass_s", "rest_s"]

LONGEST_REST_S: Final = 60.0
"""How long it rests at most where one turn after another fails, unless the venue says more."""

_SHORTEST_PASS_S: Final = 0.5
_SECOND: Final = 1_000


class Turn(Record):
    """What came of one turn.

    Attributes:
        failed: what was not answered or was refused, in words; empty: nothing.
        wait_ms: for how long the venue says to stay away.
        placed: how many orders the venue took.
        refused: how many it did not take; *why*: what it said of the last of them.
        why: see *refused*.
        holds: why nothing may be placed; empty: it may.
    """

    failed: str = ""
    wait_ms: int | None = None
    placed: int = 0
    refused: int = 0
    why: str = ""
    holds: str = ""


class Course(Record):
    """What is remembered of the turns so far.

    Attributes:
        failures: how many turns failed in a row.
        refusals: how many turns in a row had orders refused, and none taken.
        wait_ms: for how long the venue said to stay away, in the last turn.
        holds: why nothing may be placed, as it was told last; empty: it may; None: not told.
    """

    failures: int = 0
    refusals: int = 0
    wait_ms: int | None = None
    holds: str | None = None


class Telling(StrEnum):
    """What somebody wants to read in the log. Of what lasts, each is told once."""

    FAILING = "FAILING"
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    HOLDS = "HOLDS"
    TRADES = "TRADES"


def after(course: Course, turn: Turn) -> tuple[Course, tuple[Telling, ...]]:
    """Return the course after a turn, and what is to be told of it. Pure.

    >>> course, told = after(Course(), Turn(failed="no answer"))
    >>> told, after(course, Turn(failed="no answer"))[1]
    ((<Telling.FAILING: 'FAILING'>, <Telling.TRADES: 'TRADES'>), ())
    >>> [each.value for each in after(course, Turn())[1]]
    ['ANSWERED']
    """
    told: list[Telling] = []
    failures = course.failures + 1 if turn.failed else 0
    if failures == 1:
        told.append(Telling.FAILING)
    elif course.failures and not failures:
        told.append(Telling.ANSWERED)
    refusals = course.refusals
    if turn.placed:
        refusals = 0
    elif turn.refused:
        refusals += 1
    if turn.refused and not course.refusals:
        told.append(Telling.REFUSED)
    if turn.holds != course.holds:
        told.append(Telling.HOLDS if turn.holds else Telling.TRADES)
    return Course(failures, refusals, turn.wait_ms, turn.holds), tuple(told)


def rest_s(course: Course, every_s: float) -> float:
    """Return for how many seconds to rest before the next turn. Pure.

    Twice as long after each turn that failed, or had all its orders refused, up to a minute; as
    long as the venue says, where it does.

    >>> [rest_s(Course(failures=count), 1.0) for count in (0, 1, 3, 99)]
    [1.0, 2.0, 8.0, 60.0]
    >>> rest_s(Course(failures=1, wait_ms=90_000), 1.0)
    90.0
    """
    doublings = min(max(course.failures, course.refusals), 16)
    longest = max(every_s, LONGEST_REST_S)
    rest: float = min(every_s * 2**doublings, longest)
    return rest if course.wait_ms is None else max(rest, course.wait_ms / _SECOND)


def next_pass_s(waiting: bool, interval_s: float, promises: VenuePromises) -> float:
    """Return in how many seconds the reconciler looks again. Pure.

    While trading waits for a first look that agrees, as soon as one may be judged: a list of
    trades that lags covers the look before only then.

    >>> lagging = VenuePromises.exact(trades_lag_ms=2_000)
    >>> next_pass_s(True, 60.0, lagging), next_pass_s(False, 60.0, lagging)
    (2.5, 60.0)
    """
    if not waiting:
        return interval_s
    late_ms = promises.trades_lag_ms + promises.stamp_ms + 2 * promises.clock_ms
    return min(interval_s, late_ms / _SECOND + _SHORTEST_PASS_S)
