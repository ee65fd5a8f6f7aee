"""What anybody may ask of the positions of a grid: `PositionReader`, which writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from sys import maxsize

from cowstate import ArgumentTypeError, ArgumentValueError, Commit, Store, Subscription

from ..book.account import Account
from ..book.blotter import Blotter, PositionUpdate, position_update
from ..book.config import GridConfig
from ..book.kept import earlier_commits
from ..book.model import Fill
from ..book.slots import InventorySlot, Order
from ..book.store import Slots
from .outcomes import OutcomeCounts, UpdateOutcome

__all__ = ["PositionReader", "ensure_clock_and_history"]


def ensure_clock_and_history(time_ms: object, history: object) -> None:
    """Refuse what is no clock, or no number of commits to remember.

    Raises:
        ArgumentTypeError, ArgumentValueError: it says what it must be.
    """
    if not callable(time_ms):
        raise ArgumentTypeError(f"time_ms must be a function that tells time, not {time_ms!r}")
    if not isinstance(history, int) or isinstance(history, bool) or history < 0:
        raise ArgumentValueError(f"history must be a whole number from 0, not {history!r}")
    if history > maxsize:
        raise ArgumentValueError(f"history must be at most {maxsize}, not {history!r}")


class PositionReader:
    """The slots of one grid for who looks at them; a `PositionManager` is one that writes, too.

    Args:
        config: the grid.
        book: the store of its slots.
        history: of how many commits the fills, orders and positions are remembered.
        time_ms: the clock, in milliseconds since 1970 UTC.

    Attributes:
        config: the grid.
        store: the book: a `cowstate.Store`, in a file or in memory.
    """

    def __init__(
        self,
        config: GridConfig,
        book: Store[str, InventorySlot, Account],
        history: int,
        time_ms: Callable[[], int],
    ) -> None:
        if not isinstance(config, GridConfig):
            raise ArgumentTypeError(f"config must be a GridConfig, not {config!r}")
        self.config = config
        self.store = book
        self._time_ms = time_ms
        self._outcomes = OutcomeCounts()
        ensure_clock_and_history(time_ms, history)
        self._blotter = Blotter(history, time_ms, earlier_commits(book, history))
        if history:
            self.store.subscribe(self._blotter.record)

    def snapshot(self) -> Slots:
        """Return all slots as of now: immutable, consistent, free. O(1), no lock."""
        return self.store.snapshot()

    def get_slot_count(self) -> int:
        """Return the number of slots."""
        return len(self.store.snapshot())

    def get_realized_pnl(self) -> Decimal:
        """Return the realized profit in quote currency. O(1)."""
        profit: Decimal = self.store.snapshot().total("realized_profit")
        return profit

    def get_fills(self) -> tuple[Fill, ...]:
        """Return the latest fills, oldest first. Costs O(history), as the other two."""
        return self._blotter.fills()

    def get_order_history(self) -> tuple[Order, ...]:
        """Return the orders that changed last, each in its latest state, oldest change first."""
        return self._blotter.orders()

    def get_position_history(self) -> tuple[PositionUpdate, ...]:
        """Return the latest changes of position, oldest first."""
        return self._blotter.positions()

    def get_reports(self) -> dict[UpdateOutcome, int]:
        """Return how many updates were overfilled, foreign, retired or contradictory."""
        return self._outcomes.so_far()

    def on_update(
        self, callback: Callable[[PositionUpdate], object]
    ) -> Subscription[str, InventorySlot]:
        """Have ``callback(update)`` called after every commit that changed a slot.

        In order and outside the lock; not after those that changed only what is known beside the
        slots, as most passes of a reconciler do. The result's ``close()`` ends it. What holds for
        ``Store.subscribe`` holds here.
        """
        if not callable(callback):
            raise ArgumentTypeError(f"a subscriber is a function of an update, not {callback!r}")

        def tell(commit: Commit[str, InventorySlot]) -> None:
            if commit.changes:
                callback(position_update(commit, self._time_ms()))

        return self.store.subscribe(tell)
