"""One number of one metric: `Sample`; and how numbers and labels are made of anything."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from math import isinf
from numbers import Real
from typing import Any, Final, NamedTuple, TypeVar

from ..errors import ArgumentTypeError
from ..showing import cut, shown
from .table import Metric, metric_of

__all__ = ["Sample", "Samples", "label_of", "number_of"]

T = TypeVar("T")

_LONGEST: Final = 200


class Sample(NamedTuple):
    """One number of one metric.

    Attributes:
        metric: which.
        value: the number.
        labels: the values of its labels, in the order of their names.

    >>> Sample(metric_of("store.records"), 7.0, ("settings",)).metric.exposed
    'cowstate_store_records'
    """

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


def number_of(value: Any) -> float:
    """Return *value* as a number of a metric.

    Raises:
        ArgumentTypeError: it is none.
        OverflowError: it is too large.

    >>> number_of(True), number_of(Decimal("0.5"))
    (1.0, 0.5)
    """
    if not isinstance(value, Real | Decimal):
        raise ArgumentTypeError(f"a figure is a number, not {shown(value)}")
    number = float(value)
    if isinf(number) and value != number:
        raise OverflowError(f"{shown(value)} is too large for a figure")  # as of an int
    return number


def label_of(value: object) -> str:
    """Return *value* as the value of a label: text that can be sent, in bounded length.

    >>> label_of(7), label_of("a" + chr(0xD800))
    ('7', 'a?')
    """
    return cut(str(value).encode("utf-8", "replace").decode("utf-8"), _LONGEST)


class Samples(list[Sample]):
    """The samples of one source, as they come together.

    Args:
        source: the first of the labels, which says whose they are.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source

    def note(self, name: str, value: Any, *labels: object) -> None:
        """Add one of the metric called *name*; a value of None is not known, and no sample."""
        if value is not None:
            texts = map(label_of, (self._source, *labels))
            self.append(Sample(metric_of(name), number_of(value), tuple(texts)))

    def note_which(self, name: str, value: T | None, among: Iterable[T]) -> None:
        """Add one for each of what it may be: 1 for what it is, 0 for the others."""
        for each in among:
            self.note(name, each == value, each)
