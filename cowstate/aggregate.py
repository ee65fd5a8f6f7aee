"""A value folded from all records, and moved by each change: `Aggregate`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar, overload

from .changes import MISSING
from .errors import ArgumentValueError
from .exact import checked, moved
from .immutability import check_immutable
from .ordered import Sorted, ensure_ordered
from .showing import shown
from .slips import ensure_function

__all__ = ["Aggregate", "always"]

V = TypeVar("V")
S = TypeVar("S")  # what ``total`` gives
# Of what the functions below make, for the class itself is of no certain records.
R = TypeVar("R")
T = TypeVar("T")
D = TypeVar("D")
G = TypeVar("G", bound=Hashable)

By: TypeAlias = Callable[[V], Hashable]
"""Which group a record belongs to."""


class Aggregate(Generic[V, S]):
    """A value folded from all records, moved by each change and never recomputed.

    Make one with `sum`, `count`, `min`, `max` or `fold`. Every function given must depend on the
    record alone and be short: it runs under the store's lock. Cost: O(1) for each changed record;
    O(log N) for `min` and `max`.

    With *by*, there is one value for each group of records, and *by* says of a record to which it
    belongs: any hashable value, None as well. ``total(name, group)`` reads one of them, which is
    the start for a group that no record is in, and ``total(name)`` all of them, an immutable
    mapping of the groups that a record is in. Cost: O(log groups) for each changed record.

    ``total`` takes the aggregate itself as well as its name. Then type checkers know what it gives:
    that is the second parameter of the type, ``Aggregate[Slot, Decimal]``, with *by* a mapping.

    >>> from cowstate import Store
    >>> store = Store({"a": 1, "b": 5}, aggregates={
    ...     "sum": Aggregate.sum(lambda n: n),
    ...     "large": Aggregate.count(lambda n: n > 3),
    ... })
    >>> commit = store.set("b", 2)
    >>> store.snapshot().total("sum"), store.snapshot().total("large")
    (3, 0)
    >>> odd = Aggregate.count(by=lambda n: n % 2 == 1)
    >>> now = Store({"a": 1, "b": 5}, aggregates={"odd": odd}).snapshot()
    >>> now.total("odd", True), now.total("odd", False), dict(now.total("odd"))
    (2, 0, {True: 2})

    Attributes:
        start: the state of no records.
        by: which group a record belongs to; None if there are no groups.
        mark: what it asks of a record. Two records of which it gives the very same object are the
            same here.
    """

    __slots__ = ("_add", "_remove", "by", "mark", "start")

    start: Any
    mark: Callable[[V], Any]
    by: By[V] | None
    reader: Callable[[Any], Any] | None = None
    """What makes of a state what a reader is given; None where that is the state."""

    @overload
    def __init__(
        self, start: S, add: Callable[[S, V], S], remove: Callable[[S, V], S], *, by: None = None
    ) -> None: ...

    @overload
    def __init__(
        self: Aggregate[V, Mapping[G, T]],  # pyright: ignore[reportInvalidTypeVarUse]
        start: T,
        add: Callable[[T, V], T],
        remove: Callable[[T, V], T],
        *,
        by: Callable[[V], G],
    ) -> None: ...

    def __init__(self, start: Any, add: Any, remove: Any, *, by: Any = None) -> None:
        for role, fn in (("add", add), ("remove", remove)):
            ensure_function(fn, f"Aggregate: {role} must be a function")
        check_immutable(start)
        self.start = start
        self.mark = _itself
        self.by = _checked_by(by)
        self._add = add
        self._remove = remove

    @overload
    @staticmethod
    def fold(
        start: T, add: Callable[[T, R], T], remove: Callable[[T, R], T], *, by: None = None
    ) -> Aggregate[R, T]: ...

    @overload
    @staticmethod
    def fold(
        start: T, add: Callable[[T, R], T], remove: Callable[[T, R], T], *, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T]]: ...

    @staticmethod
    def fold(start: Any, add: Any, remove: Any, *, by: Any = None) -> Aggregate[Any, Any]:
        """Fold with an inverse: ``remove(add(state, record), record) == state``, in any order.

        The state must be immutable, and *add* and *remove* return the next one.

        >>> from cowstate import Store
        >>> letters = Aggregate.fold(0, lambda n, w: n + len(w), lambda n, w: n - len(w))
        >>> store = Store({1: "one", 2: "two"}, aggregates={"letters": letters})
        >>> store.set(3, "three").after.total("letters")
        11
        """
        return Aggregate(start, add, remove, by=by)

    # Of no record it is the start, which is the int 0 where none is given.
    @overload
    @staticmethod
    def sum(fn: Callable[[R], T], *, by: None = None) -> Aggregate[R, T | Literal[0]]: ...

    @overload
    @staticmethod
    def sum(fn: Callable[[R], T], start: D, *, by: None = None) -> Aggregate[R, T | D]: ...

    @overload
    @staticmethod
    def sum(
        fn: Callable[[R], T], *, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T | Literal[0]]]: ...

    @overload
    @staticmethod
    def sum(
        fn: Callable[[R], T], start: D, *, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T | D]]: ...

    @staticmethod
    def sum(fn: Any, start: Any = 0, *, by: Any = None) -> Aggregate[Any, Any]:
        """Add up ``fn(record)``: int, Decimal or Fraction, all exact.

        Decimals are added without rounding, whatever the context of the writing thread. A float
        is refused, because a running float sum drifts from the recomputed one, and so is a NaN
        or an infinity, which no later change could take out again, and what cannot be added to
        the total, such as None: let *fn* give 0 for a record that has no amount.

        >>> from decimal import Decimal
        >>> from cowstate import Store
        >>> store = Store({"a": Decimal("0.1")}, aggregates={"sum": Aggregate.sum(lambda n: n)})
        >>> store.set("b", Decimal("0.2")).after.total("sum")
        Decimal('0.3')
        """
        ensure_function(fn, "Aggregate.sum needs a function of a record")
        return _Sum(fn, start, by)

    @overload
    @staticmethod
    def count(predicate: None = None, *, by: None = None) -> Aggregate[Any, int]: ...

    @overload
    @staticmethod
    def count(predicate: Callable[[R], object], *, by: None = None) -> Aggregate[R, int]: ...

    @overload
    @staticmethod
    def count(
        predicate: Callable[[R], object] | None = None, *, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, int]]: ...

    @staticmethod
    def count(predicate: Any = None, *, by: Any = None) -> Aggregate[Any, Any]:
        """Count the records, or those for which *predicate* is true.

        >>> from cowstate import Store
        >>> counts = {"all": Aggregate.count(), "even": Aggregate.count(lambda n: n % 2 == 0)}
        >>> now = Store({"a": 1, "b": 2}, aggregates=counts).snapshot()
        >>> now.total("all"), now.total("even")
        (2, 1)
        """
        if predicate is not None:
            ensure_function(predicate, "Aggregate.count needs a predicate")
        return _Count(always if predicate is None else predicate, by)

    @overload
    @staticmethod
    def min(
        fn: Callable[[R], T | None], *, default: None = None, by: None = None
    ) -> Aggregate[R, T | None]: ...

    @overload
    @staticmethod
    def min(fn: Callable[[R], T | None], *, default: D, by: None = None) -> Aggregate[R, T | D]: ...

    @overload
    @staticmethod
    def min(
        fn: Callable[[R], T | None], *, default: None = None, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T | None]]: ...

    @overload
    @staticmethod
    def min(
        fn: Callable[[R], T | None], *, default: D, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T | D]]: ...

    @staticmethod
    def min(fn: Any, *, default: Any = None, by: Any = None) -> Aggregate[Any, Any]:
        """Keep the least of ``fn(record)``, whatever comes and goes.

        A record of which *fn* gives None counts for nothing. Of values that are equal, any may be
        given. Values must have an order; NaN, and what cannot be compared with the others, is
        refused. Costs O(log N) for each record whose value changed, deletions included, and takes
        memory for each: that of an ordered index.

        Args:
            fn: a function of a record.
            default: the value of no records.
            by: see `Aggregate`; the least of each group is kept.

        >>> from cowstate import Store
        >>> best = Aggregate.min(lambda price: price)
        >>> store = Store({"a": 7, "b": 5}, aggregates={"best": best})
        >>> store.snapshot().total("best"), store.delete("b").after.total("best")
        (5, 7)
        """
        return _Extreme("min", fn, default, by)

    @overload
    @staticmethod
    def max(
        fn: Callable[[R], T | None], *, default: None = None, by: None = None
    ) -> Aggregate[R, T | None]: ...

    @overload
    @staticmethod
    def max(fn: Callable[[R], T | None], *, default: D, by: None = None) -> Aggregate[R, T | D]: ...

    @overload
    @staticmethod
    def max(
        fn: Callable[[R], T | None], *, default: None = None, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T | None]]: ...

    @overload
    @staticmethod
    def max(
        fn: Callable[[R], T | None], *, default: D, by: Callable[[R], G]
    ) -> Aggregate[R, Mapping[G, T | D]]: ...

    @staticmethod
    def max(fn: Any, *, default: Any = None, by: Any = None) -> Aggregate[Any, Any]:
        """Keep the greatest of ``fn(record)``, as `min` keeps the least.

        >>> from cowstate import Store
        >>> dearest = Aggregate.max(lambda price: price, default=0)
        >>> Store({"a": 7, "b": 5}, aggregates={"dearest": dearest}).snapshot().total("dearest")
        7
        """
        return _Extreme("max", fn, default, by)

    def move(self, state: Any, was: Any, now: Any) -> Any:
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

    def folded(self, marks: Iterable[Any]) -> Any:
        """Return the state of records of which `mark` gives these *marks*. O(N)."""
        state = self.start
        for mark in marks:
            state = self.move(state, MISSING, mark)
        return state


def _checked_by(by: Any) -> Any:
    if by is not None:
        ensure_function(by, "by must be a function of a record")
    return by


def _itself(record: V) -> V:
    return record


def always(_: object) -> bool:
    """The mark of an aggregate to which all records are the same: it counts them."""
    return True


class _Sum(Aggregate[V, Any]):
    """A fold by ``+`` and ``-``, which can skip a record whose amount did not change."""

    __slots__ = ()

    def __init__(self, amount: Callable[[V], Any], start: Any, by: By[V] | None) -> None:
        self.mark = amount
        self.by = _checked_by(by)
        self.start = checked(start)
        moved(start, 0, 0)  # refuses what nothing could be added to

    def move(self, state: Any, was: Any, now: Any) -> Any:
        was = 0 if was is MISSING else was
        now = 0 if now is MISSING else now
        return state if was is now else moved(state, was, checked(now))


class _Count(Aggregate[V, int]):
    """How many records have a mark that is true."""

    __slots__ = ()

    def __init__(self, predicate: Callable[[V], object], by: By[V] | None) -> None:
        self.mark = predicate
        self.by = _checked_by(by)
        self.start = 0

    def move(self, state: int, was: Any, now: Any) -> int:
        return state + bool(now) - bool(was)  # `MISSING` is false


class _Extreme(Aggregate[V, Any]):
    """The end of all marks but None, which are kept in their order."""

    __slots__ = ("_default", "_which")

    def __init__(self, which: str, fn: Callable[[V], Any], default: Any, by: By[V] | None) -> None:
        ensure_function(fn, f"Aggregate.{which} needs a function of a record")
        check_immutable(default)
        self.mark = fn
        self.by = _checked_by(by)
        self.start = Sorted.of(())
        self._which = which
        self._default = default

    def reader(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, state: Sorted[Any]
    ) -> Any:
        if not state:
            return self._default
        return state.first() if self._which == "min" else state.last()

    def move(self, state: Sorted[Any], was: Any, now: Any) -> Sorted[Any]:
        was = None if was is MISSING else was
        now = None if now is MISSING else now
        ensure_ordered(now)
        if was is now or (type(was) is type(now) and was == now):
            return state
        if was is not None:
            try:
                state = state.drop(was)
            except KeyError:
                raise ArgumentValueError(
                    f"{shown(was)} was not the value of this record when it was stored; the "
                    f"function of Aggregate.{self._which} must give the same value for the same "
                    "record every time"
                ) from None
        return state if now is None else state.put(now)

    def folded(self, marks: Iterable[Any]) -> Sorted[Any]:
        return Sorted.of(mark for mark in marks if mark is not None and mark is not MISSING)
