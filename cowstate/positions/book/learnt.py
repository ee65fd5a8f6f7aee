"""When the book learnt of each fill, by our clock: `FillLog`, read off the commits.

The venue's list of trades need not show yet what the book has only just heard of. So the
comparison asks since when each fill was known, and that no record of the slots says: their times
are those of whoever reported them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal

from cowstate import MISSING, Commit, Record

from ..guard import Guard
from .account import was_restored
from .blotter import orders_changed
from .model import EXACT
from .slots import InventorySlot, Order

__all__ = ["FillHistory", "FillLog", "Growth", "Learnt"]

_ZERO = Decimal(0)


class Learnt(Record):
    """That *filled* (signed, cumulative) of an order became known at *learnt_ms* by our clock."""

    learnt_ms: int
    filled: Decimal


class Growth(Record):
    """A fill that the slots learnt of at *learnt_ms*, by our clock; both amounts are signed.

    *before* is what was known to be filled of the order until then.
    """

    learnt_ms: int
    quantity: Decimal
    client_oid: str = ""
    before: Decimal = _ZERO


class FillHistory(Record):
    """The growths of some time, oldest first, up to one version of the slots.

    *floor_ms* is since when they are complete: what was known then was known for longer.
    *adjusted* counts the commits that changed what slots hold by something else than fills.
    """

    version: int
    floor_ms: int
    growths: tuple[Growth, ...] = ()
    adjusted: int = 0

    def of(self, client_oid: str, filled: Decimal) -> tuple[Learnt, ...]:
        """Return when what is *filled* (signed) of an order became known, oldest first.

        >>> grown = Growth(2_000, Decimal(1), "g-100-B1", before=Decimal(2))
        >>> [str(each.filled) for each in FillHistory(7, 500, (grown,)).of("g-100-B1", Decimal(3))]
        ['2', '3']
        """
        grown = [each for each in self.growths if each.client_oid == client_oid]
        first = grown[0].before if grown else filled
        known = [Learnt(self.floor_ms, first)]
        for each in grown:
            known.append(Learnt(each.learnt_ms, EXACT.add(each.before, each.quantity)))
        return tuple(known)

    def since(self, moment_ms: int) -> tuple[Growth, ...]:
        """Return the growths that were learnt at *moment_ms* or later."""
        return tuple(each for each in self.growths if each.learnt_ms >= moment_ms)


class FillLog:
    """Notes for each fill when it became known; subscribe `record` to the store of slots.

    Thread-safe. A commit costs O(slots changed), a look at it O(growths kept).

    Args:
        keep_ms: for how long a growth is kept: the greatest lag of the venue, and some more.
        time_ms: our clock.

    >>> log = FillLog(60_000, lambda: 1_000)
    >>> log.history()
    FillHistory(version=0, floor_ms=1000, growths=(), adjusted=0)
    """

    def __init__(self, keep_ms: int, time_ms: Callable[[], int]) -> None:
        self._keep_ms = keep_ms
        self._time_ms = time_ms
        self._guard = Guard()
        self._growths: deque[Growth] = deque()
        self._floor_ms = time_ms()
        self._version = 0
        self._adjusted = 0

    def record(self, commit: Commit[str, InventorySlot]) -> None:
        """Note one commit; to be called in version order."""
        now = self._time_ms()
        grown: list[Growth] = []
        restored = was_restored(commit.before.meta, commit.after.meta)
        moved = EXACT.subtract(commit.after.total("position"), commit.before.total("position"))
        if not restored:
            for change in commit.changes.values():
                before = _filled(() if change.old is MISSING else change.old.orders)
                for order in orders_changed(change):
                    known = before.get(order.client_oid, _ZERO)
                    more = EXACT.subtract(order.signed_filled, known)
                    if more:
                        grown.append(Growth(now, more, order.client_oid, known))
                        moved = EXACT.subtract(moved, more)
        self._guard.run(self._keep, commit.after.version, now, grown, bool(moved), restored)

    def history(self) -> FillHistory:
        """Return what was noted, up to the version of the last commit that was recorded."""
        return self._guard.run(self._copy)

    def go_on(self, history: FillHistory) -> None:
        """Know what another one knew; this one is of the same slots, and has noted nothing."""
        self._guard.run(self._take, history)

    # With the lock held:

    def _take(self, history: FillHistory) -> None:
        self._growths = deque(history.growths)
        self._floor_ms, self._adjusted = history.floor_ms, history.adjusted

    def _keep(
        self, version: int, now: int, grown: list[Growth], adjusted: bool, restored: bool
    ) -> None:
        if restored:
            # What was saved was known when it was saved, and so it was before this moment.
            self._growths.clear()
            self._floor_ms = now
        self._growths += grown
        self._adjusted += adjusted
        self._forget(now - self._keep_ms)
        self._version = version

    def _copy(self) -> FillHistory:
        return FillHistory(self._version, self._floor_ms, tuple(self._growths), self._adjusted)

    def _forget(self, before_ms: int) -> None:
        while self._growths and self._growths[0].learnt_ms < before_ms:
            self._floor_ms = self._growths.popleft().learnt_ms


def _filled(orders: tuple[Order, ...]) -> dict[str, Decimal]:
    return {order.client_oid: order.signed_filled for order in orders}
