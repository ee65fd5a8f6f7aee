"""Values derived from the records: `Index`, `Aggregate`, and the step from version to version.

Derived values travel in the same reference as the records they come from, so no reader can see
one without the other. Each is brought up to date from the changes alone: no commit scans.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from typing import Any, Generic, TypeAlias, TypeVar, overload

import msgspec

from .changes import MISSING, Absent, Delta
from .errors import ArgumentTypeError, ArgumentValueError, IndexValueError, UniqueViolationError
from .immutability import check_immutable
from .maps import MapKind, PersistentMap, map_kind
from .showing import shown

__all__ = ["Aggregate", "Index"]

V = TypeVar("V")
S = TypeVar("S")
# Of a method alone: of `Aggregate.sum` the class is not known to be of anything.
R = TypeVar("R")
T = TypeVar("T")
AnyDelta: TypeAlias = Delta[Any, Any]


class Index(msgspec.Struct, Generic[V], frozen=True):
    """Find records by a value computed from them.

    Args:
        fn: the index function: from a record to its index value, or None for "not in this
            index". It must depend on the record alone; it runs under the store's lock, twice
            for each changed record, so it must be short (an ``operator.attrgetter`` is best).
        unique: at most one record may have each value; a commit that would break this raises
            `UniqueViolationError` and changes nothing. Checked once per commit, for its
            outcome: within a transaction values may pass each other.
        many: *fn* returns an iterable of values, and the record is found under each.

    Cost: O(log N) for each changed record whose index value changed, and a look-up O(log N).

    >>> from cowstate import Store
    >>> store = Store({"a": 1, "b": 2, "c": 3}, indexes={"odd": Index(lambda n: n % 2 == 1)})
    >>> sorted(store.snapshot().find_all("odd", True))
    ['a', 'c']
    """

    fn: Callable[[V], Any]
    unique: bool = False
    many: bool = False

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise ArgumentTypeError(
                f"an Index needs a function of a record, not {shown(self.fn)}; "
                "for a field write operator.attrgetter('field')"
            )

    def entries(self, result: Any) -> dict[Hashable, None]:
        """Return, as the keys of a dict, the values that a *result* of ``fn`` stands for."""
        if result is None:
            return {}
        if self.many and isinstance(result, str | bytes):
            raise IndexValueError(
                f"{shown(result)} would be indexed letter by letter; return a tuple of values"
            )
        try:
            found = dict.fromkeys(result) if self.many else {result: None}
        except TypeError as error:
            want = "an iterable of hashable values" if self.many else "a hashable value"
            raise IndexValueError(
                f"{shown(result)} cannot be indexed ({error}); return {want}"
            ) from None
        for value in found:
            if value != value:  # noqa: PLR0124  (the test for NaN)
                raise IndexValueError("NaN equals nothing, itself included; return None instead")
        return found


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
        cls, start: T, add: Callable[[T, R], T], remove: Callable[[T, R], T]
    ) -> Aggregate[R, T]:
        """Fold with an inverse: ``remove(add(state, record), record) == state``, in any order.

        The state must be immutable, and *add* and *remove* return the next one.

        >>> from cowstate import Store
        >>> letters = Aggregate.fold(0, lambda n, w: n + len(w), lambda n, w: n - len(w))
        >>> store = Store({1: "one", 2: "two"}, aggregates={"letters": letters})
        >>> store.set(3, "three").after.total("letters")
        11
        """
        return cls(start, add, remove)  # type: ignore[return-value, arg-type]

    @classmethod
    def sum(cls, fn: Callable[[R], Any], start: Any = 0) -> Aggregate[R, Any]:
        """Add up ``fn(record)``: int, Decimal or Fraction, all exact.

        Decimals are added without rounding, whatever the context of the writing thread. A float
        is refused, because a running float sum drifts from the recomputed one, and so is a NaN
        or an infinity, which no later change could take out again.

        >>> from decimal import Decimal
        >>> from cowstate import Store
        >>> store = Store({"a": Decimal("0.1")}, aggregates={"sum": Aggregate.sum(lambda n: n)})
        >>> store.set("b", Decimal("0.2")).after.total("sum")
        Decimal('0.3')
        """
        if not callable(fn):
            raise ArgumentTypeError(f"Aggregate.sum needs a function of a record, not {shown(fn)}")
        return _Sum(fn, start)

    @overload
    @classmethod
    def count(cls, predicate: None = None) -> Aggregate[Any, int]: ...

    @overload
    @classmethod
    def count(cls, predicate: Callable[[R], object]) -> Aggregate[R, int]: ...

    @classmethod
    def count(cls, predicate: Callable[[R], object] | None = None) -> Aggregate[R, int]:
        """Count the records, or those for which *predicate* is true.

        >>> from cowstate import Store
        >>> counts = {"all": Aggregate.count(), "even": Aggregate.count(lambda n: n % 2 == 0)}
        >>> now = Store({"a": 1, "b": 2}, aggregates=counts).snapshot()
        >>> now.total("all"), now.total("even")
        (2, 1)
        """
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


def _moved(
    name: str, index: Index[Any], key: Any, old: Any, new: Any
) -> tuple[dict[Any, None], dict[Any, None]] | None:
    """Return the values that a record leaves and takes; None if it stays where it is."""
    fn = index.fn
    try:
        was = None if old is MISSING else fn(old)
        now = None if new is MISSING else fn(new)
        if was is now or was == now:
            return None
        gone, come = index.entries(was), index.entries(now)
    except IndexValueError as error:
        raise error.within(name, key) from None
    except Exception as error:
        error.add_note(f"raised by index {shown(name)} at {shown(key)}; nothing was committed")
        raise
    return (
        {value: None for value in gone if value not in come},
        {value: None for value in come if value not in gone},
    )


def _step_index(
    kind: MapKind, name: str, index: Index[Any], state: PersistentMap[Any, Any], delta: AnyDelta
) -> PersistentMap[Any, Any]:
    """Return the index after *delta*: removals first, so that values may pass each other.

    The state of a unique index maps value to key; that of another maps value to a persistent
    map whose keys are the keys.
    """
    added: list[tuple[Any, Any]] = []
    for key, (old, new) in delta.items():
        moved = _moved(name, index, key, old, new)
        if moved is not None:
            for value in moved[0]:
                state = _remove_entry(kind, name, index.unique, state, value, key)
            added += [(value, key) for value in moved[1]]
    for value, key in added:
        state = _add_entry(kind, name, index.unique, state, value, key)
    return state


def _add_entry(
    kind: MapKind, name: str, unique: bool, state: PersistentMap[Any, Any], value: Any, key: Any
) -> PersistentMap[Any, Any]:
    if not unique:
        bucket = state.get(value)
        bucket = kind.build({key: None}) if bucket is None else kind.put(bucket, key, None)
        return kind.put(state, value, bucket)  # type: ignore[no-any-return]
    if value in state:
        raise UniqueViolationError(name, value, (state[value], key))
    return kind.put(state, value, key)  # type: ignore[no-any-return]


def _remove_entry(
    kind: MapKind, name: str, unique: bool, state: PersistentMap[Any, Any], value: Any, key: Any
) -> PersistentMap[Any, Any]:
    entry = state.get(value, MISSING)
    if entry is MISSING or ((entry is not key and entry != key) if unique else key not in entry):
        raise IndexValueError(
            f"{shown(value)} was not the value of this record when it was stored; an index "
            "function must give the same value for the same record every time"
        ).within(name, key)
    if unique or len(entry) == 1:
        return kind.drop(state, value)  # type: ignore[no-any-return]
    return kind.put(state, value, kind.drop(entry, key))  # type: ignore[no-any-return]


class Derivation:
    """What a store derives from its records, by name; the pure step from version to version.

    Immutable after construction. ``indexes`` and ``totals`` of a snapshot are tuples in the
    order of the names here.
    """

    __slots__ = ("_aggregates", "_indexes", "index_positions", "kind", "total_positions", "unique")

    def __init__(
        self,
        kind: MapKind,
        indexes: Mapping[str, Index[Any]] | None,
        aggregates: Mapping[str, Aggregate[Any, Any]] | None,
    ) -> None:
        indexes = {} if indexes is None else indexes
        aggregates = {} if aggregates is None else aggregates
        for role, named in (("indexes", indexes), ("aggregates", aggregates)):
            if not isinstance(named, Mapping):
                raise ArgumentTypeError(f"{role} must be a mapping from names, not {shown(named)}")
        for name, index in indexes.items():
            if not isinstance(index, Index):
                raise ArgumentTypeError(
                    f"indexes[{shown(name)}] must be an Index, not {shown(index)}"
                )
        for name, aggregate in aggregates.items():
            if not isinstance(aggregate, Aggregate):
                raise ArgumentTypeError(
                    f"aggregates[{shown(name)}] must be an Aggregate, not {shown(aggregate)}"
                )
        self.kind = kind
        self._indexes = tuple(indexes.items())
        self._aggregates = tuple(aggregates.items())
        self.index_positions = {name: place for place, name in enumerate(indexes)}
        self.total_positions = {name: place for place, name in enumerate(aggregates)}
        self.unique = tuple(index.unique for index in indexes.values())

    @classmethod
    def readable(cls, unique: Mapping[str, bool], totals: Iterable[str]) -> Derivation:
        """Return what is needed to *read* derived values, without the functions that made them."""
        derivation = cls(map_kind(), {}, {})
        derivation.index_positions = {name: place for place, name in enumerate(unique)}
        derivation.total_positions = {name: place for place, name in enumerate(totals)}
        derivation.unique = tuple(unique.values())
        return derivation

    def __bool__(self) -> bool:
        return bool(self._indexes or self._aggregates)

    def index(self, position: int) -> Index[Any]:
        """Return the index at *position*."""
        return self._indexes[position][1]

    def start(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return ``(indexes, totals)`` of no records at all."""
        empty = self.kind.build({})
        return (empty,) * len(self._indexes), tuple(agg.start for _, agg in self._aggregates)

    def step(
        self, indexes: tuple[Any, ...], totals: tuple[Any, ...], delta: AnyDelta
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return ``(indexes, totals)`` after *delta*; costs O(keys in it) for each."""
        if indexes:
            indexes = tuple(
                [
                    _step_index(self.kind, name, index, state, delta)
                    for (name, index), state in zip(self._indexes, indexes, strict=True)
                ]
            )
        if totals:
            totals = tuple(
                [self.step_total(position, state, delta) for position, state in enumerate(totals)]
            )
        return indexes, totals

    def step_one(
        self, indexes: tuple[Any, ...], totals: tuple[Any, ...], key: Any, old: Any, new: Any
    ) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Return the same as `step` of one key: most records stay where they are in an index."""
        for place, (name, index) in enumerate(self._indexes):
            moved = _moved(name, index, key, old, new)
            if moved is not None:
                state = indexes[place]
                for value in moved[0]:
                    state = _remove_entry(self.kind, name, index.unique, state, value, key)
                for value in moved[1]:
                    state = _add_entry(self.kind, name, index.unique, state, value, key)
                indexes = (*indexes[:place], state, *indexes[place + 1 :])
        if totals:
            moved_totals = []
            for (name, aggregate), total in zip(self._aggregates, totals, strict=True):
                try:
                    moved_totals.append(aggregate.move(total, old, new))
                except Exception as error:
                    error.add_note(f"raised by aggregate {shown(name)}; nothing was committed")
                    raise
            totals = tuple(moved_totals)
        return indexes, totals

    def step_total(self, position: int, state: Any, delta: AnyDelta) -> Any:
        """Return the aggregate at *position* after *delta*."""
        name, aggregate = self._aggregates[position]
        try:
            return aggregate.step(state, delta)
        except Exception as error:
            error.add_note(f"raised by aggregate {shown(name)}; nothing was committed")
            raise
