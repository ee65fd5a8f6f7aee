"""A value folded from all records and moved by each change: `Aggregate`; `Total`, in a store."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any, Generic, TypeVar

from .blame import blame
from .changes import MISSING, Delta
from .errors import ArgumentTypeError, ArgumentValueError
from .immutability import check_immutable
from .showing import shown

__all__ = ["Aggregate", "Total", "always"]

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

    Attributes:
        start: the value of no records.
        mark: what it asks of a record. Two records of which it gives the very same object are the
            same here.
    """

    __slots__ = ("_add", "_remove", "mark", "start")

    mark: Callable[[V], Any]

    def __init__(self, start: S, add: Callable[[S, V], S], remove: Callable[[S, V], S]) -> None:
        for role, fn in (("add", add), ("remove", remove)):
            if not callable(fn):
                raise ArgumentTypeError(f"Aggregate: {role} must be a function, not {shown(fn)}")
        check_immutable(start)
        self.start = start
        self.mark = _itself
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
        if predicate is not None and not callable(predicate):
            raise ArgumentTypeError(f"Aggregate.count needs a predicate, not {shown(predicate)}")
        return _Count(always if predicate is None else predicate)

    def move(self, state: S, was: Any, now: Any) -> S:
        """Return the state after what `mark` gives of one record has become another.

        Args:
            state: the state; it comes back if nothing changes in it.
            was: what it gave; `MISSING` if there was no record.
            now: what it gives; `MISSING` if there is no record.
        """
        if was is not MISSING:
            state = self._remove(state, was)
        if now is not MISSING:
            state = self._add(state, now)
        check_immutable(state)
        return state


def _itself(record: V) -> V:
    return record


def always(_: object) -> bool:
    """The mark of an aggregate to which all records are the same: it counts them."""
    return True


class _Sum(Aggregate[V, Any]):
    """A fold by ``+`` and ``-``, which can skip a record whose amount did not change."""

    __slots__ = ()

    def __init__(self, amount: Callable[[V], Any], start: Any) -> None:
        self.mark = amount
        self.start = self._checked(start)

    def move(self, state: Any, was: Any, now: Any) -> Any:
        was = 0 if was is MISSING else was
        now = 0 if now is MISSING else now
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


class _Count(Aggregate[V, int]):
    """How many records have a mark that is true."""

    __slots__ = ()

    def __init__(self, predicate: Callable[[V], object]) -> None:
        self.mark = predicate
        self.start = 0

    def move(self, state: int, was: Any, now: Any) -> int:
        return state + bool(now) - bool(was)  # `MISSING` is false


class Total:
    """One aggregate of a store: how it is built, and how it follows a change. Immutable.

    Attributes:
        name: the name of the aggregate.
        mark: see `Aggregate`.
        shift: ``shift(state, was, now)``, which is `Aggregate.move`.
        start: the state of no records.
    """

    __slots__ = ("mark", "name", "shift", "start")

    def __init__(self, name: str, aggregate: Aggregate[Any, Any]) -> None:
        self.name = name
        self.mark = aggregate.mark
        self.shift = aggregate.move
        self.start = aggregate.start

    def step(self, state: Any, delta: Delta[Any, Any]) -> Any:
        """Return the state after *delta*. Costs O(keys in it)."""
        mark, shift = self.mark, self.shift
        key: Any = None
        try:
            for key, (old, new) in delta.items():  # noqa: B007  (for the blame)
                was = MISSING if old is MISSING else mark(old)
                now = MISSING if new is MISSING else mark(new)
                if was is not now:
                    state = shift(state, was, now)
        except Exception as error:
            blame(error, "aggregate", self.name, key)
            raise
        return state
