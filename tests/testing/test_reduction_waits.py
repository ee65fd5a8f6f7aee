"""What is done on the way to a lock that another holds is not left out by the reduction."""

from __future__ import annotations

from threading import Event, Lock, Thread
from typing import Any

import pytest

from cowstate import Store
from cowstate.testing import schedules
from cowstate.testing.chronicle import Chronicle
from cowstate.testing.lines import SourceLines
from cowstate.testing.reduction import Reduction
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


def left_waiting() -> Any:
    """A daemon that waits to the end might have gone on in between."""
    shared, event, found = Shared(), Event(), [-1, 0]

    def wait() -> None:
        found[0] = shared.x
        event.wait()
        found[1] = 1

    def start() -> None:
        Thread(target=wait, daemon=True).start()
        shared.x = 1
        event.set()
        event.clear()

    return [start], lambda: tuple(found)


def exchanged_amid() -> Any:
    """Who waits for its own lock would not have, had that been exchanged before it looked."""
    shared = Shared()

    def take_both() -> None:
        shared.lock.acquire()
        shared.lock.acquire()
        shared.x = 1

    def start() -> None:
        Thread(target=take_both, daemon=True).start()
        shared.lock = Lock()

    return [start], lambda: shared.x


@pytest.mark.parametrize(
    ("timeouts", "preemptions"),
    # With no bound a store's wait, which goes on after each timeout, may time out for ever.
    [(False, 0), (False, 1), (False, 2), (False, None), (True, 0), (True, 1), (True, 2)],
)
@pytest.mark.parametrize(
    ("program", "outcome", "takes"),
    [
        (read_before, 0, 1),
        (taken_before, (5, (7,)), 1),
        (tried_before, (True, False), 1),
        (exchanged, 1, 2),
        (exchanged_amid, 1, 2),
        (left_waiting, (0, 1), 2),
    ],
)
def test_what_comes_before_a_wait_is_not_left_out(
    program: Program, outcome: object, takes: int, preemptions: int | None, timeouts: bool
) -> None:
    options: dict[str, Any] = {"preemptions": preemptions, "timeouts": timeouts}
    found = [
        set(explore(program, modules=[__name__], **options, reduction=reduction).outcomes)
        for reduction in (True, False)
    ]
    assert found[0] == found[1]
    assert (outcome in found[0]) is (preemptions is None or preemptions >= takes)


def test_what_an_object_holds_may_change_unless_its_init_alone_stores_it_once() -> None:
    source = """
class Shared:
    def __init__(self, other):
        self.kept = self.called = self.chained = 1
        self.steady = 1
        self.twice = 1
        self.twice: int = 2
        other.theirs = 3
        if other:
            self.perhaps = 4
        def later():
            self.later = 5
        vars(other)["key"] = 6
    def change(self):
        self.again = 7
        del self.gone
    """
    may_change = {"kept", "called", "chained", "twice", "theirs", "perhaps", "later", "key"}
    assert SourceLines(source).restored == {*may_change, "again", "gone"}


class Steady(Reduction):
    """A twin with a bug: it takes every lock for the one that will be there to the end."""

    def _unsteady(self, _reading: Any) -> bool:
        return False


class Restless(Chronicle):
    """A twin with a bug: it takes nobody to be waiting at the end."""

    def note_left(self, _workers: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("twin", "program", "preemptions"), [(Steady, exchanged_amid, 2), (Restless, left_waiting, 2)]
)
def test_a_reduction_that_leaves_it_out_would_be_noticed(
    twin: type, program: Program, preemptions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for put in (False, True):
        if put:
            monkeypatch.setattr(schedules, twin.__mro__[1].__name__, twin)
        result = explore(program, modules=[__name__], preemptions=preemptions)
        found.append(set(result.outcomes))
    assert found[1] < found[0]
