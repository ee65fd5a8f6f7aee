"""Threads and executors that a program starts itself, and locks that are there before it begins."""

from __future__ import annotations

import functools
import threading
from _thread import start_new_thread
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from threading import Event, Lock, Thread, Timer
from typing import Any

import pytest

from cowstate.errors import DeadlockError, ScheduleError
from cowstate.testing.schedules import Exploration, Program, explore
from tests.testing.test_primitives import Counter

HERE = [__name__, Counter.__module__]


def exploring(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=HERE, **options)


def started_inside(joined: bool) -> Program:
    def program() -> Any:
        counter, lock = Counter(), Lock()

        def add() -> None:
            with lock:
                counter.add()

        def starts() -> None:
            thread = Thread(target=add)
            thread.start()
            add()
            if joined:
                thread.join()
                assert not thread.is_alive()
            assert counter.n == 2

        return [starts], None

    return program


def test_a_thread_that_the_program_starts_is_scheduled() -> None:
    assert exploring(started_inside(joined=True), preemptions=None).complete
    with pytest.raises(ScheduleError, match="AssertionError"):
        exploring(started_inside(joined=False))


def test_a_thread_of_ones_own_class_and_one_of_the_lower_level_are_scheduled() -> None:
    def program() -> Any:
        log: list[str] = []

        class Mine(Thread):
            def run(self) -> None:
                assert threading.current_thread() is self
                assert not self.daemon
                log.append("mine")

        def body() -> None:
            start_new_thread(log.append, ("low",))
            mine = Mine()
            mine.start()
            mine.join()

        return [body], lambda: tuple(log)

    orders = set(exploring(program, preemptions=None).outcomes)
    assert orders == {("mine", "low"), ("low", "mine")}


def test_threads_started_before_the_run_and_joined_after_it_are_scheduled() -> None:
    def program() -> Any:
        log: list[str] = []
        thread = Thread(target=log.append, args=("started",))
        thread.start()

        def check() -> Any:
            thread.join()
            return tuple(log)

        return [lambda: log.append("given")], check

    orders = set(exploring(program, preemptions=None).outcomes)
    assert orders == {("given", "started"), ("started", "given")}


def test_threads_refuse_what_the_real_ones_refuse() -> None:
    def program() -> Any:
        def body() -> None:
            thread = Thread(target=int)
            with pytest.raises(RuntimeError, match="before it is started"):
                thread.join()
            assert not thread.is_alive()
            thread.start()
            with pytest.raises(RuntimeError, match="only be started once"):
                thread.start()
            with pytest.raises(RuntimeError, match="current thread"):
                threading.current_thread().join()
            thread.join()

        return [body], None

    exploring(program, preemptions=0)


def test_what_a_started_thread_raises_is_the_failure_and_its_end_may_be_awaited() -> None:
    def program() -> Any:
        return [Thread(target=lambda: 1 / 0).start], None

    with pytest.raises(ScheduleError, match="ZeroDivisionError"):
        exploring(program)

    def stuck() -> Any:
        never = Event()

        def waits() -> None:
            never.wait()

        def joins() -> None:
            thread = Thread(target=waits)
            thread.start()
            thread.join()

        return [joins], None

    with pytest.raises(ScheduleError, match="joins waits for the end of waits") as caught:
        exploring(stuck)
    assert isinstance(caught.value.error, DeadlockError)


def test_a_daemon_that_waits_for_ever_does_not_hold_up_the_end() -> None:
    before = threading.enumerate()

    def program() -> Any:
        never, cleaned = Event(), []

        def serve() -> None:
            try:
                never.wait()
            finally:
                cleaned.append(None)

        def body() -> None:
            Thread(target=serve, daemon=True).start()

        return [body], lambda: len(cleaned)

    assert set(exploring(program).outcomes) == {0}
    assert threading.enumerate() == before


def test_a_timer_fires_when_nobody_else_can_go_on_or_when_a_schedule_says_so() -> None:
    def program() -> Any:
        log: list[str] = []

        def body() -> None:
            timer = Timer(3600, log.append, ("fired",))
            timer.start()
            log.append("went on")
            timer.cancel()
            timer.join()

        return [body], lambda: tuple(log)

    assert set(exploring(program, preemptions=None).outcomes) == {("went on",)}
    both = exploring(program, preemptions=None, timeouts=True)
    assert set(both.outcomes) == {("went on",), ("went on", "fired"), ("fired", "went on")}


def in_a_pool(locked: bool) -> Program:
    def program() -> Any:
        counter, lock = Counter(), Lock()

        def add() -> int:
            if locked:
                with lock:
                    counter.add()
            else:
                counter.add()
            return 1

        def body() -> None:
            with ThreadPoolExecutor(2) as pool:
                first = pool.submit(add)
                second = pool.submit(add)
                assert first.result() + second.result() == 2
            assert counter.n == 2

        return [body], None

    return program


def test_the_threads_of_an_executor_are_scheduled() -> None:
    assert exploring(in_a_pool(locked=True), preemptions=1).complete
    with pytest.raises(ScheduleError, match="AssertionError"):
        exploring(in_a_pool(locked=False), preemptions=2)


def test_an_executor_may_be_used_in_every_way() -> None:
    def program() -> Any:
        pool = ThreadPoolExecutor(2)

        def body() -> None:
            futures = [pool.submit(int, n) for n in "12"]
            assert {future.result() for future in as_completed(futures)} == {1, 2}
            assert not wait(futures).not_done
            assert [*pool.map(int, "34")] == [3, 4]

        def check() -> None:
            pool.shutdown()

        return [body], check

    assert exploring(program, preemptions=0).complete


def test_an_executor_that_is_left_open_does_not_hold_up_the_end() -> None:
    def program() -> Any:
        pool = ThreadPoolExecutor(1)
        return [lambda: pool.submit(int).result()], None

    before = threading.enumerate()
    assert exploring(program, preemptions=0).complete
    assert threading.enumerate() == before


LOCK = Lock()
EVENTS = {"ready": Event()}


class Holder:
    """What holds locks from the time of its import on."""

    lock = Lock()

    def __init__(self) -> None:
        self.own = Lock()


HOLDER = Holder()


def synchronized(function: Any) -> Any:
    lock = Lock()

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        with lock:
            return function(*args)

    return call


@synchronized
def add_to(counter: Counter) -> None:
    counter.add()


def add_by_default(counter: Counter, lock: Any = Lock()) -> None:  # noqa: B008
    with lock:
        counter.add()


def add_by(lock: Any) -> Any:
    def add(counter: Counter) -> None:
        with lock():
            counter.add()

    return add


@dataclass
class Made:
    """What makes a lock in a function that nobody wrote."""

    n: int = 0
    lock: Any = field(default_factory=Lock)

    def add(self) -> None:
        with self.lock:
            n = self.n
            self.n = n + 1


IMPORTED = {
    "a name": add_by(lambda: LOCK),
    "a class": add_by(lambda: Holder.lock),
    "an object": add_by(lambda: HOLDER.own),
    "a closure": add_to,
    "a default": add_by_default,
}


@pytest.mark.parametrize("add", IMPORTED.values(), ids=IMPORTED.keys())
def test_a_lock_that_was_made_at_import_is_known(add: Any) -> None:
    kept = (LOCK, Holder.lock, HOLDER.own, EVENTS["ready"])

    def program() -> Any:
        counter = Counter()

        def check() -> None:
            assert counter.n == 2

        return [lambda: add(counter), lambda: add(counter)], check

    assert exploring(program).complete
    assert kept == (LOCK, Holder.lock, HOLDER.own, EVENTS["ready"])
    assert not any(lock.locked() for lock in kept[:3])


def test_a_lock_that_a_dataclass_makes_is_known() -> None:
    def program() -> Any:
        made = Made()
        return [made.add, made.add], lambda: made.n

    assert set(exploring(program, preemptions=None).outcomes) == {2}


def test_what_was_made_at_import_is_as_it_was_at_the_start_of_each_schedule() -> None:
    def program() -> Any:
        def body() -> None:
            assert not EVENTS["ready"].is_set()
            EVENTS["ready"].set()
            assert LOCK.acquire(blocking=False)

        return [body], None

    assert exploring(program).complete
    assert not EVENTS["ready"].is_set()


def test_a_deadlock_on_such_locks_names_them() -> None:
    def program() -> Any:
        def there() -> None:
            with LOCK, HOLDER.own:
                pass

        def back() -> None:
            with HOLDER.own, LOCK:
                pass

        return [there, back], None

    with pytest.raises(ScheduleError, match=r"the Lock [\w.]*test_threads\.HOLDER\.own, held by"):
        exploring(program)


CALLS: list[int] = []


@functools.cache
def squared(n: int) -> int:
    CALLS.append(n)
    return n * n


class Lazy:
    """An object with a value that is computed once."""

    @functools.cached_property
    def value(self) -> int:
        CALLS.append(1)
        return 5


def test_a_cache_is_filled_anew_in_each_schedule_and_twice_in_some() -> None:
    def program() -> Any:
        CALLS.clear()

        def call() -> None:
            assert squared(3) == 9

        return [call, call], lambda: len(CALLS)

    assert set(exploring(program).outcomes) == {1, 2}


def test_a_cached_property_does_not_hold_up_the_search() -> None:
    def program() -> Any:
        CALLS.clear()
        lazy = Lazy()

        def read() -> None:
            assert lazy.value == 5

        return [read, read], lambda: len(CALLS)

    assert set(exploring(program).outcomes) <= {1, 2}
