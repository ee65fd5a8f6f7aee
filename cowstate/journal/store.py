"""A store that outlives its process: `JournaledStore`, and its `Journal`."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Mapping
from time import time
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeAlias, TypeVar

from cowstate.commit import Commit
from cowstate.committer import Committer
from cowstate.draft import Draft
from cowstate.errors import (
    ArgumentTypeError,
    ArgumentValueError,
    CowstateError,
)
from cowstate.maps import FROZEN
from cowstate.meta import M
from cowstate.meter import Figures
from cowstate.showing import shown
from cowstate.store import Store

from .behind import BehindCommitter, MeasuredBehindCommitter
from .committer import DurableCommitter, MeasuredDurableCommitter
from .encoded import Encoder
from .errors import JournalError, JournalFileError, UnknownOutcomeError
from .history import Past
from .log import Log
from .logged import LoggedStore
from .timed import TimedLog

__all__ = ["Journal", "JournaledStore", "Sync"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Sync: TypeAlias = Literal["full", "normal", "interval"]
"""What a write waits for."""

AnyCommitter: TypeAlias = "DurableCommitter[K, V] | BehindCommitter[K, V]"

_log = logging.getLogger("cowstate")


class Journal(Generic[K, V]):
    """The file of a store: what is on disk, and how it comes there. Every method, any thread.

    Attributes:
        path: the file, whole.
        sync: what a write waits for.
    """

    def __init__(
        self, log: Log, sync: Sync, committer: AnyCommitter[K, V], past: Past[K, V]
    ) -> None:
        self.path = log.path
        self.sync: Sync = sync
        self._log = log
        self._committer = committer
        self._past = past

    @property
    def oldest(self) -> int:
        """The oldest version that the log goes back to.

        Raises:
            JournalFileError: the file cannot be read.
        """
        return self._past.oldest()

    @property
    def epoch(self) -> int:
        """The number by which this process writes; it is raised whenever somebody takes over."""
        return self._log.epoch

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more: closed, fenced off, or forked."""
        return self._committer.group.refused is not None

    @property
    def durable(self) -> int:
        """The version up to which all is on disk; what readers see, but with ``"interval"``."""
        return self._committer.durable.current.version

    def flush(self) -> None:
        """Return when all that was written before is on disk.

        What a write returned is there already, but with ``sync="interval"``. And there may be what
        a write left that was interrupted, by Ctrl-C, say: the next one takes it along, or this.

        Raises:
            JournalError: it could not be written. With ``"interval"`` it stays in memory, and is
                tried again; else it never happened.
            ReentrantWriteError: called inside a write to a store.
        """
        self._committer.flush()

    def wait_durable(self, version: int) -> None:
        """Return when *version* is on disk; it is written now, if nobody did so before.

        Raises:
            ArgumentTypeError: *version* is no whole number.
            JournalError, ReentrantWriteError: as for `flush`.

        >>> import os, tempfile
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int, sync="interval", interval=60) as c:
        ...     commit = c.set("a", 1)
        ...     before = c.journal.durable
        ...     c.journal.wait_durable(commit.version)
        ...     before, c.journal.durable
        (0, 1)
        """
        if isinstance(version, bool) or not isinstance(version, int):
            raise ArgumentTypeError(f"a version is a whole number, not {shown(version)}")
        if self.durable < version:
            self._committer.flush()

    def compact(self, *, versions: int = 0, seconds: float = 0) -> int:
        """Let go of the older part of the log; return the oldest version that is left.

        Kept is what either of the two bounds keeps, and the newest commit. It is done in small
        steps, between which others write; none of them waits for more than one step. The records
        are as they were, and so is what is in memory. The space is used again, and part of it given
        back to the file system.

        Args:
            versions: keep the last so many versions before the current one.
            seconds: keep what was written in the last so many seconds.

        Raises:
            ArgumentTypeError, ArgumentValueError: those are no bounds.
            JournalError: it failed; what was dropped before is dropped.
            ReentrantWriteError: called inside a write to a store.

        >>> import os, tempfile
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     for n in range(10):
        ...         commit = counts.set("a", n)
        ...     counts.journal.compact(versions=3), counts.journal.oldest
        (7, 7)
        """
        for name, bound in (("versions", versions), ("seconds", seconds)):
            if isinstance(bound, bool) or not isinstance(bound, int | float):
                raise ArgumentTypeError(f"{name} must be a number, not {shown(bound)}")
            if not bound >= 0:
                raise ArgumentValueError(f"{name} must be at least 0, not {shown(bound)}")
        if not isinstance(versions, int):
            raise ArgumentTypeError(f"versions must be a whole number, not {shown(versions)}")
        self._committer.group.ensure_outside()
        upto = max(self.durable - max(versions, 1), 0)
        if seconds:
            # Of a whole number a float may not be made: longer ago than all is long enough.
            upto = min(upto, self._past.version_before(time() - min(seconds, 1e18)))
        if upto > self.oldest:
            self._committer.group.drop(upto)
        return self.oldest

    def __repr__(self) -> str:
        return f"<Journal {self.path}, sync={self.sync!r}{', closed' if self.closed else ''}>"


def _frozen(options: Mapping[str, Any]) -> Any:
    """Return the kind of map that *options* ask for, built as a dict: opening costs no more."""
    maps = options.get("maps", "auto")
    known = isinstance(maps, str) and not maps.startswith(FROZEN)
    return FROZEN + maps if known else maps


class JournaledStore(LoggedStore[K, V, M], Store[K, V, M], Generic[K, V, M], sealed=True):
    """A `Store` whose versions are in a file: a write that has returned is on disk.

    Made by `open_store`. It is used as any other, by any number of threads; what differs is what
    is said here.

    - A write returns when it is on disk, and so does its answer: that a record is not there, or
      that a draft conflicts, is told when what it follows from is on disk. Readers and subscribers
      see a version from then on, never before. Writers that come at the same time share one sync.
    - A write that could not be made durable raises `JournalError`, with all that waited for the
      same sync, and never happened. Where that cannot be known it is an `UnknownOutcomeError`.
    - What is read *inside* a write (an update function, a transaction) may be newer than what is
      on disk. It is true when the write has returned.
    - A write inside a write to any other store is refused, and so is `cowstate.transaction` over
      several: nothing makes two files change as one.
    - In the child of a fork it only reads, and only what is in memory.

    With ``sync="interval"`` it is the other way round: writes are published at once, as of any
    store, and the disk follows. They may then be inside writes to other stores, too.

    Close it, or use it in a ``with``. A store that is dropped or killed loses nothing that a write
    has returned.

    Attributes:
        journal: the file.
    """

    journal: Journal[K, V]
    _journaling: AnyCommitter[K, V]

    def __init__(
        self,
        log: Log,
        encoder: Encoder[K, V],
        sync: Sync,
        options: Mapping[str, Any],
        interval: float = 0.1,
        eager: bool = False,
    ) -> None:
        self._log = log
        self._interval = interval if sync == "interval" else None
        self._encoder = encoder
        standing = log.standing()
        self._begins_at = standing.version
        self._derives_later = not eager
        records, rows = encoder.read(log.records())
        if len(records) < rows:
            raise JournalFileError(log.path, "has two records for one key; somebody else wrote it")
        encoder.begin(standing.time)
        meta = encoder.meta(standing.meta)
        super().__init__(records, meta=meta, **{**options, "maps": _frozen(options)})
        self._past = Past(log.view, self._schema, self._journaling.durable, encoder)
        self.journal = Journal(log, sync, self._journaling, self._past)

    def _new_committer(self, figures: Figures | None, *parts: Any) -> Committer[K, V]:
        log: Log = self._log if figures is None else TimedLog(self._log, figures)
        self._journaling = self._of_kind(figures, *parts, log, self._encoder)
        return self._journaling

    def _of_kind(self, figures: Figures | None, *parts: Any) -> AnyCommitter[K, V]:
        if self._interval is None:
            if figures is None:
                return DurableCommitter(*parts)
            return MeasuredDurableCommitter(*parts, figures=figures)
        parts = (*parts, self._interval)
        if figures is None:
            return BehindCommitter(*parts)
        return MeasuredBehindCommitter(*parts, figures=figures)

    def _put_in_log(self) -> None:
        if self._interval is not None:
            self._journaling.flush()

    def _commit_draft(self, draft: Draft[K, V, M], expected_version: int | None) -> Commit[K, V, M]:
        try:
            return super()._commit_draft(draft, expected_version)
        except UnknownOutcomeError:
            raise
        except JournalError:
            draft.reopen()  # it never happened, so it can be tried again
            raise

    def close(self) -> None:
        """Return when all is on disk and the file is free for the next writer. It reads on.

        May be called twice. What a write left behind that was interrupted is written first.

        Raises:
            JournalError: that could not be written; the file is free all the same.
            ReentrantWriteError: called inside a write to a store.
        """
        self._journaling.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._journaling.close()

    def _end_waits(self) -> None:
        # Before the subscribers are given the rest: what they are told is on disk, or will be.
        try:
            if not self.journal.closed:
                self._journaling.flush()
        except CowstateError as error:
            _log.error(
                "at the end of the main thread: %s",
                error,
                extra={"cowstate_event": "journal_not_flushed", "cowstate_path": self._log.path},
            )
        super()._end_waits()

    def _after_fork_in_child(self) -> None:
        super()._after_fork_in_child()
        self._journaling.group.after_fork_in_child()

    def __repr__(self) -> str:
        current = self.snapshot()
        return (
            f"<JournaledStore {self.journal.path} version={current.version} records={len(current)}>"
        )
