"""Models for the tests of the checker, the operations of each, and what judges without wit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import Any, NamedTuple

from hypothesis import strategies as st

from cowstate.testing import WAITS, Call, Model, NotLinearizableError, Raised, check_linearizable
from cowstate.testing.models import stepped


def register(state: int, operation: str, args: tuple[Any, ...]) -> tuple[int, Any]:
    match operation, args:
        case "read", ():
            return state, state
        case "write", (n,):
            return n, None
        case "swap", (n,):
            return n, state
        case "compare_and_set", (old, new):
            return (new, True) if state == old else (state, False)
    raise LookupError(operation)


def queue(state: tuple[int, ...], operation: str, args: tuple[Any, ...]) -> Any:
    match operation, args:
        case "put", (n,):
            return (*state, n), None
        case "get", ():
            return (state[1:], state[0]) if state else (state, WAITS)
        case "get_nowait", ():
            return (state[1:], state[0]) if state else (state, Raised(LookupError))
    raise LookupError(operation)


def table(state: frozenset[tuple[str, int]], operation: str, args: tuple[Any, ...]) -> Any:
    records = dict(state)
    match operation, args:
        case "get", (key,):
            return state, records.get(key)
        case "set", (key, n):
            return frozenset({**records, key: n}.items()), None
        case "pop", (key,):
            if key not in records:
                return state, Raised(KeyError)
            n = records.pop(key)
            return frozenset(records.items()), n
        case "count", ():
            return state, len(records)
    raise LookupError(operation)


def key_of(operation: str, args: tuple[Any, ...]) -> Any:
    return args[0] if args else None


numbers = st.integers(0, 2)
keys = st.sampled_from("ab")
VALUES: dict[int, Sequence[Any]] = {id(numbers): range(100), id(keys): "abcdefgh"}
"""What they are in a long history."""


class Kind(NamedTuple):
    """A model, what may be called, and which results there might be."""

    model: Model[Any]
    operations: dict[str, list[Any]]
    results: list[Any]


KINDS = {
    "register": Kind(
        Model(0, register),
        {"read": [], "write": [numbers], "swap": [numbers], "compare_and_set": [numbers, numbers]},
        [0, 1, 2, None, True, False],
    ),
    "queue": Kind(
        Model((), queue),
        {"put": [numbers], "get": [], "get_nowait": []},
        [0, 1, 2, None, Raised(KeyError), Raised(TypeError)],
    ),
    "table": Kind(
        Model(frozenset(), table, key_of),
        {"get": [keys], "set": [keys, numbers], "pop": [keys]},
        [0, 1, 2, None, Raised(KeyError)],
    ),
    "table with a count": Kind(
        Model(frozenset(), table, key_of),
        {"get": [keys], "set": [keys, numbers], "pop": [keys], "count": []},
        [0, 1, 2, None, Raised(KeyError)],
    ),
}


def is_linearizable(calls: Sequence[Call], model: Model[Any]) -> bool:
    """What the checker says."""
    try:
        check_linearizable(calls, model)
    except NotLinearizableError:
        return False
    return True


def agrees(expected: Any, result: Any) -> bool:
    if isinstance(expected, Raised):
        return isinstance(result, Raised) and issubclass(result.kind, expected.kind)
    return not isinstance(result, Raised) and bool(expected == result)


def explains(order: Sequence[Call], model: Model[Any]) -> bool:
    """Whether this order keeps to the time, and each call is told there what it was told."""
    for place, call in enumerate(order):
        if any(later.ended is not None and later.ended < call.began for later in order[place:]):
            return False
    state = model.initial
    for call in order:
        state, expected = stepped(model, state, call.operation, call.args)
        if expected is WAITS or (call.ended is not None and not agrees(expected, call.result)):
            return False
    return True


def orders(calls: Sequence[Call]) -> Iterator[tuple[Call, ...]]:
    """Every order of what returned and of any of what did not."""
    returned = [call for call in calls if call.ended is not None]
    lost = [call for call in calls if call.ended is None]
    for size in range(len(lost) + 1):
        for some in combinations(lost, size):
            yield from permutations([*returned, *some])


def has_an_order(calls: Sequence[Call], model: Model[Any]) -> bool:
    """What whoever tries every order says."""
    return any(explains(order, model) for order in orders(calls))


def long_history(name: str, clients: int, calls: int, seed: int) -> list[Call]:
    """A history that is linearizable, of clients that are always calling something."""
    kind, draw = KINDS[name], random.Random(f"{name} {seed}")
    state = kind.model.initial
    moments = [draw.random() for _ in range(clients)]
    free = [0.0] * clients
    made: list[tuple[str, str, tuple[Any, ...], float, float, Any]] = []
    while len(made) < calls:
        client = min(range(clients), key=moments.__getitem__)
        operation = draw.choice(list(kind.operations))
        args = tuple(draw.choice(VALUES[id(arg)]) for arg in kind.operations[operation])
        moment, moments[client] = moments[client], moments[client] + 0.2 + draw.random()
        after, result = stepped(kind.model, state, operation, args)
        if result is not WAITS:
            state = after
            began = draw.uniform(free[client], moment)
            free[client] = ended = draw.uniform(moment, moments[client])
            made.append((str(client), operation, args, began, ended, result))
    times = {time: at for at, time in enumerate(sorted(t for call in made for t in call[3:5]))}
    return [
        Call(client, operation, args, times[began], times[ended], result)
        for client, operation, args, began, ended, result in made
    ]
