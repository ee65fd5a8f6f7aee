"""The asyncio front: woken from anywhere, cancelled without a trace, one call into a loop."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    Commit,
    ReentrantWriteError,
    Store,
    WaitTimeoutError,
    aio,
    bells,
)
from tests.parked import PATIENCE, Hooked
from tests.standing import changes_of
from tests.tasks import asleep, run


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts the calls into it from outside, and fails at some if told to."""

    calls = 0
    failing = 0

    def call_soon_threadsafe(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.failing:
            self.failing -= 1
            raise KeyboardInterrupt
        return super().call_soon_threadsafe(*args, **kwargs)


def test_a_task_is_woken_by_a_write_on_another_thread() -> None:
    store = Hooked({"a": 0})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(run, aio.wait_for(store, lambda now: now["a"] == 2))
        store.parked.wait_for(1)
        for n in (1, 2):
            store.set("a", n)
        assert waiting.result(PATIENCE).version == 2
    assert store.statistics().waiting == 0


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_around_the_parking_of_a_task_wakes_it(moment: str) -> None:
    store = Hooked({"a": 0})
    setattr(store.parked, moment, lambda: store.set("a", 1))
    assert run(aio.wait_for(store, lambda now: now["a"] == 1, 0)).version == 1


async def look_then_park(source: Any, seen: Any, deadline: float) -> None:
    """The seeded bug: `aio._change` with its two first steps exchanged."""
    if source.has_changed(seen, None):
        return
    waiter = bells.TaskWaiter(bells.bell_of(source.waiters, asyncio.get_running_loop()), None)
    source.waiters.parked.add(waiter.number, waiter, None)
    try:
        if not await waiter.sleep(deadline):
            raise WaitTimeoutError
    finally:
        source.waiters.parked.discard(waiter.number, None)
        waiter.bell.retire()


def test_the_same_schedule_finds_the_lost_wake_up_of_a_broken_twin() -> None:
    async def schedule(wait: Any) -> None:
        store = Hooked({"a": 0})
        store.parked.before = lambda: store.set("a", 1)
        await wait(store.source, store.snapshot(), asyncio.get_running_loop().time())

    run(schedule(aio._change))
    with pytest.raises(WaitTimeoutError):
        run(schedule(look_then_park))


def test_a_thousand_waiting_tasks_cost_a_writer_one_call_and_nobody_a_thread() -> None:
    store = Store({"a": 0})

    async def main(loop: CountingLoop) -> None:
        threads = threading.active_count()
        tasks = [
            asyncio.create_task(aio.wait_for(store, lambda now, n=n: now["a"] > n))  # type: ignore[misc]
            for n in range(1000)
        ]
        await asleep(store, 1000)
        assert len(store.source.waiters.bells) == 1
        assert threading.active_count() == threads
        for n in range(1, 6):
            store.set("a", n)
        assert loop.calls == 1
        await asleep(store, 995)
        assert [task.done() for task in tasks].count(True) == 5
        store.set("a", 10_000)
        assert loop.calls == 2
        await asyncio.gather(*tasks)

    loop = CountingLoop()
    loop.run_until_complete(main(loop))
    loop.close()
    assert store.statistics().waiting == 0


def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    store = Store({"a": 0})

    async def main() -> None:
        waits = [
            aio.wait_for(store, lambda now: False),
            aio.wait_for(store, lambda now: False, 1000),
            aio.feed(store).get(),
            aio.feed(store).get(1000),
        ]
        tasks = [asyncio.create_task(wait) for wait in waits]
        await asleep(store, 4)
        bell = weakref.ref(next(iter(store.source.waiters.bells.values())))
        for left in (3, 2, 1, 0):
            tasks[left].cancel()
            await asyncio.wait([tasks[left]])
            assert store.statistics().waiting == left
        del tasks, waits
        assert store.statistics().waiting == 0
        gc.collect()
        assert bell() is None

    run(main())


def test_timeouts_are_timeout_errors_of_ours() -> None:
    store = Store({"a": 0})

    async def main() -> None:
        for late in (0, -1, 0.001):
            with pytest.raises(WaitTimeoutError):
                await aio.wait_for(store, lambda now: False, late)
            with pytest.raises(TimeoutError, match="within the timeout"):
                await aio.feed(store).get(late)
        with pytest.raises(ArgumentTypeError):
            await aio.feed(store).get("1")  # type: ignore[arg-type]
        with pytest.raises(ArgumentValueError):
            await aio.wait_for(store, lambda now: False, math.nan)
        assert (await aio.wait_for(store, lambda now: True, math.inf)).version == 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await aio.wait_for(store, lambda now: False)

    run(main())
    assert store.statistics().waiting == 0


def test_a_waiter_with_keys_is_asked_again_only_after_they_changed() -> None:
    store = Store({"a": 0, "b": 0})
    asked: list[int] = []

    async def main() -> None:
        waiting = asyncio.create_task(
            aio.wait_for(store, lambda now: asked.append(now.version) or now["a"], keys=["a"])  # type: ignore[func-returns-value]
        )
        await asleep(store, 1)
        for n in (1, 2):
            store.set("b", n)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert store.statistics().waiting == 1
        store.set("a", 1)
        assert (await waiting).version == 3

    run(main())
    assert asked == [0, 3]


def test_a_predicate_that_raises_raises_to_the_waiter() -> None:
    store = Hooked({"a": 0})
    store.parked.after = lambda: store.delete("a")
    with pytest.raises(KeyError):
        run(aio.wait_for(store, lambda now: now["a"]))
    assert store.statistics().waiting == 0


def test_waiting_inside_a_write_is_refused_to_the_task_and_to_those_that_it_starts() -> None:
    store = Store({"a": 0})

    async def main() -> None:
        # Not to one that was there before: it waits for this very transaction.
        other = asyncio.create_task(aio.feed(store).get())
        await asleep(store, 1)
        with store.transaction() as tx:
            tx["a"] = 1
            with pytest.raises(ReentrantWriteError):
                await aio.wait_for(store, lambda now: False)
            with pytest.raises(ReentrantWriteError):
                await asyncio.create_task(aio.feed(store).get())
            assert not other.done()
        assert changes_of(await other) == {"a": (0, 1)}

    run(main())


def test_the_lock_is_free_while_tasks_wait() -> None:
    store = Store({"a": 0})

    async def main() -> None:
        waiting = asyncio.create_task(aio.feed(store).get())
        await asleep(store, 1)
        await asyncio.to_thread(store.set, "a", 1)
        assert changes_of(await waiting) == {"a": (0, 1)}

    run(main())


def test_a_loop_closed_under_its_tasks_harms_no_writer_and_is_forgotten() -> None:
    for rung_before in (False, True):
        store = Store({"a": 0})
        loop = asyncio.new_event_loop()
        waiting = loop.create_task(aio.wait_for(store, lambda now: False))
        while store.statistics().waiting == 0:
            loop.call_soon(loop.stop)
            loop.run_forever()
        if rung_before:
            store.set("a", 1)
        loop.close()
        gone = weakref.ref(loop)
        for n in (2, 3):
            assert store.set("a", n).after["a"] == n
        assert store.statistics().waiting == 0
        # The task itself is nobody's any more, which asyncio reports where nobody asked.
        waiting._log_destroy_pending = False  # type: ignore[attr-defined]
        del loop, waiting
        gc.collect()
        assert gone() is None


def test_an_interrupted_ring_fails_the_write_and_the_next_one_wakes() -> None:
    store = Store({"a": 0})

    async def main(loop: CountingLoop) -> None:
        waiting = asyncio.create_task(aio.wait_for(store, lambda now: now["a"] == 1))
        await asleep(store, 1)
        loop.failing = 1
        with pytest.raises(KeyboardInterrupt):
            store.set("a", 1)
        assert store.snapshot()["a"] == 0
        store.set("a", 1)
        assert (await waiting).version == 1

    loop = CountingLoop()
    loop.run_until_complete(asyncio.wait_for(main(loop), PATIENCE))
    loop.close()


def test_a_sync_waiter_and_tasks_are_woken_by_the_same_commit() -> None:
    store = Hooked({"a": 0})
    seen: list[Commit[str, int]] = []
    store.subscribe(seen.append)

    async def main() -> None:
        waiting = asyncio.create_task(aio.feed(store).get())
        blocked = asyncio.create_task(asyncio.to_thread(store.feed().get, PATIENCE))
        await asleep(store, 2)
        store.set("a", 1)
        assert await waiting is await blocked is seen[0]

    run(main())
