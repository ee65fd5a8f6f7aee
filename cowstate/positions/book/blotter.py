"""What happened, in order and within bounds: fills, orders, positions, read off the commits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from cowstate import MISSING, Change, ChangeSet, Commit, Record

from ..guard import Guard
from .account import was_restored
from .model import EXACT, Fill
from .orders import fills_of
from .slots import InventorySlot, Order
from .store import Slots

__all__ = ["Blotter", "PositionUpdate", "orders_changed", "position_update"]


class PositionUpdate(Record):
    """What one commit meant for the position: the new totals, and what led there.

    *slots* are the keys that changed, *fills* what was filled in them; *realized_profit* is in
    quote currency; *time_ms* is when it was seen, by the clock of the manager.
    """

    version: int
    time_ms: int
    position: Decimal
    realized_profit: Decimal
    active_orders: int
    slots: tuple[str, ...] = ()
    fills: tuple[Fill, ...] = ()


class _Totals(NamedTuple):
    position: Decimal
    realized_profit: Decimal
    active_orders: int

    def moved(self, slot: object, sign: int) -> _Totals:
        if not isinstance(slot, InventorySlot):
            return self
        add = EXACT.add if sign > 0 else EXACT.subtract
        return _Totals(
            add(self.position, slot.position_qty),
            add(self.realized_profit, slot.realized_profit),
            self.active_orders + sign * (slot.working is not None),
        )


def _totals(slots: Slots) -> _Totals:
    return _Totals(
        slots.total("position"), slots.total("realized_profit"), slots.total("active_orders")
    )


def position_update(commit: Commit[str, InventorySlot], time_ms: int) -> PositionUpdate:
    """Return what *commit* meant for the position. Pure; costs O(slots changed).

    A commit that replaced the state by a saved one has no fills: those orders were filled
    long ago.
    """
    after, changes = commit.after, commit.changes
    return PositionUpdate(
        after.version,
        time_ms,
        *_totals(after),
        tuple(changes),
        _fills(changes, was_restored(commit.before.meta, after.meta)),
    )


def orders_changed(change: Change[InventorySlot]) -> tuple[Order, ...]:
    """Return the orders of a slot that are new or not what they were, by sequence. Pure."""
    old, new = change
    if new is MISSING:
        return ()
    if old is MISSING:
        return new.orders
    if old.tail is new.tail:
        working = new.working
        return () if working is None or working is old.working else (working,)
    before = set(map(id, old.orders))
    return tuple(order for order in new.orders if id(order) not in before)


def _fills(changes: ChangeSet[str, InventorySlot], restored: bool) -> tuple[Fill, ...]:
    fills: list[Fill] = []
    if not restored:
        for old, new in changes.values():
            if new is not MISSING:
                fills += fills_of(InventorySlot(new.price) if old is MISSING else old, new)
    return tuple(fills)


class _Entry(NamedTuple):
    version: int
    time_ms: int
    restored: bool
    changes: ChangeSet[str, InventorySlot]


def _entries_of(commits: Iterable[Commit[str, InventorySlot]]) -> list[_Entry]:
    made: list[_Entry] = []
    time_ms = 0
    for commit in commits:
        changes = commit.changes
        told = [each.time_ms for change in changes.values() for each in orders_changed(change)]
        time_ms = max((time_ms, *told))
        restored = was_restored(commit.before.meta, commit.after.meta)
        made.append(_Entry(commit.version, time_ms, restored, changes))
    return made


class Blotter:
    """What happened in the latest commits of a store of slots: fills, orders, positions.

    Writers only note the commit, O(1); what it meant is worked out by whoever asks, O(limit).
    Thread-safe. Of older commits than the last *limit* nothing is known.

    Args:
        limit: how many commits are kept; 1 or more.
        time_ms: the clock by which they are stamped.
        earlier: returns the commits of earlier lives, at most *limit*, oldest first; called when
            somebody first asks. They are stamped with the times at which the venue says that
            their orders came to be as they are.
    """

    def __init__(
        self,
        limit: int,
        time_ms: Callable[[], int],
        earlier: Callable[[], Sequence[Commit[str, InventorySlot]]] = tuple,
    ) -> None:
        self._time_ms = time_ms
        self._earlier: Callable[[], Sequence[Commit[str, InventorySlot]]] | None = earlier
        self._guard = Guard()
        self._entries: deque[_Entry] = deque(maxlen=limit)
        # Only the newest commit is kept itself: each keeps a version of everything alive.
        self._latest: Commit[str, InventorySlot] | None = None

    def record(self, commit: Commit[str, InventorySlot]) -> None:
        """Note one commit; to be called in version order."""
        after = commit.after
        restored = was_restored(commit.before.meta, after.meta)
        entry = _Entry(after.version, self._time_ms(), restored, commit.changes)
        self._guard.run(self._keep, entry, commit)

    def fills(self) -> tuple[Fill, ...]:
        """Return the fills, oldest first."""
        entries, _ = self._copied()
        return tuple(fill for entry in entries for fill in _fills(entry.changes, entry.restored))

    def orders(self) -> tuple[Order, ...]:
        """Return the orders that changed, each in its latest state, oldest change first."""
        latest: dict[str, Order] = {}
        entries, _ = self._copied()
        for entry in entries:
            for change in entry.changes.values():
                for order in orders_changed(change):
                    latest.pop(order.client_oid, None)
                    latest[order.client_oid] = order
        return tuple(latest.values())

    def positions(self) -> tuple[PositionUpdate, ...]:
        """Return the commits that moved the position, oldest first."""
        entries, newest = self._copied()
        if newest is None:
            return ()
        totals = _totals(newest.after)
        found: list[PositionUpdate] = []
        # Backwards from totals that are known: each change says by how much it moved them.
        for entry in reversed(entries):
            earlier = totals
            for old, new in entry.changes.values():
                earlier = earlier.moved(old, 1).moved(new, -1)
            if earlier.position != totals.position:
                found.append(
                    PositionUpdate(
                        entry.version,
                        entry.time_ms,
                        *totals,
                        tuple(entry.changes),
                        _fills(entry.changes, entry.restored),
                    )
                )
            totals = earlier
        return tuple(reversed(found))

    def _copied(self) -> tuple[list[_Entry], Commit[str, InventorySlot] | None]:
        earlier = self._earlier
        if earlier is not None:
            # Not with the lock held, for writers wait for that: it is read from a disk.
            commits = earlier()
            self._guard.run(self._precede, _entries_of(commits), commits[-1] if commits else None)
        return self._guard.run(self._copy)

    # With the lock held:

    def _keep(self, entry: _Entry, commit: Commit[str, InventorySlot]) -> None:
        self._latest = commit
        self._entries.append(entry)

    def _precede(
        self, earlier: Sequence[_Entry], latest: Commit[str, InventorySlot] | None
    ) -> None:
        if self._earlier is None:
            return  # another thread was quicker
        whole = deque((*earlier, *self._entries), self._entries.maxlen)
        self._latest = latest if self._latest is None else self._latest
        self._entries, self._earlier = whole, None

    def _copy(self) -> tuple[list[_Entry], Commit[str, InventorySlot] | None]:
        return list(self._entries), self._latest
