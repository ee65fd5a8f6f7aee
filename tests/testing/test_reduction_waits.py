"""What is done on the way to a lock that another holds is not left out by the reduction."""

from __future__ import annotations

from threading import Lock
from typing import Any

import pytest

from cowstate import Store
from cowstate.testing.schedules import Program, explore


class Shared:
    def __init__(self) -> None:
        self.x = 0
        self.lock = Lock()


def read_before() -> Any:
    store, shared = Store({"n": 0}), Shared()

    def step(n: int) -> int:
        shared.x = 1
        return n + 10

    def update() -> None:
        store.update("n", step)

    def put() -> None:
        store.set("n", shared.x)

    return [update, put], lambda: store.snapshot()["n"]


def taken_before() -> Any:
    store, log = Store({"n": 0}), [5]

    def step(n: int) -> int:
        log.append(7)
        return n + 10

    def update() -> None:
        store.update("n", step)

    def put() -> None:
        store.set("n", log.pop())

    return [update, put], lambda: (store.snapshot()["n"], tuple(log))


def tried_before() -> Any:
    store, lock, found = Store({"n": 0}), Lock(), [False]

    def step(n: int) -> int:
        found[0] = lock.acquire(False)
        return n + 10

    def update() -> None:
        store.update("n", step)

    def put() -> None:
        store.set("n", lock.acquire(False))

    return [update, put], lambda: (store.snapshot()["n"], found[0])


def exchanged() -> Any:
    """A lock is exchanged by who has it: who waited for the old one meets who takes the new."""
    shared = Shared()

    def exchange() -> None:
        with shared.lock:
            shared.lock = Lock()

    def add() -> None:
        with shared.lock:
            x = shared.x
            shared.x = x + 1

    return [exchange, add, add], lambda: shared.x


@pytest.mark.parametrize("timeouts", [False, True])
@pytest.mark.parametrize("preemptions", [0, 1, 2, None])
@pytest.mark.parametrize(
    ("program", "outcome", "takes"),
    [
        (read_before, 0, 1),
        (taken_before, (5, (7,)), 1),
        (tried_before, (True, False), 1),
        (exchanged, 1, 2),
    ],
)
def test_what_comes_before_a_wait_is_not_left_out(
    program: Program, outcome: object, takes: int, preemptions: int | None, timeouts: bool
) -> None:
    found = [
        set(
            explore(
                program,
                modules=[__name__],
                preemptions=preemptions,
                timeouts=timeouts,
                reduction=reduction,
            ).outcomes
        )
        for reduction in (True, False)
    ]
    assert found[0] == found[1]
    assert (outcome in found[0]) is (preemptions is None or preemptions >= takes)
