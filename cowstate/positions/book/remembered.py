"""What a reconciler must still know after a restart: halts, what was sighted, past divergences.

These are kept in the `Account`, and so published, saved and restored with the slots.
"""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

__all__ = ["BreakerState", "PastDivergence", "Sighting"]


class BreakerState(Record):
    """The state of one symbol's breaker. Open means: no trading. *trips* counts the openings.

    *reason* and *opened_ms* tell of the latest opening.

    Attributes:
        open: whether trading is halted.
        reason: why, in words.
        opened_ms: since when, by our clock.
        trips: how often it has opened.
        flatten: whether the position is to be closed meanwhile.
        proof_closes: whether it closes by itself when both sides are proven to agree. Else only
            somebody who names the reason can close it.
    """

    open: bool = False
    reason: str = ""
    opened_ms: int = 0
    trips: int = 0
    flatten: bool = False
    proof_closes: bool = False


class Sighting(Record):
    """The most that was seen of something that is promised, when first, and in how many answers."""

    promise: str
    most: int
    times: int
    most_ms: int


class PastDivergence(Record):
    """A divergence that was proven, and how it ended; times are of our clock.

    *least* is how large it was at least, signed.
    """

    since_ms: int
    until_ms: int
    least: Decimal
    ended: str
