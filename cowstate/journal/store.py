"""A store that outlives its process: `open_store`, `JournaledStore`, `Journal`."""

from __future__ import annotations

import gc
import os
from collections.abc import Hashable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from cowstate.codec import Codec
from cowstate.commit import Commit
from cowstate.committer import Committer
from cowstate.draft import Draft
from cowstate.encoding import Hook
from cowstate.errors import ArgumentTypeError, ArgumentValueError, CodecError, CompactedError
from cowstate.immutability import Immutability
from cowstate.invariants import Invariant
from cowstate.meter import Figures, Meter
from cowstate.sameness import Sameness
from cowstate.showing import shown
from cowstate.snapshot import Snapshot
from cowstate.store import Aggregates, Indexes, Store
from cowstate.timeline import History

from .committer import DurableCommitter, MeasuredDurableCommitter
from .encoded import Encoder
from .errors import JournalError, JournalFileError, UnknownOutcomeError
from .history import Past, seconds_of
from .log import Log
from .sqlite import Form, SqliteLog, Sync

__all__ = ["Journal", "JournaledStore", "open_store"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Journal(Generic[K, V]):
    """The file of a store: what is on disk, and how it comes there. Every method, any thread.

    Attributes:
        path: the file, whole.
        sync: what a write waits for.
    """

    def __init__(
        self, log: Log, sync: Sync, committer: DurableCommitter[K, V], past: Past[K, V]
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

    def flush(self) -> None:
        """Return when all that was written before is on disk.

        What a write returned is there already. This is for what a write left behind that was
        interrupted, by Ctrl-C, say: the next write takes that along, or this.

        Raises:
            JournalError: it could not be written; it never happened.
            ReentrantWriteError: called inside a write to a store.
        """
        self._committer.flush()

    def __repr__(self) -> str:
        return f"<Journal {self.path}, sync={self.sync!r}{', closed' if self.closed else ''}>"


class JournaledStore(Store[K, V], Generic[K, V], sealed=True):
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
    - In the child of a fork it only reads.

    Close it, or use it in a ``with``. A store that is dropped or killed loses nothing that a write
    has returned.

    Attributes:
        journal: the file.
    """

    journal: Journal[K, V]
    _committer: DurableCommitter[K, V]

    def __init__(
        self, log: Log, encoder: Encoder[K, V], sync: Sync, options: Mapping[str, Any]
    ) -> None:
        self._log = log
        self._encoder = encoder
        standing = log.standing()
        self._begins_at = standing.version
        rows = list(log.records())
        records = list(encoder.records(rows))
        encoder.begin(
            standing.time,
            [(name, key) for (name, _), (key, _) in zip(rows, records, strict=True)],
        )
        super().__init__(dict(records), meta=encoder.meta(standing.meta), **options)
        self._past = Past(log.path, self._schema, self._timeline, encoder)
        self.journal = Journal(log, sync, self._committer, self._past)

    def _new_committer(self, figures: Figures | None, *parts: Any) -> Committer[K, V]:
        both = (*parts, self._log, self._encoder)
        if figures is None:
            return DurableCommitter(*both)
        return MeasuredDurableCommitter(*both, figures=figures)

    def at(self, version: int) -> Snapshot[K, V]:
        """Return the snapshot of a *version* that is retained, or in the log.

        O(1) for what is in memory, else O(keys changed since).

        Raises:
            CompactedError: it is not even in the log any more.
            ArgumentValueError: there has been no such version yet.
            JournalFileError: the file cannot be read.

        >>> import os, tempfile
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     first, second = counts.set("a", 1), counts.set("a", 2)
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     dict(counts.at(0)), counts.at(1)["a"]
        ({}, 1)
        """
        try:
            return super().at(version)
        except CompactedError:
            return self._past.at(version)

    def as_of(self, moment: datetime | float) -> Snapshot[K, V]:
        """Return the version that was current at a *moment*. Costs O(what was written since).

        Args:
            moment: a `datetime` with its time zone, or seconds since 1970.

        Raises:
            CompactedError: the log does not go back so far.
            ArgumentTypeError, ArgumentValueError: that is no moment.
            JournalFileError: the file cannot be read.

        >>> import os, tempfile, time
        >>> from cowstate import journal
        >>> path = os.path.join(tempfile.mkdtemp(), "counts.db")
        >>> with journal.open_store(path, key=str, record=int) as counts:
        ...     commit = counts.set("a", 1)
        ...     counts.as_of(time.time())["a"], dict(counts.as_of(0))
        (1, {})
        """
        return self.at(self._past.version_at(seconds_of(moment)))

    def _commit_draft(self, draft: Draft[K, V], expected_version: int | None) -> Commit[K, V]:
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
        self._committer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._committer.close()

    def _after_fork_in_child(self) -> None:
        super()._after_fork_in_child()
        self._committer.group.after_fork_in_child()

    def __repr__(self) -> str:
        current = self.snapshot()
        return (
            f"<JournaledStore {self.journal.path} version={current.version} records={len(current)}>"
        )


@overload
def open_store(
    path: str | os.PathLike[str],
    *,
    key: type[K],
    record: type[V],
    meta: Any = None,
    indexes: Indexes[V] | None = None,
    aggregates: Aggregates[V] | None = None,
    invariants: Mapping[str, Invariant] | None = None,
    sync: Sync = "full",
    form: Form = "json",
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    history: History | None = None,
    maps: str = "auto",
    immutability: Immutability = "type",
    allow_none: bool = False,
    same: Sameness = "identity",
    lock_timeout: float | None = None,
    deferred_refcount: bool | None = None,
    meter: Meter | None = None,
) -> JournaledStore[K, V]: ...


# Of a union no type checker infers what it is a type of.
@overload
def open_store(
    path: str | os.PathLike[str],
    *,
    key: Any,
    record: Any,
    meta: Any = None,
    indexes: Indexes[Any] | None = None,
    aggregates: Aggregates[Any] | None = None,
    invariants: Mapping[str, Invariant] | None = None,
    sync: Sync = "full",
    form: Form = "json",
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    history: History | None = None,
    maps: str = "auto",
    immutability: Immutability = "type",
    allow_none: bool = False,
    same: Sameness = "identity",
    lock_timeout: float | None = None,
    deferred_refcount: bool | None = None,
    meter: Meter | None = None,
) -> JournaledStore[Any, Any]: ...


def open_store(
    path: str | os.PathLike[str],
    *,
    key: Any,
    record: Any,
    meta: Any = None,
    sync: Sync = "full",
    form: Form = "json",
    enc_hook: Hook | None = None,
    dec_hook: Hook | None = None,
    **options: Any,
) -> JournaledStore[Any, Any]:
    """Open the store in the file at *path*, for writing; make it if it is not there.

    One store at a time writes a file, in one process; it is a database of SQLite's, that any tool
    may read meanwhile. Costs O(N), to read and derive everything.

    Args:
        path: the file. Beside it there are ``-wal`` and ``-shm``, which belong to it while it is
            open, and ``-writer``, which is empty.
        key: the type of the keys, for `Codec`.
        record: the type of the records; for several ``A | B``, each with ``tag=True``.
        meta: the type of the meta value. It is None until it is set.
        sync: ``"full"``: a write that has returned is on disk. ``"normal"``: it is with the
            operating system: a crash of the process loses nothing, one of the machine the last
            moments, and leaves the file whole.
        form: how values are encoded in a new file: ``"json"``, for people, or ``"msgpack"``. A
            file that is there keeps its form.
        enc_hook: as of `Codec`.
        dec_hook: as of `Codec`.
        options: the others are those of `Store`: *indexes*, *aggregates*, *invariants*, *history*
            and so on. None of them is kept in the file, so give them each time.

    Raises:
        WriterActiveError: another store writes the file; it says who.
        JournalFileError: the file is another program's, is damaged, or holds what *key*, *record*
            and *meta* are no types of.
        JournalError: it cannot be opened or made.
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.
        UniqueViolationError, InvariantError: the records in the file are refused.

    >>> import os, tempfile
    >>> from cowstate import Record, journal
    >>> class Slot(Record):
    ...     quantity: int
    >>> path = os.path.join(tempfile.mkdtemp(), "positions.db")
    >>> with journal.open_store(path, key=str, record=Slot) as slots:
    ...     commit = slots.set("50000", Slot(3))
    >>> with journal.open_store(path, key=str, record=Slot) as slots:
    ...     slots.snapshot()["50000"], slots.snapshot().version
    (Slot(quantity=3), 1)
    """
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise ArgumentTypeError(f"path must be the name of a file, not {shown(path)}")
    if sync not in ("full", "normal"):
        raise ArgumentValueError(f"sync must be 'full' or 'normal', not {shown(sync)}")
    codec: Codec[Any, Any] = Codec(
        key=key, record=record, meta=meta, form=form, enc_hook=enc_hook, dec_hook=dec_hook
    )
    log = SqliteLog(path, form, sync)
    try:
        if log.form != form:
            codec = Codec(
                key=key,
                record=record,
                meta=meta,
                form=log.form,
                enc_hook=enc_hook,
                dec_hook=dec_hook,
            )
        encoder: Encoder[Any, Any] = Encoder(codec, key, log.form == "json")
        return _loaded(log, encoder, sync, options)
    except BaseException:
        log.close()
        raise


def _loaded(
    log: Log, encoder: Encoder[Any, Any], sync: Sync, options: Mapping[str, Any]
) -> JournaledStore[Any, Any]:
    # What is read is all new and stays: to collect meanwhile would look at all of it again and
    # again, for nothing.
    collects = gc.isenabled()
    gc.disable()
    try:
        return JournaledStore(log, encoder, sync, options)
    except CodecError as error:
        raise JournalFileError(log.path, f"holds what is not of these types: {error}") from error
    finally:
        if collects:
            gc.enable()
