"""How much of a tree some writes copy: an estimate."""

from __future__ import annotations

__all__ = ["reached"]


def reached(nodes: float, writes: float) -> float:
    """Return of how many *nodes*, as large as each other, so many *writes* change anything.

    As where each write falls on any of them: one reaches one, and many reach them all.

    >>> reached(32, 0), reached(32, 1), round(reached(32, 32)), round(reached(32, 1000))
    (0.0, 1.0, 20, 32)
    """
    return nodes * (1 - (1 - 1 / nodes) ** writes) if nodes > 1 else min(1.0, writes)
