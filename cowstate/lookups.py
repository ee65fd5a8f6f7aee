"""What is asked of a snapshot with changes laid over it by what is derived: `Lookups`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import Any, Generic, TypeVar, overload

from .aggregate import Aggregate
from .changes import MISSING, Absent
from .lineage import delta_of
from .maps import PersistentMap
from .meta import M, WithMeta
from .ordered import Refusing, Sorted, Span
from .ranges import Ranges
from .snapshot import Snapshot

__all__ = ["Lookups"]

K = TypeVar("K")
V = TypeVar("V")
G = TypeVar("G", bound=Hashable)
S = TypeVar("S")


class Lookups(WithMeta, Ranges[K, V], Generic[K, V, M]):
    """Reads of a workspace by its indexes and aggregates, the changes made there included.

    Each costs what it does in a snapshot, and a look at each change.
    """

    __slots__ = ()

    _base: Snapshot[K, V, M]
    _map: PersistentMap[K, V]
    _writes: dict[K, V | Absent]

    def find(self, index: str, value: object) -> V | None:
        """Return the record with *value* in the unique *index*, changes here included, or None.

        >>> from cowstate import Index, Store
        >>> draft = Store({"a": 7}, indexes={"id": Index(int, unique=True)}).draft()
        >>> draft["b"] = 8
        >>> draft.find("id", 8), draft.find_key("id", 8), draft.find("id", 9)
        (8, 'b', None)
        """
        key = self._holder(index, value)
        return None if key is MISSING else self[key]

    def find_key(self, index: str, value: object) -> K | None:
        """Return the key of the record with *value* in the unique *index*, or None.

        >>> from cowstate import Index, Store
        >>> draft = Store({"a": 7}, indexes={"id": Index(int, unique=True)}).draft()
        >>> del draft["a"]
        >>> draft.find_key("id", 7) is None
        True
        """
        key = self._holder(index, value)
        return None if key is MISSING else key

    def find_all(self, index: str, value: object) -> dict[K, V]:
        """Return ``{key: record}`` of all with *value* in *index*, changes here included.

        Costs O(records found + changes made here).

        >>> from cowstate import Index, Store
        >>> draft = Store({"ann": 30}, indexes={"age": Index(int)}).draft()
        >>> draft["bob"] = 30
        >>> draft.find_all("age", 30)
        {'ann': 30, 'bob': 30}
        """
        return {key: self[key] for key in self._found(index, value)}

    @overload
    def total(self, aggregate: Aggregate[Any, S]) -> S: ...

    @overload
    def total(self, aggregate: Aggregate[Any, Mapping[G, S]], group: G) -> S: ...

    @overload
    def total(self, aggregate: str, group: object = MISSING) -> Any: ...

    def total(self, aggregate: Any, group: object = MISSING) -> Any:
        """Return the value of an *aggregate*, changes here included. Costs O(changes made here).

        As in `Snapshot.total`.

        >>> from cowstate import Aggregate, Store
        >>> draft = Store({"a": 1}, aggregates={"sum": Aggregate.sum(int)}).draft()
        >>> draft["b"] = 2
        >>> draft.total("sum")
        3
        """
        base = self._base
        derivation = base._lineage.derivation
        try:
            position = derivation.total_positions.get(aggregate)
        except TypeError:  # it cannot be hashed, and is no name
            position = None
        if position is None:
            position = derivation.total_positions[derivation.name_of(aggregate, base.version)]
        state = derivation.step_total(
            position, base._totals[position], delta_of(self._map, self._writes)
        )
        return derivation.value(position, state, group)

    def _holder(self, index: str, value: object) -> K | Absent:
        self._base.find_key(index, value)  # refuses an index that is not unique
        # Of two records that have the value for now, the one written here counts.
        return next(reversed(self._found(index, value)), MISSING)

    def _found(self, index: str, value: object) -> dict[K, None]:
        derivation = self._base._lineage.derivation
        found: dict[K, None] = dict.fromkeys(self._base.find_all(index, value))
        if self._writes:
            spec = derivation.index(derivation.index_positions[index])
            for key, record in self._writes.items():
                found.pop(key, None)
                if record is not MISSING and value in spec.entries(spec.fn(record)):
                    found[key] = None
        return found

    def _entries_in(self, index: str, span: Span) -> Iterator[tuple[Any, Iterable[K]]]:
        base = self._base._entries_in(index, span)
        if not self._writes:
            return base
        derivation = self._base._lineage.derivation
        spec = derivation.index(derivation.index_positions[index])
        laid: dict[Any, dict[K, None]] = {}
        for key, record in self._writes.items():
            if record is not MISSING:
                for value in spec.entries(spec.fn(record)):
                    if span.holds(value):
                        laid.setdefault(value, {})[key] = None
        over = ((value, laid[value]) for value in Sorted.of(laid).between(span))
        return Refusing(self._merged(base, over, span.reverse), "a value written here")

    def _merged(
        self,
        base: Iterator[tuple[Any, Iterable[K]]],
        over: Iterator[tuple[Any, Iterable[K]]],
        reverse: bool,
    ) -> Iterator[tuple[Any, Iterable[K]]]:
        writes = self._writes
        kept = ((value, [key for key in keys if key not in writes]) for value, keys in base)
        both = merge(kept, over, key=itemgetter(0), reverse=reverse)
        for value, parts in groupby(both, key=itemgetter(0)):
            keys = [key for _, part in parts for key in part]
            if keys:
                yield value, keys
