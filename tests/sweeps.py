"""How much of what is swept point by point is tried: all of it takes hours.

``COWSTATE_LAWS`` says how many times as many points as usual: ``10`` for ten times as many,
``0.3`` for a third of them, ``all`` for every one. `.ci/run` takes the usual number on the first
interpreter, and fewer on those that follow it.
"""

from __future__ import annotations

import os

HOW_MUCH = os.environ.get("COWSTATE_LAWS", "1")
EVERYTHING = HOW_MUCH == "all"
SHARE = 1.0 if EVERYTHING else float(HOW_MUCH)


def as_many(usual: int) -> int:
    """How many of something are tried of which usually *usual* are; one at least."""
    return max(1, round(usual * SHARE))


def at_least(usual: int) -> int:
    """What must have come of it where usually *usual* must: less where fewer are tried."""
    return max(1, round(usual * min(SHARE, 1)))


def step(usual: int) -> int:
    """Each which point is tried where it is usually each *usual*-th."""
    if EVERYTHING:
        return 1
    return max(1, round(usual / SHARE))
