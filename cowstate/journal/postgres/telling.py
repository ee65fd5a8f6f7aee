"""Which writes tell those who follow: `Telling`, and when these look once more."""

from __future__ import annotations

from math import inf
from typing import Final

__all__ = ["AGAIN", "HUSH", "Telling"]

HUSH: Final = 0.005
"""For how long, in seconds, after a write that told began, others need not: a server wakes all who
follow for each word, one by one, and with ten of them that takes longer than the write."""

AGAIN: Final = 0.01
"""How long, in seconds, after a look that found something there is one more, told or not.

What nobody told of was there before `HUSH` was over, by the clock of who writes; the word, and so
this look, came after that began. So the one more look finds it, for it is more than that later."""


class Telling:
    """Says of each write whether it tells; one thread at a time. Times are in seconds.

    >>> telling = Telling()
    >>> telling.due(0.0), telling.ended(0.0, 0.001, told=True)
    (True, False)
    >>> telling.due(0.004), telling.ended(0.004, 0.0045, told=False)
    (False, False)
    >>> telling.ended(0.0045, 0.006, told=False)
    True
    """

    def __init__(self) -> None:
        self._began = -inf

    def due(self, now: float) -> bool:
        """Whether a write that begins *now* has to tell."""
        return now - self._began >= HUSH

    def ended(self, began: float, now: float, *, told: bool) -> bool:
        """Note a write that ends *now*; whether it has to be told of after all.

        That is so where it took long: whoever follows may have looked before it was there.
        """
        if told:
            self._began = began
        return not told and self.due(now)
