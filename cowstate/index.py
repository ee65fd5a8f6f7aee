"""Records found by a value computed from them: `Index`, and how its entries follow a change."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from .changes import MISSING, Delta
from .errors import ArgumentTypeError, IndexValueError, UniqueViolationError
from .maps import MapKind, PersistentMap
from .showing import shown

__all__ = ["Index", "add_entry", "moved", "remove_entry", "step_index"]

V = TypeVar("V")
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


def moved(
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


def step_index(
    kind: MapKind, name: str, index: Index[Any], state: PersistentMap[Any, Any], delta: AnyDelta
) -> PersistentMap[Any, Any]:
    """Return the index after *delta*: removals first, so that values may pass each other.

    The state of a unique index maps value to key; that of another maps value to a persistent
    map whose keys are the keys.
    """
    added: list[tuple[Any, Any]] = []
    for key, (old, new) in delta.items():
        there = moved(name, index, key, old, new)
        if there is not None:
            for value in there[0]:
                state = remove_entry(kind, name, index.unique, state, value, key)
            added += [(value, key) for value in there[1]]
    for value, key in added:
        state = add_entry(kind, name, index.unique, state, value, key)
    return state


def add_entry(
    kind: MapKind, name: str, unique: bool, state: PersistentMap[Any, Any], value: Any, key: Any
) -> PersistentMap[Any, Any]:
    """Return the index with *key* found under *value*."""
    if not unique:
        bucket = state.get(value)
        bucket = kind.build({key: None}) if bucket is None else kind.put(bucket, key, None)
        return kind.put(state, value, bucket)  # type: ignore[no-any-return]
    if value in state:
        raise UniqueViolationError(name, value, (state[value], key))
    return kind.put(state, value, key)  # type: ignore[no-any-return]


def remove_entry(
    kind: MapKind, name: str, unique: bool, state: PersistentMap[Any, Any], value: Any, key: Any
) -> PersistentMap[Any, Any]:
    """Return the index with *key* no longer found under *value*."""
    entry = state.get(value, MISSING)
    if entry is MISSING or ((entry is not key and entry != key) if unique else key not in entry):
        raise IndexValueError(
            f"{shown(value)} was not the value of this record when it was stored; an index "
            "function must give the same value for the same record every time"
        ).within(name, key)
    if unique or len(entry) == 1:
        return kind.drop(state, value)  # type: ignore[no-any-return]
    return kind.put(state, value, kind.drop(entry, key))  # type: ignore[no-any-return]
