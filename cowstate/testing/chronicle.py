"""What the threads of one run did, step by step, for who looks back: see `races`."""

from __future__ import annotations

from types import FrameType

from .footprints import NOTHING, Footprint, Looked
from .primitives import Primitive
from .races import Move
from .reduction import Reduction
from .sleepers import Watcher, user_of
from .workers import Worker

__all__ = ["Chronicle"]


class Chronicle(Watcher):
    """Notes each step of one run: one for each point that the run has come to.

    Attributes:
        moves: the steps, in the order in which they were made.
    """

    looks_back = True

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._used: dict[int, Primitive] = {}
        self._born: dict[int, int] = {}
        self.moves: list[Move] = []

    def begin(self) -> None:
        """Forget the last run."""
        self.moves = []
        self._used.clear()
        self._born.clear()

    def user(self, worker: Worker) -> FrameType | None:
        """Return the frame at which *worker* stands, if it uses a primitive itself."""
        return user_of(worker)

    def note_begin(self, worker: Worker) -> None:
        """*worker* takes part, started by whoever made the latest step."""
        self._born[worker.number] = len(self.moves) - 1

    def proceed(self, worker: Worker, at: int) -> None:
        """*worker* goes on: a step begins."""
        held = frozenset(key for key, each in self._used.items() if each.is_held_by(worker))
        move = Move(at, worker.number, self._reduction.footprint(worker), held)
        move.born = self._born.get(worker.number, -1)
        if worker.ready is None:
            move.looked = self._reduction.before_taking(worker)
        elif isinstance(worker.at, Primitive) and not worker.expired:
            # It goes on because that is free now.
            move.looked, move.taken = Looked(NOTHING), id(worker.at)
        self.moves.append(move)

    def note_use(self, primitive: object) -> None:
        """*primitive* is used, or somebody tries to."""
        if isinstance(primitive, Primitive):
            # Kept, so that its number stays its own.
            self._used[id(primitive)] = primitive
            if self.moves:
                move = self.moves[-1]
                if move.looked is not None and move.taken is None:
                    move.taken = id(primitive)
        self._add(self._reduction.of_use(primitive))

    def note_end(self, worker: Worker) -> None:
        """*worker* has ended."""
        self._add(Footprint(writes=frozenset([("end", worker.number)])))

    def _add(self, touched: Footprint) -> None:
        if self.moves:
            move = self.moves[-1]
            move.touched = move.touched.also(touched)
