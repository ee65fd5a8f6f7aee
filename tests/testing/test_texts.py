"""A schedule is a line of text: what a failure prints runs again, and a stale one is refused."""

from __future__ import annotations

import ast
import re
from threading import Lock
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    NondeterminismError,
    ScheduleError,
)
from cowstate.testing.schedules import Program, explore, replay
from cowstate.testing.texts import plan_of, text_of

HERE = [__name__]


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def add(self) -> None:
        n = self.n
        self.n = n + 1

    def add_in_more_lines(self) -> None:
        n = self.n
        self.seen = n
        self.seen = n
        self.n = n + 1

    def add_in_one_line(self) -> None:
        self.n += 1


def adding(method: str) -> Program:
    def program() -> Any:
        counter = Counter()

        def check() -> None:
            assert counter.n == 2

        return [getattr(counter, method)] * 2, check

    return program


def failure_of(program: Program, **options: Any) -> ScheduleError:
    with pytest.raises(ScheduleError) as caught:
        explore(program, modules=HERE, **options)
    return caught.value


@given(st.integers(0, 3), st.lists(st.tuples(st.integers(1, 40), st.integers(0, 800))))
def test_text_and_switches_are_one_the_other(start: int, turns: list[tuple[int, int]]) -> None:
    at, switches = start, []
    for length, number in [(0, 0), *turns]:
        at += length
        switches.append((at, number))
    preempting = [False, *(number % 2 == 0 for _, number in turns)]
    assert plan_of(text_of(switches, preempting)) == (tuple(switches), tuple(preempting))


@pytest.mark.parametrize("every", ["line", "instruction"])
def test_what_a_failure_prints_runs_to_the_same_trace(every: Any) -> None:
    failure = failure_of(adding("add"), every=every)
    printed = re.search(r"To run it again: replay\(program, (.*)\)$", str(failure))
    assert printed is not None
    call = ast.parse(f"f({printed[1]})", mode="eval").body
    assert isinstance(call, ast.Call)
    text = ast.literal_eval(call.args[0])
    named = {each.arg: ast.literal_eval(each.value) for each in call.keywords if each.arg}
    assert re.fullmatch(r"[AB]\d+( [AB]\d+\.?)* [AB]", text)
    again = replay(adding("add"), text, **named)
    assert again.steps == failure.trace.steps
    assert isinstance(again.error, AssertionError)


def test_a_schedule_of_a_deadlock_runs_again() -> None:
    def program() -> Any:
        a, b = Lock(), Lock()

        def there() -> None:
            with a, b:
                pass

        def back() -> None:
            with b, a:
                pass

        return [there, back], None

    failure = failure_of(program)
    again = replay(program, failure.schedule.text, modules=HERE)
    assert str(again.error) == str(failure.error)


@pytest.mark.parametrize("changed", ["add_in_more_lines", "add_in_one_line"])
def test_a_schedule_that_does_not_fit_any_more_is_refused_and_says_so(changed: str) -> None:
    text = failure_of(adding("add")).schedule.text
    with pytest.raises(NondeterminismError, match="does not fit this program, which may have"):
        replay(adding(changed), text, modules=HERE)


@pytest.mark.parametrize("wrong", ["", "A3 B7", "A3. 7 B", "a3 B", "A0 B", "A B", "A3: B", "3"])
def test_what_is_no_schedule_is_refused(wrong: str) -> None:
    with pytest.raises(ArgumentValueError, match="looks like"):
        replay(adding("add"), wrong, modules=HERE)


def test_a_text_needs_the_modules() -> None:
    with pytest.raises(ArgumentTypeError, match="name the modules"):
        replay(adding("add"), "A3 B")
    with pytest.raises(ArgumentTypeError, match="for one write"):
        replay(adding("add"), "A3 B", modules=__name__)
    with pytest.raises(ArgumentTypeError, match="a Schedule or its text"):
        replay(adding("add"), 3)  # type: ignore[arg-type]
