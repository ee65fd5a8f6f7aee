"""Queues under the explorer: as the real ones, whole, and held up when full or empty."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable
from queue import LifoQueue, PriorityQueue, Queue, SimpleQueue
from typing import Any

import pytest

from cowstate.errors import ScheduleError
from cowstate.testing.schedules import Exploration, Program, explore

HERE = [__name__]


def exploring(program: Program, **options: Any) -> Exploration:
    return explore(program, modules=HERE, **options)


@pytest.mark.parametrize("make", [lambda: Queue(1), lambda: LifoQueue(1), lambda: PriorityQueue(1)])
def test_a_full_queue_holds_up_who_puts_until_there_is_room(make: Callable[[], Any]) -> None:
    def program(takes: int) -> Program:
        def made() -> Any:
            items, got = make(), []

            def producer() -> None:
                items.put(1)
                items.put(2)

            def consumer() -> None:
                for _ in range(takes):
                    got.append(items.get())

            return [producer, consumer], lambda: tuple(got)

        return made

    assert set(exploring(program(2), preemptions=None).outcomes) == {(1, 2)}
    with pytest.raises(ScheduleError, match=r"producer waits for the \w+ made at .* for room"):
        exploring(program(0))


def test_queues_give_what_the_real_ones_give() -> None:
    def program() -> Any:
        given = []

        def body() -> None:
            for make in (Queue, LifoQueue, PriorityQueue):
                items: Any = make()
                for item in (2, 1, 3):
                    items.put(item)
                given.append([items.get_nowait() for _ in range(3)])
                assert (items.empty(), items.qsize(), items.full()) == (True, 0, False)
                with pytest.raises(queue.Empty):
                    items.get_nowait()
                with pytest.raises(queue.Empty):
                    items.get(timeout=3600)
                for _ in range(3):
                    items.task_done()
                items.join()
                with pytest.raises(ValueError, match="too many times"):
                    items.task_done()
            full: Any = Queue(1)
            full.put(1)
            assert full.full()
            with pytest.raises(queue.Full):
                full.put_nowait(2)
            simple: Any = SimpleQueue()
            with pytest.raises(queue.Empty):
                simple.get_nowait()
            simple.put(1)
            assert (simple.qsize(), simple.empty(), simple.get()) == (1, False, 1)

        return [body], lambda: tuple(map(tuple, given))

    assert set(exploring(program).outcomes) == {((2, 1, 3), (3, 1, 2), (1, 2, 3))}


@pytest.mark.skipif(sys.version_info < (3, 13), reason="queues can be shut down from 3.13 on")
def test_a_queue_that_is_shut_down_sends_who_waits_away() -> None:
    def program() -> Any:
        items, ended = Queue(), []

        def consumer() -> None:
            try:
                while True:
                    ended.append(items.get())
            except queue.ShutDown:
                ended.append("down")

        def producer() -> None:
            items.put(1)
            items.shutdown()

        return [consumer, producer], lambda: tuple(ended)

    assert set(exploring(program, preemptions=None).outcomes) == {(1, "down")}


def test_work_is_joined_only_when_it_is_told_to_be_done() -> None:
    def program(done_first: bool) -> Program:
        def made() -> Any:
            work, log = Queue(), []
            work.put("job")

            def worker() -> None:
                work.get()
                if done_first:
                    work.task_done()
                log.append("worked")
                if not done_first:
                    work.task_done()

            def waiter() -> None:
                work.join()
                log.append("joined")

            return [worker, waiter], lambda: tuple(log)

        return made

    right = exploring(program(done_first=False), preemptions=None)
    assert set(right.outcomes) == {("worked", "joined")}
    wrong = exploring(program(done_first=True), preemptions=None)
    assert set(wrong.outcomes) == {("worked", "joined"), ("joined", "worked")}


class Ranked:
    """Its order is code of its own, which is switched amid."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __lt__(self, other: Ranked) -> bool:
        mine = self.rank
        return mine < other.rank


def test_a_priority_queue_is_whole_though_comparing_is_code_of_ones_own() -> None:
    def program() -> Any:
        items: PriorityQueue[Ranked] = PriorityQueue()
        items.put(Ranked(2))

        def put(rank: int) -> Callable[[], None]:
            return lambda: items.put(Ranked(rank))

        def check() -> Any:
            return tuple(items.get().rank for _ in range(3))

        return [put(1), put(3)], check

    assert set(exploring(program, preemptions=1).outcomes) == {(1, 2, 3)}


class Listed(Queue[int]):
    """A queue of somebody's own class."""

    def _put(self, item: int) -> None:
        self.queue.append(item * 2)


def test_a_queue_of_ones_own_class_works() -> None:
    def program() -> Any:
        items, got = Listed(), []
        return [lambda: items.put(1), lambda: got.append(items.get())], lambda: tuple(got)

    assert set(exploring(program, preemptions=1).outcomes) == {(2,)}
