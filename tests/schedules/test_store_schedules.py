"""Every schedule of the store's write paths, within a bound; and the bugs that this would catch.

The bound is two preemptions everywhere but where a test says otherwise. Printed by
``pytest -rP``: how many schedules each program has.
"""

from __future__ import annotations

import dis
import inspect
from typing import Any

import pytest

from cowstate import MISSING, Aggregate, ConflictError, Index, transaction
from cowstate.committer import Committer
from cowstate.errors import DeadlockError, ScheduleError
from cowstate.testing.points import CodePoints
from cowstate.testing.schedules import Exploration, Program, explore
from cowstate.timeline import Timeline
from tests.schedules import programs, twins
from tests.schedules.exploring import Explored, exhaust


def make(records: dict[str, int], **options: Any) -> Explored:
    return Explored(
        records,
        indexes={"value": Index(lambda n: n)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
        **options,
    )


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
    exhaust(program(Explored), 3)


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
    return explore(program, modules=[twins], preemptions=2, reduction=False, **options)


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


def test_blocks_that_lock_two_stores_crosswise_end_with_an_error_in_one_of_them() -> None:
    def program() -> Any:
        left, right = make({"n": 0}), make({"n": 0})
        failed: list[int] = []

        def both(number: int, first: Explored, second: Explored) -> None:
            try:
                with first.transaction() as outer, second.transaction() as inner:
                    outer["n"] += 1
                    inner["n"] += 1
            except DeadlockError:
                failed.append(number)

        def check() -> Any:
            assert left.snapshot() == right.snapshot() == {"n": 2 - len(failed)}
            return tuple(failed)

        return [lambda: both(1, left, right), lambda: both(2, right, left)], check

    assert set(exhaust(program, 1).outcomes) == {(), (1,), (2,)}


def test_blocks_over_two_stores_in_any_order_wait_for_each_other_and_both_commit() -> None:
    def program() -> Any:
        left, right = make({"n": 0}), make({"n": 0})

        def both(*stores: Explored) -> None:
            with transaction(*stores) as (first, second):
                first["n"] += 1
                second["n"] += 1

        def check() -> None:
            assert left.snapshot() == right.snapshot() == {"n": 2}

        return [lambda: both(left, right), lambda: both(right, left)], check

    exhaust(program, 1)


def test_a_subscriber_with_keys_gets_what_concerns_it_while_another_key_is_written() -> None:
    def program() -> Any:
        store = make({"a": 0, "b": 0})
        seen: list[tuple[int, int]] = []
        store.subscribe(lambda commit: seen.append(commit.changes["a"]), keys=["a"])

        def of_a() -> None:
            store.update("a", programs.bump)
            store.update("a", programs.bump)

        def of_b() -> None:
            store.update("b", programs.bump)

        def check() -> None:
            store.served()
            assert seen == [(0, 1), (1, 2)]

        return [of_a, of_b], check

    exhaust(program, 1)


def test_a_thread_of_the_store_and_its_writers_deliver_each_commit_once() -> None:
    def program() -> Any:
        store = make({"n": 0})
        seen: dict[str, list[int]] = {"writer": [], "thread": []}
        for via in ("writer", "thread"):
            store.subscribe(lambda c, via=via: seen[via].append(c.version), via=via)  # type: ignore[misc, arg-type]

        def writer() -> None:
            store.update("n", programs.bump)

        def check() -> None:
            store.served()
            assert seen == {"writer": [1, 2], "thread": [1, 2]}

        return [writer, writer, store.served], check

    exhaust(program, 1)


def test_what_has_been_delivered_does_not_count_as_undelivered() -> None:
    def program() -> Any:
        store = make({"n": 0})

        def subscribe() -> None:
            store.subscribe(lambda commit: None)

        def write() -> None:
            store.update("n", programs.bump)

        def check() -> None:
            store.served()
            assert store.statistics().undelivered == 0

        return [subscribe, write], check

    exhaust(program)


# Why lines are enough


@pytest.mark.parametrize(
    "function",
    [Timeline.publish, Committer._store],
    ids=lambda f: f.__qualname__,
)
def test_the_line_that_publishes_does_one_access_to_what_changes(function: Any) -> None:
    points = CodePoints(function.__code__, frozenset())
    source, first = inspect.getsourcelines(function)
    (line,) = [first + n for n, text in enumerate(source) if ".current = " in text]
    names = [
        instruction.argval
        for instruction in dis.get_instructions(function)
        if instruction.offset in points.offsets
        and instruction.positions is not None
        and instruction.positions.lineno == line
    ]
    assert len(names) == points.accesses(line)
    # A store's timeline is settled when it is made, and what a commit leads to with the commit.
    assert [name for name in names if name not in ("timeline", "after")] == ["current"]


@pytest.mark.parametrize("program", [case[0] for case in CASES], ids=IDS)
def test_instruction_by_instruction_nothing_else_comes_out(program: Any) -> None:
    by_line = exhaust(program(make), 1)
    by_instruction = exhaust(program(make), 1, every="instruction")
    assert by_instruction.schedules > by_line.schedules
    assert set(by_instruction.outcomes) == set(by_line.outcomes)
