"""Exact numbers from what ccxt says: `exact`, `exact_or`, and whole ones: `whole_ms`.

A client of ccxt gives numbers as text where it is told to (``number``), as ints where the venue
does. A float is refused, and not rounded back: what was lost in it nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from cowstate import ArgumentTypeError, ArgumentValueError

from ...book.model import EXACT

__all__ = ["ensure_bounded", "exact", "exact_in", "whole_ms"]

# Python takes digits of all scripts for such, and underscores and spaces among them.
_POWER: Final = re.compile(r"\s*[-+]?[\d._]*\s*[eE]\s*([-+]?[\d_]+)\s*")
# An id of somebody else's may look like a power of ten, too.
_VAST: Final = 1_000_000


def exact(name: str, value: object) -> Decimal:
    """Return the number that *value* says: a text, an int or a `Decimal`. Pure.

    Raises:
        ArgumentTypeError: it is of another type, a float among them.
        ArgumentValueError: it is a text that is no finite number, or has more than 100 digits
            before or after its point.

    >>> exact("price", "61000.10"), exact("amount", 2)
    (Decimal('61000.10'), Decimal('2'))
    """
    if isinstance(value, float):
        raise ArgumentTypeError(
            f"{name} is the float {value!r}, which is rounded already; make the client of ccxt "
            "with {'number': str}"
        )
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, and no number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("nan")
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ArgumentValueError(f"{name} is {str(value)[:40]!r}, and no finite number")
    # Ten letters are enough for a number that fills all memory when it is written out.
    if max(len(digits), abs(exponent)) > EXACT.prec:
        raise ArgumentValueError(f"{name} has more than {EXACT.prec} digits: {str(number)[:40]!r}")
    return number


def exact_in(said: Mapping[str, Any], *names: str) -> Decimal | None:
    """Return the first number that stands under one of *names*, None where there is none. Pure.

    An empty text is none: so some venues write what they do not know.

    Raises:
        ArgumentTypeError, ArgumentValueError: what stands there is no exact number.

    >>> exact_in({"cost": "", "cumQuote": "12.5"}, "cost", "cumQuote")
    Decimal('12.5')
    """
    for name in names:
        value = said.get(name)
        if value is not None and value != "":
            return exact(name, value)
    return None


def whole_ms(value: object) -> int:
    """Return a time in milliseconds, 0 where there is none. Pure.

    Raises:
        ArgumentTypeError, ArgumentValueError: it is no number.

    >>> whole_ms("1700000000123"), whole_ms(None)
    (1700000000123, 0)
    """
    return 0 if value is None or value == "" else int(exact("time", value))


def ensure_bounded(found: object) -> None:
    """Refuse a body in which a number stands that nobody means. Pure; costs O(size).

    A client of ccxt works with it before anybody can look, and ten to the power of a thousand
    million takes all of the memory, and no signal ends it.

    Raises:
        ArgumentValueError: one stands there.

    >>> ensure_bounded([{"filled": "0.5", "id": "71e9-04"}])
    >>> ensure_bounded([{"filled": "1e999999999"}])
    Traceback (most recent call last):
        ...
    cowstate.errors.ArgumentValueError: a number of more than a million digits: 1e999999999
    """
    left = [found]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
        elif isinstance(each, str) and _is_vast(each):
            raise ArgumentValueError(f"a number of more than a million digits: {each[:40]}")


def _is_vast(text: str) -> bool:
    found = _POWER.fullmatch(text)
    try:
        return found is not None and abs(int(found[1])) >= _VAST
    except ValueError:  # it is no number to anybody
        return False
