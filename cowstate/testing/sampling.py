"""Schedules beyond a bound: at random, or by random priorities that change at few points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from random import Random

from .plans import Chooser, Plan
from .scheduler import Scheduler
from .workers import Worker

__all__ = ["Samples"]


class _Anyone:
    """At each point any thread that can go on, each as likely as the others."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def choose(self, running: Worker | None, able: Sequence[Worker]) -> Worker:  # noqa: ARG002
        return self._random.choice(able)


class _Priorities:
    """Probabilistic concurrency testing, after Burckhardt and others (2010).

    Each thread has a random priority, and the highest that can go on does. At each of *changes*
    the running thread falls below all others.
    """

    def __init__(self, random: Random, changes: frozenset[int]) -> None:
        self._random = random
        self._changes = changes
        self._priorities: dict[int, float] = {}
        self._steps = 0
        self._lowest = 0.0

    def choose(self, running: Worker | None, able: Sequence[Worker]) -> Worker:
        self._steps += 1
        if running is not None and self._steps in self._changes:
            self._lowest -= 1
            self._priorities[running.number] = self._lowest
        for worker in able:
            if worker.number not in self._priorities:
                self._priorities[worker.number] = self._random.random()
        return max(able, key=lambda worker: self._priorities[worker.number])


class Samples:
    """So many plans, the same for the same seed.

    Args:
        schedules: how many.
        seed: what they follow from.
        depth: how many changes of order a bug may take to be found; None for any order at all.
    """

    def __init__(self, schedules: int, seed: int, depth: int | None) -> None:
        self._schedules = schedules
        self._seed = seed
        self._depth = depth
        self._longest = 1

    def __iter__(self) -> Iterator[Plan]:
        for number in range(self._schedules):
            # Made anew for each run: a schedule that is run twice is the same.
            yield Plan(chooser=partial(self._chooser, number, self._longest))

    def _chooser(self, number: int, points: int) -> Chooser:
        random = Random(f"{self._seed} {number}")
        if self._depth is None:
            return _Anyone(random)
        changes = random.sample(range(1, points + 1), min(self._depth - 1, points))
        return _Priorities(random, frozenset(changes))

    def add(self, scheduler: Scheduler) -> None:
        """Learn from the latest run how many points there are."""
        self._longest = max(self._longest, scheduler.steps)
