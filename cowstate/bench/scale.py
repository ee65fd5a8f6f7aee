"""How costs grow: records up to ten million, and subscribers, feeds and writers by the thousand."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from multiprocessing import get_context
from time import perf_counter_ns, thread_time_ns
from typing import Any, Final, TypeAlias

from cowstate import History, Store, Transaction
from cowstate.maps import map_kind

from .collector import collector_off, frozen
from .levels import Level, add_one
from .measure import Figure, Operation, Ratio, Settings, quantile, time_all
from .mixed import bytes_per_version
from .variant import ignore

__all__ = [
    "GROWING",
    "grown",
    "kinds",
    "run_followers",
    "run_records",
    "run_writers",
    "worst_write",
]

AnyStore: TypeAlias = Store[int, Level]

GROWING: Final = {"scale": "records", "followers": "followers", "writers": "writers"}
"""What grows in each of the workloads of this module."""

_WRITES = 20_000
_QUICK_WRITES = 500
_KEPT = 1_024
_SMALL_RING = 16
# A second store of ten million, for the sake of its ring, would double what all takes.
_RINGS_UP_TO = 1_000_000
_APART_FROM = 10_000
_TEN = 10


def kinds() -> list[str]:
    """Return the maps whose growth is shown: the default, and the tree where that is another."""
    default = map_kind().name
    return [default] if default == "dict+tree" else [default, "dict+tree"]


def _records(size: int) -> dict[int, Level]:
    return {number: Level(number) for number in range(size)}


def _variant(maps: str) -> str:
    return f"cowstate/{maps}"


# The costs of one store, by how many records it holds.


def run_records(size: int, settings: Settings) -> list[Figure]:
    """Measure building, writing, reading, diffs, memory and the worst write of *size* records.

    Where they are many, each map in a process of its own: what another has left behind is then
    neither looked through by the collector nor taken for memory that costs nothing.
    """
    figures: list[Figure] = []
    for maps in kinds():
        if size < _APART_FROM:
            figures += grown(maps, size, settings)
        else:
            pool = ProcessPoolExecutor(1, get_context("spawn"))
            try:
                figures += pool.submit(grown, maps, size, settings).result()
            finally:
                pool.shutdown()
    return figures


def grown(maps: str, size: int, settings: Settings) -> list[Figure]:
    """Measure the same of one map, in this process."""
    return list(_growth(maps, size, _records(size), settings))


def _growth(
    maps: str, size: int, records: dict[int, Level], settings: Settings
) -> Iterator[Figure]:
    def figure(quantity: str, unit: str, *samples: float) -> Figure:
        return Figure("scale", _variant(maps), size, quantity, unit, samples)

    before, began = _resident(), perf_counter_ns()
    store: AnyStore = Store(records, maps=maps)
    took, held = perf_counter_ns() - began, _resident() - before
    yield figure("build, a record", "ns", took / size)
    if size >= _APART_FROM and held > 0:  # where the system counts, and nothing else was there
        yield figure("memory of the map, a record", "bytes", held / size)
    keys = random.Random(settings.seed).sample(range(size), min(size, 1_000))
    for quantity, samples in time_all(_operations(store, keys), settings).items():
        yield figure(quantity, "ns", *samples)
    kept = min(200, _QUICK_WRITES if settings.quick else _WRITES)
    turn = cycle(keys)
    yield figure(
        "memory of a version",
        "bytes",
        bytes_per_version(lambda: store.update(next(turn), add_one).after, kept),
    )
    writes = _QUICK_WRITES if settings.quick else _WRITES
    yield figure("worst write, collector on", "ns", _worst(store, keys, writes))
    with frozen():
        yield figure("worst write, records frozen", "ns", _worst(store, keys, writes))
    with collector_off():
        yield figure("worst write, collector off", "ns", _worst(store, keys, writes))
    yield figure("a full collection", "ns", *_collections(settings))
    with frozen():
        yield figure("a full collection, records frozen", "ns", *_collections(settings))
    if size <= _RINGS_UP_TO:
        del store
        gc.collect()
        store = Store(records, maps=maps, history=History(versions=_SMALL_RING))
        yield figure(f"worst write, ring of {_SMALL_RING}", "ns", _worst(store, keys, writes))


def _collections(settings: Settings) -> list[float]:
    """Return how long it takes the collector to go through all there is, each of so many times."""
    taken = []
    for _ in range(min(3, settings.repeats)):
        began = thread_time_ns()
        gc.collect()
        taken.append(float(thread_time_ns() - began))
    return taken


def worst_write(settings: Settings) -> Ratio:
    """Return the worst of 20,000 updates of a million records in milliseconds, collector on.

    The value is the worst of three times as many; beside it stand the best and the worst of
    the three.
    """
    size, writes = (10_000, _QUICK_WRITES) if settings.quick else (1_000_000, _WRITES)
    store: AnyStore = Store(_records(size))
    keys = random.Random(settings.seed).sample(range(size), 1_000)
    taken = sorted(_worst(store, keys, writes) / 1e6 for _ in range(3))
    return Ratio(taken[-1], taken[0], taken[-1])


def _operations(store: AnyStore, keys: list[int]) -> dict[str, Operation]:
    turn = cycle(keys)
    tens = cycle([keys[place : place + _TEN] for place in range(0, len(keys), _TEN)])

    def transact() -> None:
        several = next(tens)

        def change(tx: Transaction[int, Level]) -> None:
            for key in several:
                tx[key] = add_one(tx[key])

        store.transact(change)

    def write_and_diff() -> None:
        before = store.snapshot()
        store.update(next(turn), add_one)
        store.snapshot().diff(before)

    names: dict[str, Any] = {"store": store, "next": next, "turn": turn, "add_one": add_one}
    return {
        "snapshot": Operation("store.snapshot()", names),
        "read": Operation("store.snapshot()[next(turn)]", names),
        "update": Operation("store.update(next(turn), add_one)", names),
        "transaction of ten": Operation("act()", {"act": transact}),
        "update and diff": Operation("act()", {"act": write_and_diff}),
    }


def _worst(store: AnyStore, keys: list[int], writes: int) -> float:
    """Return the longest of so many updates, of the time of the processor.

    So what another program does meanwhile is no pause of ours; what the collector does is.
    """
    taken = []
    for _, key in zip(range(writes), cycle(keys), strict=False):
        began = thread_time_ns()
        store.update(key, add_one)
        taken.append(thread_time_ns() - began)
    return max(taken)


def _resident() -> int:
    """Return the bytes of the process that are in memory; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            pages = int(file.read().split()[1])
    except OSError:
        return 0
    from resource import getpagesize

    return pages * getpagesize()


# The cost of one write, by how many follow the store.


def run_followers(size: int, settings: Settings) -> list[Figure]:
    """Measure an update beside *size* followers: of other keys, and feeds of everything."""
    made: list[tuple[str, AnyStore, list[Any]]] = []
    for name, follow in _FOLLOWERS.items():
        store: AnyStore = Store(_records(size + 1))
        made.append((name, store, [follow(store, number + 1) for number in range(size)]))
    operations = {
        name: Operation("store.update(0, fn)", {"store": store, "fn": add_one})
        for name, store, _ in made
    }
    samples = time_all(operations, settings)
    return [Figure("followers", name, size, "time", "ns", taken) for name, taken in samples.items()]


_FOLLOWERS: dict[str, Callable[[AnyStore, int], Any]] = {
    "subscribers of other keys": lambda store, key: store.subscribe(ignore, keys=[key]),
    "feeds of other keys": lambda store, key: store.feed(keys=[key]),
    "feeds of everything": lambda store, _: store.feed(),
}


# The writes of many threads.


def run_writers(size: int, settings: Settings) -> list[Figure]:
    """Measure the updates of *size* threads, each of a key of its own: together, and each."""
    writes = max(1, (_QUICK_WRITES if settings.quick else _WRITES) // size)
    store: AnyStore = Store(_records(size), history=History(versions=_KEPT))
    ready = threading.Barrier(size + 1)
    taken: list[list[int]] = [[] for _ in range(size)]

    def write(key: int) -> None:
        ready.wait()
        for _ in range(writes):
            began = perf_counter_ns()
            store.update(key, add_one)
            taken[key].append(perf_counter_ns() - began)

    threads = [threading.Thread(target=write, args=(key,)) for key in range(size)]
    for thread in threads:
        thread.start()
    began = perf_counter_ns()
    ready.wait()
    for thread in threads:
        thread.join()
    took = perf_counter_ns() - began
    ordered = sorted(each for one in taken for each in one)
    outcome = {
        "an update, all together": took / len(ordered),
        "an update, median": ordered[len(ordered) // 2],
        "an update, 99th percentile": quantile(ordered, 0.99),
        "an update, worst": ordered[-1],
    }
    return [
        Figure("writers", _variant(map_kind().name), size, quantity, "ns", (float(value),))
        for quantity, value in outcome.items()
    ]
