"""Feeds that tasks read: shared, cancelled, closed, and in turns."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cowstate import ClosedError, History, Lagged, Store, aio
from tests.parked import PATIENCE, Hooked
from tests.standing import changes_of
from tests.tasks import asleep, run


def test_many_loops_in_many_threads_follow_one_store() -> None:
    store = Store({"a": 0}, history=History(versions=500))
    ready = threading.Barrier(5)

    async def follow(mode: Any) -> list[int]:
        async with aio.feed(store, mode) as feed:
            await asyncio.to_thread(ready.wait, PATIENCE)
            seen = []
            async for commit in feed:
                seen.append(changes_of(commit)["a"].new)
                if seen[-1] == 300:
                    break
        assert feed.closed
        return seen

    async def both() -> list[list[int]]:
        return await asyncio.gather(follow("every"), follow("latest"))

    with ThreadPoolExecutor(2) as pool:
        loops = [pool.submit(run, both()) for _ in range(2)]
        ready.wait(PATIENCE)
        for n in range(1, 301):
            store.set("a", n)
        for loop in loops:
            every, latest = loop.result(PATIENCE)
            assert every == list(range(1, 301))
            assert latest == sorted(set(latest))
    assert store.statistics().waiting == 0


def test_each_item_of_a_feed_shared_by_two_loops_goes_to_one_task() -> None:
    store = Store({"a": 0}, history=History(versions=2000))
    feed = aio.feed(store)
    taken = threading.Semaphore(0)

    async def take() -> list[Any]:
        return [(changes_of(item)["a"].new, taken.release())[0] async for item in feed]  # type: ignore[func-returns-value]

    async def takers() -> list[list[Any]]:
        return await asyncio.gather(take(), take())

    with ThreadPoolExecutor(2) as pool:
        loops = [pool.submit(run, takers()) for _ in range(2)]
        for n in range(1, 501):
            store.set("a", n)
        assert all(taken.acquire(timeout=PATIENCE) for _ in range(500))
        feed.close()
        items = [n for loop in loops for part in loop.result(PATIENCE) for n in part]
    assert sorted(items) == list(range(1, 501))


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("written_first", [True, False])
def test_an_item_is_never_lost_to_a_cancelled_get(turns: int, written_first: bool) -> None:
    store = Store({"a": 0})

    async def main() -> None:
        feed = aio.feed(store)
        if written_first:
            store.set("a", 1)
        getting = asyncio.create_task(feed.get(PATIENCE))
        for turn in range(turns):
            if turn == 3 and not written_first:
                store.set("a", 1)
            await asyncio.sleep(0)
        getting.cancel()
        await asyncio.wait([getting])
        if not written_first and turns < 4:
            store.set("a", 1)
        left = feed.poll()
        item = left if getting.cancelled() else getting.result()
        assert changes_of(item) == {"a": (0, 1)}
        assert (left is None) == (not getting.cancelled())
        assert store.statistics().waiting == 0

    run(main())


def test_close_ends_the_iterations_on_every_loop() -> None:
    store = Hooked({"a": 0})
    feed = aio.feed(store)

    async def collect() -> list[Any]:
        return [item async for item in feed]

    with ThreadPoolExecutor(2) as pool:
        loops = [pool.submit(run, collect()) for _ in range(2)]
        store.parked.wait_for(2)
        feed.close()
        assert [loop.result(PATIENCE) for loop in loops] == [[], []]
    with pytest.raises(ClosedError):
        run(feed.get())
    assert repr(feed) == "<AsyncFeed of every, closed>"


def test_tasks_that_share_a_feed_take_turns() -> None:
    store = Store({"a": 0})
    order: list[str] = []

    async def take(feed: aio.AsyncFeed[str, int], name: str) -> None:
        async for _ in feed:
            order.append(name)

    async def main() -> None:
        feed = aio.feed(store)
        takers = [asyncio.create_task(take(feed, name)) for name in "xyz"]
        for n in range(1, 7):
            await asleep(store, 3)
            store.set("a", n)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asleep(store, 3)
        feed.close()
        await asyncio.gather(*takers)

    run(main())
    assert order == [*"xyzxyz"]


def test_a_feed_that_always_has_an_item_gives_other_tasks_their_turn() -> None:
    store = Store({"a": 0})
    other_turns = 0

    async def other() -> None:
        nonlocal other_turns
        while True:
            other_turns += 1
            await asyncio.sleep(0)

    async def main() -> None:
        task = asyncio.create_task(other())
        feed = aio.feed(store)
        for n in range(1, 101):
            store.set("a", n)
        for _ in range(100):
            await feed.get()
        task.cancel()

    run(main())
    assert other_turns >= 100


def test_an_async_feed_tells_where_it_is() -> None:
    store = Store({"a": 0}, history=History(versions=1))

    async def main() -> None:
        feed = aio.feed(store, "latest", keys=["a"])
        assert (feed.version, feed.closed, feed.snapshot["a"]) == (0, False, 0)
        for n in (1, 2):
            store.set("a", n)
        assert await feed.get() == Lagged(1, store.snapshot())
        assert feed.poll() is None
        assert feed.version == 2
        assert repr(feed) == "<AsyncFeed of latest, at version 2>"

    run(main())
