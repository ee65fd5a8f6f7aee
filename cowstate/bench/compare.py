"""What a change did: the figures of a run beside those of an earlier one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from .measure import Figure
from .report import amount
from .variant import LOCKED

__all__ = ["COLUMNS", "NOISE", "Comparison", "compare"]

NOISE: Final = 0.1
"""By which part a figure must differ before a change is said to have changed it."""

COLUMNS = ("records", "variant", "before", "now", "x before", "x before, beside", "verdict")


class Comparison(NamedTuple):
    """One figure now and before.

    Attributes:
        raw: how many times the least sample of before.
        beside: the same of what it was in its own run by the variant that stands beside it, so
            that another machine, or the same one on another day, changes little; 0 if the run
            of before had not both.
    """

    before: Figure
    now: Figure
    raw: float
    beside: float

    @property
    def verdict(self) -> str:
        """Whether it is another figure. Of a time and of bytes, less is better."""
        value = self.beside or self.raw
        if 1 / (1 + NOISE) < value < 1 + NOISE:
            return ""
        better = (value > 1) == (self.now.unit == "per s")
        return "better" if better else "WORSE"

    def row(self) -> list[str]:
        """Return the cells for the table."""
        unit = self.now.unit
        return [
            f"{self.now.size:,}",
            self.now.variant,
            amount(self.before.least, unit),
            amount(self.now.least, unit),
            f"{self.raw:.2f}",
            f"{self.beside:.2f}" if self.beside else "",
            self.verdict,
        ]


def compare(before: Iterable[Figure], now: Iterable[Figure]) -> list[tuple[str, list[Comparison]]]:
    """Return a title and the comparisons of each workload and quantity, of what both runs have."""
    old = _by_place(before)
    new = _by_place(now)
    found = [
        Comparison(
            old[place],
            figure,
            figure.least / old[place].least,
            _by(_beside(new, place), _beside(old, place)),
        )
        for place, figure in new.items()
        if place in old and old[place].unit == figure.unit
    ]
    titled = groupby(found, key=attrgetter("now.workload", "now.quantity"))
    return [(": ".join(title), list(group)) for title, group in titled]


_Place = tuple[str, str, int, str]


def _by_place(figures: Iterable[Figure]) -> dict[_Place, Figure]:
    return {(each.workload, each.quantity, each.size, each.variant): each for each in figures}


def _beside(figures: dict[_Place, Figure], place: _Place) -> float:
    """How many times the locked twin that figure is, in its own run; 0 if there is no twin."""
    workload, quantity, size, variant = place
    twin = figures.get((workload, quantity, size, LOCKED))
    return figures[place].least / twin.least if twin and variant != LOCKED else 0.0


def _by(one: float, other: float) -> float:
    return one / other if other else 0.0
