"""What a store derives from its records, and the step from version to version: `Derivation`.

Derived values travel in the same reference as the records they come from, so no reader can see
one without the other. Each is brought up to date from the changes alone: no commit scans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from .aggregate import Aggregate
from .changes import Delta
from .errors import ArgumentTypeError
from .index import Index, add_entry, moved, remove_entry, step_index
from .maps import MapKind, map_kind
from .showing import shown

__all__ = ["Derivation"]

AnyDelta: TypeAlias = Delta[Any, Any]


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
                    step_index(self.kind, name, index, state, delta)
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
            there = moved(name, index, key, old, new)
            if there is not None:
                state = indexes[place]
                for value in there[0]:
                    state = remove_entry(self.kind, name, index.unique, state, value, key)
                for value in there[1]:
                    state = add_entry(self.kind, name, index.unique, state, value, key)
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
