"""Readers and writers against each other, and what a retained version takes."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Callable
from time import perf_counter_ns

from .measure import quantile, run_together

__all__ = ["bytes_per_version", "run_against_each_other"]


def run_against_each_other(
    writer: Callable[[], Callable[[], object]],
    reader: Callable[[], Callable[[], object]],
    writers: int,
    readers: int,
    seconds: float,
) -> dict[str, float]:
    """Let each thread do its own as fast as it can for *seconds*; return what came of it.

    ``writes`` and ``reads`` per second of all together, and of a single write the latency in
    nanoseconds at ``p50``, ``p99``, ``p99.9`` and ``worst``, waiting for the GIL included.
    """
    stop = threading.Event()
    ready = threading.Barrier(writers + readers + 1)
    latencies: list[list[int]] = [[] for _ in range(writers)]
    reads = [0] * readers

    def write(place: int) -> None:
        act, taken = writer(), latencies[place]
        ready.wait()
        while not (taken and stop.is_set()):  # once at least, however little time there is
            start = perf_counter_ns()
            act()
            taken.append(perf_counter_ns() - start)

    def read(place: int) -> None:
        act = reader()
        count = 0
        ready.wait()
        while not stop.is_set():
            act()
            count += 1
        reads[place] = count

    threads = [threading.Thread(target=write, args=(place,)) for place in range(writers)]
    threads += [threading.Thread(target=read, args=(place,)) for place in range(readers)]
    took = run_together(threads, ready, stop, seconds)
    ordered = sorted(taken for each in latencies for taken in each)
    return {
        "writes": len(ordered) / took,
        "reads": sum(reads) / took,
        "p50": quantile(ordered, 0.5),
        "p99": quantile(ordered, 0.99),
        "p99.9": quantile(ordered, 0.999),
        "worst": ordered[-1],
    }


def bytes_per_version(step: Callable[[], object], versions: int) -> float:
    """Return the bytes that one more version takes, of so many that are kept, a change apart.

    What *step* returns is kept; all that is allocated for it counts, the new record too.
    """
    step()
    gc.collect()
    tracemalloc.start()
    try:
        kept = [step()]
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        kept += tuple(step() for _ in range(versions))
        gc.collect()
        return (tracemalloc.get_traced_memory()[0] - before) / versions
    finally:
        tracemalloc.stop()
