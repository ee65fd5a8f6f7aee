"""A value folded from all records, and moved by each change: `Aggregate`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any, Generic, TypeVar

from .changes import MISSING, Absent, Delta
from .errors import ArgumentTypeError, ArgumentValueError
from .immutability import check_immutable
from .showing import shown

__all__ = ["Aggregate"]

V = TypeVar("V")
S = TypeVar("S")


# Decimal arithmetic rounds to the precision of the *calling thread's* context. A total that
# every thread moves must not depend on who moved it last, and must never round in silence.
_EXACT = Context(prec=1000, traps=[Inexact, InvalidOperation, Overflow, DivisionByZero])


def _move(total: Any, was: Any, now: Any) -> Any:
    """Return ``total - was + now``; by the exact context if a Decimal is among them."""
    # Of a total that *was* is in, it has made a Decimal if it is one.
    if isinstance(total, Decimal) or isinstance(now, Decimal):
        try:
            return _EXACT.add(_EXACT.subtract(total, was), now)
        except Inexact:
            raise ArgumentValueError(
                f"Aggregate.sum would have to round: {shown(now)} and the total are too many "
                f"digits apart for the {_EXACT.prec} that are kept"
            ) from None
    return total - was + now


class Aggregate(Generic[V, S]):
    """A value folded from all records, moved by each change and never recomputed.

    Make one with `sum`, `count` or `fold`. Every function given must depend on the record
    alone and be short: it runs under the store's lock. Cost: O(1) for each changed record.

    >>> from cowstate import Store
    >>> store = Store({"a": 1, "b": 5}, aggregates={
    ...     "sum": Aggregate.sum(lambda n: n),
    ...     "large": Aggregate.count(lambda n: n > 3),
    ... })
    >>> commit = store.set("b", 2)
    >>> store.snapshot().total("sum"), store.snapshot().total("large")
    (3, 0)
    """

    __slots__ = ("_add", "_remove", "start")

    def __init__(self, start: S, add: Callable[[S, V], S], remove: Callable[[S, V], S]) -> None:
        for role, fn in (("add", add), ("remove", remove)):
            if not callable(fn):
                raise ArgumentTypeError(f"Aggregate: {role} must be a function, not {shown(fn)}")
        check_immutable(start)
        self.start = start
        self._add = add
        self._remove = remove

    @classmethod
    def fold(
        cls, start: S, add: Callable[[S, V], S], remove: Callable[[S, V], S]
    ) -> Aggregate[V, S]:
        """Fold with an inverse: ``remove(add(state, record), record) == state``, in any order.

        The state must be immutable, and *add* and *remove* return the next one.
        """
        return cls(start, add, remove)

    @classmethod
    def sum(cls, fn: Callable[[V], Any], start: Any = 0) -> Aggregate[V, Any]:
        """Add up ``fn(record)``: int, Decimal or Fraction, all exact.

        Decimals are added without rounding, whatever the context of the writing thread. A float
        is refused, because a running float sum drifts from the recomputed one, and so is a NaN
        or an infinity, which no later change could take out again.
        """
        if not callable(fn):
            raise ArgumentTypeError(f"Aggregate.sum needs a function of a record, not {shown(fn)}")
        return _Sum(fn, start)

    @classmethod
    def count(cls, predicate: Callable[[V], object] | None = None) -> Aggregate[V, int]:
        """Count the records, or those for which *predicate* is true."""
        if predicate is None:
            return _Sum(lambda _: 1, 0)
        if not callable(predicate):
            raise ArgumentTypeError(f"Aggregate.count needs a predicate, not {shown(predicate)}")
        return _Sum(lambda record: 1 if predicate(record) else 0, 0)

    def move(self, state: S, old: V | Absent, new: V | Absent) -> S:
        """Return the state after one record has become another."""
        if old is not MISSING:
            state = self._remove(state, old)
        if new is not MISSING:
            state = self._add(state, new)
        check_immutable(state)
        return state

    def step(self, state: S, delta: Delta[Any, V]) -> S:
        """Return the state after *delta*. Costs O(keys in it)."""
        for old, new in delta.values():
            state = self.move(state, old, new)
        return state


class _Sum(Aggregate[V, Any]):
    """A fold by ``+`` and ``-``, which can skip a record whose amount did not change."""

    __slots__ = ("_amount",)

    def __init__(self, amount: Callable[[V], Any], start: Any) -> None:
        self._amount = amount
        self.start = self._checked(start)

    def move(self, state: Any, old: V | Absent, new: V | Absent) -> Any:
        was = 0 if old is MISSING else self._amount(old)
        now = 0 if new is MISSING else self._amount(new)
        return state if was is now else _move(state, was, self._checked(now))

    @staticmethod
    def _checked(amount: Any) -> Any:
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
