"""What will happen in a world whoever lives in it: the market, accidents, bad hours of endpoints.

All of it is worked out from the seed before the world begins, and each fault has numbers of its
own: so two rules live through the same, and a fault that is left out changes no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import NamedTuple

from ..tape import Trade
from .faults import FROZEN_MS, KINDS, WorldFaults

__all__ = ["CENTRE", "LOT", "START_MS", "STEP", "Accident", "Dice", "Hours", "Script", "script_of"]

START_MS = 1_700_000_000_000
CENTRE = 1_000
STEP = Decimal(10)
LOT = Decimal("0.05")

_RANGE = 45
_THOUSANDTH = Decimal("0.001")
_ACCIDENTS = (
    "amend",
    "cancel",
    "manual",
    "manual_large",
    "foreign",
    "funding",
    "liquidation",
    "adjustment",
    "crash",
)
_HOURS = {
    "frozen": FROZEN_MS,
    "rate_limit": 6_000,
    "empty": 8_000,
    "silent": 15_000,
    "gap": 10_000,
}
_NUMBERS = {name: number for number, name in enumerate([*KINDS, "moves", "sizes", "world"])}


class Dice:
    """Chances, each fault with numbers of its own. The same calls give the same, everywhere.

    >>> dice = Dice(7)
    >>> dice.below("latency", 100), dice.below("latency", 100), Dice(7).below("latency", 100)
    (11, 32, 11)
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made: dict[str, Random] = {}

    def part(self, name: str) -> float:
        """Return a number from 0 to 1, the next of *name*'s own."""
        # Of Random, only random() is promised to give the same numbers in later versions.
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = Random(self._seed * 1_000 + _NUMBERS[name])
        return made.random()

    def below(self, name: str, limit: int) -> int:
        """Return a whole number from 0 to *limit* less one."""
        return int(self.part(name) * limit)

    def happens(self, name: str, probability: float) -> bool:
        """Whether what is so probable happens this time; 0 uses no number up."""
        return probability > 0 and self.part(name) < probability


class Accident(NamedTuple):
    """Something that somebody does at a moment; *size* from 0 to 1 says how much, or to whom."""

    time_ms: int
    kind: str
    size: float


class Hours:
    """Spans of time, in order, none of which overlap: when an endpoint does not do as it should."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self.spans = spans

    def began(self, time_ms: int) -> int | None:
        """Return when the span began in which *time_ms* lies, or None."""
        for start, end in self.spans:
            if start <= time_ms < end:
                return start
        return None


class Script(NamedTuple):
    """What happens in one world until its faults stop, at *end_ms*; the market goes on longer."""

    market: list[Trade]
    accidents: list[Accident]
    hours: dict[str, Hours]
    end_ms: int
    offset_ms: int


def script_of(seed: int, faults: WorldFaults, active_ms: int, after_ms: int) -> Script:
    """Return what happens in the world of *seed*: faults for *active_ms*, a market to the end."""
    dice = Dice(seed)
    end = START_MS + active_ms
    accidents = sorted(
        Accident(time, kind, dice.part(kind))
        for kind in _ACCIDENTS
        for time in _moments(dice, kind, getattr(faults, kind), active_ms)
    )
    hours = {
        kind: Hours(
            [
                (time, min(time + 500 + dice.below(kind, longest - 500), end))
                for time in _moments(dice, kind, getattr(faults, kind), active_ms, longest)
            ]
        )
        for kind, longest in _HOURS.items()
    }
    offset = int((2 * dice.part("clock") - 1) * faults.clock)
    return Script(list(_market(dice, faults, active_ms + after_ms)), accidents, hours, end, offset)


def _moments(
    dice: Dice, kind: str, per_minute: float, active_ms: int, apart: int = 1
) -> Iterator[int]:
    if per_minute <= 0:
        return
    # At least one in each world that has the fault: a short world would often be without.
    mean = min(60_000 / per_minute, active_ms / 2)
    time = START_MS + int(2 * mean * dice.part(kind))
    while time < START_MS + active_ms:
        yield time
        time += apart + int(2 * mean * dice.part(kind))


def _market(dice: Dice, faults: WorldFaults, length_ms: int) -> Iterator[Trade]:
    gap = max(1, int(2_000 / faults.market)) if faults.market else length_ms + 1
    time, price = START_MS + 1 + dice.below("market", gap), CENTRE
    number = 0
    while time < START_MS + length_ms:
        number += 1
        # A walk that is drawn back to where it began, so that the same slots trade again.
        pull = (price - CENTRE) / _RANGE
        price += int((2 * dice.part("moves") - 1 - pull * 0.5) * 12)
        if dice.happens("partial", faults.partial):
            quantity = (1 + dice.below("sizes", 120)) * _THOUSANDTH
        else:
            quantity = (1 + dice.below("sizes", 3)) * LOT
        yield Trade(time, number, Decimal(price), quantity, dice.part("moves") < 0.5)
        time += 1 + dice.below("market", gap)
