"""Generated programs find each planted mistake, show the smallest, and pass what is right."""

from __future__ import annotations

import pickle
from queue import LifoQueue, SimpleQueue
from typing import Any

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import cowstate.testing.scenario as generated
from cowstate import ArgumentTypeError, ArgumentValueError, DeadlockError
from cowstate.testing import (
    Model,
    NotLinearizableError,
    Scenario,
    ScenarioError,
    UndecidedError,
    explore_object,
    scenarios,
)
from cowstate.testing.schedules import replay
from tests.testing import planted
from tests.testing.planted import MODULES, RIGHT, WRONG, Cell, Counter, LockedCounter, Transfer


def exploring(kind: Any, **options: Any) -> Any:
    given_ = {
        "modules": MODULES,
        "threads": 2,
        "calls": 2,
        "examples": 40,
        "max_schedules": 100,
        **options,
    }
    return explore_object(kind, kind.operations, **given_)


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.__name__)
def test_a_mistake_is_found_and_made_small(kind: Any) -> None:
    with pytest.raises(ScenarioError) as caught:
        exploring(kind)
    error = caught.value
    expected = DeadlockError if kind is Transfer else NotLinearizableError
    assert isinstance(error.error, expected)
    # Two threads of at most two calls, of which none could be left out.
    assert len(error.scenario.threads) == 2
    assert sum(map(len, error.scenario.threads)) <= 3
    assert len(error.scenario.before) <= 1


@pytest.mark.parametrize("kind", RIGHT, ids=lambda kind: kind.__name__)
def test_what_is_right_passes(kind: Any) -> None:
    tally = exploring(kind, examples=8)
    assert tally.scenarios == 8
    assert tally.schedules > 2 * tally.scenarios


def test_what_is_shown_can_be_run_again() -> None:
    with pytest.raises(ScenarioError) as caught:
        exploring(Counter)
    error = caught.value
    again = replay(error.scenario.program(Counter), error.schedule)
    assert isinstance(again.error, NotLinearizableError)
    assert str(again.error) == str(error.error)
    assert again.steps == error.trace.steps
    # And pasted: all of it is in the text.
    text = str(error)
    for part in (error.error, error.scenario, error.trace, error.schedule.how):
        assert str(part) in text
    assert eval(repr(error.scenario), {"Scenario": Scenario}) == error.scenario
    _, _, pasted = text.partition("To run it again:\n")
    scenario, program, again = pasted.splitlines()
    names: dict[str, Any] = {"Scenario": Scenario, "replay": replay, "make": Counter, "model": None}
    exec(f"{scenario}\n{program}\ntrace = {again}", names)
    assert str(names["trace"].error) == str(error.error)


def test_what_was_found_where_modules_were_given_themselves_is_told_and_pickled() -> None:
    with pytest.raises(ScenarioError) as caught:
        exploring(Counter, modules=[planted])
    error = caught.value
    assert str(error).endswith(", modules=['tests.testing.planted'])")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.schedule == error.schedule
    assert again.scenario == error.scenario


def test_the_smallest_program_that_loses_an_update_is_two_calls() -> None:
    with pytest.raises(ScenarioError) as caught:
        exploring(Counter)
    assert caught.value.scenario == Scenario((), ((("add", ()),), (("add", ()),)))


def test_a_model_says_what_is_right_where_the_object_is_wrong_alone() -> None:
    class Doubling(LockedCounter):
        def add(self) -> int:
            with self.lock:
                self.n += 2
                return self.n

    def step(n: int, operation: str, args: tuple[Any, ...]) -> tuple[int, int]:
        return (n + 1, n + 1) if operation == "add" else (n, n)

    exploring(Doubling, examples=5)
    with pytest.raises(ScenarioError, match="could only have returned 1"):
        exploring(Doubling, examples=5, model=Model(0, step))


def test_the_modules_are_those_of_the_class_if_none_are_named() -> None:
    with pytest.raises(ScenarioError):
        exploring(Cell, modules=None)
    operations = {"put": [st.integers(0, 3)], "get_nowait": [], "qsize": []}
    tally = explore_object(LifoQueue, operations, examples=5, max_schedules=100)
    assert tally.schedules > tally.scenarios == 5


def test_with_three_threads_and_calls_before() -> None:
    with pytest.raises(ScenarioError):
        exploring(Counter, threads=3, calls=1, preemptions=1)


# What is generated


@given(st.data())
def test_scenarios_keep_to_their_bounds(data: st.DataObject) -> None:
    operations = {"a": [st.integers(0, 3)], "b": []}
    bounds = {
        "threads": data.draw(st.integers(2, 4)),
        "calls": data.draw(st.integers(1, 4)),
        "before": data.draw(st.integers(0, 3)),
    }
    scenario = data.draw(scenarios(operations, **bounds))
    assert 2 <= len(scenario.threads) <= bounds["threads"]
    assert all(1 <= len(steps) <= bounds["calls"] for steps in scenario.threads)
    assert len(scenario.before) <= bounds["before"]
    for name, args in (*scenario.before, *(step for steps in scenario.threads for step in steps)):
        assert len(args) == len(operations[name])


def test_a_scenario_is_told_line_by_line() -> None:
    scenario = find(
        scenarios({"put": [st.just("x")]}, calls=2),
        lambda found: len(found.threads[1]) == 2,
        settings=settings(database=None),
    )
    assert str(scenario) == "A       put('x')\nB       put('x'); put('x')"


# Slips


@pytest.mark.parametrize(
    ("operations", "options", "error", "said"),
    [
        ({"ad": []}, {}, ArgumentTypeError, "has no operation 'ad'"),
        ({"add": [3]}, {}, ArgumentTypeError, r"a hypothesis strategy for each argument.*st\.just"),
        (["add"], {}, ArgumentTypeError, "operations must be a mapping"),
        ({"add": []}, {"examples": 0}, ArgumentValueError, "examples must be at least 1"),
        ({"add": []}, {"model": print}, ArgumentTypeError, r"must be a cowstate\.testing\.Model"),
        ({"add": st.integers()}, {}, ArgumentTypeError, "a list with a hypothesis strategy"),
        ({}, {}, ArgumentValueError, "at least one operation"),
        ({"add": []}, {"threads": 1}, ArgumentValueError, "threads must be at least 2"),
        ({"add": []}, {"calls": 0}, ArgumentValueError, "calls must be at least 1"),
        ({"add": []}, {"before": -1}, ArgumentValueError, "before must be at least 0"),
        ({"add": []}, {"calls": 1.5}, ArgumentTypeError, "calls must be a whole number"),
    ],
)
def test_a_slip_is_refused(
    operations: Any, options: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        explore_object(Counter, operations, modules=[planted], **options)


class Odd(Counter):
    """Its operations are not what an ordinary method is."""

    def _add(self) -> int:
        return super().add()

    def __iadd__(self, n: int) -> int:  # type: ignore[misc]
        return super().add()

    def __next__(self) -> int:
        return super().add()

    def each(self) -> Any:
        yield super().add()

    def one(self) -> Any:
        return iter([super().add()])

    async def task(self) -> int:
        return super().add()

    async def tasks(self) -> Any:
        yield super().add()


@pytest.mark.parametrize(
    ("name", "args"), [("_add", []), ("__iadd__", [st.just(1)]), ("__next__", [])]
)
def test_a_private_operation_and_an_operator_are_judged_as_any(name: str, args: Any) -> None:
    with pytest.raises(ScenarioError):
        explore_object(Odd, {name: args}, modules=[planted], before=0, calls=1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("each", "of type generator"),
        ("one", "of type list_iterator"),
        ("task", "task is a coroutine function, which threads cannot call"),
        ("tasks", "of type async_generator"),
    ],
)
def test_an_operation_of_which_nothing_can_be_recorded_is_refused(name: str, said: str) -> None:
    """Not passed, as one that has never returned and so may have done anything."""
    with pytest.raises(ArgumentTypeError, match=said):
        explore_object(Odd, {name: []}, modules=[planted])


def test_what_is_not_decided_is_no_failure_of_the_object(monkeypatch: pytest.MonkeyPatch) -> None:
    check = generated.check_linearizable
    monkeypatch.setattr(
        generated, "check_linearizable", lambda calls, model: check(calls, model, most_steps=1)
    )
    with pytest.raises(UndecidedError):
        exploring(LockedCounter)


@pytest.mark.parametrize("modules", [planted.__name__, planted])
def test_a_module_that_is_not_in_a_list_is_refused(modules: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="for one write"):
        explore_object(Counter, {"add": []}, modules=modules)


def test_what_makes_no_object_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="a function that makes the object"):
        explore_object(Counter(), Counter.operations)  # type: ignore[arg-type]


def test_an_object_without_lines_is_refused() -> None:
    with pytest.raises(ArgumentValueError, match="no operation of SimpleQueue is made of lines"):
        explore_object(SimpleQueue, {"put": [st.just(1)]})


def test_what_a_model_raises_is_no_failure_of_the_object() -> None:
    def step(n: int, operation: str, args: tuple[Any, ...]) -> tuple[int, int]:
        raise LookupError(f"of {operation} nothing is known")

    with pytest.raises(LookupError, match="of add nothing is known") as caught:
        exploring(LockedCounter, examples=2, model=Model(0, step))
    (note,) = caught.value.__notes__
    assert "The model raised this, not the object" in note
    assert "add()" in note
