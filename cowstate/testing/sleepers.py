"""The threads that must not go on yet, since others would only be reordered: see `reduction`.

The way to reduce where timeouts are tried out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Final, Protocol

from .footprints import Footprint
from .workers import Worker

__all__ = ["Reduction", "Sleepers", "Watcher", "user_of"]

_HERE: Final = __file__.removesuffix("sleepers.py")


class Reduction(Protocol):
    """Tells what steps touch."""

    def footprint(self, worker: Worker) -> Footprint:
        """Return what the next step of *worker* may touch."""
        ...

    def of_use(self, primitive: object) -> Footprint:
        """Return what a use of *primitive* touches."""
        ...

    def is_in_vain(self, worker: Worker) -> bool:
        """Whether *worker* would at once wait for what another holds, and do nothing else."""
        ...


class Watcher:
    """Is told what the threads of a run do, and asked which of them are worth trying: all.

    Attributes:
        looks_back: whether it may find out later that a thread should have been left at a point
            that was passed on the way to what the plan asks for.
    """

    looks_back = False

    def begin(self) -> None:
        """Another run begins."""

    def __contains__(self, worker: Worker) -> bool:
        """Whether *worker* must not go on yet."""
        return False

    def worth_trying(self, workers: Iterable[Worker], costly: bool = True) -> tuple[int, ...]:  # noqa: ARG002
        """Return the numbers of *workers*, without those that would lead nowhere new."""
        return tuple(worker.number for worker in workers)

    def user(self, worker: Worker) -> FrameType | None:
        """Return the frame at which *worker* uses a primitive; None if nobody needs to know."""
        return worker.frame

    def note_begin(self, worker: Worker) -> None:
        """*worker* takes part from now on."""

    def preempt(self, worker: Worker) -> None:
        """*worker* could go on, and is left."""

    def proceed(self, worker: Worker, at: int) -> None:
        """*worker* goes on, after the point of that number."""

    def note_use(self, primitive: object) -> None:
        """*primitive* is used, or somebody tries to."""

    def note_end(self, worker: Worker) -> None:
        """*worker* has ended."""

    def note_left(self, workers: Iterable[Worker]) -> None:
        """The run is over, and *workers* wait."""


class Sleepers(Watcher):
    """The threads of one run that sleep, each with the footprint of its next step.

    Attributes:
        redundant: whether a sleeping thread went on: the run comes to the same as another.
    """

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._asleep: dict[Worker, Footprint] = {}
        self.redundant = False

    def begin(self) -> None:
        """Forget the last run."""
        self._asleep.clear()
        self.redundant = False

    def __contains__(self, worker: Worker) -> bool:
        return worker in self._asleep

    def worth_trying(self, workers: Iterable[Worker], costly: bool = True) -> tuple[int, ...]:
        """Return the numbers of *workers*, without those that would lead nowhere new.

        Those sleep; or, if to go on with them is *costly*, would only wait.
        """
        if self.redundant:
            return ()
        return tuple(
            worker.number
            for worker in workers
            if worker not in self and not (costly and self._reduction.is_in_vain(worker))
        )

    def user(self, worker: Worker) -> FrameType | None:
        """Return the frame at which *worker* stands, if it uses a primitive itself."""
        return user_of(worker)

    def preempt(self, worker: Worker) -> None:
        """*worker* could go on, and is left: it sleeps."""
        if not self.redundant:
            self._asleep[worker] = self._reduction.footprint(worker)

    def proceed(self, worker: Worker, at: int) -> None:  # noqa: ARG002
        """*worker* goes on: who waits for something like that wakes."""
        if worker in self._asleep:
            self.redundant = True
            self._asleep.clear()
        elif self._asleep:
            self._wake(self._reduction.footprint(worker))

    def note_use(self, primitive: object) -> None:
        """*primitive* is used, or somebody tries to."""
        if self._asleep:
            self._wake(self._reduction.of_use(primitive))

    def note_end(self, worker: Worker) -> None:
        """*worker* has ended."""
        if self._asleep:
            self._wake(Footprint(writes=frozenset([("end", worker.number)])))

    def _wake(self, done: Footprint) -> None:
        for worker, planned in list(self._asleep.items()):
            if planned.meets(done):
                del self._asleep[worker]


def user_of(worker: Worker) -> FrameType | None:
    """Return the frame at which *worker* stands, if it is the one that uses a primitive now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame if frame is worker.frame else None
