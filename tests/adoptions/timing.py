"""Times side by side, by the processor's time: a machine that is busy leaves that alone."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import process_time
from timeit import Timer

from cowstate.bench.measure import Operation

__all__ = ["times_of", "undisturbed"]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Give back to the collector, at the end, what `times_of` keeps from it."""
    try:
        yield
    finally:
        gc.unfreeze()


def times_of(
    operations: Mapping[str, Operation], repeats: int, sample_s: float
) -> dict[str, list[float]]:
    """Seconds that one run of each takes; samples of the same place are of the same round."""
    rng = random.Random(0)
    runs = {name: _enough(operation, sample_s) for name, operation in operations.items()}
    samples: dict[str, list[float]] = {name: [] for name in operations}
    for _ in range(repeats):
        order = list(operations)
        rng.shuffle(order)
        for name in order:
            gc.collect()
            # The collector pays for what is made, not for what others keep.
            gc.freeze()
            operation = operations[name]
            taken = _timer(operation).timeit(runs[name])
            samples[name].append(taken / runs[name] / operation.per)
    return samples


def _timer(operation: Operation) -> Timer:
    # timeit turns the collector off; a program has it on.
    names = {"gc": gc, **operation.names}
    return Timer(operation.statement, "gc.enable()", timer=process_time, globals=names)


def _enough(operation: Operation, sample_s: float) -> int:
    runs = 1
    while _timer(operation).timeit(runs) < sample_s:
        runs *= 4
    return runs
