"""Every primitive of `threading` and `queue`: a right program passes, a wrong one is found out."""

# ruff: noqa: PLW0108  what a parameter of a test names is the real one; a lambda looks it up

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from queue import LifoQueue, PriorityQueue, Queue, SimpleQueue
from threading import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore
from typing import Any

import pytest

from cowstate.errors import DeadlockError, ScheduleError, UnscheduledError
from cowstate.testing.schedules import Exploration, Program, explore

HERE = [__name__]


def exploring(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=HERE, **options)


class Counter:
    def __init__(self) -> None:
        self.n = 0

    def add(self) -> None:
        n = self.n
        self.n = n + 1


def guarded(make: Callable[[], Any], guarding: bool = True) -> Program:
    """Two that add in two steps, each inside of what *make* makes, or beside it."""

    def program() -> Any:
        counter, guard = Counter(), make()

        def add() -> None:
            if guarding:
                with guard:
                    counter.add()
            else:
                with guard:
                    pass
                counter.add()

        def check() -> None:
            assert counter.n == 2

        return [add, add], check

    return program


GUARDS = {
    "Lock": lambda: Lock(),
    "RLock": lambda: RLock(),
    "Condition": lambda: Condition(),
    "Condition of a Lock": lambda: Condition(Lock()),
    "Semaphore": lambda: Semaphore(1),
    "BoundedSemaphore": lambda: BoundedSemaphore(1),
    "by the module's name": lambda: threading.Semaphore(),
    "mutex of a Queue": lambda: Queue().mutex,
}


@pytest.mark.parametrize("make", GUARDS.values(), ids=GUARDS.keys())
def test_what_guards_a_block_lets_one_in_at_a_time(make: Callable[[], Any]) -> None:
    assert exploring(guarded(make), preemptions=None).complete
    with pytest.raises(ScheduleError, match="AssertionError"):
        exploring(guarded(make, guarding=False))


def test_a_semaphore_of_two_lets_two_in() -> None:
    with pytest.raises(ScheduleError, match="AssertionError"):
        exploring(guarded(lambda: Semaphore(2)))


def handed_over(make: Callable[[], Any], told: Callable[[Any], None]) -> Program:
    """One writes and tells, the other waits to be told and reads."""

    def program() -> Any:
        signal, box, seen = make(), [0], []

        def writer() -> None:
            box[0] = 1
            told(signal)

        def reader() -> None:
            wait_for(signal)
            seen.append(box[0])

        return [reader, writer], lambda: tuple(seen)

    return program


def wait_for(signal: Any) -> None:
    if isinstance(signal, Semaphore):
        signal.acquire()
    elif isinstance(signal, Event | Barrier):
        signal.wait()
    else:
        signal.get()


def tell(signal: Any) -> None:
    if isinstance(signal, Semaphore):
        signal.release()
    elif isinstance(signal, Event):
        signal.set()
    elif isinstance(signal, Barrier):
        signal.wait()
    else:
        signal.put(None)


SIGNALS = {
    "Semaphore": lambda: Semaphore(0),
    "Event": lambda: Event(),
    "Barrier": lambda: Barrier(2),
    "Queue": lambda: Queue(),
    "LifoQueue": lambda: LifoQueue(),
    "PriorityQueue": lambda: PriorityQueue(),
    "SimpleQueue": lambda: SimpleQueue(),
    "queue.Queue": lambda: queue.Queue(maxsize=1),
}


@pytest.mark.parametrize("make", SIGNALS.values(), ids=SIGNALS.keys())
def test_who_waits_is_woken_when_told_and_sees_what_was_before(make: Callable[[], Any]) -> None:
    assert set(exploring(handed_over(make, tell), preemptions=None).outcomes) == {(1,)}


AWAITED = {
    "Semaphore": r"Semaphore made at .*test_primitives.py:\d+ to be released",
    "Event": r"the Event made at .*test_primitives.py:\d+",
    "Barrier": r"Barrier made at .*, where 1 of 2 have come",
    "Queue": r"the Queue made at .* to be put to",
    "LifoQueue": r"the LifoQueue made at .* to be put to",
    "PriorityQueue": r"the PriorityQueue made at .* to be put to",
    "SimpleQueue": r"the SimpleQueue made at .* to be put to",
}


@pytest.mark.parametrize("kind", AWAITED)
def test_who_is_never_told_is_a_deadlock_that_says_what_was_awaited(kind: str) -> None:
    with pytest.raises(ScheduleError, match=f"reader waits for .*{AWAITED[kind]}") as caught:
        exploring(handed_over(SIGNALS[kind], lambda _: None))
    assert isinstance(caught.value.error, DeadlockError)
    assert "test_primitives.py" in str(caught.value)


def test_a_barrier_lets_go_when_all_have_come_and_its_action_has_run() -> None:
    def program() -> Any:
        log: list[str] = []
        barrier = Barrier(3, action=lambda: log.append("action"))
        places: list[int] = []

        def come() -> None:
            places.append(barrier.wait())
            assert log == ["action"]

        return [come] * 3, lambda: tuple(sorted(places))

    assert set(exploring(program, preemptions=1).outcomes) == {(0, 1, 2)}


def test_a_broken_barrier_and_one_that_is_reset_send_away_who_waits() -> None:
    def program(what: str) -> Program:
        def made() -> Any:
            barrier, ends = Barrier(2), []

            def waiter() -> None:
                try:
                    barrier.wait()
                except threading.BrokenBarrierError:
                    ends.append("broken")

            def breaker() -> None:
                while not barrier.n_waiting:
                    come.wait()
                getattr(barrier, what)()

            come = Event()
            come.set()
            return [waiter, breaker], lambda: (tuple(ends), barrier.broken)

        return made

    with pytest.raises(ScheduleError, match="has not ended after"):  # it spins: see the message
        exploring(program("abort"))

    def waits_for_the_barrier(what: str) -> Program:
        def made() -> Any:
            barrier, ends = Barrier(2, timeout=5), []

            def waiter() -> None:
                try:
                    barrier.wait()
                except threading.BrokenBarrierError:
                    ends.append("broken")

            return [waiter, getattr(barrier, what)], lambda: (tuple(ends), barrier.broken)

        return made

    aborted = exploring(waits_for_the_barrier("abort"), preemptions=None)
    assert set(aborted.outcomes) == {(("broken",), True)}
    reset = exploring(waits_for_the_barrier("reset"), preemptions=None)
    # Reset in vain before the other comes, who then waits until that times out.
    assert set(reset.outcomes) == {(("broken",), True), (("broken",), False)}


def test_timed_waits_may_time_out_as_a_choice_of_the_schedule() -> None:
    def program(make: Callable[[], Any]) -> Program:
        def made() -> Any:
            signal, ends = make(), []

            def waiter() -> None:
                try:
                    if isinstance(signal, Semaphore):
                        ends.append(signal.acquire(timeout=1))
                    elif isinstance(signal, Event):
                        ends.append(signal.wait(timeout=1))
                    else:
                        ends.append(signal.get(timeout=1) is None)
                except queue.Empty:
                    ends.append(False)

            return [waiter, lambda: tell(signal)], lambda: tuple(ends)

        return made

    for kind in ("Semaphore", "Event", "Queue", "SimpleQueue"):
        made = program(SIGNALS[kind])
        assert set(exploring(made, preemptions=None).outcomes) == {(True,)}
        both = exploring(made, preemptions=None, timeouts=True)
        assert set(both.outcomes) == {(True,), (False,)}


def test_semaphores_refuse_what_the_real_ones_refuse() -> None:
    def program() -> Any:
        def misuse() -> None:
            bounded = BoundedSemaphore(1)
            with pytest.raises(ValueError, match="released too many times"):
                bounded.release()
            with pytest.raises(ValueError, match="one or more"):
                Semaphore().release(0)
            with pytest.raises(ValueError, match=">= 0"):
                Semaphore(-1)
            with pytest.raises(ValueError, match="timeout for non-blocking"):
                Semaphore().acquire(blocking=False, timeout=1)
            assert not Semaphore(0).acquire(blocking=False)
            with pytest.raises(ValueError, match="parties"):
                Barrier(0)

        return [misuse], None

    assert exploring(program).schedules == 1


def test_a_condition_of_a_lock_of_ones_own_works() -> None:
    class Mine:
        def __init__(self) -> None:
            self.inner = Lock()

        def acquire(self, *args: Any) -> bool:
            return self.inner.acquire(*args)

        def release(self) -> None:
            self.inner.release()

        def __enter__(self) -> bool:
            return self.acquire()

        def __exit__(self, *exc: object) -> None:
            self.release()

    def program() -> Any:
        changed, flags = Condition(Mine()), []  # type: ignore[arg-type]

        def setter() -> None:
            with changed:
                flags.append(True)
                changed.notify()

        def waiter() -> None:
            with changed:
                while not flags:
                    changed.wait()

        return [setter, waiter], lambda: len(flags)

    assert set(exploring(program, preemptions=1).outcomes) == {1}


def test_the_closures_variables_are_those_that_other_threads_left() -> None:
    def program() -> Any:
        n, lock = 0, Lock()

        def add() -> None:
            nonlocal n
            with lock:
                before = n
                n = before + 1

        def check() -> None:
            assert n == 2

        return [add, add], check

    assert exploring(program, preemptions=None).complete


def test_an_unknown_lock_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from cowstate.testing.scheduler import Scheduler

    monkeypatch.setitem(Scheduler.__init__.__kwdefaults__, "patience", 0.1)
    hidden = iter([Lock()])
    kept = next(hidden)

    def program() -> Any:
        lock = kept

        def holder() -> None:
            with lock:
                HERE.copy()

        return [holder, holder], None

    with pytest.raises(ScheduleError, match="Make this one in the function that is explored") as c:
        exploring(program)
    assert isinstance(c.value.error, UnscheduledError)


def test_names_ask_the_real_ones_what_they_are() -> None:
    seen = []

    def program() -> Any:
        def body() -> None:
            assert isinstance(Lock(), Lock)  # type: ignore[arg-type]
            assert isinstance(Semaphore(), threading.Semaphore)
            assert not isinstance(Semaphore(), Event)

            class Mine(Event):
                pass

            seen.append(Mine.__mro__[1].__module__ == "threading")

        return [body], None

    exploring(program)
    assert all(seen)
