"""The lock-based twin of `cowstate.positions.PositionManager`, as one would write it with care.

It has what is compared, the facts and what can be asked for, and does not trade: what a plan
costs is the same with locks.

Slots are mutable and changed in place. Locks, always taken in this order: the manager's (every
write, and the copying of everything), a slot's (while that slot is changed or copied), that of
the two maps of orders. `get_slot` and `find` wait for a change of their slot at most.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from threading import Lock
from typing import Any

from cowstate import ArgumentTypeError
from cowstate.positions import (
    Fill,
    GridConfig,
    InventorySlot,
    Order,
    OrderUpdate,
    PositionUpdate,
    Side,
    UpdateOutcome,
    parse_client_oid,
)
from cowstate.positions.book.model import EXACT, OrderId
from cowstate.positions.errors import OrderMismatchError, RetiredOrderError
from cowstate.positions.trading.manager import wall_clock_ms

from .locked import LockedSnapshot
from .locked_blotter import LockedBlotter
from .locked_slots import LockedOrder, LockedSlot, fill_of, learn

__all__ = ["LockedPositionManager"]

_log = logging.getLogger(__name__)
_ZERO = Decimal(0)


class LockedPositionManager:
    """The slots of one grid under locks; the methods have the names of `PositionManager`'s.

    What differs: `snapshot` is a deep copy, O(slots), with all writers shut out; there are no
    versions to go back to, to compare cheaply, or to make a correction conditional on.
    """

    def __init__(
        self,
        config: GridConfig,
        *,
        history: int = 10_000,
        time_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.config = config
        self.version = 0
        self._symbol = config.symbol
        self._time_ms = time_ms
        self._lock = Lock()
        self._maps_lock = Lock()
        self._slots: dict[str, LockedSlot] = {}
        self._client_oids: dict[str, str] = {}
        self._order_ids: dict[OrderId, str] = {}
        self._position = self._profit = _ZERO
        self._active = 0
        self._reports: Counter[UpdateOutcome] = Counter()
        self._blotter = LockedBlotter(history)

    # Reading

    def snapshot(self) -> LockedSnapshot[str, InventorySlot]:
        """Return a deep copy of everything. O(slots), and no write happens meanwhile."""
        with self._lock:
            # Slots and maps change only under the lock held here, so theirs need not be taken.
            return LockedSnapshot(
                {key: slot.frozen() for key, slot in self._slots.items()},
                self.version,
                {"order_id": self._order_ids.copy(), "client_oid": self._client_oids.copy()},
                {
                    "position": self._position,
                    "active_orders": self._active,
                    "realized_profit": self._profit,
                },
            )

    def get_slot(self, key: str) -> InventorySlot | None:
        """Return a copy of one slot."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        with slot.lock:
            return slot.frozen()

    def find(self, index: str, value: Any) -> InventorySlot | None:
        """Return a copy of the slot with an ``order_id`` or ``client_oid``."""
        with self._maps_lock:
            maps: Mapping[Any, str] = self._order_ids if index == "order_id" else self._client_oids
            key = maps.get(value)
        return None if key is None else self.get_slot(key)

    def get_fills(self) -> tuple[Fill, ...]:
        """Return the latest fills, oldest first."""
        with self._lock:
            return self._blotter.fills()

    def get_order_history(self) -> tuple[Order, ...]:
        """Return the orders that changed last, each in its latest state, oldest change first."""
        with self._lock:
            return self._blotter.orders()

    def get_position_history(self) -> tuple[PositionUpdate, ...]:
        """Return the latest changes of position, oldest first."""
        with self._lock:
            return self._blotter.positions()

    def get_reports(self) -> dict[UpdateOutcome, int]:
        """Return how many updates were overfilled, foreign, retired or contradictory."""
        with self._lock:
            return dict(self._reports)

    def on_update(self, callback: Callable[[PositionUpdate], object]) -> None:
        """Have ``callback(update)`` called after every change, in order, outside the locks."""
        with self._lock:
            self._blotter.subscribe(callback)

    # Where it starts from

    def restore_state(self, saved: Iterable[InventorySlot]) -> None:
        """Replace all slots by *saved* ones, which are taken as they are."""
        slots = {slot.key: LockedSlot.thawed(slot) for slot in saved}
        with self._lock:
            keys = list(self._slots | slots)
            self._slots = slots
            with self._maps_lock:
                self._client_oids.clear()
                self._order_ids.clear()
                for key, each in slots.items():
                    for one in each.orders:
                        self._client_oids[one.client_oid] = key
                        if one.order_id is not None:
                            self._order_ids[one.order_id] = key
            self._position = self._profit = _ZERO
            for each in slots.values():
                self._move(each.position_qty, each.cash, each.price)
            self._active = sum(each.working is not None for each in slots.values())
            self._changed(keys)
        self._blotter.deliver()

    # Facts

    def on_order_update(self, update: OrderUpdate) -> UpdateOutcome:
        """Learn what *update* says, in place; see `PositionManager.on_order_update`."""
        if not isinstance(update, OrderUpdate):
            raise ArgumentTypeError(f"an order update is an OrderUpdate, not {update!r}")
        with self._lock:
            outcome = self._learn(update)
        if self._blotter.undelivered:
            self._blotter.deliver()
        return outcome

    # Under the manager's lock

    def _learn(self, update: OrderUpdate) -> UpdateOutcome:
        key = self._client_oids.get(update.client_oid)
        if key is None or update.symbol != self._symbol:
            found = self._place_of(update)
            if found is None:
                return self._report(UpdateOutcome.FOREIGN, "it is none of our orders", update)
            key, update = found
        order_id = update.order_id
        holder = None if order_id is None else self._order_ids.get(order_id)
        if holder is not None and holder != key:
            return self._report(
                UpdateOutcome.CONTRADICTORY, f"slot {holder} has an order of its id", update
            )
        slot = self._slots[key]
        was_active = slot.working is not None
        try:
            with slot.lock:
                learned = learn(slot, update)
        except RetiredOrderError as error:
            return self._report(UpdateOutcome.RETIRED, str(error), update)
        except OrderMismatchError as error:
            return self._report(UpdateOutcome.CONTRADICTORY, str(error), update)
        if learned is None:
            return UpdateOutcome.UNCHANGED
        order, grown, spent, forgotten = learned
        if grown or spent:
            if order.side is Side.BUY:
                self._move(grown, EXACT.minus(spent), slot.price)
            else:
                self._move(EXACT.minus(grown), spent, slot.price)
        self._active += (slot.working is not None) - was_active
        if (holder is None and order_id is not None) or order.client_oid not in self._client_oids:
            self._remember(key, order)
        if forgotten:
            self._forget(slot, forgotten)
        self._changed([key], [order], grown, spent)
        if update.filled > update.quantity:
            return self._report(UpdateOutcome.OVERFILLED, "more is filled than ordered", update)
        return UpdateOutcome.APPLIED

    def _place_of(self, update: OrderUpdate) -> tuple[str, OrderUpdate] | None:
        if update.symbol != self._symbol:
            return None
        parts = parse_client_oid(update.client_oid, self.config.prefix)
        if parts is not None:
            if parts.slot not in self._slots:
                self._slots[parts.slot] = LockedSlot(Decimal(parts.slot))
                self._changed([parts.slot])
            return parts.slot, update
        key = None if update.order_id is None else self._order_ids.get(update.order_id)
        if key is None:
            return None
        known = next(o for o in self._slots[key].orders if o.order_id == update.order_id)
        return key, update.replace(client_oid=known.client_oid)

    def _report(self, outcome: UpdateOutcome, why: str, update: OrderUpdate) -> UpdateOutcome:
        self._reports[outcome] += 1
        _log.warning("%s order update: %s: %r", outcome.value, why, update)
        return outcome

    def _remember(self, key: str, order: LockedOrder) -> None:
        with self._maps_lock:
            self._client_oids[order.client_oid] = key
            if order.order_id is not None:
                self._order_ids[order.order_id] = key

    def _forget(self, slot: LockedSlot, orders: Iterable[LockedOrder]) -> None:
        kept = {order.order_id for order in slot.orders}
        with self._maps_lock:
            for order in orders:
                del self._client_oids[order.client_oid]
                if order.order_id is not None and order.order_id not in kept:
                    del self._order_ids[order.order_id]

    def _move(self, quantity: Decimal, cash: Decimal, price: Decimal) -> None:
        self._position = EXACT.add(self._position, quantity)
        self._profit = EXACT.add(self._profit, EXACT.add(cash, EXACT.multiply(quantity, price)))

    def _changed(
        self,
        keys: list[str],
        orders: Sequence[LockedOrder] = (),
        grown: Decimal = _ZERO,
        spent: Decimal = _ZERO,
    ) -> None:
        if not keys:
            return
        self.version += 1
        if not self._blotter.noting:
            return
        update = PositionUpdate(
            self.version,
            self._time_ms(),
            self._position,
            self._profit,
            self._active,
            tuple(keys),
            tuple([fill_of(keys[0], order, grown, spent) for order in orders]) if grown else (),
        )
        frozen = tuple([order.frozen() for order in orders])
        self._blotter.note(update, frozen, moved=bool(grown))
