"""Hypothesis strategies: records, change sets, stores with a past, and histories of calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any, Final, TypeVar, get_type_hints

import msgspec

from ..changes import MISSING, ChangeSet
from ..errors import ArgumentTypeError, MissingExtraError
from ..showing import shown, some
from ..store import Store
from .calls import Call
from .models import WAITS, Model, stepped

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError as error:
    raise MissingExtraError("cowstate.testing.strategies", "testing") from error

__all__ = ["change_sets", "histories", "records", "stores"]

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
_APART: Final = 10


def _looked_up(fn: F) -> F:
    """Return *fn* with annotations that are no texts: `composite` moves it to another module."""
    fn.__annotations__ = get_type_hints(fn)
    return fn


def records(kind: type[R], /, **fields: SearchStrategy[Any]) -> SearchStrategy[R]:
    """Return a strategy for records of a class: a `Record`, a data class, a named tuple, attrs.

    Args:
        kind: the class.
        fields: strategies for fields by name; the others get values of their annotated types.

    Raises:
        ArgumentTypeError: a name is none of its fields, of those that the class tells.

    >>> from hypothesis import find, strategies as st
    >>> from cowstate import Record
    >>> class Slot(Record):
    ...     price: int
    ...     owner: str | None = None
    >>> find(records(Slot, price=st.integers(1, 9)), lambda slot: True)
    Slot(price=1, owner=None)
    """
    if not isinstance(kind, type):
        raise ArgumentTypeError(f"a class of records is needed, not {shown(kind)}")
    if not issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{**_of_attrs(kind), **fields})
    names = kind.__struct_fields__
    unknown = [name for name in fields if name not in names]
    if unknown:
        raise ArgumentTypeError(
            f"{kind.__name__} has no field {some(unknown)}; it has {some(names, 20)}"
        )
    hints = get_type_hints(kind)
    # Asked for one by one: hypothesis knows nothing of what makes a Struct.
    all_ = {name: fields[name] if name in fields else st.from_type(hints[name]) for name in names}
    return st.fixed_dictionaries(all_).map(lambda given: kind(**given))


def _of_attrs(kind: type) -> dict[str, SearchStrategy[Any]]:
    """Strategies for what an attrs class must be given: hypothesis reads no annotations as text."""
    if not hasattr(kind, "__attrs_attrs__"):
        return {}
    hints = get_type_hints(kind)
    return {
        name: st.from_type(hints[name])
        for name, parameter in signature(kind).parameters.items()
        if parameter.default is parameter.empty and name in hints
    }


def change_sets(
    keys: SearchStrategy[Any], values: SearchStrategy[Any], *, most: int = 5
) -> SearchStrategy[ChangeSet[Any, Any]]:
    """Return a strategy for change sets: keys that come, go and change.

    Args:
        keys: for keys.
        values: for records, old and new.
        most: at most how many keys.

    >>> from hypothesis import find, strategies as st
    >>> find(change_sets(st.just("a"), st.integers(0, 9)), lambda changes: "a" in changes)
    ChangeSet({'a': Change(old=0, new=MISSING)})
    """
    ends = values | st.just(MISSING)
    pairs = st.dictionaries(keys, st.tuples(ends, ends), max_size=most)
    return pairs.map(ChangeSet)


@st.composite
@_looked_up
def stores(
    draw: DrawFn,
    keys: SearchStrategy[Any],
    values: SearchStrategy[Any],
    *,
    most: int = 5,
    writes: int = 5,
    options: Mapping[str, Any] | None = None,
) -> Store[Any, Any]:
    """Return a strategy for stores that have a past: some records, and some writes since.

    Args:
        draw: hypothesis gives it; not to be given.
        keys: for keys.
        values: for records.
        most: at most how many records at first.
        writes: at most how many writes since.
        options: what else `Store` is given: indexes, aggregates, ``immutability="deep"``.

    >>> from hypothesis import find, strategies as st
    >>> store = find(stores(st.just("a"), st.just(1)), lambda store: store.snapshot().version > 1)
    >>> store.snapshot().version
    2
    """
    store: Store[Any, Any] = Store(
        draw(st.dictionaries(keys, values, max_size=most)), **(options or {})
    )
    for key, value in draw(st.lists(st.tuples(keys, values | st.just(MISSING)), max_size=writes)):
        if value is not MISSING:
            store.set(key, value)
        elif key in store.snapshot():
            store.delete(key)
    return store


@st.composite
@_looked_up
def histories(
    draw: DrawFn,
    model: Model[Any],
    operations: Mapping[str, Sequence[SearchStrategy[Any]]],
    *,
    clients: int = 3,
    calls: int = 10,
    lost: bool = True,
) -> tuple[Call, ...]:
    """Return a strategy for histories that are linearizable: as a correct object would have them.

    Calls take effect one after the other, by the model, and each begins some time before and
    returns some time after that, so that they overlap at random. For trying a model, or whatever
    judges histories.

    Args:
        draw: hypothesis gives it; not to be given.
        model: what the object does.
        operations: what is called, with a strategy for each argument.
        clients: at most how many; one calls one thing at a time.
        calls: at most how many calls.
        lost: whether the last call of a client may never return, with or without effect.

    >>> from hypothesis import find, strategies as st
    >>> model = Model(0, lambda state, operation, args: (state + 1, state))
    >>> for call in find(histories(model, {"next": []}), lambda calls: len(calls) == 2):
    ...     print(call.client, call.began, call.ended, call)
    A 0 1 next() -> 0
    A 2 3 next() -> 1
    """
    who = st.integers(0, clients - 1)
    step = st.one_of(
        [st.tuples(st.just(name), st.tuples(*args)) for name, args in operations.items()]
    )
    reach = st.integers(0, 4 * _APART)
    state = model.initial
    # For each call: client, step, result, and when it begins and returns.
    drawn: list[tuple[int, tuple[str, Any], Any, int, int]] = []
    free = dict.fromkeys(range(clients), 0)
    planned = draw(st.lists(st.tuples(who, step, reach, reach), max_size=calls))
    moments = range(_APART, _APART * (len(planned) + 1), _APART)
    last = {client: number for number, (client, *_) in enumerate(planned)}
    gone = {c for c in last if lost and draw(st.booleans())}
    following = _next_of([client for client, *_ in planned], moments)
    for number, ((client, (name, args), early, late), moment) in enumerate(
        zip(planned, moments, strict=True)
    ):
        is_lost = client in gone and last[client] == number
        after, result = stepped(model, state, name, args)
        if result is WAITS:
            continue
        if not (is_lost and draw(st.booleans())):
            state = after
        began = max(moment - early, free[client])
        ended = min(moment + late, following[number] - 1)
        free[client] = ended + 1
        drawn.append((client, (name, args), result, began, -1 if is_lost else ended))
    return _numbered(drawn)


def _next_of(clients: Sequence[int], moments: Sequence[int]) -> list[int]:
    """For each call, the moment of the next one of its client."""
    never = _APART * (len(clients) + 10)
    found = []
    upcoming: dict[int, int] = {}
    for client, moment in zip(reversed(clients), reversed(moments), strict=True):
        found.append(upcoming.get(client, never))
        upcoming[client] = moment
    return found[::-1]


def _numbered(drawn: Sequence[tuple[int, tuple[str, Any], Any, int, int]]) -> tuple[Call, ...]:
    """Make calls of these, with times from 0 that no two moments share."""
    moments = [(began, 0, number) for number, (*_, began, _) in enumerate(drawn)]
    moments += [(ended, 1, number) for number, (*_, ended) in enumerate(drawn) if ended >= 0]
    at = {(kind, number): place for place, (_, kind, number) in enumerate(sorted(moments))}
    made = [
        Call(
            chr(ord("A") + client),
            name,
            args,
            at[0, number],
            at.get((1, number)),
            result if ended >= 0 else None,
        )
        for number, (client, (name, args), result, _, ended) in enumerate(drawn)
    ]
    return tuple(sorted(made, key=lambda call: call.began))
