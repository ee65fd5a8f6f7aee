"""How things are timed: side by side, in shuffled order, repeated, and compared in pairs.

All variants of one workload at one size are measured in one go: each is warmed up while the
number of its runs per sample is found, then every round takes one sample of each, in an order
drawn anew. So whatever else the machine does falls on all alike, and a ratio is formed from the
samples of one round, where it cancels out most.
"""

from __future__ import annotations

import gc
import math
import os
import platform
import random
import statistics
import sys
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib import metadata
from time import perf_counter
from timeit import Timer
from typing import Any, NamedTuple

__all__ = [
    "Figure",
    "Operation",
    "Ratio",
    "Settings",
    "conditions",
    "gil_enabled",
    "quantile",
    "ratio_of",
    "run_together",
    "time_all",
]


class Settings(NamedTuple):
    """How much is measured.

    Attributes:
        repeats: samples of each operation.
        sample_s: how long one sample runs at least, in seconds.
        budget_s: how long the samples of one operation may take together; where that does not
            suffice for all repeats there are fewer, but two at least.
        mixed_s: how long readers and writers run against each other, in seconds.
        quick: sizes that take long are left out.
        seed: of the shuffling.
        variants: names of those that are measured; for none, all.
    """

    repeats: int = 7
    sample_s: float = 0.02
    budget_s: float = 1.5
    mixed_s: float = 0.4
    quick: bool = False
    seed: int = 0
    variants: frozenset[str] = frozenset()

    @classmethod
    def quickly(cls, repeats: int = 3) -> Settings:
        """Return settings by which everything takes seconds, for a look that it runs at all."""
        return cls(repeats, sample_s=0.001, budget_s=0.05, mixed_s=0.02, quick=True)


class Operation(NamedTuple):
    """What is timed: a statement, and the names in it, as for `timeit`.

    A statement rather than a function: a call around it would cost as much as a snapshot.

    Attributes:
        statement: Python source.
        names: the names in it.
        per: how many operations one run of it is; the figures are for one.
        fresh: makes further names anew for each sample, which then is one run.
        note: what is not equal to the others about it.
    """

    statement: str
    names: Mapping[str, Any]
    per: int = 1
    fresh: Callable[[], Mapping[str, Any]] | None = None
    note: str = ""


class Figure(NamedTuple):
    """What came out, for one variant at one size: the samples, in the order of the rounds."""

    workload: str
    variant: str
    size: int
    quantity: str
    unit: str
    samples: tuple[float, ...]
    note: str = ""

    @property
    def least(self) -> float:
        """The least sample: of a time, the one that was disturbed least."""
        return min(self.samples)

    @property
    def median(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)


class Ratio(NamedTuple):
    """How many times one thing costs another, and between which values that lay.

    *value* is that of the two least samples; *low* and *high* are the quartiles of the ratios
    in the single rounds.
    """

    value: float
    low: float
    high: float


def ratio_of(over: Sequence[float], under: Sequence[float]) -> Ratio:
    """Return *over* by *under*; samples of the same place belong together.

    >>> ratio_of([20.0, 22.0, 30.0], [10.0, 11.0, 10.0])
    Ratio(value=2.0, low=2.0, high=2.5)
    """
    pairs = sorted(one / two for one, two in zip(over, under, strict=False))
    if len(pairs) < 2:
        return Ratio(min(over) / min(under), pairs[0], pairs[0])
    low, _, high = statistics.quantiles(pairs, n=4, method="inclusive")
    return Ratio(min(over) / min(under), low, high)


def quantile(ordered: Sequence[float], part: float) -> float:
    """Return the value that *part* of the *ordered* ones do not exceed (nearest rank).

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


class _Sampler:
    """One operation, with the number of runs per sample that was found for it."""

    def __init__(self, operation: Operation, sample_s: float) -> None:
        self.operation = operation
        self.runs = 1
        self.took = self._run()
        if operation.fresh is None:
            while self.took < sample_s:
                grow = sample_s / self.took if self.took else 10.0
                self.runs = math.ceil(self.runs * min(10.0, max(1.2, grow)))
                self.took = self._run()

    def _run(self) -> float:
        operation = self.operation
        names = {"gc": gc, **operation.names}
        if operation.fresh is not None:
            names.update(operation.fresh())
        # timeit turns the collector off; a program has it on, and pays for its garbage.
        return Timer(operation.statement, "gc.enable()", globals=names).timeit(self.runs)

    def sample(self) -> float:
        """Return nanoseconds for one operation."""
        return self._run() / (self.runs * self.operation.per) * 1e9


def time_all(
    operations: Mapping[str, Operation], settings: Settings
) -> dict[str, tuple[float, ...]]:
    """Return the samples of each operation, in nanoseconds for one; see the module.

    Samples of the same place are of the same round.
    """
    rng = random.Random(settings.seed)
    samplers = {name: _Sampler(op, settings.sample_s) for name, op in operations.items()}
    slowest = max((sampler.took for sampler in samplers.values()), default=0.0)
    rounds = settings.repeats
    if slowest:
        rounds = min(rounds, max(2, int(settings.budget_s / slowest)))
    samples: dict[str, list[float]] = {name: [] for name in operations}
    try:
        _take_all(samplers, samples, rounds, rng)
    finally:
        gc.unfreeze()
    return {name: tuple(taken) for name, taken in samples.items()}


def _take_all(
    samplers: Mapping[str, _Sampler],
    samples: Mapping[str, list[float]],
    rounds: int,
    rng: random.Random,
) -> None:
    for _ in range(rounds):
        order = list(samplers)
        rng.shuffle(order)
        for name in order:
            # The collector leaves alone what is there by now, so that a variant pays for going
            # through what it makes itself, not through what the others keep.
            gc.freeze()
            samples[name].append(samplers[name].sample())


def run_together(
    threads: Sequence[threading.Thread],
    ready: threading.Barrier,
    stop: threading.Event,
    seconds: float,
) -> float:
    """Let *threads*, which wait at *ready*, run until *stop*; return how many seconds they did.

    That is set after *seconds*, or as soon as the first of them has ended by itself.
    """
    for thread in threads:
        thread.start()
    ready.wait()
    start = perf_counter()
    threads[0].join(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return perf_counter() - start


def gil_enabled() -> bool:
    """Return whether the interpreter runs one thread at a time."""
    enabled: bool = getattr(sys, "_is_gil_enabled", lambda: True)()
    return enabled


def conditions(settings: Settings | None = None) -> dict[str, Any]:
    """Return what the figures depend on: machine, interpreter, GIL, packages, load, settings."""
    packages = {}
    for name in ("pyrsistent", "msgspec", "immutables", "nimbuskv", "atomix-stm", "cereggii"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}"
        + (" free-threaded" if free else ""),
        "gil": "on" if gil_enabled() else "off",
        "packages": packages,
        "load": [round(part, 2) for part in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "date": date.today().isoformat(),
        **({} if settings is None else {"repeats": settings.repeats, "quick": settings.quick}),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            for line in info:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
