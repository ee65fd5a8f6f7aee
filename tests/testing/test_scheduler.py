"""What a program must not do, how that is told, and that nothing is left behind."""

from __future__ import annotations

import gc
import sys
import threading
from threading import Condition, Lock, RLock
from typing import Any

import pytest

from cowstate.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    NondeterminismError,
    ScheduleError,
    UnscheduledError,
)
from cowstate.testing.points import Territory
from cowstate.testing.scheduler import Scheduler
from cowstate.testing.schedules import Exploration, Program, explore
from tests.testing.nobodys import run_in_nobodys_thread


def exploring(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=[__name__], **options)


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def add(self) -> None:
        self.n += 1


RUNS: list[None] = []


def test_a_program_that_does_something_else_each_time_is_found_out() -> None:
    def program() -> Any:
        RUNS.append(None)
        odd = len(RUNS) % 2
        log: list[int] = []

        def fickle() -> None:
            log.append(1)
            if odd:
                log.append(2)
            log.append(3)

        return [fickle, fickle], None

    with pytest.raises(NondeterminismError):
        exploring(program)


def test_a_failure_that_does_not_come_again_is_found_out() -> None:
    def program() -> Any:
        RUNS.append(None)
        number = len(RUNS)

        def check() -> None:
            assert number != start + 1

        return [RUNS.copy], check

    start = len(RUNS)
    with pytest.raises(NondeterminismError, match="run again"):
        exploring(program)


def test_a_loop_that_never_ends_is_a_failure() -> None:
    def program() -> Any:
        counter = Counter()

        def spin() -> None:
            while not counter.n:
                pass

        return [spin, counter.add], None

    with pytest.raises(ScheduleError, match="has not ended after"):
        exploring(program, preemptions=0)


def test_a_thread_stuck_at_an_unknown_lock_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Scheduler.__init__.__kwdefaults__, "patience", 0.1)
    unknown = threading.Lock()

    def program() -> Any:
        def holder() -> None:
            with unknown:
                RUNS.copy()

        return [holder, holder], None

    with pytest.raises(ScheduleError, match=r"holder-. does not go on at .*with unknown") as caught:
        exploring(program)
    assert isinstance(caught.value.error, UnscheduledError)
    assert not unknown.locked()


def test_a_thread_that_nobody_scheduled_is_refused() -> None:
    def program() -> Any:
        lock, errors = Lock(), []

        def meddle() -> None:
            with pytest.raises(UnscheduledError):
                lock.acquire()
            errors.append(None)

        return [lambda: run_in_nobodys_thread(meddle)], lambda: len(errors)

    assert set(exploring(program).outcomes) == {1}


def fails_its_check() -> Any:
    counter = Counter()

    def check() -> None:
        assert counter.n == 1

    return [counter.add, counter.add], check


def locks_itself_out() -> Any:
    lock = Lock()

    def twice() -> None:
        with lock, lock:
            pass

    return [twice, twice], None


def waits_for_nobody() -> Any:
    changed = Condition()

    def waiter() -> None:
        with changed:
            changed.wait()

    return [waiter, waiter], None


def swallows_everything() -> Any:
    lock = RLock()
    lock.acquire()

    def stubborn() -> None:
        for _ in range(3):
            try:
                lock.acquire()
            except BaseException:
                continue

    return [stubborn, stubborn], None


FAILING = [fails_its_check, locks_itself_out, waits_for_nobody, swallows_everything]


@pytest.mark.parametrize("program", FAILING)
def test_nothing_is_left_behind_by_a_failure(program: Program) -> None:
    before = threading.enumerate()
    with pytest.raises(ScheduleError):
        exploring(program)
    assert threading.enumerate() == before
    assert (Lock, RLock, Condition) == (threading.Lock, threading.RLock, threading.Condition)
    assert threading is sys.modules["threading"]
    assert gc.isenabled()


def test_threads_that_take_no_part_make_real_locks_meanwhile() -> None:
    kinds: list[type] = []

    def program() -> Any:
        def body() -> None:
            run_in_nobodys_thread(lambda: kinds.append(type(Lock())))

        return [body], None

    exploring(program)
    assert set(kinds) == {type(threading.Lock())}


@pytest.mark.parametrize("every", ["line", "instruction"])
def test_a_thread_of_a_program_that_explores_another_is_refused(every: Any) -> None:
    def program() -> Any:
        return [lambda: exploring(fails_its_check)], None

    with pytest.raises(ScheduleError, match=r"UnscheduledError.*explore it by itself"):
        exploring(program, every=every)


def test_clean_ups_run_in_the_threads_that_a_failure_ends() -> None:
    cleaned: list[str] = []

    def program() -> Any:
        lock = Lock()
        lock.acquire()

        def waits() -> None:
            try:
                lock.acquire()
            finally:
                cleaned.append("waits")

        return [waits], None

    with pytest.raises(ScheduleError, match="DeadlockError"):
        exploring(program)
    assert cleaned


def test_lines_that_touch_locals_alone_are_no_switch_points() -> None:
    def mixed(shared: Any) -> Any:
        a = None
        b = a
        c = shared.x
        if c is b:
            return a
        c = Counter
        return c()

    first = mixed.__code__.co_firstlineno
    lines = Territory([__name__]).points(mixed.__code__).lines
    assert {line - first for line in lines} == {3, 7}


def test_bad_arguments_are_named() -> None:
    def program() -> Any:
        return [Counter().add], None

    for wrong in ({"preemptions": -1}, {"max_schedules": 0}, {"every": "word"}):
        with pytest.raises(ArgumentValueError):
            exploring(program, **wrong)
    with pytest.raises(ArgumentTypeError, match="preemptions"):
        exploring(program, preemptions=1.5)
    with pytest.raises(ArgumentTypeError, match="for one write"):
        explore(program, modules=__name__)
    with pytest.raises(ArgumentTypeError):
        explore(program, modules=[3])  # type: ignore[list-item]
    with pytest.raises(ArgumentValueError, match="at least one"):
        explore(program, modules=[])
    with pytest.raises(ArgumentValueError, match="sys is not made of Python lines"):
        explore(program, modules=["sys"])
