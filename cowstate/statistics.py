"""What a store tells of itself."""

from __future__ import annotations

from typing import Any

from .delivery import Delivery
from .meter import Figures, Measures
from .records import Record
from .schema import Schema
from .snapshot import Snapshot
from .timeline import Timeline
from .waiters import Waiters
from .writelock import WriteLock

__all__ = ["Statistics", "statistics_of"]


class Statistics(Record):
    """What `Store.statistics` tells: one version, and what serves it.

    Attributes:
        version: the version.
        records: how many records it holds.
        map: which persistent map holds them.
        index_entries: ``(index, number of distinct values)`` for each index.
        oldest: the oldest version from which on every one is retained.
        retained: how many versions before this one are retained.
        retained_bytes: an estimate of what those take; None for a history without a bound in
            bytes, in a store without a `Meter`.
        pinned: ``(version, why)`` for each pin.
        subscriptions: how many callbacks are subscribed.
        undelivered: how many commits wait for a callback that is still at an earlier one.
        waiting: how many threads and tasks sleep until the next commit.
        open_transaction: who has reserved the store, and where and when, in words; None for nobody.
        diff_scans: how many diffs reached beyond the ring and had to compare two maps.
        measured: what took how long, and what was refused; None for a store without a `Meter`.

    >>> from cowstate import Store
    >>> figures = Store({"a": 1, "b": 2}).statistics()
    >>> figures.records, figures.version, figures.subscriptions
    (2, 0, 0)
    """

    version: int
    records: int
    map: str
    index_entries: tuple[tuple[str, int], ...]
    oldest: int
    retained: int
    retained_bytes: int | None
    pinned: tuple[tuple[int, str], ...]
    subscriptions: int
    undelivered: int
    waiting: int
    open_transaction: str | None
    diff_scans: int
    measured: Measures | None


def statistics_of(
    snapshot: Snapshot[Any, Any],
    schema: Schema[Any, Any],
    timeline: Timeline[Any, Any],
    delivery: Delivery[Any, Any],
    waiters: Waiters[Any],
    lock: WriteLock,
    figures: Figures | None,
) -> Statistics:
    """Return what `ReadStore.statistics` tells of *snapshot* and of these, which serve it."""
    oldest = timeline.oldest(snapshot)
    reserved = lock.holder()
    return Statistics(
        version=snapshot.version,
        records=len(snapshot),
        map=schema.kind.name_of(snapshot._map),
        index_entries=tuple(
            (name, len(snapshot._indexes[place]))
            for name, place in snapshot._lineage.derivation.index_positions.items()
        ),
        oldest=oldest,
        retained=snapshot.version - oldest,
        retained_bytes=timeline.bytes_retained(oldest, figures is not None),
        pinned=tuple((pin.version, pin.why) for pin in timeline.pinned()),
        subscriptions=sum(not s.closed for s in list(delivery.all.values())),
        undelivered=delivery.undelivered(),
        waiting=len(waiters),
        open_transaction=None if reserved is None else str(reserved),
        diff_scans=schema.origin.scans,
        measured=None if figures is None else figures.told(),
    )
