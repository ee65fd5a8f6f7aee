"""When what was staged is written, by whom, and what becomes of it: `GroupCommit`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import copy
from functools import partial
from time import sleep
from typing import Any, Final, Generic, TypeAlias, TypeVar

from cowstate.errors import ReentrantWriteError
from cowstate.locks import BUSY
from cowstate.snapshot import Snapshot
from cowstate.writelock import WriteLock, is_writing

from .errors import (
    Failure,
    JournalClosedError,
    JournalError,
    UnknownOutcomeError,
    failed,
    failing,
)
from .log import Log
from .staging import Staged, Staging, tell
from .turn import Turn

__all__ = ["ELSEWHERE", "GroupCommit", "Publish"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Publish: TypeAlias = Callable[[Sequence[Any], None], None]
"""Publishes what is on disk. Called by who may write."""

SLOW: Final = 0.0002
"""From how many seconds on a write to the log is worth waiting for others to share it."""

MOST: Final = 100_000
"""How many versions memory may be ahead of the disk, where it is, before writes are refused."""

ELSEWHERE: Final = (
    "this is inside a write to another store, and a write to a store with a journal waits for the "
    "disk: the other one would be held up, and two could wait for each other for ever. Write "
    "after it, or read before it"
)

STEP: Final = 1_000
"""How many rows are dropped from the log at a time."""

PAUSE: Final = 0.002
"""How long, in seconds, the turn is left to others between two such steps."""


class GroupCommit(Generic[K, V]):
    """Has what is staged written and published, by the threads that wait for it.

    One of them has the *turn*: it writes all that is staged as one transaction, publishes it, and
    wakes the others, among them the one that is to have the turn next. No thread of its own.

    Args:
        staging: what is to be written.
        lock: the lock of the store's writers.
        log: where to.
        keeps: whether what could not be written stays staged, to be tried again: where it is
            published already.

    Attributes:
        refused: why nothing may be staged any more, once that is so.
    """

    def __init__(
        self, staging: Staging[K, V], lock: WriteLock, log: Log, keeps: bool = False
    ) -> None:
        self._staging = staging
        self._keeps = keeps
        self._lock = lock
        self._log = log
        self._turn = Turn(staging)
        self.refused: Failure | None = None
        # Something was given to the log, and what became of it is not known, or not acted upon.
        self._cut = False
        # What is not on disk then fails with this: somebody was told so.
        self._doom: Failure | None = None
        # Why the log could not be asked, if it could not.
        self._unknown: BaseException | None = None
        self._given = 0  # the last version that was given to the log
        self._last = 0  # how many the last group was of

    # Before the write, and in it.

    def ensure_ready(self, publish: Publish) -> None:
        """Raise if nothing can be written now. By who knows to be outside of any write."""
        if self.refused is not None:
            raise self.refused()
        if self._unknown is not None:
            self.lead(publish)
            self._ensure_known()

    def _ensure_known(self) -> None:
        error = self._unknown
        if error is not None:
            raise JournalError(
                f"nothing was tried: {self._log.path} still cannot be asked whether it has the "
                f"writes before this one ({error})"
            ) from error

    def ensure_not_inside(self) -> None:
        """Raise inside a write to the store, or to its disk."""
        if self._lock.owned():
            raise self._lock.reentrant()
        self._turn.ensure_outside()

    def ensure_outside(self) -> None:
        """Raise inside a write to any store: there nobody waits for the disk."""
        self.ensure_not_inside()
        if is_writing():
            raise ReentrantWriteError(ELSEWHERE)

    def ensure_room(self, version: int) -> None:
        """Raise if *version* may not be staged. By who may write."""
        if self.refused is not None:
            raise self.refused()
        if self._keeps:
            ahead = version - self._staging.published.current.version
            if ahead > MOST:
                raise JournalError(
                    f"memory is {ahead - 1} versions ahead of {self._log.path}, which could not be "
                    "written; see to the disk, and call journal.flush(), which says what fails"
                )

    # After it.

    def settle(self, entry: Staged[K, V] | None, publish: Publish) -> None:
        """Return when *entry* is on disk and published; None is.

        Raises:
            JournalError: it is not, and never will be.
            UnknownOutcomeError: that is not known.
        """
        if entry is None or self._is_published(entry):
            return
        if self._lock.owned():  # a block that is left by a finalizer: to wait here is to hang
            raise self._lock.reentrant()
        if self.lead(publish) and self._is_published(entry):
            return
        self._turn.wait(entry, self._is_published, self._flush, publish)

    def _is_published(self, entry: Staged[K, V]) -> bool:
        # In this order: a version is used again only after what it was first used for is known to
        # have failed.
        published = self._staging.published.current.version >= entry.version
        failure = entry.failure
        if failure is not None:
            raise failure()
        return published

    def settle_at(self, snapshot: Snapshot[K, V], publish: Publish) -> None:
        """Return when *snapshot*, which was the head once, is published; raise if it is lost."""
        self.settle(self._staging.of(snapshot), publish)
        failure = self._staging.failure_of(snapshot)
        if failure is not None:
            raise failure()

    def drop(self, upto: int) -> None:
        """Let go of the rows of the log up to version *upto*, in steps between which others write.

        Raises:
            JournalError: a step failed; those before it stay done.
        """
        left = [True]
        while left[0]:
            self._turn.take(self._drop, (upto, left))
            sleep(PAUSE)

    def _drop(self, what: tuple[int, list[bool]], _: None) -> None:
        upto, left = what
        if self.refused is not None:
            raise self.refused()
        left[0] = self._log.drop(upto, STEP)
        self._tidy()

    # The turn.

    def lead(self, publish: Publish) -> bool:
        """Have the turn and write what is staged; False if somebody else has it.

        What fails is told to who waits for it.
        """
        return self._turn.attempt(self._flush, publish)

    def _flush(self, publish: Publish, _: None) -> None:
        """Write all that is staged, as one group. In the turn."""
        if self._cut:
            # An earlier one was struck before its end, or could not be answered.
            self._resolve(publish)
            if self._cut:
                return
        group = self._gathered()
        if not group:
            return
        self._given = group[-1].version
        self._cut = True
        try:
            self._log.write([entry.row for entry in group])
        except Exception as error:
            self._doom = failing(JournalError, failed(self._log.path, error), error)
            self._resolve(publish)
            return
        self._publish(publish, group)
        self._cut = False
        self._tidy()

    def _gathered(self) -> list[Staged[K, V]]:
        """Return what is staged; wait for more, if others are likely to come and it pays."""
        if self._last > 1 and self._log.took > SLOW:
            before = 0
            for _ in range(2 * self._last):
                now = self._staging.head.current.version
                staged = now - self._staging.published.current.version
                if staged >= self._last or now == before:
                    break
                before = now
                sleep(0)
        group = self._staging.waiting()
        self._last = len(group)
        return group

    def _resolve(self, publish: Publish) -> None:
        """Ask the log what it has; publish that, and have the rest fail if somebody was told so.

        In the turn. Whatever strikes in it, it is done again from the start.
        """
        staging = self._staging
        try:
            durable, refused = self._log.resolve(staging.published.current.version)
        except Exception as error:
            text = (
                f"{self._log.path} failed as the write was to be made durable, and cannot be asked "
                f"whether it was ({error}). Look at a snapshot after the next write that succeeds"
            )
            unknown = failing(UnknownOutcomeError, text, error)
            self._doom = self._doom or unknown
            self._unknown = error
            tell(staging.waiting(), unknown)
            return
        if refused is not None:
            # First, so that nothing is staged any more.
            self.refused = self.refused or partial(copy, refused)
            self._doom = self.refused
        group = [entry for entry in staging.waiting() if entry.version <= durable]
        if group:
            self._publish(publish, group)
        # If all that was given to it is there, nothing is lost, and what was staged on it stays.
        spared = refused is None and self._unknown is None and durable >= self._given
        if self._doom is not None and not spared:
            if self._keeps:
                tell(staging.waiting(), self._doom)
            else:
                self._locked(_fail, (staging, self._doom))
        self._doom = None
        self._unknown = None
        self._cut = False

    def _publish(self, publish: Publish, group: Sequence[Staged[K, V]]) -> None:
        tell(group, None)
        self._locked(publish, group)

    def _locked(self, work: Callable[[Any, Any], None], argument: object) -> None:
        """Do *work* while nobody else may write. A transaction that is open is not in the way."""
        while self._lock.attempt(1.0, work, argument) is BUSY:
            pass

    def _tidy(self) -> None:
        try:
            self._log.tidy()
        except JournalError as error:
            self.refused = failing(JournalError, str(error), error)

    # The end.

    def end(self, refused: Failure) -> None:
        """Let nothing be staged any more."""
        self.refused = self.refused or refused

    def close(self, publish: Publish) -> None:
        """Write what is staged, and let go of the log; *refused* says to whoever comes later.

        Raises:
            JournalError: what was published could not be written.
        """
        text = f"{self._log.path} was closed; open it again to write"
        closed = failing(JournalClosedError, text)
        self._locked(_end, (self, closed))
        self._turn.take(self._flush_and_close, publish)

    def flush(self, publish: Publish) -> None:
        """Have written what is staged; again, if that failed before.

        Raises:
            JournalError: it could not be.
        """
        if self._keeps:
            # In the turn: who has it may be at the end of what is staged.
            self._turn.take(_forgive, self._staging)
        self.settle(self._staging.newest(), publish)

    def _flush_and_close(self, publish: Publish, _: None) -> None:
        try:
            self._flush(publish, None)
        finally:
            self._log.close()
        left = self._staging.waiting()
        if self._keeps and left:
            failure = left[-1].failure
            raise JournalError(
                f"the last {len(left)} versions are in memory alone, for {self._log.path} could "
                "not be written"
            ) from (failure() if failure is not None else None)

    def after_fork_in_child(self) -> None:
        """Let the file alone, for it is the parent's; what is not published never will be, here."""
        self.refused = failing(
            JournalClosedError,
            f"{self._log.path} is written by the process that this one was forked from; this one "
            "only reads what was there. Open another file, or fork before you open one",
        )
        self._log.abandon()
        self._turn.after_fork_in_child()
        self._cut = False
        self._unknown = None
        if not self._keeps:
            self._staging.fail(self.refused)


def _forgive(staging: Staging[Any, Any], _: None) -> None:
    tell(staging.waiting(), None)


def _fail(what: tuple[Staging[Any, Any], Failure], _: None) -> None:
    staging, failure = what
    staging.fail(failure)


def _end(what: tuple[GroupCommit[Any, Any], Failure], _: None) -> None:
    group, refused = what
    group.end(refused)
