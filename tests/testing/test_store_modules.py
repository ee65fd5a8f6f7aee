"""`STORE` names what is needed to explore a program of threads that share a store."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from importlib import import_module

import pytest

from cowstate import Store
from cowstate.errors import ScheduleError
from cowstate.testing.schedules import STORE, explore
from tests.testing import sharing
from tests.testing.sharing import losing, waiting

Made = tuple[Sequence[Callable[[], object]], Callable[[], Hashable]]


def two_that_update() -> Made:
    store = Store({"n": 0})

    def add() -> None:
        store.update("n", lambda n: n + 1)

    return [add, add], lambda: store.snapshot()["n"]


def two_transactions() -> Made:
    store = Store({"n": 0, "m": 0})

    def move() -> None:
        with store.transaction() as tx:
            tx["n"] -= 1
            tx["m"] += 1

    return [move, move], lambda: tuple(sorted(store.snapshot().items()))


def one_that_follows() -> Made:
    store = Store({"n": 0})
    feed = store.feed()
    seen: list[int] = []

    def follow() -> None:
        feed.get()
        seen.append(feed.version)

    return [follow, lambda: store.set("n", 1)], lambda: tuple(seen)


def two_drafts() -> Made:
    store = Store({"n": 0})

    def add() -> None:
        def one_more(draft: object) -> None:
            draft["n"] += 1  # type: ignore[index]

        store.retry(one_more)

    return [add, add], lambda: store.snapshot()["n"]


PROGRAMS = {
    two_that_update: {2},
    two_transactions: {(("m", 2), ("n", -2))},
    waiting: {(1,)},
    one_that_follows: {(1,)},
    two_drafts: {2},
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_every_schedule_of_such_a_program_is_tried(program: Callable[[], Made]) -> None:
    result = explore(program, modules=[*STORE, __name__, sharing], preemptions=1)
    assert result.complete
    assert result.schedules > 10
    assert set(result.outcomes) == PROGRAMS[program]


def test_two_that_write_what_they_read_are_found_out() -> None:
    with pytest.raises(ScheduleError):
        explore(losing, modules=STORE)


def test_the_modules_are_there() -> None:
    assert [import_module(name).__name__ for name in STORE] == [*STORE]
