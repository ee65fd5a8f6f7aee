"""What the exploration of schedules promises, shown on small programs in this very file."""

from __future__ import annotations

import pickle
import threading
from threading import Condition, Event, Lock, RLock
from typing import Any

import pytest

from cowstate.errors import (
    DeadlockError,
    NondeterminismError,
    ScheduleError,
)
from cowstate.testing.schedules import Exploration, Program, Trace, explore, replay

HERE = [__name__]


def exploring(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=HERE, **options)


class Counter:
    def __init__(self) -> None:
        self.n = 0
        self.lock = Lock()

    def add_in_two_lines(self) -> None:
        n = self.n
        self.n = n + 1

    def add_in_one_line(self) -> None:
        self.n += 1

    def add_locked(self) -> None:
        with self.lock:
            self.add_in_two_lines()


def adding(method: str) -> Program:
    def program() -> Any:
        counter = Counter()
        return [getattr(counter, method)] * 2, lambda: counter.n

    return program


def must_add(method: str) -> Program:
    def program() -> Any:
        bodies, count = adding(method)()

        def check() -> None:
            assert count() == 2

        return bodies, check

    return program


def test_a_lost_update_is_among_the_outcomes() -> None:
    assert set(exploring(adding("add_in_two_lines")).outcomes) == {1, 2}


def test_with_a_lock_there_is_one_outcome() -> None:
    assert set(exploring(adding("add_locked"), preemptions=None).outcomes) == {2}


def test_a_line_is_one_step_unless_every_instruction_is_asked_for() -> None:
    assert set(exploring(adding("add_in_one_line"), preemptions=None).outcomes) == {2}
    by_instruction = exploring(adding("add_in_one_line"), preemptions=1, every="instruction")
    assert set(by_instruction.outcomes) == {1, 2}


def test_a_failed_check_raises_with_the_schedule_and_a_readable_trace() -> None:
    with pytest.raises(ScheduleError, match="AssertionError") as caught:
        exploring(must_add("add_in_two_lines"))
    failure = caught.value
    assert isinstance(failure.error, AssertionError)
    assert failure.__cause__ is failure.error
    threads = [step.thread.rpartition("-")[2] for step in failure.trace.steps]
    assert threads in (["1", "2", "2", "1"], ["2", "1", "1", "2"])  # one preemption, no more
    assert "test_schedules.py" in str(failure)
    assert str(failure).count("self.n = n + 1") == 2


def test_the_schedule_of_a_failure_replays_to_the_same_trace() -> None:
    with pytest.raises(ScheduleError) as caught:
        exploring(must_add("add_in_two_lines"))
    again = replay(must_add("add_in_two_lines"), caught.value.schedule)
    assert isinstance(again, Trace)
    assert again.steps == caught.value.trace.steps
    assert isinstance(again.error, AssertionError)
    assert replay(must_add("add_locked"), caught.value.schedule._replace(switches=())).error is None


def test_a_failure_can_be_pickled_with_its_schedule() -> None:
    with pytest.raises(ScheduleError) as caught:
        exploring(must_add("add_in_two_lines"))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.schedule, str(copy)) == (caught.value.schedule, str(caught.value))
    assert copy.trace.steps == caught.value.trace.steps


def test_a_schedule_that_does_not_fit_the_program_is_refused() -> None:
    with pytest.raises(ScheduleError) as caught:
        exploring(must_add("add_in_two_lines"))
    for wrong in (((0, 7),), ((10_000, 1),)):
        with pytest.raises(NondeterminismError):
            replay(must_add("add_in_two_lines"), caught.value.schedule._replace(switches=wrong))


def test_what_a_thread_raises_is_the_failure() -> None:
    def program() -> Any:
        def divide() -> None:
            1 / 0

        return [divide], None

    with pytest.raises(ScheduleError) as caught:
        exploring(program)
    assert isinstance(caught.value.error, ZeroDivisionError)


def crossed(kind: str) -> Program:
    def program() -> Any:
        first, second = (Lock(), Lock()) if kind == "Lock" else (RLock(), RLock())

        def there() -> None:
            with first:
                second.acquire()
                second.release()

        def back() -> None:
            with second, first:
                pass

        return [there, back], None

    return program


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
def test_locks_taken_in_the_other_order_are_a_deadlock_with_every_position(kind: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        exploring(crossed(kind))
    error = caught.value.error
    assert isinstance(error, DeadlockError)
    assert "there waits for the" in str(error)
    assert "back waits for the" in str(error)
    assert "second.acquire()" in str(error)
    assert "with second, first:" in str(error)
    exploring(crossed(kind), preemptions=0)  # it takes a preemption


def test_a_lock_taken_twice_by_one_thread_is_a_deadlock_and_a_reentrant_one_is_not() -> None:
    def program(kind: str) -> Program:
        def made() -> Any:
            lock = Lock() if kind == "Lock" else RLock()

            def twice() -> None:
                with lock, lock:
                    pass

            return [twice], None

        return made

    with pytest.raises(ScheduleError, match="DeadlockError"):
        exploring(program("Lock"))
    exploring(program("RLock"))


def test_a_check_that_would_wait_for_ever_is_a_failure() -> None:
    def program() -> Any:
        lock = Lock()
        return [lock.acquire], lock.acquire

    with pytest.raises(ScheduleError, match="DeadlockError"):
        exploring(program)


def flag_and_wait(locked: bool) -> Program:
    def program() -> Any:
        changed, flags = Condition(), []

        def setter() -> None:
            if not locked:
                flags.append(True)
            with changed:
                if locked:
                    flags.append(True)
                changed.notify()

        def waiter() -> None:
            if locked:
                with changed:
                    changed.wait_for(lambda: flags)
            elif not flags:
                with changed:
                    changed.wait()

        return [setter, waiter], None

    return program


def test_a_lost_wake_up_is_a_deadlock_and_a_right_one_is_not() -> None:
    with pytest.raises(ScheduleError, match=r"Condition made at .* to be notified"):
        exploring(flag_and_wait(locked=False))
    assert exploring(flag_and_wait(locked=True), preemptions=None).complete


def test_a_timed_wait_times_out_when_nobody_can_go_on_and_earlier_only_if_asked() -> None:
    def program() -> Any:
        event, seen = Event(), []

        def waiter() -> None:
            seen.append(event.wait(timeout=3600))

        return [waiter, event.set], lambda: tuple(seen)

    assert set(exploring(program).outcomes) == {(True,)}
    assert set(exploring(program, timeouts=True).outcomes) == {(True,), (False,)}

    def alone() -> Any:
        seen: list[bool] = []
        lock = threading.Lock()  # by the module's other name for it
        lock.acquire()
        return [lambda: seen.append(lock.acquire(timeout=3600))], lambda: tuple(seen)

    assert set(exploring(alone).outcomes) == {(False,)}


def test_locks_refuse_what_the_real_ones_refuse() -> None:
    def program() -> Any:
        def misuse() -> None:
            lock, again, condition = Lock(), RLock(), Condition()
            assert not lock.locked()
            for wrong in (lock.release, again.release, condition.wait, condition.notify):
                with pytest.raises(RuntimeError):
                    wrong()
            with pytest.raises(ValueError, match="non-blocking"):
                lock.acquire(blocking=False, timeout=1)
            with pytest.raises(ValueError, match="non-negative"):
                lock.acquire(timeout=-2)
            with again:
                assert again._is_owned()
                assert again.acquire(blocking=False)
                again.release()
                assert again._is_owned()
            assert not again._is_owned()

        return [misuse], None

    assert exploring(program).schedules == 1


def test_the_rest_of_a_line_after_a_call_is_a_step_of_its_own() -> None:
    def program() -> Any:
        counter = Counter()

        def get() -> int:
            return counter.n

        def reader() -> tuple[int, int]:
            seen.append((get(), counter.n))
            return seen[-1]

        seen: list[tuple[int, int]] = []
        return [reader, counter.add_in_one_line], lambda: seen[0]

    assert set(exploring(program).outcomes) == {(0, 0), (0, 1), (1, 1)}


def test_a_bug_that_takes_two_preemptions_is_found_with_two_and_not_with_one() -> None:
    def program() -> Any:
        log: list[str] = []

        def a() -> None:
            log.append("a1")
            log.append("a2")

        def b() -> None:
            log.append("b1")
            log.append("b2")

        def check() -> None:
            assert log != ["a1", "b1", "a2", "b2"]

        return [a, b], check

    assert exploring(program, preemptions=1).complete
    with pytest.raises(ScheduleError):
        exploring(program, preemptions=2)


def test_given_up_early_it_says_that_it_is_not_complete() -> None:
    result = exploring(adding("add_in_two_lines"), max_schedules=3)
    assert (result.schedules, result.complete) == (3, False)
