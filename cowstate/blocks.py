"""The ``with`` blocks of transactions: over one store, and over several."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Hashable, Sequence
from itertools import repeat
from types import FrameType
from typing import Any, Generic, TypeAlias, TypeVar

from .commit import Commit
from .committer import Committer
from .errors import ClosedError
from .meta import M, WithMeta
from .reservation import Reservation
from .scope import Scoped
from .transactions import Transaction

__all__ = ["JointBlock", "TransactionBlock"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Reserved: TypeAlias = tuple[Committer[Any, Any], Reservation]

ENTERED = "a transaction is entered once; call transaction() for another one"
NOT_ENTERED = "the transaction was never entered; use it in a with statement"


class TransactionBlock(Scoped, WithMeta, Generic[K, V, M]):
    """The block of a transaction. It owns the reservation, whichever thread leaves it."""

    _reservation: Reservation | None = None

    def __init__(self, committer: Committer[K, V], timeout: float | None) -> None:
        self._committer = committer
        self._timeout = timeout

    def __enter__(self) -> Transaction[K, V, M]:  # type: ignore[override]
        if self._reservation is not None:
            raise ClosedError(ENTERED)
        self._enter_scope()
        committer = self._committer
        opener = sys._getframe(1)
        if opener.f_code.co_filename == contextlib.__file__:
            opener = _past_contextlib(opener)
        self._reservation = Reservation(committer.timeline, self, self._scope, opener)
        return committer.open(self._reservation, self._timeout)

    def _end(self, exc_type: type[BaseException] | None) -> None:
        if self._reservation is None:
            raise ClosedError(NOT_ENTERED)
        self._committer.leave(self._reservation, commits=exc_type is None)


class JointBlock(Scoped):
    """The block of transactions over several stores, reserved in one order everywhere.

    At its end all of them commit, or none: what an index or an invariant refuses in one, and
    whatever is raised, leaves all as they were. A reader of two stores may see one version before
    the other.
    """

    def __init__(self, committers: Sequence[Committer[Any, Any]], timeout: float | None) -> None:
        self._committers = committers
        self._timeout = timeout
        self._made: list[Reserved] | None = None

    def __enter__(self) -> tuple[Transaction[Any, Any], ...]:  # type: ignore[override]
        if self._made is not None:
            raise ClosedError(ENTERED)
        self._enter_scope()
        made: list[Reserved] = []
        self._made = made
        try:
            return self._open_all(made, _past_contextlib(sys._getframe(1)))
        except BaseException:
            _to_each(made, _let_go)
            raise

    def _open_all(
        self, made: list[Reserved], opener: FrameType
    ) -> tuple[Transaction[Any, Any], ...]:
        opened: dict[int, Transaction[Any, Any]] = {}
        for committer in sorted(self._committers, key=lambda each: each.rank):
            reservation = Reservation(committer.timeline, self, self._scope, opener)
            made.append((committer, reservation))
            opened[committer.rank] = committer.open(reservation, self._timeout)
        return tuple([opened[committer.rank] for committer in self._committers])

    def _end(self, exc_type: type[BaseException] | None) -> None:
        made = self._made
        if made is None:
            raise ClosedError(NOT_ENTERED)
        commits: list[Commit[Any, Any]] = []
        try:
            if exc_type is None:
                _hold_all(0, (made, commits))
        finally:
            try:
                _to_each(made, _let_go)
            finally:
                _to_each(made, _deliver)


def _hold_all(place: int, work: tuple[list[Reserved], list[Commit[Any, Any]]]) -> None:
    """Take the locks from *place* on, one inside the other, and commit when all are held."""
    made, commits = work
    if place == len(made):
        _commit_all(made, commits)
    else:
        committer, reservation = made[place]
        committer.hold(reservation, _hold_all, place + 1, work)


def _commit_all(made: list[Reserved], commits: list[Commit[Any, Any]]) -> None:
    commits += [committer.ready(reservation) for committer, reservation in made]
    timelines = [committer.timeline for committer, _ in made]
    # The publication of each, as in Timeline.publish. All in one call of C code, in which no
    # exception can come up: this thread publishes all or none.
    list(map(setattr, timelines, repeat("current"), [commit.after for commit in commits]))


def _let_go(committer: Committer[Any, Any], reservation: Reservation) -> None:
    committer.let_go(reservation)


def _deliver(committer: Committer[Any, Any], _: Reservation) -> None:
    committer.deliver()


def _to_each(
    made: list[Reserved], act: Callable[[Committer[Any, Any], Reservation], object]
) -> None:
    """Call *act* for every store, whatever it raises for one of them: callbacks run in it."""
    kept = None
    for committer, reservation in made:
        try:
            act(committer, reservation)
        except BaseException as error:
            kept = kept or error
    if kept is not None:
        try:
            raise kept
        finally:
            del kept  # its traceback holds this frame, which must not hold it


def _past_contextlib(frame: FrameType) -> FrameType:
    """Return the frame that the ``with`` stands in, which called *frame* by way of contextlib."""
    while frame.f_code.co_filename == contextlib.__file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame
