"""Every schedule of the store's write paths, within a bound; and the bugs that this would catch.

The bound is two preemptions everywhere but where a test says otherwise. Printed by
``pytest -rP``: how many schedules each program has.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cowstate.core
import pytest

from cowstate import (
    MISSING,
    Aggregate,
    ConflictError,
    Index,
    Store,
)
from cowstate.errors import DeadlockError, ScheduleError
from cowstate.testing.points import CodePoints
from cowstate.testing.schedules import Exploration, Program, explore


def beside(name: str) -> ModuleType:
    """Import a module of this folder, which is no package."""
    path = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"{__name__}_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


programs = beside("programs")
twins = beside("twins")

# The modules with state that threads share, or with locks. The others compute immutable values
# of immutable values.
SHARED = [f"cowstate.{name}" for name in ("store", "core", "audience", "feeds", "history", "ring")]


def make(records: dict[str, int], **options: Any) -> Store[str, int]:
    return Store(
        records,
        indexes={"value": Index(lambda n: n)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
        **options,
    )


def bare(records: dict[str, int]) -> Store[str, int]:
    """Without indexes and totals a store takes a shorter way."""
    return Store(records)


def exhaust(program: Program, preemptions: int | None = 2, **options: Any) -> Exploration:
    result = explore(program, modules=SHARED, preemptions=preemptions, **options)
    assert result.complete
    print(f"{result.schedules} schedules, outcomes {result.outcomes}")
    return result


# What the twins below show that these would catch


CASES = [
    (programs.two_writers, 3, {2}),
    (programs.writer_and_reader, 3, {(a, b) for a in range(3) for b in range(a, 3)}),
    (programs.writers_and_subscriber, 2, {(1, 2)}),
    (programs.subscriber_that_writes, 1, {(1, 2, 3, 4)}),
    (programs.subscribe_and_write, 2, {0, 1, 2}),
    (programs.wait_and_write, 2, {(1,)}),
    (programs.draft_and_writer, 2, {0, 1}),
    (programs.two_drafts, 2, {0, 1}),
    (programs.feed_and_writer, 2, {0, 1, 2}),
    (programs.feed_and_writers, 1, {0, 1, 2}),
    (programs.transaction_and_reader, 3, {((5, 0), (5, 0)), ((5, 0), (2, 1)), ((2, 1), (2, 1))}),
    (programs.two_stores_that_follow_each_other, 1, {None}),
]
IDS = [case[0].__name__ for case in CASES]


@pytest.mark.parametrize(("program", "preemptions", "outcomes"), CASES, ids=IDS)
def test_the_store_holds_in_every_schedule(
    program: Any, preemptions: int, outcomes: set[Any]
) -> None:
    assert set(exhaust(program(make), preemptions).outcomes) == outcomes


@pytest.mark.parametrize("program", [programs.two_writers, programs.transaction_and_reader])
def test_a_store_that_derives_nothing_holds_too(program: Any) -> None:
    def underived(records: dict[str, int]) -> Store[str, int]:
        return Store(records)

    exhaust(program(underived), 3)


TWINS = [
    (twins.IndexPublishedApart, programs.writer_and_reader, AssertionError),
    (twins.MapPublishedInSteps, programs.transaction_and_reader, AssertionError),
    (twins.CheckedOutsideTheLock, programs.two_writers, AssertionError),
    (twins.DraftCheckedOutsideTheLock, programs.draft_and_writer, AssertionError),
    (twins.DraftCheckedOutsideTheLock, programs.two_drafts, AssertionError),
    (twins.OrderByLuck, programs.writers_and_subscriber, AssertionError),
    (twins.NobodyLooksAgain, programs.writers_and_subscriber, AssertionError),
    (twins.SubscribeGap, programs.subscribe_and_write, AssertionError),
    (twins.SubscribeDouble, programs.subscribe_and_write, AssertionError),
    (twins.LostWakeUp, programs.wait_and_write, DeadlockError),
    (twins.LogAfterThePublication, programs.feed_and_writer, AssertionError),
    (twins.ToldUnderTheLock, programs.two_stores_that_follow_each_other, DeadlockError),
]


def explore_twin(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=[twins], preemptions=2, **options)


@pytest.mark.parametrize(
    ("twin", "program", "error"),
    TWINS,
    ids=[f"{case[0].__name__}-{case[1].__name__}" for case in TWINS],
)
def test_the_bug_of_each_twin_is_found(twin: Any, program: Any, error: type[Exception]) -> None:
    with pytest.raises(ScheduleError) as caught:
        explore_twin(program(twin))
    assert isinstance(caught.value.error, error)
    print(caught.value)


@pytest.mark.parametrize("program", [case[0] for case in CASES], ids=IDS)
def test_the_twin_without_a_bug_passes(program: Any) -> None:
    # What is found in the others is therefore their one bug, and not the model of a store.
    explore_twin(program(twins.Right), max_schedules=500)


# What only the real store has


def test_of_two_that_compare_and_set_one_wins() -> None:
    def program() -> Any:
        store = make({})
        won: list[bool] = []

        def candidate() -> None:
            won.append(store.compare_and_set("leader", MISSING, 1) is not None)

        return [candidate, candidate], lambda: tuple(sorted(won))

    assert set(exhaust(program, 3).outcomes) == {(False, True)}


def test_a_transaction_and_an_update_lose_nothing() -> None:
    def program() -> Any:
        store = make({"n": 0})

        def transact() -> None:
            with store.transaction() as tx:
                tx["n"] += 1

        def update() -> None:
            store.update("n", programs.bump)

        return [transact, update], lambda: (store.snapshot()["n"], store.snapshot().version)

    assert set(exhaust(program).outcomes) == {(2, 2)}


def test_retries_that_meet_all_get_through() -> None:
    def program() -> Any:
        store = make({"n": 0})

        def bump(draft: Any) -> None:
            draft["n"] += 1

        def retry() -> None:
            store.retry(bump, attempts=2)

        return [retry, retry], lambda: (store.snapshot()["n"], store.snapshot().version)

    assert set(exhaust(program).outcomes) == {(2, 2)}


def test_an_undo_takes_back_what_it_was_given_or_conflicts() -> None:
    def program() -> Any:
        store = make({"n": 0})
        commit = store.set("n", 5)
        conflicts: list[ConflictError] = []

        def undo() -> None:
            try:
                store.undo(commit)
            except ConflictError as error:
                conflicts.append(error)

        def write() -> None:
            store.update("n", programs.bump)

        return [undo, write], lambda: (store.snapshot()["n"], len(conflicts))

    # Undone and then bumped; or bumped, which is in the way of undoing.
    assert set(exhaust(program).outcomes) == {(1, 0), (6, 1)}


# Why lines are enough


def test_the_line_that_publishes_does_one_shared_access() -> None:
    functions = [cowstate.core.Core._write, cowstate.core.Core._publish]
    for function in functions:
        points = CodePoints(function.__code__, frozenset())
        source, first = inspect.getsourcelines(function)
        lines = [first + n for n, line in enumerate(source) if "self._current = " in line]
        assert lines
        for line in lines:
            assert points.accesses(line) == 1


@pytest.mark.parametrize("program", [case[0] for case in CASES], ids=IDS)
def test_instruction_by_instruction_nothing_else_comes_out(program: Any) -> None:
    by_line = exhaust(program(make), 1)
    by_instruction = exhaust(program(make), 1, every="instruction")
    assert by_instruction.schedules > by_line.schedules
    assert set(by_instruction.outcomes) == set(by_line.outcomes)
