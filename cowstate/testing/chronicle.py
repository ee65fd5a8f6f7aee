"""What the threads of one run did, step by step, for who looks back: see `races`."""

from __future__ import annotations

from collections.abc import Iterable
from types import FrameType

from .footprints import NOTHING, Footprint
from .primitives import Condition, Primitive
from .races import Move
from .reduction import Reduction
from .sleepers import Watcher, user_of
from .workers import Worker

__all__ = ["Chronicle"]


class Chronicle(Watcher):
    """Notes each step of one run: one for each point that the run has come to.

    Attributes:
        moves: the steps, in the order in which they were made.
        left: those that were still to come at the end, of threads that wait.
    """

    looks_back = True

    def __init__(self, reduction: Reduction) -> None:
        self._reduction = reduction
        self._used: dict[int, Primitive] = {}
        self._born: dict[int, int] = {}
        # Who makes the latest step, and what that takes before it does anything.
        self._mover: Worker | None = None
        self._asks_for: object = None
        # Of each thread its latest step, if that has taken something first of all.
        self._takers: dict[int, Move] = {}
        self.moves: list[Move] = []
        self.left: list[Move] = []

    def begin(self) -> None:
        """Forget the last run."""
        self.moves, self.left = [], []
        self._mover = self._asks_for = None
        self._used.clear()
        self._born.clear()
        self._takers.clear()

    def user(self, worker: Worker) -> FrameType | None:
        """Return the frame at which *worker* stands, if it uses a primitive itself."""
        return user_of(worker)

    def note_begin(self, worker: Worker) -> None:
        """*worker* takes part, started by whoever made the latest step."""
        self._born[worker.number] = len(self.moves) - 1

    def proceed(self, worker: Worker, at: int) -> None:
        """*worker* goes on: a step begins."""
        held = frozenset(key for key, each in self._used.items() if each.is_held_by(worker))
        busy = held.union(key for key, each in self._used.items() if each.holds_up(worker))
        move = Move(at, worker.number, self._reduction.footprint(worker), held, busy)
        move.born = self._born.get(worker.number, -1)
        self._mover, self._asks_for = worker, None
        if worker.ready is None:
            self._takers.pop(worker.number, None)
            self._asks_for = self._reduction.taken_first(worker)
        else:
            self._note_wait(worker)
            if isinstance(worker.at, Primitive) and not worker.expired:
                move.taken = id(worker.at)  # it goes on because that is free now
        self.left = []
        self.moves.append(move)

    def note_use(self, primitive: object) -> None:
        """*primitive* is used, or somebody tries to."""
        if isinstance(primitive, Primitive) and self._mover is not None:
            self._note_known(primitive, self._mover)
        self._add(self._reduction.of_use(primitive))

    def note_end(self, worker: Worker) -> None:
        """*worker* has ended."""
        self._add(Footprint(writes=frozenset([("end", worker.number)])))

    def note_left(self, workers: Iterable[Worker]) -> None:
        """The run is over, and *workers* wait."""
        self.left = []
        for worker in workers:
            self._note_wait(worker)
            touched = self._reduction.of_use(worker.at)
            self.left.append(Move(-1, worker.number, touched))

    def _note_known(self, primitive: Primitive, mover: Worker) -> None:
        # Kept, so that its number stays its own.
        self._used[id(primitive)] = primitive
        move = self.moves[-1]
        if primitive.holds_up(mover):
            move.seized |= {id(primitive)}
        if _is_of(primitive, self._asks_for):
            move.taken = id(primitive)
            self._takers[mover.number] = move
        self._asks_for = None

    def _note_wait(self, worker: Worker) -> None:
        """Have the latest step of *worker* be none, if it has only waited for what it takes.

        What comes of it comes when it has that: it is as if the thread were still on its way.
        """
        move = self._takers.pop(worker.number, None)
        if move is not None and move.taken == id(worker.at):
            move.touched, move.seized, move.waited = NOTHING, frozenset(), True

    def _add(self, touched: Footprint) -> None:
        if self.moves:
            move = self.moves[-1]
            move.touched = move.touched.also(touched)


def _is_of(primitive: Primitive, asked_for: object) -> bool:
    """Whether that is what is taken by who asks for *asked_for*: a lock, a condition, a store."""
    match asked_for:
        case None:
            return False
        case Condition(lock=lock):
            return primitive is lock
        case Primitive():
            return primitive is asked_for
        case _:
            return primitive.quiet
