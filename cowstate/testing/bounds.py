"""Bounds that are given: whole numbers, at least so large."""

from __future__ import annotations

from ..errors import ArgumentTypeError, ArgumentValueError
from ..showing import shown

__all__ = ["check_bound", "check_bound_or_none"]


def check_bound(name: str, value: object, least: int) -> None:
    """Refuse *value*, the argument *name*, unless it is a whole number from *least* on.

    Raises:
        ArgumentTypeError: it is no whole number.
        ArgumentValueError: it is less.
    """
    _check(name, value, least, "a whole number")


def check_bound_or_none(name: str, value: object, least: int) -> None:
    """Likewise, where None stands for no bound."""
    if value is not None:
        _check(name, value, least, "a whole number or None")


def _check(name: str, value: object, least: int, wanted: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentTypeError(f"{name} must be {wanted}, not {shown(value)}")
    if value < least:
        raise ArgumentValueError(f"{name} must be at least {least}, not {value}")
