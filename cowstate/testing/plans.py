"""What is settled of a schedule before it runs, and where it might have gone another way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from .workers import Worker

__all__ = ["Chooser", "Decision", "Plan"]


class Decision(NamedTuple):
    """A point at which the run went one way and might have gone others.

    Attributes:
        at: the number of the point.
        path: what stands for everything that happened before it.
        before: how many switches the run had made before it; see `Scheduler.switches`.
        free: the threads that might have gone on instead, at no cost.
        costly: those whose going on would have been a preemption.
        running: the thread that could go on; -1 if there was none.
    """

    at: int
    path: int
    before: int
    free: tuple[int, ...]
    costly: tuple[int, ...]
    running: int = -1


class Chooser(Protocol):
    """Says who goes on."""

    def choose(self, running: Worker | None, able: Sequence[Worker]) -> Worker:
        """Return one of *able*; *running* is the one that could go on, or None."""
        ...


class Plan(NamedTuple):
    """What is settled of a schedule before it runs.

    Attributes:
        switches: ``(point, thread)``: at this point go on with that thread. Elsewhere the
            running thread runs on, and after a blocked one the first that can.
        path: what must have happened before the last of them; None if nobody knows.
        budget: how many preemptions may follow after the last of them.
        preempting: for each of them, whether it leaves a thread that could go on; empty if nobody
            knows.
        chooser: makes what says who goes on at each point after the last of them; None for
            whoever runs.
    """

    switches: tuple[tuple[int, int], ...] = ()
    path: int | None = None
    budget: int = 0
    preempting: tuple[bool, ...] = ()
    chooser: Callable[[], Chooser] | None = None
