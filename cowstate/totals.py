"""The aggregates of a store, as they follow each change: `Total`, and `GroupedTotal` by group."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import islice
from sys import getsizeof
from typing import Any, Final, Generic, TypeAlias, TypeVar

from .aggregate import Aggregate, always
from .blame import blame
from .changes import MISSING, Delta
from .errors import ArgumentTypeError, ArgumentValueError
from .keys import equals_itself
from .maps import MapKind, PersistentMap
from .ordered import Sorted
from .sameness import same
from .showing import shown

__all__ = ["GroupedTotal", "Groups", "Total", "total_of"]

S = TypeVar("S")
Mark: TypeAlias = Callable[[Any], Any]

_PAIR_BYTES: Final = getsizeof((0, 0))


def total_of(name: str, aggregate: Aggregate[Any, Any], kind: MapKind) -> Total:
    """Return what follows *aggregate* in a store over that *kind* of map."""
    total = Total(name, aggregate)
    return total if aggregate.by is None else GroupedTotal(total, aggregate.by, kind)


class Total:
    """One aggregate of a store: how its state follows a change, and how it is read. Immutable.

    Attributes:
        name: the name of the aggregate.
        aggregate: the aggregate.
        start: the state of no records.
        mark: what it asks of a record, see `Aggregate`.
        asks: functions of a record; two of which each gives the very same are the same here.
        shift: ``shift(state, was, now)``, which is `Aggregate.move`.
        folded: the state of what `mark` gives of several records.
        reader: what makes of a state what a reader is given; None where that is the state.
    """

    __slots__ = ("aggregate", "asks", "folded", "mark", "name", "reader", "shift", "start")

    def __init__(self, name: str, aggregate: Aggregate[Any, Any]) -> None:
        self.name = name
        self.aggregate = aggregate
        self.start: Any = aggregate.start
        self.mark: Mark = aggregate.mark
        self.asks: tuple[Mark, ...] = () if self.mark is always else (self.mark,)
        self.shift: Callable[[Any, Any, Any], Any] = aggregate.move
        self.folded: Callable[[Iterable[Any]], Any] = aggregate.folded
        self.reader: Callable[[Any], Any] | None = aggregate.reader

    def build(self, records: Mapping[Any, Any]) -> Any:
        """Return the state of *records*. Costs O(N), or O(N log N) for those with an order."""
        try:
            return self.folded(map(self.mark, records.values()))
        except RecursionError:
            raise  # to ask again would ask twice as often at each depth
        except Exception:
            # Record by record, which takes longer, and says which of them it is.
            return self.step(
                self.start, {key: (MISSING, record) for key, record in records.items()}
            )

    def trunk(self, state: Any) -> tuple[object, ...]:
        """Return the objects in *state* that whoever reads it goes through."""
        return state.trunk() if isinstance(state, Sorted) else (state,)

    def bytes_of(self, state: Any, moved: int, _records: int = 0) -> int:
        """Estimate what *state* does not share with the one before so many records *moved*."""
        if not isinstance(state, Sorted):
            return getsizeof(state)
        # A tuple is made for each mark; anything else is mostly held by the record as well.
        marks = moved * getsizeof(mark) if state and type(mark := state.first()) is tuple else 0
        return state.path_bytes(2 * moved) + marks

    def step(self, state: Any, delta: Delta[Any, Any]) -> Any:
        """Return the state after *delta*. Costs O(keys in it)."""
        mark, shift, before = self.mark, self.shift, state
        key: Any = None
        try:
            for key, (old, new) in delta.items():  # noqa: B007  (for the blame)
                was = MISSING if old is MISSING else mark(old)
                now = MISSING if new is MISSING else mark(new)
                if was is not now:
                    state = shift(state, was, now)
            return state
        except Exception as error:
            gone = {key: (old, MISSING) for key, (old, _) in delta.items() if old is not MISSING}
            come = {key: (MISSING, new) for key, (_, new) in delta.items() if new is not MISSING}
            refused = isinstance(error, ArgumentTypeError | ArgumentValueError)
            if not (refused and gone and come):
                blame(error, "aggregate", self.name, key)
                raise
        # What came may go with all that stays, and not with what was about to leave.
        return self.step(self.step(before, gone), come)


class GroupedTotal(Total):
    """The same for each group of records.

    The state is a persistent map from each group to how many records are in it, and the state of
    these. A group that the last record leaves is gone, whatever its state.
    """

    __slots__ = ("_by", "_kind", "_of_each")

    def __init__(self, of_each: Total, by: Callable[[Any], Hashable], kind: MapKind) -> None:
        self.name = of_each.name
        self.aggregate = of_each.aggregate
        self.start = kind.build({})
        self.asks = (by, *of_each.asks)
        self.mark = self._mark
        self.shift = self._shift
        self.folded = self._folded
        self.reader = self._groups
        self._by = by
        self._kind = kind
        self._of_each = of_each

    def _mark(self, record: Any) -> tuple[Any, Any]:
        return self._by(record), self._of_each.mark(record)

    def trunk(self, state: Any) -> tuple[object, ...]:
        """Return the objects in *state* that the look for each group goes through."""
        return self._kind.trunk(state)

    def bytes_of(self, state: Any, moved: int, _records: int = 0) -> int:
        """Estimate the paths to the groups that were left and entered, and what each holds."""
        groups = min(2 * moved, max(1, len(state)))
        some = list(islice(state.values(), 2))
        each = [self._of_each.bytes_of(held, -(-2 * moved // groups)) for _, held in some]
        size = self._kind.path_bytes(state, groups) + groups * _PAIR_BYTES
        return size + groups * sum(each) // max(1, len(each))

    def _groups(self, state: Any) -> Groups[Any]:
        read = self._of_each.reader or _itself
        return Groups(state, read, read(self._of_each.start))

    def _folded(self, marks: Iterable[tuple[Any, Any]]) -> Any:
        groups: dict[Any, list[Any]] = {}
        for group, gives in marks:
            _ensure_group(group)
            groups.setdefault(group, []).append(gives)
        folded = self._of_each.folded
        return self._kind.build(
            {group: (len(given), folded(given)) for group, given in groups.items()}
        )

    def _shift(self, state: Any, was: Any, now: Any) -> Any:
        if was is MISSING:
            return self._enter(state, *now)
        left, gave = was
        if now is MISSING:
            return self._leave(state, left, gave)
        entered, gives = now
        if not same(left, entered):
            return self._enter(self._leave(state, left, gave), entered, gives)
        if gave is gives:
            return state
        count, before = self._held(state, left)
        after = self._of_each.shift(before, gave, gives)
        return state if after is before else self._kind.put(state, left, (count, after))

    def _enter(self, state: Any, group: Any, gives: Any) -> Any:
        _ensure_group(group)
        held = state.get(group, MISSING)
        count, before = (0, self._of_each.start) if held is MISSING else held
        return self._kind.put(
            state, group, (count + 1, self._of_each.shift(before, MISSING, gives))
        )

    def _leave(self, state: Any, group: Any, gave: Any) -> Any:
        count, before = self._held(state, group)
        if count == 1:
            return self._kind.drop(state, group)
        return self._kind.put(state, group, (count - 1, self._of_each.shift(before, gave, MISSING)))

    def _held(self, state: Any, group: Any) -> tuple[int, Any]:
        held = state.get(group, MISSING)
        if held is MISSING:
            raise ArgumentValueError(
                f"{shown(group)} was not the group of this record when it was stored; `by` must "
                "give the same group for the same record every time"
            )
        return held  # type: ignore[no-any-return]


class Groups(Mapping[Any, S], Generic[S]):
    """The values of an aggregate with ``by``: an immutable mapping of the groups with records.

    What ``total(name)`` returns of one. Any number of threads may read it. A look costs what one
    in a snapshot does. Equal to any mapping of equal values; it can be pickled.
    """

    __slots__ = ("_held", "_value", "start")

    def __init__(
        self, held: PersistentMap[Any, tuple[int, Any]], value: Callable[[Any], S], start: S
    ) -> None:
        self._held = held
        self._value = value
        self.start = start

    def of(self, group: object) -> S:
        """Return the value of *group*: the start, if no record is in it."""
        _ensure_hashable(group)
        held = self._held.get(group, MISSING)
        return self.start if held is MISSING else self._value(held[1])

    def __getitem__(self, group: Any) -> S:
        return self._value(self._held[group][1])

    def __contains__(self, group: object) -> bool:
        return group in self._held

    def __iter__(self) -> Iterator[Any]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        parts = [
            f"{shown(group, 90)}: {shown(value, 90)}" for group, value in islice(self.items(), 4)
        ]
        if len(self) > 4:
            parts.append(f"... {len(self) - 4} more")
        return f"Groups({{{', '.join(parts)}}})"

    def __copy__(self) -> Groups[S]:
        return self

    def __deepcopy__(self, memo: object) -> Groups[S]:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _groups, (dict(self), self.start)


def _ensure_group(group: object) -> None:
    _ensure_hashable(group)
    if group is MISSING or not equals_itself(group):
        raise ArgumentValueError(
            f"{shown(group)} cannot be a group, for it could not be asked for; return None"
        )


def _ensure_hashable(group: object) -> None:
    # Asked for by itself, for an empty map may not ask.
    try:
        hash(group)
    except TypeError as error:
        raise ArgumentTypeError(
            f"{shown(group)} cannot be a group ({error}); a group is a hashable value"
        ) from None


def _groups(values: dict[Any, Any], start: Any) -> Groups[Any]:
    # Hashes may differ from process to process, so the map is built anew.
    return Groups({group: (1, value) for group, value in values.items()}, _itself, start)


def _itself(value: S) -> S:
    return value
