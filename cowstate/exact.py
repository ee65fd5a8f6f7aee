"""What a sum is made of, without rounding, whoever adds: `moved`, `checked`."""

from __future__ import annotations

from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any

from .errors import ArgumentTypeError, ArgumentValueError
from .showing import shown

__all__ = ["checked", "moved"]

# Decimal arithmetic rounds to the precision of the *calling thread's* context. A total that
# every thread moves must not depend on who moved it last, and must never round in silence.
_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


def moved(total: Any, was: Any, now: Any) -> Any:
    """Return ``total - was + now``; by the exact context if a Decimal is among them."""
    try:
        # Of a total that *was* is in, it has made a Decimal if it is one.
        if isinstance(total, Decimal) or isinstance(now, Decimal):
            return _EXACT.add(_EXACT.subtract(total, was), now)
        return total - was + now
    except Inexact:
        raise ArgumentValueError(
            f"Aggregate.sum would have to round: {shown(now)} and the total are too many "
            f"digits apart for the {_EXACT.prec} that are kept"
        ) from None
    except TypeError as error:
        raise ArgumentTypeError(
            f"Aggregate.sum cannot add {shown(now)} to {shown(total)} ({error}); return an int, a "
            "Decimal or a Fraction, and 0 for a record that has no amount"
        ) from error


def checked(amount: Any) -> Any:
    """Return *amount*, if it can be added up, and taken out again."""
    if isinstance(amount, float):
        raise ArgumentTypeError(
            "Aggregate.sum was given a float, whose running sum would drift; "
            "return a Decimal, a Fraction or an int"
        )
    if isinstance(amount, Decimal) and not amount.is_finite():
        raise ArgumentValueError(
            f"Aggregate.sum was given {amount}, which no later change could take out; "
            "return 0 for a record that has no amount"
        )
    return amount
