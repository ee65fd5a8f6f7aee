"""What happened, as the lock-based position manager keeps it: copies, made under its lock."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

from cowstate.positions import Fill, Order, PositionUpdate

__all__ = ["LockedBlotter"]

_log = logging.getLogger(__name__)


class _Entry(NamedTuple):
    update: PositionUpdate
    orders: tuple[Order, ...]
    moved: bool


class LockedBlotter:
    """The latest changes, and who is to be told of each.

    All methods but `deliver` are called under the manager's lock; that one never is.

    Args:
        limit: how many changes are kept.
    """

    def __init__(self, limit: int) -> None:
        self.noting = limit > 0
        self.undelivered: deque[PositionUpdate] = deque()
        self._entries: deque[_Entry] = deque(maxlen=limit)
        self._callbacks: tuple[Callable[[PositionUpdate], object], ...] = ()
        self._delivering = Lock()

    def note(self, update: PositionUpdate, orders: tuple[Order, ...], *, moved: bool) -> None:
        """Keep one change; *moved* says whether it moved the position."""
        self._entries.append(_Entry(update, orders, moved))
        if self._callbacks:
            self.undelivered.append(update)

    def subscribe(self, callback: Callable[[PositionUpdate], object]) -> None:
        """Tell *callback* of every change from now on."""
        self._callbacks += (callback,)
        self.noting = True

    def deliver(self) -> None:
        """Tell of what has not been told yet, in order, whichever thread comes."""
        while self.undelivered and self._delivering.acquire(blocking=False):
            try:
                while self.undelivered:
                    update = self.undelivered.popleft()
                    for callback in self._callbacks:
                        try:
                            callback(update)
                        except Exception:
                            _log.exception("a subscriber failed at version %d", update.version)
            finally:
                self._delivering.release()

    def fills(self) -> tuple[Fill, ...]:
        """Return the fills, oldest first."""
        return tuple(fill for entry in self._entries for fill in entry.update.fills)

    def orders(self) -> tuple[Order, ...]:
        """Return the orders that changed, each in its latest state, oldest change first."""
        latest: dict[str, Order] = {}
        for entry in self._entries:
            for order in entry.orders:
                latest.pop(order.client_oid, None)
                latest[order.client_oid] = order
        return tuple(latest.values())

    def positions(self) -> tuple[PositionUpdate, ...]:
        """Return the changes that moved the position, oldest first."""
        return tuple(entry.update for entry in self._entries if entry.moved)
