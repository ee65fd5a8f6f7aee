"""What it costs to be followed: subscribers of other keys, feeds that sleep, tasks that wake."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from functools import cache
from statistics import median, quantiles
from time import perf_counter_ns, sleep
from typing import Final, NamedTuple

from cowstate import ClosedError, Store, aio

from .levels import Level, add_one
from .measure import Operation, Ratio, Settings, ratio_of, time_all
from .variant import ignore

__all__ = ["asleep", "awake_after", "beside_subscribers", "paid_by_the_writer", "task_wakes"]

_SUBSCRIBERS = 10_000
_FEEDS = 1_000
_FEWER: Final = 20
"""By how much less a quick run has of each."""

_WAKES = 500


def _store(size: int) -> Store[int, Level]:
    return Store({number: Level(number) for number in range(size)})


def beside_subscribers(settings: Settings) -> Ratio:
    """Return an update beside 10,000 subscribers of other keys, by one beside none."""
    size = _SUBSCRIBERS // (_FEWER if settings.quick else 1)
    stores = {"followed": _store(size + 1), "alone": _store(size + 1)}
    for number in range(size):
        stores["followed"].subscribe(ignore, keys=[number + 1])
    operations = {
        name: Operation("store.update(0, fn)", {"store": store, "fn": add_one})
        for name, store in stores.items()
    }
    samples = time_all(operations, settings)
    return ratio_of(samples["followed"], samples["alone"])


class Wakes(NamedTuple):
    """For each write of a key that one thread sleeps on: in milliseconds.

    Attributes:
        awake: from the beginning of the write until the thread has what it slept for.
        paid: how long the write took the writer.
        right: whether it was that thread, and no other, that woke, each time.
    """

    awake: list[float]
    paid: list[float]
    right: bool


@cache
def asleep(settings: Settings) -> Wakes:
    """Write, again and again, one of many keys, on each of which a thread sleeps."""
    size = _FEEDS // (_FEWER if settings.quick else 1)
    store = _store(size)
    ready = threading.Barrier(size + 1)
    woken = [threading.Event() for _ in range(size)]
    told: list[tuple[int, int]] = []

    def follow(key: int) -> None:
        feed = feeds[key]
        ready.wait()
        try:
            while True:
                feed.get()
                told.append((key, perf_counter_ns()))
                woken[key].set()
        except ClosedError:
            return

    feeds = [store.feed(keys=[key]) for key in range(size)]
    threads = [threading.Thread(target=follow, args=(key,)) for key in range(size)]
    for thread in threads:
        thread.start()
    ready.wait()

    def until_all_sleep() -> None:
        while store.statistics().waiting < size:
            sleep(0.0005)

    until_all_sleep()
    rng = random.Random(settings.seed)
    found = Wakes([], [], True)
    for _ in range(settings.repeats * (10 if settings.quick else 15)):
        key = rng.randrange(size)
        told.clear()
        woken[key].clear()
        began = perf_counter_ns()
        store.update(key, add_one)
        took = perf_counter_ns() - began
        woken[key].wait()
        until_all_sleep()  # then whoever woke has told
        found.awake.append((dict(told)[key] - began) / 1e6)
        found.paid.append(took / 1e6)
        found = found._replace(right=found.right and [who for who, _ in told] == [key])
    for feed in feeds:
        feed.close()
    for thread in threads:
        thread.join()
    return found


def _spread(samples: list[float]) -> Ratio:
    low, _, high = quantiles(samples, n=4, method="inclusive")
    return Ratio(median(samples), low, high)


def awake_after(settings: Settings) -> Ratio:
    """Return after how many milliseconds the right one of 1,000 sleeping threads is awake."""
    return _spread(asleep(settings).awake)


def paid_by_the_writer(settings: Settings) -> Ratio:
    """Return how many milliseconds that write took."""
    return _spread(asleep(settings).paid)


def task_wakes(settings: Settings) -> Ratio:
    """Return the time until a task has the commit that it slept for, by that of a future.

    Both are set going by the loop once the task sleeps: an update of the store, the update
    itself included, or one call of ``call_soon_threadsafe`` that sets the future.
    """
    return asyncio.run(_compare_wakes(settings))


async def _compare_wakes(settings: Settings) -> Ratio:
    loop = asyncio.get_running_loop()
    store = _store(1)
    feed = aio.feed(store)

    async def by_store() -> None:
        # By way of the next turn of the loop: in this one the task goes to sleep.
        loop.call_soon(lambda: loop.call_soon(store.update, 0, add_one))
        await feed.get()

    async def by_future() -> None:
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            loop.call_soon_threadsafe(future.set_result, None)

        loop.call_soon(lambda: loop.call_soon(wake))
        await future

    rounds = _WAKES // (_FEWER if settings.quick else 1)
    await _time(by_store, rounds)
    await _time(by_future, rounds)
    samples: dict[Callable[[], Awaitable[None]], list[float]] = {by_store: [], by_future: []}
    for _ in range(settings.repeats):
        for wake, taken in samples.items():
            taken.append(await _time(wake, rounds))
    feed.close()
    return ratio_of(samples[by_store], samples[by_future])


async def _time(wake: Callable[[], Awaitable[None]], rounds: int) -> float:
    began = perf_counter_ns()
    for _ in range(rounds):
        await wake()
    return (perf_counter_ns() - began) / rounds
