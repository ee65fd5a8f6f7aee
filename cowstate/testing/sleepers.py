"""The threads that must not go on yet, since others would only be reordered: see `reduction`."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final, Protocol

from .footprints import Footprint
from .workers import Worker

__all__ = ["Reduction", "Sleepers"]

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


class Sleepers:
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

    def is_in_vain(self, worker: Worker) -> bool:
        """Whether to preempt for *worker* would only have it wait."""
        return self._reduction.is_in_vain(worker)

    def preempt(self, worker: Worker) -> None:
        """*worker* could go on, and is left."""
        if not self.redundant:
            self._asleep[worker] = self._reduction.footprint(worker)

    def proceed(self, worker: Worker) -> None:
        """*worker* goes on."""
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

    @staticmethod
    def user(worker: Worker) -> FrameType | None:
        """Return the frame at which *worker* stands, if it uses a primitive itself."""
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_code.co_filename.startswith(_HERE):
            frame = frame.f_back
        return frame if frame is worker.frame else None
