"""Readers side by side, without the GIL: whether two of them read twice as much as one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from itertools import cycle, islice
from statistics import median
from time import perf_counter

from cowstate import Store

from .levels import Level, add_one, records_of
from .measure import Operation, Ratio, Settings, gil_enabled, ratio_of, run_together, time_all

__all__ = ["price_of_deferral", "throughput", "two_readers"]

_RECORDS = 1_000
_KEYS = 64
_PAUSE = 0.001
_NEEDS = "needs an interpreter without a GIL"

Read = Callable[[], object]


def throughput(
    reader: Callable[[int], Read], threads: int, seconds: float, beside: Read | None = None
) -> float:
    """Return how often per second *threads* together call what *reader* gives each of them.

    Args:
        reader: makes what a thread calls, from its number.
        threads: how many.
        seconds: for how long.
        beside: what the first of them calls besides, a thousand times a second. Another thread
            for that would have to wait for a core, on a machine that has no more than two.
    """
    stop = threading.Event()
    ready = threading.Barrier(threads + 1)
    counts = [0] * threads

    def loop(place: int) -> None:
        read, act = reader(place), None if place else beside
        count, due = 0, 0.0
        ready.wait()
        while not (count and stop.is_set()):  # once at least, however little time there is
            read()
            count += 1
            if act is not None and due <= perf_counter():
                due = perf_counter() + _PAUSE
                act()
        counts[place] = count

    workers = [threading.Thread(target=loop, args=(place,)) for place in range(threads)]
    took = run_together(workers, ready, stop, seconds)
    return sum(counts) / took


def _snapshots(store: Store[str, Level], _: int) -> Read:
    snapshot = store.snapshot  # bound for each thread, or they would share that, too

    def read() -> None:
        for _ in range(1_000):
            snapshot()

    return read


def _reads(store: Store[str, Level], place: int) -> Read:
    snapshot = store.snapshot
    # Records of its own: who reads the same one as another counts on that.
    keys = list(records_of(_RECORDS))[place * _KEYS : (place + 1) * _KEYS]

    def read() -> None:
        for key in keys:
            snapshot()[key]

    return read


_KINDS: dict[str, Callable[[Store[str, Level], int], Read]] = {
    "snapshots": _snapshots,
    "reads": _reads,
}


def two_readers(
    kind: str, settings: Settings, *, deferred: bool | None = None, written: bool = False
) -> Ratio | str:
    """Return the throughput of two threads, by that of one.

    Args:
        kind: ``"snapshots"``, or ``"reads"`` of a record of each, of keys of their own.
        settings: how often, and for how long.
        deferred: as for the store.
        written: whether somebody writes meanwhile, a thousand times a second.
    """
    if gil_enabled():
        return _NEEDS
    store = Store(records_of(_RECORDS), deferred_refcount=deferred)
    keys = cycle(records_of(_RECORDS))

    def write() -> None:
        store.update(next(keys), add_one)

    reader, beside = partial(_KINDS[kind], store), write if written else None
    taken: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(settings.repeats):
        for threads, each in taken.items():
            each.append(throughput(reader, threads, settings.mixed_s, beside))
    return ratio_of(taken[2], taken[1])._replace(value=median(taken[2]) / median(taken[1]))


def price_of_deferral(settings: Settings) -> Ratio | str:
    """Return the time of an update, by that of a store that counts every reference."""
    if gil_enabled():
        return _NEEDS
    there = {}
    for name, deferred in (("deferred", None), ("counted", False)):
        store = Store(records_of(_RECORDS), deferred_refcount=deferred)
        key = next(islice(store.snapshot(), 7, None))
        there[name] = Operation(
            "store.update(key, fn)", {"store": store, "key": key, "fn": add_one}
        )
    samples = time_all(there, settings)
    return ratio_of(samples["deferred"], samples["counted"])
