"""What a store derives from its records, and the step from version to version: `Derivation`.

Derived values travel in the same reference as the records they come from, so no reader can see
one without the other. Each is brought up to date from the changes alone: no commit scans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

from .aggregate import Aggregate, Total, always
from .blame import blame
from .changes import MISSING, Delta
from .errors import ArgumentTypeError
from .index import Entries, Index
from .maps import MapKind, map_kind
from .showing import shown

__all__ = ["Derivation"]

AnyDelta: TypeAlias = Delta[Any, Any]
States: TypeAlias = tuple[Any, ...]


class _Asked(NamedTuple):
    """What an update asks of one index or aggregate: whether it moves, and if so, how."""

    mark: Callable[[Any], Any]
    role: str
    name: str
    place: int
    shift: Callable[..., Any]


class Derivation:
    """What a store derives from its records, by name; the pure step from version to version.

    Immutable after construction. ``indexes`` and ``totals`` of a snapshot are tuples in the
    order of the names here.
    """

    __slots__ = (
        "_asked",
        "_indexes",
        "_marks",
        "_totals",
        "index_positions",
        "kind",
        "total_positions",
        "unique",
    )

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
        self._indexes = tuple(Entries(name, index, kind) for name, index in indexes.items())
        self._totals = tuple(Total(name, aggregate) for name, aggregate in aggregates.items())
        self.index_positions = {name: place for place, name in enumerate(indexes)}
        self.total_positions = {name: place for place, name in enumerate(aggregates)}
        self.unique = tuple(index.unique for index in indexes.values())
        # What is asked of the two records of an update; of what counts records, nothing.
        self._asked = (
            *(
                _Asked(each.mark, "index", each.name, place, each.shift)
                for place, each in enumerate(self._indexes)
            ),
            *(
                _Asked(each.mark, "aggregate", each.name, place, each.shift)
                for place, each in enumerate(self._totals)
                if each.mark is not always
            ),
        )
        self._marks = tuple(each.mark for each in self._asked)

    @classmethod
    def readable(cls, unique: Mapping[str, bool], totals: Iterable[str]) -> Derivation:
        """Return what is needed to *read* derived values, without the functions that made them."""
        derivation = cls(map_kind(), {}, {})
        derivation.index_positions = {name: place for place, name in enumerate(unique)}
        derivation.total_positions = {name: place for place, name in enumerate(totals)}
        derivation.unique = tuple(unique.values())
        return derivation

    def __bool__(self) -> bool:
        return bool(self._indexes or self._totals)

    def index(self, position: int) -> Index[Any]:
        """Return the index at *position*."""
        return self._indexes[position].index

    def build(self, records: Mapping[Any, Any]) -> tuple[States, States]:
        """Return ``(indexes, totals)`` of *records*. O(N) for each."""
        delta: AnyDelta = {key: (MISSING, record) for key, record in records.items()}
        return (
            tuple([entries.build(records) for entries in self._indexes]),
            tuple([total.step(total.start, delta) for total in self._totals]),
        )

    def step(self, indexes: States, totals: States, delta: AnyDelta) -> tuple[States, States]:
        """Return ``(indexes, totals)`` after *delta*; costs O(keys in it) for each."""
        if indexes:
            indexes = tuple(
                [
                    entries.step(state, delta)
                    for entries, state in zip(self._indexes, indexes, strict=True)
                ]
            )
        if totals:
            totals = tuple(
                [
                    total.step(state, delta)
                    for total, state in zip(self._totals, totals, strict=True)
                ]
            )
        return indexes, totals

    def step_one(
        self, indexes: States, totals: States, key: Any, old: Any, new: Any
    ) -> tuple[States, States]:
        """Return the same as `step` of one key."""
        if old is MISSING or new is MISSING:
            return self.step(indexes, totals, {key: (old, new)})
        return self.shift(indexes, totals, key, old, new)

    def shift(
        self, indexes: States, totals: States, key: Any, old: Any, new: Any
    ) -> tuple[States, States]:
        """Return the same as `step` of one key, whose record *old* has become *new*.

        Most of what is derived does not move. Each is asked of both records, and where that gives
        one object of each, that was all.
        """
        mark = None
        try:
            for mark in self._marks:
                if mark(old) is not mark(new):
                    break
            else:
                return indexes, totals
        except Exception as error:
            asked = next(each for each in self._asked if each.mark is mark)
            blame(error, asked.role, asked.name, key)
            raise
        return self._shift(indexes, totals, key, old, new, self._marks.index(mark))

    def _shift(
        self, indexes: States, totals: States, key: Any, old: Any, new: Any, start: int
    ) -> tuple[States, States]:
        """Return the same, where the first that moves is that of `_asked` at *start*."""
        for asked in self._asked[start:]:
            try:
                was, now = asked.mark(old), asked.mark(new)
                if was is now:
                    continue
                place = asked.place
                if asked.role == "index":
                    shifted = asked.shift(indexes[place], key, was, now)
                    if shifted is not indexes[place]:
                        indexes = (*indexes[:place], shifted, *indexes[place + 1 :])
                else:
                    shifted = asked.shift(totals[place], was, now)
                    if shifted is not totals[place]:
                        totals = (*totals[:place], shifted, *totals[place + 1 :])
            except Exception as error:
                blame(error, asked.role, asked.name, key)
                raise
        return indexes, totals

    def step_total(self, position: int, state: Any, delta: AnyDelta) -> Any:
        """Return the aggregate at *position* after *delta*."""
        return self._totals[position].step(state, delta)
