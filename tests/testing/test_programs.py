"""What is no program of threads is refused, for it would pass, or fail by something else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cowstate.errors import ArgumentTypeError
from cowstate.testing.schedules import explore, sample

HERE = [__name__]


async def coroutine() -> None:
    raise AssertionError("never run")


async def stream() -> AsyncIterator[int]:
    yield 1


def generator() -> Iterator[int]:
    yield 1


def nothing() -> None:
    pass


@pytest.mark.parametrize("run", [explore, sample])
@pytest.mark.parametrize(
    ("made", "told"),
    [
        (([coroutine], None), "explore_tasks"),
        (([nothing], coroutine), "explore_tasks"),
        (([stream], None), "explore_tasks"),
        (([generator], None), "generator"),
        (([3], None), "functions, not 3"),
        (([nothing], 3), "functions, not 3"),
        ([nothing], "return \\[add, add\\], check"),
        (None, "return \\[add, add\\], check"),
    ],
)
def test_what_would_run_nothing_is_refused(run: Any, made: Any, told: str) -> None:
    with pytest.raises(ArgumentTypeError, match=told):
        run(lambda: made, modules=HERE)


def test_the_refusal_leaves_all_as_it_was() -> None:
    with pytest.raises(ArgumentTypeError):
        explore(lambda: ([coroutine], None), modules=HERE)
    assert explore(lambda: ([nothing, nothing], None), modules=HERE).complete
