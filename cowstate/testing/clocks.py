"""A clock that stands until somebody sets it on: `ManualClock`."""

from __future__ import annotations

import math
import threading

from ..errors import ArgumentTypeError, ArgumentValueError
from ..showing import shown

__all__ = ["ManualClock"]


class ManualClock:
    """A clock to be handed to code that asks what time it is, in the place of ``time.monotonic``.

    Called, it returns the time in seconds, which moves only by `advance`, and never back.
    Thread-safe.

    Raises:
        ArgumentTypeError, ArgumentValueError: *start* is no number, or not finite.

    >>> from cowstate import History, Store
    >>> clock = ManualClock()
    >>> store = Store({"a": 1}, history=History(seconds=60, clock=clock))
    >>> store.set("a", 2).version, clock.advance(61), store.set("a", 3).version
    (1, 61.0, 2)
    >>> clock()
    61.0
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = _seconds("start", start)
        # Reentrant, for a signal handler or a finalizer that comes in between may set it on, too.
        self._lock = threading.RLock()

    def __call__(self) -> float:
        """Return the time.

        >>> ManualClock(5)()
        5.0
        """
        return self._now

    def advance(self, seconds: float) -> float:
        """Set it on by *seconds*, and return what it shows then.

        Raises:
            ArgumentValueError: they are negative, or not finite.
            ArgumentTypeError: they are no number.

        >>> clock = ManualClock(100)
        >>> clock.advance(0.5)
        100.5
        """
        step = _seconds("seconds", seconds)
        if step < 0:
            raise ArgumentValueError(f"a clock does not go back by {-step:g} s")
        with self._lock:
            self._now += step
            return self._now

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now:g} s>"


def _seconds(name: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be a number of seconds, not {shown(value)}")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise ArgumentValueError(f"{name} must be a finite number of seconds, not {shown(value)}")
    return seconds
