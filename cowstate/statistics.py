"""What a store tells of itself."""

from __future__ import annotations

from typing import Any

from .core import Core
from .records import Record

__all__ = ["Statistics", "statistics_of"]


class Statistics(Record):
    """What `Store.statistics` tells: one version, and what serves it.

    Attributes:
        version: the current version.
        records: how many records it holds.
        map: which persistent map holds them.
        index_entries: ``(index, number of distinct values)`` for each index.
        oldest: the oldest version from which on every one is retained.
        retained: how many versions before the current one are retained.
        pinned: ``(version, why)`` for each pin.
        subscriptions: how many callbacks are subscribed.
        undelivered: how many commits wait for a callback that is still at an earlier one.
        waiting: how many threads and tasks sleep until the next commit.
        diff_scans: how many diffs reached beyond the ring and had to scan.
    """

    version: int
    records: int
    map: str
    index_entries: tuple[tuple[str, int], ...]
    oldest: int
    retained: int
    pinned: tuple[tuple[int, str], ...]
    subscriptions: int
    undelivered: int
    waiting: int
    diff_scans: int


def statistics_of(core: Core[Any, Any]) -> Statistics:
    """Return the figures of *core* as it stands."""
    current, retention, audience = core._current, core._retention, core._audience
    oldest = retention.oldest(current)
    return Statistics(
        version=current.version,
        records=len(current),
        map=core._derivation.kind.name_of(current._map),
        index_entries=tuple(
            (name, len(current._indexes[place]))
            for name, place in core._derivation.index_positions.items()
        ),
        oldest=oldest,
        retained=current.version - oldest,
        pinned=tuple((pin.version, pin.why) for pin in retention.pins),
        subscriptions=len(audience.subscriptions),
        undelivered=len(audience.undelivered),
        waiting=audience.sleepers,
        diff_scans=core._lineage.scans,
    )
