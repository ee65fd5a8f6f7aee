"""Records found by a value computed from them: `Index`, and `Entries`, which follow each change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from .blame import blame
from .changes import MISSING, Delta
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    IndexValueError,
    UniqueViolationError,
)
from .keys import HOLDERS, PLAIN, equals_itself
from .maps import MapKind, PersistentMap
from .ordered import Sorted, Span
from .paths import reached
from .sameness import equal
from .showing import shown
from .slips import ensure_function

__all__ = ["Entries", "Index", "Ordered", "entries_of"]

V = TypeVar("V")
State: TypeAlias = PersistentMap[Any, Any]
Values: TypeAlias = Sequence[Any]

_FIXED_BYTES: Final = 360
"""Of the entries of a version, however many move: the map itself, the tuple of all indexes."""

_SAMPLE: Final = 16
"""How many values are looked at to estimate how many records are under each."""


class Index(msgspec.Struct, Generic[V], frozen=True):
    """Find records by a value computed from them.

    Args:
        fn: the index function: from a record to its index value, or None or `MISSING` for "not in
            this index". It must depend on the record alone; it runs under the store's lock, twice
            for each changed record, so it must be short (an ``operator.attrgetter`` is best).
        unique: at most one record may have each value; a commit that would break this raises
            `UniqueViolationError` and changes nothing. Checked once per commit, for its
            outcome: within a transaction values may pass each other.
        many: *fn* returns an iterable of values, and the record is found under each.
        ordered: the values are kept in their order as well, for `Snapshot.range` and its kin: what
            is between two of them, the first, the last, the next. Any two must be comparable; one
            that is not with those beside it, and NaN, is refused with `IndexValueError`.

    Cost: O(log N) for each changed record whose index value changed, about twice as much with
    *ordered*, and a look-up O(log N).

    >>> from cowstate import Store
    >>> store = Store({"a": 1, "b": 2, "c": 3}, indexes={"odd": Index(lambda n: n % 2 == 1)})
    >>> sorted(store.snapshot().find_all("odd", True))
    ['a', 'c']
    """

    fn: Callable[[V], Any]
    unique: bool = False
    many: bool = False
    ordered: bool = False

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise ArgumentTypeError(
                f"an Index needs a function of a record, not {shown(self.fn)}; "
                "for a field write operator.attrgetter('field')"
            )
        ensure_function(self.fn, "an Index needs a function of a record")

    def entries(self, result: Any) -> dict[Hashable, None]:
        """Return, as the keys of a dict, the values that a *result* of ``fn`` stands for."""
        if result is None or result is MISSING:
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
            # `equals_itself`, begun here, for each write of an indexed record comes this way.
            if value != value or (  # noqa: PLR0124
                isinstance(value, HOLDERS) and not equals_itself(value)
            ):
                raise IndexValueError(
                    "NaN equals nothing, itself included, and a tuple that holds one equals no "
                    "other; return None instead"
                )
        return found


class Entries:
    """The entries of one index of a store: how they are built, and how they follow a change.

    Of a unique index they are a persistent map from value to key; of another, from value to a
    persistent map whose keys are the keys. Immutable.

    Attributes:
        name: the name of the index.
        index: the index.
        mark: what it asks of a record: the index function.
        asks: the same. Two records of which it gives the very same object are the same here.
        unique: whether it is unique.
    """

    __slots__ = ("_build", "_drop", "_kind", "_put", "asks", "index", "mark", "name", "unique")

    def __init__(self, name: str, index: Index[Any], kind: MapKind) -> None:
        self.name = name
        self.index = index
        self.mark = index.fn
        self.asks = (index.fn,)
        self.unique = index.unique
        self._kind = kind
        self._build: Callable[[Mapping[Any, Any]], State] = kind.build
        self._put: Callable[[State, Any, Any], State] = kind.put
        self._drop: Callable[[State, Any], State] = kind.drop

    @property
    def empty(self) -> State:
        """The entries of no records."""
        return self._build({})

    def build(self, records: Mapping[Any, Any]) -> State:
        """Return the entries of all *records*. O(N)."""
        found = None if self.index.many else self._gathered(records)
        if found is None:
            found = self._gathered_one_by_one(records)
        build = self._build
        if not self.unique:
            found = {value: build(keys) for value, keys in found.items()}
        return build(found)

    def _gathered(self, records: Mapping[Any, Any]) -> dict[Any, Any] | None:
        """Return them as dicts if there is nothing to be looked into, or to refuse; else None."""
        try:
            values = [*map(self.mark, records.values())]
        except RecursionError:
            raise  # to ask again would ask twice as often at each depth
        except Exception:
            return None
        if not PLAIN.issuperset(map(type, values)):
            return None
        if self.unique:
            found = dict(zip(values, records, strict=True))
            found.pop(None, None)
            return found if len(found) == len(values) - values.count(None) else None
        sets: dict[Any, dict[Any, None]] = {}
        for value, key in zip(values, records, strict=True):
            keys = sets.get(value)
            if keys is None:
                sets[value] = {key: None}
            else:
                keys[key] = None
        sets.pop(None, None)
        return sets

    def _gathered_one_by_one(self, records: Mapping[Any, Any]) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        key: Any = None
        try:
            for key, record in records.items():
                for value in self.index.entries(self.mark(record)):
                    if not self.unique:
                        found.setdefault(value, {})[key] = None
                    elif value in found:
                        raise UniqueViolationError(self.name, value, (found[value], key))
                    else:
                        found[value] = key
        except Exception as error:
            blame(error, "index", self.name, key)
            raise
        return found

    def step(self, state: State, delta: Delta[Any, Any]) -> State:
        """Return the entries after *delta*: removals first, so that values may pass each other."""
        mark = self.mark
        added: list[tuple[Any, Any]] = []
        key: Any = None
        try:
            for key, (old, new) in delta.items():
                was = MISSING if old is MISSING else mark(old)
                now = MISSING if new is MISSING else mark(new)
                if was is now or equal(was, now):
                    continue
                gone, come = self._moved(was, now)
                for value in gone:
                    state = self._without(state, value, key)
                added += [(value, key) for value in come]
            for value, key in added:
                state = self._with(state, value, key)
        except Exception as error:
            blame(error, "index", self.name, key)
            raise
        return state

    def shift(self, state: State, key: Any, was: Any, now: Any) -> State:
        """Return the entries after what `mark` gives of one record has become another.

        Args:
            state: the entries; they come back if nothing changes in them.
            key: the key of the record.
            was: what it gave; `MISSING` if there was no record.
            now: what it gives; `MISSING` if there is no record.
        """
        try:  # `equal`, written out, for every update of a record comes here
            if was == now:
                return state
        except Exception:  # then it is another value, if it can be one at all
            pass
        gone, come = self._moved(was, now)
        for value in gone:
            state = self._without(state, value, key)
        for value in come:
            state = self._with(state, value, key)
        return state

    def trunk(self, state: State) -> tuple[object, ...]:
        """Return the objects in *state* that each look goes through."""
        return self._kind.trunk(state)

    def bytes_of(self, state: State, moved: int, records: int) -> int:
        """Estimate what *state* does not share with the one before so many records *moved*.

        Args:
            state: the entries.
            moved: how many records.
            records: how many there are.
        """
        # Entries left and as many taken, each with its set of keys.
        writes = 2 * round(moved * self._entries_of_each(state, records))
        path_bytes = self._kind.path_bytes
        size = path_bytes(state, writes) + _FIXED_BYTES
        if not self.unique and state:
            sets = reached(len(state), writes)
            each = ceil(writes / sets)
            some = [path_bytes(keys, each) for keys in islice(state.values(), 2)]
            size += int(sets * sum(some) / len(some))
        return size

    def _entries_of_each(self, state: State, records: int) -> float:
        """Estimate under how many values a record is; of the sets of keys, a few are looked at."""
        if not (self.index.many and records):
            return 1.0
        sizes = [1] if self.unique else list(map(len, islice(state.values(), _SAMPLE)))
        return max(1.0, len(state) * sum(sizes) / max(1, len(sizes)) / records)

    def _moved(self, was: Any, now: Any) -> tuple[Values, Values]:
        """Return the values that a record leaves and takes."""
        entries = self.index.entries
        gone = {} if was is MISSING else entries(was)
        come = {} if now is MISSING else entries(now)
        return (
            [value for value in gone if value not in come],
            [value for value in come if value not in gone],
        )

    def _with(self, state: State, value: Any, key: Any) -> State:
        if not self.unique:
            keys = state.get(value)
            keys = self._build({key: None}) if keys is None else self._put(keys, key, None)
            return self._put(state, value, keys)
        if value in state:
            raise UniqueViolationError(self.name, value, (state[value], key))
        return self._put(state, value, key)

    def _without(self, state: State, value: Any, key: Any) -> State:
        unique = self.unique
        entry = state.get(value, MISSING)
        if entry is MISSING or not ((entry is key or entry == key) if unique else key in entry):
            raise IndexValueError(
                f"{shown(value)} was not the value of this record when it was stored; an index "
                "function must give the same value for the same record every time"
            )
        if unique or len(entry) == 1:
            return self._drop(state, value)
        return self._put(state, value, self._drop(entry, key))


class Ordered(msgspec.Struct, frozen=True, eq=False):
    """The entries of an ordered index, which are read as those of any other; and their order.

    Attributes:
        entries: a persistent map, as that of any index.
        order: its values.
    """

    entries: State
    order: Sorted[Any]

    def get(self, value: Any, default: Any = None, /) -> Any:
        """Return the entry of *value*."""
        return self.entries.get(value, default)

    def __getitem__(self, value: Any) -> Any:
        return self.entries[value]

    def __contains__(self, value: object) -> bool:
        return value in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.order)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Iterate over the values and their entries, in the order of the values."""
        return self.between(Span())

    def values(self) -> Iterator[Any]:
        """Iterate over the entries, in the order of the values."""
        return map(self.entries.__getitem__, self.order)

    def between(self, span: Span) -> Iterator[tuple[Any, Any]]:
        """Iterate over the values of *span* and their entries. O(log N + values)."""
        for bound in (span.low, span.high):
            if bound is not None:
                self.order.ensure_comparable(bound)
        entries = self.entries
        return ((value, entries[value]) for value in self.order.between(span))


class OrderedEntries(Entries):
    """The entries of an ordered index: `Ordered`, whose order follows its entries."""

    __slots__ = ()

    @property
    def empty(self) -> Ordered:
        """The entries of no records."""
        return Ordered(super().empty, Sorted.of(()))

    def build(self, records: Mapping[Any, Any]) -> Ordered:
        """Return the entries of all *records*. O(N log N)."""
        entries = super().build(records)
        try:
            return Ordered(entries, Sorted.of(entries))
        except Exception:
            # Record by record, which takes longer, and says which of them it is.
            return self.step(
                self.empty, {key: (MISSING, record) for key, record in records.items()}
            )

    def trunk(self, state: Any) -> tuple[object, ...]:
        """Return the objects in *state* that each look goes through, or each read of a range."""
        return (state, *super().trunk(state.entries), *state.order.trunk())

    def bytes_of(self, state: Any, moved: int, records: int) -> int:
        """Estimate what *state* does not share with the one before so many records *moved*."""
        order: Sorted[Any] = state.order
        writes = 2 * round(moved * self._entries_of_each(state.entries, records))
        size = super().bytes_of(state.entries, moved, records)
        return size + order.path_bytes(writes)

    if TYPE_CHECKING:

        def step(self, state: State, delta: Delta[Any, Any]) -> Ordered: ...

    def _with(self, state: Any, value: Any, key: Any) -> Ordered:
        entries = super()._with(state.entries, value, key)
        if value in state.entries:
            return Ordered(entries, state.order)
        try:
            return Ordered(entries, state.order.put(value))
        except (ArgumentTypeError, ArgumentValueError) as error:
            raise IndexValueError(str(error)) from None

    def _without(self, state: Any, value: Any, key: Any) -> Ordered:
        entries = super()._without(state.entries, value, key)
        if value in entries:
            return Ordered(entries, state.order)
        try:
            return Ordered(entries, state.order.drop(value))
        except KeyError:
            raise IndexValueError(
                f"{shown(value)} is not where it was in the order of the index; what a comparison "
                "of two values says must never change"
            ) from None


def entries_of(name: str, index: Index[Any], kind: MapKind) -> Entries:
    """Return what follows *index* in a store over that *kind* of map."""
    return (OrderedEntries if index.ordered else Entries)(name, index, kind)
