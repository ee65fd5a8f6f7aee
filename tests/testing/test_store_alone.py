"""Programs of a store of which the user names only his own module: each call is one step."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, RLock
from typing import Any

import pytest

from cowstate import Store
from cowstate.errors import DeadlockError, ScheduleError
from cowstate.testing.schedules import Exploration, Program, explore
from tests.testing import sharing
from tests.testing.sharing import losing, waiting


def exploring(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=[__name__, sharing], **options)


def bump(n: int) -> int:
    return n + 1


def updating(threads: int) -> Program:
    def program() -> Any:
        store = Store({"n": 0})

        def add() -> None:
            store.update("n", bump)

        return [add] * threads, lambda: store.snapshot()["n"]

    return program


def by_lambdas() -> Any:
    store = Store({"n": 0})
    return [lambda: store.update("n", bump)] * 2, lambda: store.snapshot()["n"]


class Cache:
    """The newest entry, under a lock."""

    def __init__(self) -> None:
        self.entries: OrderedDict[str, int] = OrderedDict()
        self.hits: dict[str, int] = {}
        self.lock = RLock()

    def put(self, key: str, value: int) -> None:
        with self.lock:
            if key in self.entries:
                self.entries.move_to_end(key)
            self.entries[key] = value
            while len(self.entries) > 1:
                self.entries.popitem(last=False)

    def hit(self, key: str) -> int:
        with self.lock:
            self.hits[key] = self.hits.get(key, 0) + 1
            return self.hits[key]


def caching() -> Any:
    cache = Cache()
    return [lambda: cache.put("a", 1), lambda: cache.put("b", 2)], lambda: tuple(cache.entries)


def hitting() -> Any:
    cache = Cache()

    def hit() -> None:
        cache.hit("a")

    return [hit, hit], lambda: cache.hits["a"]


@pytest.mark.parametrize("preemptions", [2, None])
@pytest.mark.parametrize(
    ("program", "schedules", "outcomes"),
    [
        (updating(2), 2, {2}),
        (updating(3), 6, {3}),
        (by_lambdas, 2, {2}),
        (caching, 2, {("a",), ("b",)}),
        (hitting, 2, {2}),
    ],
)
def test_a_correct_update_takes_as_many_schedules_as_there_are_orders(
    program: Program, schedules: int, outcomes: set[Any], preemptions: int | None
) -> None:
    result = exploring(program, preemptions=preemptions)
    assert (result.schedules, set(result.outcomes)) == (schedules, outcomes)
    assert result.complete
    assert set(exploring(program, preemptions=preemptions, reduction=False).outcomes) == outcomes


def moving() -> Any:
    store = Store({"n": 0, "m": 0})
    seen: list[int] = []

    def move() -> None:
        with store.transaction() as tx:
            tx["n"] -= 1
            tx["m"] += 1

    def look() -> None:
        now = store.snapshot()
        seen.append(now["n"] + now["m"])

    return [move, look], lambda: (seen[0], store.snapshot()["m"])


def drafting() -> Any:
    store = Store({"n": 0})
    tries: list[int] = []

    def add() -> None:
        def one_more(draft: Any) -> None:
            tries.append(draft["n"])
            draft["n"] += 1

        store.retry(one_more)

    return [add, add], lambda: (store.snapshot()["n"], len(tries))


def subscribing() -> Any:
    store = Store({"n": 0})
    seen: list[int] = []
    store.subscribe(lambda commit: seen.append(commit.version), via="thread")

    def add() -> None:
        store.update("n", bump)

    def check() -> Any:
        store.flush()
        return tuple(seen)

    return [add, add], check


@pytest.mark.parametrize(
    ("program", "outcomes"),
    [
        (moving, {(0, 1)}),
        (drafting, {(2, 2), (2, 3)}),
        (waiting, {(1,)}),
        (subscribing, {(1, 2)}),
    ],
)
def test_what_a_store_does_is_seen_from_outside(program: Program, outcomes: set[Any]) -> None:
    for reduction in (True, False):
        result = exploring(program, reduction=reduction)
        assert result.complete
        assert set(result.outcomes) == outcomes


def test_what_the_user_does_in_two_steps_is_found() -> None:
    with pytest.raises(ScheduleError) as caught:
        exploring(losing)
    assert isinstance(caught.value.error, AssertionError)


def with_a_lock() -> Any:
    store, lock = Store({"n": 0}), Lock()

    def under(n: int) -> int:
        with lock:
            return n + 1

    def write() -> None:
        store.update("n", under)

    def hold() -> None:
        with lock:
            store.set("n", 5)

    return [write, hold], None


def crosswise() -> Any:
    left, right = Store({"n": 0}), Store({"n": 0})

    def into(store: Store[str, int]) -> Callable[[int], int]:
        def write(n: int) -> int:
            store.update("n", bump)
            return n + 1

        return write

    return [lambda: left.update("n", into(right)), lambda: right.update("n", into(left))], None


@pytest.mark.parametrize("program", [with_a_lock, crosswise])
@pytest.mark.parametrize("reduction", [True, False])
def test_a_deadlock_through_a_store_is_told(program: Program, reduction: bool) -> None:
    with pytest.raises(ScheduleError) as caught:
        exploring(program, reduction=reduction)
    assert isinstance(caught.value.error, DeadlockError)
