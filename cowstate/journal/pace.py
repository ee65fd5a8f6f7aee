"""How often to look whether a file was written to: `Pace`."""

from __future__ import annotations

from typing import Final

__all__ = ["Pace"]

LIVELY: Final = 1.0
"""For how long, in seconds, it is looked as often as was asked for, after a version was found."""

RARER: Final = 4
"""How many times as long it is from one look to the next where nothing has been found since."""

RARELY: Final = 0.05
"""The longest time from one look to the next, in seconds, if no longer one was asked for."""


class Pace:
    """How long to pause from one look to the next: as asked for, and longer when nothing comes.

    To wake up is what looking costs: the look itself is a small part of it. So whoever follows a
    store that nobody writes wakes up less often; the first version after a quiet second is found
    that much later, and those that follow it are not.

    Args:
        every: how long it is while somebody writes, in seconds.
        now: the time, in seconds.

    >>> pace = Pace(0.01, now=0.0)
    >>> pace.pause(7, 0.0), pace.pause(7, 1.5), pace.pause(8, 1.5)
    (0.01, 0.04, 0.01)
    """

    def __init__(self, every: float, now: float) -> None:
        self._every = every
        self._rarer = max(every, min(RARER * every, RARELY))
        self._sign: object = None
        self._since = now

    def pause(self, sign: object, now: float) -> float:
        """Return how long to pause, in seconds, after a look at *now*.

        Args:
            sign: another one than before if something has come, or is about to.
            now: the time, in seconds.
        """
        if sign != self._sign:
            self._sign, self._since = sign, now
        return self._every if now - self._since < LIVELY else self._rarer
