"""The position manager: the slots of one grid in a store, and everything that may change them."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cowstate import (
    MISSING,
    ArgumentTypeError,
    Commit,
    Draft,
    RecordNotFoundError,
    Store,
    UniqueViolationError,
)

from ..book.account import Account
from ..book.config import GridConfig
from ..book.facts import learn_in
from ..book.ids import parse_client_oid
from ..book.kept import Sync, close_book, open_book
from ..book.model import (
    ActionKind,
    ActionOutcome,
    ActionResult,
    OrderAction,
    OrderUpdate,
    Side,
)
from ..book.orders import adjust_position, apply_order_update, retract_cancel
from ..book.saved import restored_slots
from ..book.slots import InventorySlot
from ..book.store import SlotsDraft, new_book
from ..book.sync import plan_force_sync, plan_restore
from ..errors import OrderMismatchError, RetiredOrderError
from .flatten import plan_flatten
from .grid import plan_grid
from .holding import plan_within_holding
from .looking import PositionReader, ensure_clock_and_history
from .outcomes import UpdateOutcome
from .sending import implied_by, noted, noted_cancellations

if TYPE_CHECKING:
    from cowstate.journal import Bounds

__all__ = ["PositionManager", "wall_clock_ms"]

_log = logging.getLogger(__name__)


def wall_clock_ms() -> int:
    """Return the time in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class PositionManager(PositionReader):
    """The slots of one grid: who reads gets a snapshot, who writes goes through the store.

    Every method may be called from any thread. `snapshot` takes no lock; it has the indexes
    ``order_id`` and ``client_oid`` (of every order that a slot remembers) and the totals
    ``position``, ``active_orders`` and ``realized_profit``, none of which is ever recomputed.

    It is in memory; `open` gives one that is in a file, too.

    Args:
        config: the grid.
        history: of how many commits the fills, orders and positions are remembered; 0 for
            none, which makes an update cheaper.
        time_ms: the clock, in milliseconds since 1970 UTC; by default the machine's.
        book: the store that the slots are in; a new one in memory if None.

    >>> from cowstate.positions import GridConfig, OrderStatus, OrderUpdate, Side
    >>> config = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid")
    >>> manager = PositionManager(config)
    >>> for action in manager.calculate_adjustments(Decimal("50003.5")):
    ...     print(action.kind, action.side, action.price, action.client_oid)
    PLACE BUY 49990 grid-49990-B1
    PLACE BUY 50000 grid-50000-B1
    >>> manager.on_order_update(OrderUpdate(
    ...     "BTCUSDT", "grid-50000-B1", 7, Side.BUY, Decimal(50000), Decimal("0.05"),
    ...     OrderStatus.PARTIALLY_FILLED, Decimal("0.02"), Decimal(1000))).value
    'APPLIED'
    >>> now = manager.snapshot()
    >>> now.total("position"), now.find("order_id", 7).slot_status.value
    (Decimal('0.02'), 'LOCKED')
    """

    def __init__(
        self,
        config: GridConfig,
        *,
        history: int = 10_000,
        time_ms: Callable[[], int] = wall_clock_ms,
        book: Store[str, InventorySlot, Account] | None = None,
    ) -> None:
        super().__init__(config, new_book() if book is None else book, history, time_ms)
        self._symbol = config.symbol

    # In a file

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        config: GridConfig,
        *,
        history: int = 10_000,
        time_ms: Callable[[], int] = wall_clock_ms,
        regrid: bool = False,
        sync: Sync = "full",
        interval: float = 0.1,
        bounds: Bounds | None = None,
        name: str | None = None,
        lease: float = 5.0,
        wait: float | None = 10.0,
    ) -> Self:
        """Return the manager of the positions in the file at *path*; make it if it is not there.

        Slots, orders, what is held beside them, the cursor of the trades, disputes, corrections
        and the breaker are as they were acknowledged last, however the life before ended; fills,
        orders and positions of earlier lives are read from the log when they are asked for. A
        `Reconciler` on it lets nothing be traded before its first look that agrees exactly. Close
        it, or use it in a ``with``. One process at a time writes a file; others may
        `cowstate.journal.follow` it. Costs O(slots).

        With *sync* ``"full"`` what a method has written is on disk when it returns. With
        ``"interval"``, too, orders and cancellations are on disk before anybody can send them, and
        so is what the breaker and an operator decided: only what was learnt lately may be lost,
        and the venue tells it again. With ``"normal"`` all outlives the process,
        and its last moments perhaps not the machine. What a crash made unknown is found at the
        venue by its ids.

        Args:
            path: the file. Or the URL of a database, ``postgresql://user@host/database``, with a
                *name*: then a manager on another machine can take over.
            config: the grid, as the file was kept with.
            history: as of `PositionManager`.
            time_ms: likewise.
            regrid: whether *config* may have another step, quantity, levels or limit than the
                file was kept with; from then on it is kept with that.
            sync: what a write waits for, as of `cowstate.journal.open_store`.
            interval: with ``"interval"``, how far the disk may be behind, in seconds.
            bounds: how far back the log may go; all of it is kept if None.
            name: on a server, which of its stores.
            lease: on a server, after how many seconds without a sign of life another manager may
                take over. Each method of this one that writes raises FencedError from then on, and
                what it was about to send is not to be sent.
            wait: on a server, how many seconds to wait for who writes now; None for a standby.

        Raises:
            OtherGridError: the file holds another grid.
            WriterActiveError: somebody writes it; the error says who.
            JournalFileError: it is no file of a position manager, is damaged, or of a newer schema.
            JournalError: it cannot be opened or made. Every method that writes may raise it, too,
                when the disk is full, say; then nothing was written, and nothing is to be sent.
            ArgumentTypeError, ArgumentValueError: an argument makes no sense; no file was made.

        >>> import os, tempfile
        >>> from cowstate.positions import GridConfig
        >>> path = os.path.join(tempfile.mkdtemp(), "btcusdt.db")
        >>> config = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid")
        >>> with PositionManager.open(path, config) as manager:
        ...     actions = manager.calculate_adjustments(Decimal("50003.5"))
        >>> with PositionManager.open(path, config) as manager:
        ...     manager.snapshot()["50000"].slot_status.value
        'PENDING'
        """
        ensure_clock_and_history(time_ms, history)  # before a file is made
        book = open_book(
            path,
            config,
            regrid=regrid,
            sync=sync,
            interval=interval,
            bounds=bounds,
            name=name,
            lease=lease,
            wait=wait,
        )
        try:
            return cls(config, history=history, time_ms=time_ms, book=book)
        except BaseException:
            close_book(book)
            raise

    def close(self) -> None:
        """Return when all is on disk and the file is free; does nothing in memory. Twice is fine.

        Raises:
            JournalError: what was left could not be written; the file is free all the same.
        """
        close_book(self.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        close_book(self.store)

    # Where it starts from

    def initialize(self, last_price: Decimal) -> None:
        """Make the slots of the window below *last_price* that do not exist yet, all empty.

        Not required: `calculate_adjustments` makes the slots that it needs.
        """

        def add(draft: Draft[str, InventorySlot]) -> None:
            for action in plan_grid({}, last_price, self.config):
                if action.slot not in draft:
                    draft[action.slot] = InventorySlot(Decimal(action.slot))

        self.store.retry(add)

    def restore_state(self, saved: Mapping[str, InventorySlot] | Iterable[InventorySlot]) -> None:
        """Replace all slots by *saved* ones: a snapshot (an unpickled one, too) or the slots.

        What was asked of the exchange before is unknown now: orders that were PENDING stay so
        until the reconciler has asked for them, and cancellations may be asked for again.

        Raises:
            ArgumentTypeError: something else than slots was given.
            ArgumentValueError: a slot occurs twice, or holds orders with another prefix.
        """
        slots = restored_slots(saved, self.config)
        with self.store.transaction() as tx:
            tx.clear()
            tx.update(slots)
            tx.meta = tx.meta.replaced_by(getattr(saved, "meta", None))

    def restore_from_exchange_position(self, total: Decimal, last_price: Decimal) -> None:
        """Spread a position of which nothing is known but its *total* over free, empty slots.

        Then nothing is unattributed. See `plan_restore` for how, and what it raises. Realized
        profit stays what it was.
        """

        def restore(draft: SlotsDraft) -> None:
            _set_quantities(draft, plan_restore(draft, total, last_price, self.config))
            draft.meta = draft.meta.attributed()

        self.store.retry(restore)

    def force_sync(self, total: Decimal) -> Commit[str, InventorySlot]:
        """Bring what slots hold to exactly *total*; see `plan_force_sync` for how.

        Then nothing is unattributed: what was corrected beside the slots is in *total*. Relies on
        every slot: whatever changes meanwhile, it is worked out again.

        Raises:
            ShortfallError: slots without a working order do not suffice. Nothing was changed.
            AmountTypeError, AmountValueError: *total* is no finite `Decimal`.
        """
        return self.store.retry(lambda draft: self.draft_force_sync(draft, total)).result

    def draft_force_sync(self, draft: SlotsDraft, total: Decimal) -> SlotsDraft:
        """Write `force_sync` into *draft*, which then relies on every slot; return it."""
        _set_quantities(draft, plan_force_sync(draft, total, self.config.quantity))
        draft.meta = draft.meta.attributed()
        return draft

    # Facts

    def on_order_update(self, update: OrderUpdate) -> UpdateOutcome:
        """Learn what *update* says; see `apply_order_update`. Costs O(log slots).

        An event of the stream or the answer of a query, in any order and as often as you like.
        Never raises for what an exchange may say: what cannot be used is logged, counted (see
        `get_reports`) and told by the outcome. Of what contradicts the order that we know, the
        filled quantity counts, and the rest is kept as a dispute. A slot that an id of ours names
        and that does not exist yet is made.

        Raises:
            ArgumentTypeError: *update* is no `OrderUpdate`.
        """
        if not isinstance(update, OrderUpdate):
            raise ArgumentTypeError(f"an order update is an OrderUpdate, not {update!r}")
        store = self.store
        key = store.snapshot().find_key("client_oid", update.client_oid)
        if key is None or update.symbol != self._symbol:
            found = self._place_of(update)
            if found is None:
                return self._outcomes.count(
                    UpdateOutcome.FOREIGN, "it is none of our orders", update
                )
            key, update = found
        try:
            commit = store.update(key, lambda slot: apply_order_update(slot, update))
        except RetiredOrderError as error:
            return self._outcomes.count(UpdateOutcome.RETIRED, str(error), update)
        except (OrderMismatchError, UniqueViolationError) as error:
            self._dispute(key, update)
            return self._outcomes.count(UpdateOutcome.CONTRADICTORY, str(error), update)
        except RecordNotFoundError:
            # Between the look and the write all slots were replaced by saved ones.
            return self.on_order_update(update)
        if commit.before is commit.after:
            return UpdateOutcome.UNCHANGED
        if update.filled > update.quantity:
            return self._outcomes.count(
                UpdateOutcome.OVERFILLED, "more is filled than ordered", update
            )
        return UpdateOutcome.APPLIED

    def apply_action_results(self, results: Iterable[ActionResult]) -> None:
        """Learn how the exchange answered the actions of `calculate_adjustments`.

        ACCEPTED: the answer is joined in; without one the order counts as acknowledged.
        REJECTED: an order that was not placed is over, a cancellation may be asked for again.
        UNKNOWN: a placed order stays PENDING until it is reconciled; a cancellation may be asked
        for again, which does no harm.
        """
        for result in results:
            if not isinstance(result, ActionResult):
                raise ArgumentTypeError(f"an action result is an ActionResult, not {result!r}")
            action = result.action
            if result.update is not None:
                self.on_order_update(result.update)
            elif action.kind is ActionKind.PLACE and result.outcome is not ActionOutcome.UNKNOWN:
                self.on_order_update(implied_by(result, self._symbol, self._time_ms()))
            if action.kind is ActionKind.CANCEL and result.outcome is not ActionOutcome.ACCEPTED:
                self._retract(action)

    # Intentions

    def calculate_adjustments(self, last_price: Decimal) -> tuple[OrderAction, ...]:
        """Return what `plan_grid` wants done, each already noted in its slot.

        No more is offered for sale than is held: see `within_holding`.

        The orders to be placed are PENDING and the cancellations requested before any request
        goes out, so nobody plans them twice. The caller carries the actions out and hands what
        came of it to `apply_action_results`.

        Raises:
            AmountTypeError, AmountValueError: *last_price* is no positive `Decimal`.
        """
        return noted(self.store, plan_within_holding, last_price, self.config, self._time_ms)

    def calculate_flattening(self, last_price: Decimal) -> tuple[OrderAction, ...]:
        """Return what `plan_flatten` wants done to close the position, each already noted.

        Otherwise the same as `calculate_adjustments`.
        """
        return noted(self.store, plan_flatten, last_price, self.config, self._time_ms)

    def cancel_all_buy_orders(self) -> tuple[OrderAction, ...]:
        """Return a CANCEL for every BUY that has an exchange id, each noted; again if it was.

        An order that is still PENDING has none yet: call again when it has.
        """
        return noted_cancellations(self.store, Side.BUY)

    def cancel_all_sell_orders(self) -> tuple[OrderAction, ...]:
        """Return a CANCEL for every SELL; otherwise the same as `cancel_all_buy_orders`."""
        return noted_cancellations(self.store, Side.SELL)

    def _place_of(self, update: OrderUpdate) -> tuple[str, OrderUpdate] | None:
        """Return the key of the slot that *update* is for, and it under our client id."""
        if update.symbol != self._symbol:
            return None
        parts = parse_client_oid(update.client_oid, self.config.prefix)
        if parts is not None:
            self.store.compare_and_set(parts.slot, MISSING, InventorySlot(Decimal(parts.slot)))
            return parts.slot, update
        if update.order_id is None:
            return None
        # Some sources do not repeat our id: then the exchange's will do.
        now = self.store.snapshot()
        key = now.find_key("order_id", update.order_id)
        if key is None:
            return None
        known = next(order for order in now[key].orders if order.order_id == update.order_id)
        return key, update.replace(client_oid=known.client_oid)

    def _dispute(self, key: str, update: OrderUpdate) -> None:
        """Learn what is certain in an update that contradicts what is known; keep the rest."""
        try:
            with self.store.transaction() as tx:
                learn_in(tx, key, update, self._time_ms())
        except (OrderMismatchError, RetiredOrderError):
            _log.debug(
                "nothing is certain in %r",
                update,
                extra={"cowstate_event": "order_update_uncertain"},
            )

    def _retract(self, action: OrderAction) -> None:
        try:
            self.store.update(action.slot, lambda slot: retract_cancel(slot, action.client_oid))
        except RecordNotFoundError:
            _log.warning(
                "%r is of a slot that does not exist",
                action,
                extra={"cowstate_event": "slot_unknown"},
            )


def _set_quantities(draft: Draft[str, InventorySlot], quantities: Mapping[str, Decimal]) -> None:
    for key, quantity in quantities.items():
        slot = draft.get(key) or InventorySlot(Decimal(key))
        draft[key] = adjust_position(slot, quantity)
