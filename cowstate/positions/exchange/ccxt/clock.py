"""How far a venue's clock is from ours: `Offset`, an interval that questions make narrower."""

from __future__ import annotations

from cowstate import Record

__all__ = ["Offset", "offset_of"]


class Offset(Record):
    """By how much the venue's clock may be ahead of ours, in milliseconds.

    Attributes:
        lowest: at least by so much; negative: it may be behind.
        highest: at most.

    >>> offset = Offset(40, 60)
    >>> offset.middle, offset.within
    (50, 10)
    """

    lowest: int
    highest: int

    @property
    def middle(self) -> int:
        """The best guess."""
        return (self.lowest + self.highest) // 2

    @property
    def within(self) -> int:
        """How far the guess may be off."""
        return self.highest - self.middle

    def allows(self, told_ms: int, sent_ms: int, came_ms: int, within_ms: int) -> bool:
        """Return whether the venue can have told that time between two moments of ours. Pure.

        *within_ms*: how exact what it told is.

        >>> offset = Offset(40, 60)
        >>> offset.allows(1_050, 1_000, 1_100, 10), offset.allows(990, 1_000, 1_100, 10)
        (True, False)
        """
        earliest, latest = sent_ms + self.lowest, came_ms + self.highest
        return earliest - within_ms <= told_ms <= latest + within_ms

    def and_also(self, other: Offset) -> Offset:
        """Return what both allow; where they have nothing in common, the later, *other*. Pure.

        >>> Offset(0, 100).and_also(Offset(80, 300)), Offset(0, 10).and_also(Offset(90, 95))
        (Offset(lowest=80, highest=100), Offset(lowest=90, highest=95))
        """
        lowest, highest = max(self.lowest, other.lowest), min(self.highest, other.highest)
        return Offset(lowest, highest) if lowest <= highest else other


def offset_of(sent_ms: int, told_ms: int, came_ms: int) -> Offset:
    """Return what one question for the time tells. Pure.

    The venue read its clock between the sending and the coming of the answer, by ours, and cut off
    what is below a millisecond.

    >>> offset_of(1_000, 1_500, 1_040)
    Offset(lowest=460, highest=501)
    """
    return Offset(told_ms - came_ms, told_ms - sent_ms + 1)
