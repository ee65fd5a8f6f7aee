"""What a store is seen to be, in one look, and the samples of that. The second is pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..journal import Follower, JournaledStore
from ..meter import Measures, Timing
from ..readstore import ReadStore
from ..snapshot import Snapshot
from ..statistics import Statistics
from .samples import Sample, Samples

__all__ = ["FollowerSeen", "JournalSeen", "StoreSeen", "look_at_store", "samples_of_store"]


class JournalSeen(NamedTuple):
    """How the journal of a store stands.

    Attributes:
        durable: the version up to which all is on disk.
        epoch: the number by which this process writes.
        closed: whether nothing can be written any more.
    """

    durable: int
    epoch: int
    closed: bool


class FollowerSeen(NamedTuple):
    """How a follower stands.

    Attributes:
        lag: how old what is read there may be, in seconds.
        synced: whether the last look came to the end.
        failing: whether it cannot read, for now or for good.
        closed: whether it has ended.
    """

    lag: float
    synced: bool
    failing: bool
    closed: bool


class StoreSeen(NamedTuple):
    """One look at a store: one snapshot, and the statistics of that.

    Attributes:
        snapshot: it.
        statistics: of that snapshot, and of what serves the store.
        journal: of a store that has one; else None.
        follower: of one that follows another's; else None.
    """

    snapshot: Snapshot[Any, Any, Any]
    statistics: Statistics
    journal: JournalSeen | None = None
    follower: FollowerSeen | None = None


def look_at_store(store: ReadStore[Any, Any, Any]) -> StoreSeen:
    """Look once. No lock, no disk; O(retained)."""
    journal = follower = None
    if isinstance(store, JournaledStore):
        file = store.journal
        # Before the snapshot, so that nothing is on disk that is not in it.
        journal = JournalSeen(file.durable, file.epoch, file.closed)
    elif isinstance(store, Follower):
        failing = store.failure is not None
        follower = FollowerSeen(store.lag, store.synced, failing, store.closed)
    snapshot = store.snapshot()
    return StoreSeen(snapshot, store.statistics(snapshot), journal, follower)


def samples_of_store(name: str, seen: StoreSeen) -> list[Sample]:
    """Return the samples of one look. Pure.

    >>> from cowstate import Store
    >>> seen = look_at_store(Store({"a": 1}))
    >>> [sample.value for sample in samples_of_store("s", seen) if "records" in sample.metric.name]
    [1.0]
    """
    of, figures = Samples(name), seen.statistics
    of.note("store.commits", figures.version)
    of.note("store.records", figures.records)
    for index, entries in figures.index_entries:
        of.note("store.index.values", entries, index)
    of.note("store.retained.versions", figures.retained)
    of.note("store.retained.size", figures.retained_bytes)
    of.note("store.pins", len(figures.pinned))
    of.note("store.subscriptions", figures.subscriptions)
    of.note("store.undelivered.commits", figures.undelivered)
    of.note("store.waiting", figures.waiting)
    of.note("store.transaction.open", figures.open_transaction is not None)
    of.note("store.diff.scans", figures.diff_scans)
    if figures.measured is not None:
        _note_measures(of, figures.measured)
    if seen.journal is not None:
        of.note("journal.durable.commits", seen.journal.durable)
        of.note("journal.undurable.commits", max(figures.version - seen.journal.durable, 0))
        of.note("journal.epoch", seen.journal.epoch)
        of.note("journal.closed", seen.journal.closed)
    if seen.follower is not None:
        for field, value in seen.follower._asdict().items():
            of.note(f"follower.{field}", value)
    return of


def _note_measures(of: Samples, measured: Measures) -> None:
    for plural, singular, timing in (
        ("store.lock.waits", "store.lock.wait", measured.waits),
        ("store.lock.holds", "store.lock.hold", measured.holds),
        ("store.blocks", "store.block", measured.blocks),
        ("store.callbacks", "store.callback", measured.callbacks),
        ("journal.syncs", "journal.sync", measured.syncs),
    ):
        if timing is not None:
            _note_timing(of, plural, singular, timing)
    of.note("store.conflicts", measured.conflicts)
    for error, writes in measured.refused:
        of.note("store.refused", writes, error)


def _note_timing(of: Samples, plural: str, singular: str, timing: Timing) -> None:
    of.note(plural, timing.count)
    of.note(f"{singular}.time", timing.total)
    of.note(f"{singular}.longest", timing.longest)
