"""Whether orders may be placed now, and why not: `Permit`."""

from __future__ import annotations

from cowstate import Record

__all__ = ["TRADING", "Permit"]


class Permit(Record):
    """Whether orders may be placed.

    Attributes:
        trade: whether they may.
        flatten: whether the position is to be closed instead.
        why: why not, in words.
    """

    trade: bool = True
    flatten: bool = False
    why: str = ""


TRADING = Permit()
"""Nothing holds trading back."""
