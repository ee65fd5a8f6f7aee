"""Schedules drawn at random: the same for the same seed, and deep bugs are among them."""

from __future__ import annotations

import itertools
from threading import Lock
from typing import Any

import pytest

from cowstate.errors import ArgumentTypeError, ArgumentValueError, ScheduleError
from cowstate.testing.schedules import Program, explore, replay, sample

HERE = [__name__]


def logged(steps: int) -> Program:
    def program() -> Any:
        log: list[str] = []

        def a() -> None:
            for _ in range(steps):
                log.append("a")

        def b() -> None:
            for _ in range(steps):
                log.append("b")

        return [a, b], lambda: "".join(log)

    return program


def fails_if(wanted: str) -> Program:
    def program() -> Any:
        bodies, text = logged(3)()

        def check() -> None:
            assert text() != wanted

        return bodies, check

    return program


def drawn(seed: int, depth: int | None) -> dict[Any, int]:
    return sample(logged(3), modules=HERE, schedules=60, seed=seed, depth=depth).outcomes


@pytest.mark.parametrize("depth", [None, 1, 3])
def test_the_same_seed_draws_the_same_schedules_and_another_others(depth: int | None) -> None:
    assert list(drawn(1, depth).items()) == list(drawn(1, depth).items())
    if depth != 1:
        assert drawn(1, depth) != drawn(2, depth)


def test_random_schedules_go_beyond_the_bound() -> None:
    bounded = explore(logged(3), modules=HERE, preemptions=2).outcomes
    assert "ababab" not in bounded
    assert "ababab" in drawn(0, None)
    assert set(drawn(0, None)) > {"aaabbb", "bbbaaa"} or len(drawn(0, None)) > 10


def test_priorities_change_at_fewer_points_than_the_depth() -> None:
    def turns(text: str) -> int:
        return sum(1 for left, right in itertools.pairwise(text) if left != right)

    assert set(drawn(0, 1)) == {"aaabbb", "bbbaaa"}
    assert {turns(text) for text in drawn(0, 2)} == {1, 2}
    assert max(turns(text) for text in drawn(0, 3)) == 3


@pytest.mark.parametrize(("wanted", "depth"), [("ababab", None), ("abbbaa", 3)])
def test_what_fails_is_told_with_the_seed_and_runs_again(wanted: str, depth: int | None) -> None:
    with pytest.raises(ScheduleError) as caught:
        sample(fails_if(wanted), modules=HERE, seed=5, depth=depth)
    (note,) = caught.value.__notes__
    assert f"sample(seed=5, depth={depth})" in note
    again = replay(fails_if(wanted), caught.value.schedule.text, modules=HERE)
    assert isinstance(again.error, AssertionError)


def test_a_right_program_passes_and_a_deadlock_is_found() -> None:
    def program(crossed: bool) -> Program:
        def made() -> Any:
            a, b = Lock(), Lock()

            def there() -> None:
                with a, b:
                    pass

            def back() -> None:
                first, second = (b, a) if crossed else (a, b)
                with first, second:
                    pass

            return [there, back], None

        return made

    result = sample(program(crossed=False), modules=HERE, schedules=50)
    assert (result.schedules, result.complete) == (50, False)
    for depth in (None, 2):
        with pytest.raises(ScheduleError, match="DeadlockError"):
            sample(program(crossed=True), modules=HERE, depth=depth)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ArgumentValueError, match="schedules"):
        sample(logged(1), modules=HERE, schedules=0)
    with pytest.raises(ArgumentTypeError, match="schedules must be a whole number, not None"):
        sample(logged(1), modules=HERE, schedules=None)  # type: ignore[arg-type]
    with pytest.raises(ArgumentValueError, match="depth"):
        sample(logged(1), modules=HERE, depth=0)
    with pytest.raises(ArgumentTypeError, match="seed"):
        sample(logged(1), modules=HERE, seed="x")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="for one write"):
        sample(logged(1), modules=__name__)
