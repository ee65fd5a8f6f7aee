"""What a divergence may be: a few numbers, or everything between two. `Possible`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Self

from cowstate import ArgumentValueError, Record

from ..book.model import EXACT

__all__ = ["Possible"]

_ZERO = Decimal(0)
# More numbers than that tell nobody more than their ends do.
_MOST = 4_096


class Possible(Record):
    """A set of numbers, one of which is the divergence: never empty. Made by `of` or `between`.

    What is told of it is exact. A set that holds more than it need is still right, only wider;
    one that lacks the truth is wrong.

    Attributes:
        values: the numbers, ascending, each once; where *whole*, the two ends, or one number.
        whole: whether everything between the ends is possible too.

    >>> seen = Possible.of([Decimal(0), Decimal("0.05"), Decimal(0)])
    >>> Decimal(0) in seen, seen.width, seen.exact
    (True, Decimal('0.05'), None)
    >>> (seen & Possible.between(Decimal("0.01"), Decimal(1))).exact
    Decimal('0.05')
    """

    values: tuple[Decimal, ...]
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.values:
            raise ArgumentValueError("a divergence is one of at least one number; values is empty")

    @classmethod
    def of(cls, values: Iterable[Decimal]) -> Self:
        """Return the set of *values*; of more than 4,096, everything between their ends.

        Raises:
            ArgumentValueError: there are none.
        """
        numbers = tuple(sorted(set(values)))
        if len(numbers) > _MOST:
            return cls.between(numbers[0], numbers[-1])
        return cls(numbers)

    @classmethod
    def between(cls, lowest: Decimal, highest: Decimal) -> Self:
        """Return everything from *lowest* to *highest*.

        Raises:
            ArgumentValueError: *lowest* is above *highest*.
        """
        if lowest > highest:
            raise ArgumentValueError(f"nothing is between {lowest} and {highest}")
        return cls((lowest,)) if lowest == highest else cls((lowest, highest), whole=True)

    @property
    def lowest(self) -> Decimal:
        """The lowest of them."""
        return self.values[0]

    @property
    def highest(self) -> Decimal:
        """The highest of them."""
        return self.values[-1]

    @property
    def width(self) -> Decimal:
        """How far the ends are apart: "to within" so much."""
        return EXACT.subtract(self.highest, self.lowest)

    @property
    def exact(self) -> Decimal | None:
        """The number, if there is only one."""
        return self.values[0] if len(self.values) == 1 else None

    @property
    def least(self) -> Decimal:
        """The one nearest to zero: the divergence is at least so large. Of two, the negative."""
        if _ZERO in self:
            return _ZERO
        return min(self.values, key=Decimal.copy_abs)

    def __contains__(self, number: Decimal) -> bool:
        if self.whole:
            return self.lowest <= number <= self.highest
        return number in self.values

    def __and__(self, other: Possible) -> Possible | None:
        """Return what both hold, or None if they have nothing in common."""
        if self.whole and other.whole:
            lowest = max(self.lowest, other.lowest)
            highest = min(self.highest, other.highest)
            return Possible.between(lowest, highest) if lowest <= highest else None
        few, others = (other, self) if self.whole else (self, other)
        inside = others if others.whole else set(others.values)
        common = tuple(number for number in few.values if number in inside)
        return Possible(common) if common else None

    def __or__(self, other: Possible) -> Possible:
        """Return what either holds; with an end that is *whole*, everything between the ends."""
        if self.whole or other.whole:
            lowest = min(self.lowest, other.lowest)
            return Possible.between(lowest, max(self.highest, other.highest))
        return Possible.of((*self.values, *other.values))

    def moved(self, by: Decimal) -> Possible:
        """Return the same set, each number with *by* added."""
        return self.replace(values=tuple(EXACT.add(number, by) for number in self.values))
