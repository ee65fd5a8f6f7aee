"""A `Guard` is free again whatever comes up in it, at whichever instruction."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from types import CodeType
from typing import Any

import pytest

from cowstate.positions import guard
from cowstate.positions.guard import Guard
from tests.faults.injection import in_another_thread, interrupt_at_opcode


def in_guard(code: CodeType) -> bool:
    return code.co_filename in (guard.__file__, __file__) and code.co_name in ("run", "attempt")


def in_guard_or_condition(code: CodeType) -> bool:
    return in_guard(code) or code.co_filename == threading.__file__


class Careless(Guard):
    """The seeded bug: as it is usually written."""

    def run(self, work: Callable[..., Any], *args: Any) -> Any:
        self.lock.acquire()
        try:
            return work(*args)
        finally:
            self.lock.release()

    def attempt(self, work: Callable[..., Any], *args: Any) -> Any:
        if not self.lock.acquire(False):
            return None
        try:
            return work(*args)
        finally:
            self.lock.release()


def is_free(made: Guard) -> bool:
    """Whether another thread can have it."""
    found: list[bool] = []
    in_another_thread(lambda: found.append(made.attempt(lambda: True) is True))
    return found == [True]


def lost_at(make: Callable[[], Guard], use: Callable[[Guard], object]) -> list[int]:
    """At which instructions of *use* Ctrl-C leaves the guard taken."""
    lost, number = [], 0
    while True:
        number += 1
        made = make()
        place = interrupt_at_opcode(partial(use, made), number, where=in_guard)
        if place is None:
            assert number > 10, "hardly anything was tried"
            return lost
        if not is_free(made):
            lost.append(number)


USES: list[Callable[[Guard], object]] = [
    lambda made: made.run(len, "work"),
    lambda made: made.attempt(len, "work"),
]
uses = pytest.mark.parametrize("use", USES, ids=["run", "attempt"])


@uses
def test_no_interrupt_leaves_it_taken(use: Callable[[Guard], object]) -> None:
    assert lost_at(Guard, use) == []


@uses
def test_that_test_catches_what_is_usually_written(use: Callable[[Guard], object]) -> None:
    assert lost_at(Careless, use)


def test_no_interrupt_leaves_it_taken_while_somebody_waits_for_a_condition() -> None:
    number, came = 0, 0
    while True:
        number += 1
        made, over = Guard(), threading.Event()
        condition = threading.Condition(made.lock)
        done: list[None] = []

        def wait_for_it(condition: Any = condition, done: Any = done) -> None:
            while not done:
                condition.wait()

        def tell(made: Guard = made, condition: Any = condition, done: Any = done) -> None:
            done.append(None)
            condition.notify_all()

        def wake(made: Guard = made, tell: Any = tell, over: Any = over) -> None:
            made.run(tell)
            while not over.wait(0.001):
                made.run(tell)

        other = threading.Thread(target=wake, daemon=True)
        other.start()
        use = partial(made.run, wait_for_it)
        place = interrupt_at_opcode(use, number, where=in_guard_or_condition)
        over.set()
        other.join()
        assert is_free(made), f"taken since instruction {number}"
        if place is None:
            break
        came += 1
    assert came > 10, "hardly anything was tried"


def test_what_is_done_is_returned_or_raised_and_it_is_free_again() -> None:
    made = Guard()
    assert made.run(divmod, 7, 2) == made.attempt(divmod, 7, 2) == (3, 1)
    for do in (made.run, made.attempt):
        with pytest.raises(ZeroDivisionError):
            do(divmod, 7, 0)
        assert is_free(made)


def test_one_is_at_work_at_a_time_and_who_does_not_wait_is_turned_away() -> None:
    made, inside, go = Guard(), threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        inside.set()
        go.wait()
        order.append("first")

    threads = [threading.Thread(target=made.run, args=(first,), daemon=True)]
    threads[0].start()
    inside.wait()
    assert made.attempt(order.append, "turned away") is None
    threads.append(threading.Thread(target=made.run, args=(order.append, "second"), daemon=True))
    threads[1].start()
    go.set()
    for thread in threads:
        thread.join()
    assert order == ["first", "second"]


def test_a_call_in_the_middle_of_its_own_work_is_let_in_and_is_no_new_attempt() -> None:
    made = Guard()
    assert made.run(lambda: (made.run(len, "abc"), made.attempt(len, "abc"))) == (3, None)
    assert is_free(made)
