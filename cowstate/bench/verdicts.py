"""What a target is, and whether it is reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from .measure import Operation, Ratio, Settings, ratio_of, time_all
from .orders import manager_operations
from .rivals import Bare
from .variants import Variant, variants

__all__ = ["BARE", "Part", "Target", "Verdict", "judge"]

BARE = "a method that returns an attribute"
"""What no snapshot can be cheaper than."""


class Part(NamedTuple):
    """One side of a ratio: a workload of a variant at a size, so many times."""

    workload: str
    variant: str
    size: int
    times: int = 1


class Target(NamedTuple):
    """One demand. The value is the first of two *sides* by the second, or what *measure* gives.

    Attributes:
        what: for the table.
        bound: the most, or where *at_least* the least, that the value may be; None: only shown.
    """

    what: str
    bound: float | None
    sides: tuple[Part, Part] | None = None
    at_least: bool = False
    measure: Callable[[Settings], Ratio | str] | None = None


class Verdict(NamedTuple):
    """What became of a target: the value reached, or why there is none."""

    target: Target
    reached: Ratio | None
    skipped: str = ""

    @property
    def ok(self) -> bool:
        """Whether the target is not missed."""
        bound, reached = self.target.bound, self.reached
        if bound is None or reached is None:
            return True
        return reached.value >= bound if self.target.at_least else reached.value <= bound

    def row(self) -> list[str]:
        """Return the cells for the table."""
        target = self.target
        limit = ""
        if target.bound is not None:
            limit = f"{'>=' if target.at_least else '<='} {target.bound:,g}"
        if self.reached is None:
            return [target.what, limit, "", "", f"skipped: {self.skipped}"]
        value, low, high = self.reached
        word = "shown" if target.bound is None else "ok" if self.ok else "MISSED"
        return [target.what, limit, f"{value:,.4g}", f"{low:,.3g} to {high:,.3g}", word]


def judge(
    demanded: Iterable[Target], settings: Settings, tell: Callable[[str], object]
) -> Iterator[Verdict]:
    """Measure and yield a verdict for each target; *tell* is told what comes next.

    Targets that follow each other and are of the same workload are measured in one go.
    """
    for _, group in groupby(demanded, key=_topic):
        together = list(group)
        for target in together:
            tell(target.what)
            if target.measure is not None:
                outcome = target.measure(settings)
                if isinstance(outcome, str):
                    yield Verdict(target, None, outcome)
                else:
                    yield Verdict(target, outcome)
        yield from _judge_timed([target for target in together if target.sides], settings)


def _topic(target: Target) -> Any:
    return target.what if target.sides is None else target.sides[0][::2]


def _judge_timed(together: list[Target], settings: Settings) -> Iterator[Verdict]:
    made: dict[tuple[str, int], Variant] = {}
    operations: dict[Part, Operation | None] = {}
    for part in [part for target in together for part in target.sides or ()]:
        if part not in operations:
            operations[part] = _operation(part, made)
    there = {str(part): each for part, each in operations.items() if each is not None}
    samples = time_all(there, settings)
    for target in together:
        if target.sides is None:
            continue
        over, under = target.sides
        if str(over) in samples and str(under) in samples:
            scale = over.times / under.times
            ratio = ratio_of(samples[str(over)], samples[str(under)])
            yield Verdict(target, Ratio(*(value * scale for value in ratio)))
        else:
            yield Verdict(target, None, "not all that it compares is installed")
    for variant in made.values():
        variant.close()


def _operation(part: Part, made: dict[tuple[str, int], Variant]) -> Operation | None:
    if part.variant == BARE:
        return Operation("snapshot()", {"snapshot": Bare().get})
    if part.workload == "on_order_update":
        return manager_operations(part.workload, part.size)[part.variant]
    make = variants().get(part.variant)
    if make is None:
        return None
    place = (part.variant, part.size)
    if place not in made:
        made[place] = make(part.size)
    return made[place].operation(part.workload)
