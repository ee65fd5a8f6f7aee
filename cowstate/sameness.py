"""When a record counts as the same as another one: by identity, or by equality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias

from .errors import ArgumentValueError
from .showing import shown

__all__ = ["Equal", "Sameness", "equal", "rule_of", "same"]

Sameness: TypeAlias = Literal["identity", "equality"]
"""What a write must bring to be one; see `Store`."""

Equal: TypeAlias = Callable[[Any, Any], bool]


_BOOLS: Final = ("bool", "bool_")
"""What the type of a truth value is called, in numpy as well."""


def equal(one: Any, other: Any) -> bool:
    """Whether ``one == other`` is True; False where that raises, or gives no truth value.

    An array is none, nor is an expression of a query; numpy's own True is one.

    >>> equal(1, True), equal([1], [2])
    (True, False)
    >>> from decimal import Decimal
    >>> equal(Decimal("sNaN"), Decimal("sNaN"))   # whose == may raise
    False
    """
    try:
        answer = one == other
        return answer is True or (type(answer).__name__ in _BOOLS and bool(answer))
    except Exception:
        return False


def same(one: Any, other: Any) -> bool:
    """Whether they are one object, or equal. What cannot be compared is the same as itself only."""
    return one is other or equal(one, other)


def rule_of(sameness: Sameness) -> Equal | None:
    """Return what is asked of two records that are not one object; None for nothing.

    Raises:
        ArgumentValueError: there is no such rule.
    """
    if sameness == "identity":
        return None
    if sameness == "equality":
        return equal
    raise ArgumentValueError(f"same must be 'identity' or 'equality', not {shown(sameness)}")
