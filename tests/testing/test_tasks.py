"""asyncio programs are explored at their awaits: what that finds, and what it lets pass."""

from __future__ import annotations

import ast
import asyncio
import re
from math import comb
from typing import Any

import pytest

from cowstate.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    DeadlockError,
    NondeterminismError,
    ScheduleError,
    UnscheduledError,
)
from cowstate.testing.tasks import TaskProgram, explore_tasks, replay_tasks


def adding(locked: bool) -> TaskProgram:
    def program() -> Any:
        n, lock = [0], asyncio.Lock()

        async def add() -> None:
            before = n[0]
            await asyncio.sleep(0)
            n[0] = before + 1

        async def add_locked() -> None:
            async with lock:
                await add()

        def check() -> Any:
            assert n[0] == 2
            return n[0]

        return [add_locked if locked else add] * 2, check

    return program


def test_a_lost_update_across_an_await_is_found_and_a_locked_one_passes() -> None:
    with pytest.raises(ScheduleError, match="AssertionError"):
        explore_tasks(adding(locked=False))
    result = explore_tasks(adding(locked=True), reorderings=None)
    assert result.complete
    assert set(result.outcomes) == {2}


@pytest.mark.parametrize("steps", [(1, 1), (2, 3), (4, 4)])
def test_every_order_of_the_tasks_is_run_once(steps: tuple[int, int]) -> None:
    def program() -> Any:
        log: list[int] = []

        async def body(number: int) -> None:
            for place in range(steps[number]):
                if place:
                    await asyncio.sleep(0)
                log.append(number)

        return [lambda: body(0), lambda: body(1)], lambda: tuple(log)

    result = explore_tasks(program, reorderings=None)
    assert result.schedules == len(result.outcomes) == comb(sum(steps), steps[0])


def test_a_failure_prints_a_schedule_that_runs_again() -> None:
    with pytest.raises(ScheduleError) as caught:
        explore_tasks(adding(locked=False))
    printed = re.search(r"To run it again: replay\w*\(program, (.*)\)$", str(caught.value))
    assert printed is not None
    again = replay_tasks(adding(locked=False), ast.literal_eval(printed[1]))
    assert isinstance(again.error, AssertionError)
    assert again.steps == caught.value.trace.steps
    assert "await asyncio.sleep(0)" in str(again)


def test_a_schedule_that_does_not_fit_is_refused() -> None:
    with pytest.raises(NondeterminismError, match="does not fit this program"):
        replay_tasks(adding(locked=True), "A1 B1 A1 B3 A")
    with pytest.raises(ArgumentValueError, match="looks like"):
        replay_tasks(adding(locked=True), "x")


def test_a_deadlock_names_who_awaits_where() -> None:
    def program() -> Any:
        a, b = asyncio.Lock(), asyncio.Lock()

        async def there() -> None:
            async with a:
                await asyncio.sleep(0)
                async with b:
                    pass

        async def back() -> None:
            async with b:
                await asyncio.sleep(0)
                async with a:
                    pass

        return [there, back], None

    with pytest.raises(ScheduleError, match=r"there-1 awaits at .*async with b:") as caught:
        explore_tasks(program)
    assert isinstance(caught.value.error, DeadlockError)
    assert "back-2 awaits at" in str(caught.value)


def test_time_passes_when_nobody_can_go_on_and_in_order() -> None:
    def program() -> Any:
        log: list[Any] = []

        async def sleeps(seconds: float) -> None:
            await asyncio.sleep(seconds)
            log.append((seconds, asyncio.get_running_loop().time()))

        async def times_out() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1500):
                    await asyncio.Event().wait()

        return [lambda: sleeps(2000), times_out, lambda: sleeps(1000)], lambda: tuple(log)

    result = explore_tasks(program)
    assert set(result.outcomes) == {((1000, 1000.0), (2000, 2000.0))}


def test_tasks_that_the_program_creates_take_part_and_those_left_are_cancelled() -> None:
    ended: list[str] = []

    def program() -> Any:
        log: list[str] = []

        async def child() -> None:
            log.append("child")

        async def parent() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.sleep(0)
                log.append("parent")

        async def serve() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("served")

        kept = []

        async def start() -> None:
            kept.append(asyncio.create_task(serve()))

        async def check() -> Any:
            await asyncio.sleep(0)
            return tuple(log)

        return [parent, start], check

    result = explore_tasks(program)
    assert set(result.outcomes) == {("child", "parent"), ("parent", "child")}
    assert ended


def test_what_a_task_raises_is_the_failure_and_threads_are_refused() -> None:
    def program(body: Any) -> TaskProgram:
        return lambda: ([body], None)

    async def divides() -> None:
        1 / 0

    async def runs_a_thread() -> None:
        await asyncio.to_thread(int)

    async def never_ends() -> None:
        while True:
            await asyncio.sleep(0)

    for body, kind in ((divides, ZeroDivisionError), (runs_a_thread, UnscheduledError)):
        with pytest.raises(ScheduleError) as caught:
            explore_tasks(program(body))
        assert isinstance(caught.value.error, kind)
    with pytest.raises(ScheduleError, match="not ended after"):
        explore_tasks(program(never_ends))


def test_given_up_early_it_says_so() -> None:
    result = explore_tasks(adding(locked=True), max_schedules=1)
    assert (result.schedules, result.complete) == (1, False)


@pytest.mark.parametrize("bound", ["reorderings", "max_schedules"])
def test_bad_bounds_are_named(bound: str) -> None:
    with pytest.raises(ArgumentValueError, match=f"{bound} must be at least"):
        explore_tasks(adding(locked=True), **{bound: -1})
    with pytest.raises(ArgumentTypeError, match=f"{bound} must be a whole number or None"):
        explore_tasks(adding(locked=True), **{bound: 1.5})


async def coroutine() -> None:
    pass


def plain() -> None:
    pass


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: None, "return \\[add, add\\], check"),
        (lambda: [coroutine], "return \\[add, add\\], check"),
        (lambda: ("ab", None), "return \\[add, add\\], check"),
        (coroutine, "coroutine function itself"),
        (lambda: ([3], None), "returns functions, not 3"),
        (lambda: ([coroutine], 3), "returns functions, not 3"),
        (lambda: ([coroutine()], None), "what comes of calling them"),
        (lambda: ([plain], None), "cannot be awaited.*schedules.explore"),
    ],
)
def test_what_is_no_program_of_tasks_is_refused(made: Any, told: str) -> None:
    with pytest.raises(ArgumentTypeError, match=told):
        explore_tasks(made)
    with pytest.raises(ArgumentTypeError, match=told):
        replay_tasks(made, "A")
