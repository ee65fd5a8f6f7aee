"""What a store derives from its records, and the step from version to version: `Derivation`.

Derived values travel in the same reference as the records they come from, so no reader can see
one without the other. Each is brought up to date from the changes alone: no commit scans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from .aggregate import Aggregate
from .blame import blame
from .changes import MISSING, Delta
from .errors import ArgumentTypeError, UnknownAggregateError
from .index import Index, entries_of
from .later import Later
from .maps import MapKind, map_kind
from .showing import shown
from .totals import Groups, total_of

__all__ = ["Derivation"]

AnyDelta: TypeAlias = Delta[Any, Any]
States: TypeAlias = Sequence[Any]


class _Asked(NamedTuple):
    """What an update asks for one index or aggregate, and what follows if that moved."""

    mark: Callable[[Any], Any]
    shift: Callable[..., Any]
    place: int
    role: str
    name: str


class Derivation:
    """What a store derives from its records, by name; the pure step from version to version.

    Immutable after construction. The indexes and totals of a snapshot are tuples of states, in the
    order of those here.
    """

    __slots__ = (
        "_asked",
        "_asking",
        "_asks",
        "index_positions",
        "indexes",
        "kind",
        "readers",
        "roles",
        "total_positions",
        "totals",
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
        self.indexes = tuple(entries_of(name, index, kind) for name, index in indexes.items())
        self.totals = tuple(total_of(name, each, kind) for name, each in aggregates.items())
        # All that has a state.
        self.roles: tuple[tuple[Any, ...], tuple[Any, ...]] = (self.indexes, self.totals)
        self.index_positions = {name: place for place, name in enumerate(indexes)}
        self.total_positions = {name: place for place, name in enumerate(aggregates)}
        self.unique = tuple(index.unique for index in indexes.values())
        # What makes of a state what a reader is given; None where that is the state.
        self.readers = tuple(total.reader for total in self.totals)
        # What an update asks, function by function; and beside it, who asks.
        roles: tuple[tuple[str, tuple[Any, ...]], ...] = (
            ("index", self.indexes),
            ("aggregate", self.totals),
        )
        parts: list[tuple[str, int, Any]] = [
            (role, place, part) for role, those in roles for place, part in enumerate(those)
        ]
        self._asked = tuple(
            [_Asked(part.mark, part.shift, place, role, part.name) for role, place, part in parts]
        )
        asks = [(fn, each) for each, (_, _, part) in enumerate(parts) for fn in part.asks]
        self._asks = tuple([fn for fn, _ in asks])
        self._asking = tuple([each for _, each in asks])

    @classmethod
    def readable(cls, unique: Mapping[str, bool], totals: Iterable[str]) -> Derivation:
        """Return what is needed to *read* derived values, without the functions that made them."""
        derivation = cls(map_kind(), {}, {})
        derivation.index_positions = {name: place for place, name in enumerate(unique)}
        derivation.total_positions = {name: place for place, name in enumerate(totals)}
        derivation.unique = tuple(unique.values())
        derivation.readers = (None,) * len(derivation.total_positions)
        return derivation

    @property
    def named_indexes(self) -> dict[str, Index[Any]]:
        """The indexes by name, in their order."""
        return {entries.name: entries.index for entries in self.indexes}

    @property
    def named_aggregates(self) -> dict[str, Aggregate[Any, Any]]:
        """The aggregates by name, in their order."""
        return {total.name: total.aggregate for total in self.totals}

    def __bool__(self) -> bool:
        return bool(self.indexes or self.totals)

    def index(self, position: int) -> Index[Any]:
        """Return the index at *position*."""
        return self.indexes[position].index

    def build(self, records: Mapping[Any, Any]) -> tuple[States, States]:
        """Return ``(indexes, totals)`` of *records*. O(N) for each."""
        return (
            tuple([entries.build(records) for entries in self.indexes]),
            tuple([total.build(records) for total in self.totals]),
        )

    def build_later(self, records: Mapping[Any, Any]) -> tuple[States, States]:
        """Return the same, each to be built when it is first asked for."""
        indexes, totals = [Later(those, records) if those else () for those in self.roles]
        return indexes, totals

    def step(self, indexes: States, totals: States, delta: AnyDelta) -> tuple[States, States]:
        """Return ``(indexes, totals)`` after *delta*; costs O(keys in it) for each."""
        if indexes:
            indexes = tuple(
                [
                    entries.step(state, delta)
                    for entries, state in zip(self.indexes, indexes, strict=True)
                ]
            )
        if totals:
            totals = tuple(
                [total.step(state, delta) for total, state in zip(self.totals, totals, strict=True)]
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
        ask = None
        try:
            for ask in self._asks:
                was = ask(old)
                now = ask(new)
                if was is not now:
                    break
            else:
                return indexes, totals
        except Exception as error:
            if ask is not None:
                asked = self._asked[self._asking[self._asks.index(ask)]]
                blame(error, asked.role, asked.name, key)
            raise
        given: Any = ask
        for mark, shift, place, role, name in self._asked[self._asking[self._asks.index(ask)] :]:
            try:
                # The first was just asked, if it asks one thing only.
                if mark is not given:
                    was, now = mark(old), mark(new)
                given = None
                if was is now:
                    continue
                if role == "index":
                    shifted = shift(indexes[place], key, was, now)
                    if shifted is not indexes[place]:
                        indexes = (*indexes[:place], shifted, *indexes[place + 1 :])
                else:
                    shifted = shift(totals[place], was, now)
                    if shifted is not totals[place]:
                        totals = (*totals[:place], shifted, *totals[place + 1 :])
            except Exception as error:
                blame(error, role, name, key)
                raise
        return indexes, totals

    def trunk(self, indexes: States, totals: States) -> list[object]:
        """Return the objects in these states, and here, that their readers have in common."""
        found: list[object] = [self, self.index_positions, self.total_positions, self.unique]
        # What reads a state is a method of a total, or of its aggregate.
        found += [self.readers, *self.readers, *self.totals, *self.named_aggregates.values()]
        found += [indexes, totals]
        for parts, states in zip(self.roles, (indexes, totals), strict=True):
            if isinstance(states, Later):
                found += states.trunk()
                continue
            for part, state in zip(parts, states, strict=True):
                found += part.trunk(state)
        return found

    def value(self, position: int, state: Any, group: object = MISSING) -> Any:
        """Return what a reader is given for the aggregate at *position*, all of it or of a group.

        Raises:
            ArgumentTypeError: it has no groups.
        """
        reader = self.readers[position]
        value = state if reader is None else reader(state)
        if group is MISSING:
            return value
        if not isinstance(value, Groups):
            name = next(name for name, at in self.total_positions.items() if at == position)
            raise ArgumentTypeError(
                f"aggregate {shown(name)} has no groups; it was made without `by`"
            )
        return value.of(group)

    def name_of(self, aggregate: object, version: int) -> str:
        """Return the name of an *aggregate*, of that very object; the first, if it has several.

        Raises:
            UnknownAggregateError: it is none of those of that *version*, or no `Aggregate`.
        """
        for total in self.totals:
            if total.aggregate is aggregate:
                return total.name
        if not isinstance(aggregate, Aggregate):
            raise UnknownAggregateError(aggregate, self.total_positions, version)
        raise UnknownAggregateError(
            None,
            self.total_positions,
            version,
            f"that Aggregate is none of version {version}: it was added later, or removed, or is "
            "another store's; and of a snapshot that was unpickled there are only names. Ask by "
            "the name",
        )

    def step_total(self, position: int, state: Any, delta: AnyDelta) -> Any:
        """Return the aggregate at *position* after *delta*."""
        return self.totals[position].step(state, delta)
