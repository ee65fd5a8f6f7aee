"""What a store tells of itself."""

from __future__ import annotations

from .meter import Measures
from .records import Record

__all__ = ["Statistics"]


class Statistics(Record):
    """What `Store.statistics` tells: one version, and what serves it.

    Attributes:
        version: the current version.
        records: how many records it holds.
        map: which persistent map holds them.
        index_entries: ``(index, number of distinct values)`` for each index.
        oldest: the oldest version from which on every one is retained.
        retained: how many versions before the current one are retained.
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
