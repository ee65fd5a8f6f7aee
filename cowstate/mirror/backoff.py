"""How long to wait before a source is asked again: longer each time, and never all at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import ArgumentValueError, MissingExtraError
from ..showing import shown
from ..slips import ensure_function
from .options import checked_seconds

if TYPE_CHECKING:
    from tenacity.wait import wait_base

__all__ = ["Backoff", "backoff_of", "jittered"]

Backoff: TypeAlias = Callable[[int], float]
"""How many seconds to wait after so many failures in a row, from 1."""


def jittered(first: float = 0.5, most: float = 60.0, least: float = 0.05) -> Backoff:
    """Return the default: a random wait of at most *first*, then twice, four times that, ....

    By tenacity's ``wait_random_exponential``: the whole of the wait is random ("full jitter"), so
    that a thousand mirrors which lost the same server do not come back together.

    Args:
        first: the longest wait after the first failure, in seconds.
        most: the longest wait of all.
        least: the shortest one.

    Raises:
        MissingExtraError: tenacity is not installed.
        ArgumentTypeError, ArgumentValueError: they are no seconds, or not in this order.

    >>> wait = jittered(first=1, most=30)
    >>> 0.05 <= wait(1) <= 1, 0.05 <= wait(100) <= 30
    (True, True)
    """
    try:
        from tenacity.wait import wait_random_exponential
    except ImportError as error:
        raise MissingExtraError(
            "how long a mirror waits after an error (or give it a backoff= of your own)", "mirror"
        ) from error
    first = checked_seconds("first", first)
    most, least = checked_seconds("most", most), checked_seconds("least", least)
    if not least <= first <= most:
        raise ArgumentValueError(
            "of the seconds of a backoff, least <= first <= most must be true, not "
            f"{shown(least)}, {shown(first)}, {shown(most)}"
        )
    return by_tenacity(wait_random_exponential(multiplier=first, max=most, min=least))


def by_tenacity(wait: wait_base) -> Backoff:
    """Return a wait strategy of tenacity's as a function of the number of failures."""
    from tenacity import RetryCallState, Retrying

    retrying = Retrying()

    def seconds(failures: int) -> float:
        state = RetryCallState(retrying, fn=None, args=(), kwargs={})
        state.attempt_number = failures
        return float(wait(state))

    return seconds


def backoff_of(given: Any) -> Backoff:
    """Return what a mirror was given as ``backoff``, as a function; None for the default."""
    if given is None:
        return jittered()
    try:
        from tenacity.wait import wait_base
    except ImportError:
        pass
    else:
        if isinstance(given, wait_base):
            return by_tenacity(given)
    ensure_function(
        given,
        "backoff must be a function from the number of failures to seconds, or a wait of "
        "tenacity's",
    )
    own: Backoff = given
    return own
