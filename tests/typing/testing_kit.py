"""What type checkers see of the testing kit."""

from __future__ import annotations

from typing import Any, assert_type

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cowstate import ChangeSet, Record, Snapshot, Store
from cowstate.testing import (
    WAITS,
    Call,
    Linearization,
    ManualClock,
    Model,
    Raised,
    Recorder,
    ScenarioTally,
    StoreMachine,
    change_sets,
    check_linearizable,
    explore_object,
    histories,
    records,
    run_threads,
    stores,
    writes,
)


class Slot(Record):
    price: int


def step(state: tuple[int, ...], operation: str, args: tuple[Any, ...]) -> tuple[Any, Any]:
    match operation, args:
        case "put", (n,):
            return (*state, n), None
        case "get", ():
            return (state[1:], state[0]) if state else (state, WAITS)
        case _:
            return state, Raised(LookupError)


def a_history() -> None:
    model: Model[tuple[int, ...]] = Model((), step)
    recorder = Recorder(unknown=[TimeoutError])
    queue = recorder.wrap([], operations=["append"], client="me")
    queue.append(1)
    assert_type(recorder.calls(), tuple[Call, ...])
    found = check_linearizable(recorder.calls(), model)
    assert_type(found, Linearization)
    assert_type(found.order, tuple[Call, ...])
    assert_type(Model.sequential(list, state=tuple), Model[Any])


def threads() -> None:
    assert_type(run_threads(lambda: 1, lambda: "a", timeout=5), list[Any])
    clock = ManualClock()
    assert_type(clock(), float)
    assert_type(clock.advance(1), float)


def generated() -> None:
    keys = st.sampled_from("ab")
    assert_type(explore_object(dict, {"get": [keys], "clear": []}), ScenarioTally)
    assert_type(records(Slot, price=st.integers()), SearchStrategy[Slot])
    assert_type(change_sets(keys, st.integers()), SearchStrategy[ChangeSet[Any, Any]])
    assert_type(stores(keys, st.integers()), SearchStrategy[Store[Any, Any]])
    assert_type(histories(Model((), step), {"get": []}), SearchStrategy[tuple[Call, ...]])


class Shelf(StoreMachine):
    initial = {"a": 1}

    @writes(n=st.integers(0, 5))
    def put(self, records: Any, n: int) -> int:
        records["a"] = n
        return n

    def check(self, now: Snapshot[str, int]) -> None:
        assert now["a"] >= 0
