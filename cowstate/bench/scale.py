"""How costs grow: records up to ten million, and subscribers, feeds and writers by the thousand."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable, Iterator
from itertools import cycle
from time import perf_counter_ns
from typing import Any, Final, TypeAlias

from cowstate import History, Store, Transaction
from cowstate.maps import map_kind

from .collector import collector_off, frozen
from .levels import Level, add_one
from .measure import Figure, Operation, Settings, quantile, time_all
from .mixed import bytes_per_version

__all__ = ["GROWING", "kinds", "run_followers", "run_records", "run_writers"]

AnyStore: TypeAlias = Store[int, Level]

GROWING: Final = {"scale": "records", "followers": "followers", "writers": "writers"}
"""What grows in each of the workloads of this module."""

_WRITES = 20_000
_QUICK_WRITES = 500
_KEPT = 1_024
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

    All of a map before the next one, since two stores of ten million do not fit everywhere.
    """
    figures: list[Figure] = []
    for maps in kinds():
        gc.collect()
        records = _records(size)
        figures += _growth(maps, size, records, settings)
        del records
    return figures


def _growth(
    maps: str, size: int, records: dict[int, Level], settings: Settings
) -> Iterator[Figure]:
    def figure(quantity: str, unit: str, *samples: float) -> Figure:
        return Figure("scale", _variant(maps), size, quantity, unit, samples)

    before, began = _resident(), perf_counter_ns()
    store: AnyStore = Store(records, maps=maps)
    took, held = perf_counter_ns() - began, _resident() - before
    yield figure("build, a record", "ns", took / size)
    if held > size:  # as far as the system counts, in pages; of few records nothing can be said
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
    """Return the longest of so many updates, of a store that keeps its last 1,024 versions."""
    taken = []
    for _, key in zip(range(writes), cycle(keys), strict=False):
        began = perf_counter_ns()
        store.update(key, add_one)
        taken.append(perf_counter_ns() - began)
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
    "subscribers of other keys": lambda store, key: store.subscribe(_ignore, keys=[key]),
    "feeds of other keys": lambda store, key: store.feed(keys=[key]),
    "feeds of everything": lambda store, _: store.feed(),
}


def _ignore(_: object) -> None:
    pass


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
