"""The work of adding to what a store derives, and of taking from it: `Deriving`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from .aggregate import Aggregate
from .commit import Commit
from .committer import Committer
from .derivation import Derivation
from .errors import (
    ArgumentTypeError,
    ArgumentValueError,
    UnknownAggregateError,
    UnknownIndexError,
)
from .index import Index, entries_of
from .later import Later
from .showing import shown
from .snapshot import Snapshot
from .totals import total_of

__all__ = ["Deriving", "Removal"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Role: TypeAlias = Literal["index", "aggregate"]


class _Built(NamedTuple):
    """One index or aggregate, and its state in some version."""

    part: Any
    spec: Any
    state: Any
    base: Snapshot[Any, Any]


class Removal(NamedTuple):
    """What index or aggregate is to be removed: the one thing that nothing derived is needed for.

    Not even that it can be built: whoever cannot build one must be able to remove it.
    """

    role: Role
    name: str


class Deriving(Generic[K, V]):
    """As the works of `Committer`, and by it: each is done while nobody else may write.

    What is added is worked out from a snapshot, outside of the lock; under the lock, only what has
    changed since is. So others write meanwhile. It is one publication, of a version with the same
    records: an old snapshot has one lineage for ever, and with it, or without it.
    """

    __slots__ = ("_committer",)

    def __init__(self, committer: Committer[K, V]) -> None:
        self._committer = committer

    def add(self, role: Role, name: str, spec: Any) -> Commit[K, V]:
        """Add an index or aggregate. Calls `Committer.write`."""
        wanted: type[Any] = Index if role == "index" else Aggregate
        if not isinstance(spec, wanted):
            raise ArgumentTypeError(
                f"add_{role} takes a name and an {wanted.__name__}, not {shown(spec)}"
            )
        base = self._committer.timeline.current
        _ensure_free(base._lineage.derivation, role, name)
        make: Any = entries_of if role == "index" else total_of
        part = make(name, spec, base._lineage.derivation.kind)
        built = _Built(part, spec, part.build(base), base)
        return self._committer.write(self._add, role, built)  # type: ignore[no-any-return]

    def _add(self, role: Role, built: _Built) -> Commit[K, V]:
        before = self._committer.timeline.current
        derivation = before._lineage.derivation
        name, state = built.part.name, built.state
        _ensure_free(derivation, role, name)
        delta = before._lineage.difference(built.base, before)
        if delta:
            state = built.part.step(state, delta)
        indexes, aggregates = derivation.named_indexes, derivation.named_aggregates
        states = before._indexes, before._totals
        if role == "index":
            indexes[name] = built.spec
            states = (*before._indexes, state), before._totals
        else:
            aggregates[name] = built.spec
            states = before._indexes, (*before._totals, state)
        return self._committer.commit_derived(
            Derivation(derivation.kind, indexes, aggregates), *states
        )

    def remove(self, what: Removal, _: None) -> Commit[K, V]:
        """Remove an index or aggregate. As the work of `Committer.write`."""
        role, name = what
        _ensure_name(role, name)
        before = self._committer.timeline.current
        derivation = before._lineage.derivation
        indexes, aggregates = derivation.named_indexes, derivation.named_aggregates
        states: tuple[Sequence[Any], Sequence[Any]] = before._indexes, before._totals
        if role == "index":
            if indexes.pop(name, None) is None:
                raise UnknownIndexError(name, indexes)
            states = _without(states[0], derivation.index_positions[name]), states[1]
        else:
            if aggregates.pop(name, None) is None:
                raise UnknownAggregateError(name, aggregates, before.version)
            states = states[0], _without(states[1], derivation.total_positions[name])
        return self._committer.commit_derived(
            Derivation(derivation.kind, indexes, aggregates), *states
        )


def _ensure_name(role: Role, name: object) -> None:
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the name of an {role} is a str, not {shown(name)}")


def _ensure_free(derivation: Derivation, role: Role, name: object) -> None:
    _ensure_name(role, name)
    taken = derivation.index_positions if role == "index" else derivation.total_positions
    if name in taken:
        raise ArgumentValueError(
            f"there is an {role} {shown(name)} already; choose another name, or remove that first"
        )


def _without(states: Sequence[Any], place: int) -> Sequence[Any]:
    if isinstance(states, Later):
        return states.without(place)
    return (*states[:place], *states[place + 1 :])
