"""A store in threads, by the checker: each of its writes and looks takes effect at one moment.

`tests/histories` asks more of a store, by its versions; here it is any object, with a model.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from cowstate import CowstateError, RecordNotFoundError, Store
from cowstate.testing import (
    Model,
    NotLinearizableError,
    Raised,
    Recorder,
    UndecidedError,
    check_linearizable,
    run_threads,
)

KEYS = ("a", "b", "c")
THREADS = 4
CALLS = 150


class Seats:
    """What is called: each operation is one use of a store."""

    def __init__(self) -> None:
        self.store: Store[str, int] = Store({"a": 0})

    def set(self, key: str, n: int) -> None:
        self.store.set(key, n)

    def add(self, key: str) -> None:
        self.store.update(key, lambda n: n + 1)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def all(self) -> dict[str, int]:
        return dict(self.store.snapshot())

    def move(self, giver: str, taker: str) -> int:
        def move(records: Any) -> int:
            n: int = records[giver]
            records[giver] = 0
            records[taker] = records.get(taker, 0) + n
            return n

        return self.store.retry(move, attempts=3)


class CarelessSeats(Seats):
    """Looks, thinks, and writes what it has seen."""

    def add(self, key: str) -> None:
        now = self.store.snapshot()
        if key not in now:
            raise RecordNotFoundError(key, now.version)
        for _ in range(300):
            self.store.snapshot()
        self.store.set(key, now[key] + 1)


def step(state: frozenset[tuple[str, int]], operation: str, args: tuple[Any, ...]) -> Any:
    records = dict(state)
    key = args[0] if args else None
    result: Any = None
    match operation, args:
        case "all", ():
            return state, records
        case "set", (_, n):
            records[key] = n
        case "move", (giver, taker) if giver in records:
            result = records[giver]
            records[giver] = 0
            records[taker] = records.get(taker, 0) + result
        case "add", _ if key in records:
            records[key] += 1
        case "delete", _ if key in records:
            del records[key]
        case _:
            return state, Raised(RecordNotFoundError)
    return frozenset(records.items()), result


MODEL: Model[Any] = Model(frozenset({("a", 0)}), step)


def history_of(kind: type[Seats], seed: int) -> Recorder:
    recorder = Recorder()
    seats = recorder.wrap(kind())

    def work(number: int) -> None:
        choose = random.Random(f"{seed}, {number}")
        for _ in range(CALLS):
            operation = choose.choice(["set", "add", "add", "add", "delete", "all", "move"])
            args = choose.sample(KEYS, {"all": 0, "move": 2}.get(operation, 1))
            try:
                getattr(seats, operation)(*args, *([number] if operation == "set" else []))
            except CowstateError:
                continue

    run_threads(*[lambda n=n: work(n) for n in range(THREADS)], switch_interval=1e-6)
    return recorder


@pytest.mark.parametrize("seed", range(3))
def test_a_store_in_threads_does_one_thing_after_the_other(seed: int) -> None:
    calls = history_of(Seats, seed).calls()
    assert len(calls) == THREADS * CALLS
    found = check_linearizable(calls, MODEL)
    assert len(found.order) == len(calls)


def test_who_looks_and_then_writes_does_not() -> None:
    for seed in range(200):
        try:
            check_linearizable(history_of(CarelessSeats, seed).calls(), MODEL, most_steps=100_000)
        except NotLinearizableError:
            return
        except UndecidedError:
            continue
    pytest.fail("no history shows that updates are lost")
