"""The position manager's workloads: a stream of order updates, and a whole reconcile pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache, partial
from typing import Any

from cowstate.positions import (
    Account,
    BreakerState,
    GridConfig,
    InventorySlot,
    Listing,
    OrderStatus,
    OrderUpdate,
    PositionManager,
    PositionReport,
    ReconcilePolicy,
    Reconciler,
    Side,
    TradeReport,
    VenuePromises,
    client_order_id,
)
from cowstate.positions.book.learnt import FillHistory
from cowstate.positions.reconcile.alarms import Watch
from cowstate.positions.reconcile.asking import ENDPOINTS, Heard
from cowstate.positions.reconcile.looks import PositionLook, TradesReading
from cowstate.positions.reconcile.memory import Memory
from cowstate.positions.reconcile.passes import PassPlan, plan_pass
from cowstate.positions.reconcile.queries import OrdersSeen, plan_queries
from cowstate.positions.reconcile.reading import TradesRead, begin

from .locked_positions import LockedPositionManager
from .measure import Operation

__all__ = ["manager_operations", "order_stream"]

_CONFIG = GridConfig("BTCUSDT", Decimal(10), Decimal("0.5"), 3, "grid")
_POLICY = ReconcilePolicy()
_MANAGERS: Mapping[str, Any] = {"locked": LockedPositionManager, "cowstate": PositionManager}
_BUSY = 64
_NOW_MS = 10_000_000


def _told(
    slot: int, side: Side, sequence: int, order_id: int, status: OrderStatus, filled: str
) -> OrderUpdate:
    price = Decimal(slot + 10 if side is Side.SELL else slot)
    return OrderUpdate(
        "BTCUSDT",
        client_order_id("grid", slot, side, sequence),
        order_id,
        side,
        price,
        Decimal("0.5"),
        status,
        Decimal(filled),
        Decimal(filled) * price,
        1_000 + sequence,
    )


@cache
def order_stream(size: int) -> tuple[OrderUpdate, ...]:
    """Return the updates of a grid of *size* slots that trades in some of them.

    In each of up to 64 slots a purchase and then the sale, each acknowledged, filled in two
    steps, and told a second time at the end: of eight updates six say something new. Slots take
    turns, as they do on an exchange.
    """
    life = (
        (OrderStatus.NEW, "0"),
        (OrderStatus.PARTIALLY_FILLED, "0.2"),
        (OrderStatus.FILLED, "0.5"),
        (OrderStatus.FILLED, "0.5"),
    )
    slots = [_price(place * size // min(size, _BUSY)) for place in range(min(size, _BUSY))]
    return tuple(
        _told(slot, side, sequence, 2 * place + sequence, status, filled)
        for sequence, side in ((1, Side.BUY), (2, Side.SELL))
        for status, filled in life
        for place, slot in enumerate(slots, start=1)
    )


def _price(place: int) -> int:
    return 10_000 + 10 * place


def _filled(make: Callable[..., Any], size: int, history: int) -> Any:
    """Return a manager of *size* slots, each with an acknowledged purchase at work."""
    manager = make(_CONFIG, history=history, time_ms=lambda: _NOW_MS)
    for place in range(size):
        manager.on_order_update(
            _told(_price(place), Side.BUY, 1, 1_000_000 + place, OrderStatus.NEW, "0")
        )
    return manager


def _empty(make: Callable[..., Any], size: int, history: int) -> Any:
    manager = make(_CONFIG, history=history, time_ms=lambda: _NOW_MS)
    manager.restore_state([InventorySlot(Decimal(_price(place))) for place in range(size)])
    return manager


def _update_operation(make: Callable[..., Any], size: int, history: int) -> Operation:
    updates = order_stream(size)

    def fresh() -> Mapping[str, Any]:
        return {"tell": _empty(make, size, history).on_order_update}

    return Operation(
        "for update in updates: tell(update)", {"updates": updates}, len(updates), fresh
    )


class _QuietExchange:
    """An exchange that agrees with the manager it was made from, and answers at once."""

    promises = VenuePromises.exact()

    def __init__(self, open_orders: tuple[OrderUpdate, ...], position: Decimal) -> None:
        self._open_orders: Listing[OrderUpdate] = Listing(open_orders, answered_ms=_NOW_MS)
        held = (PositionReport("BTCUSDT", position),)
        self._positions: Listing[PositionReport] = Listing(held, answered_ms=_NOW_MS)
        self._trades: Listing[TradeReport] = Listing((), answered_ms=_NOW_MS)

    def fetch_open_orders(self, _symbol: str, _cursor: str | None) -> Listing[OrderUpdate]:
        return self._open_orders

    def fetch_positions(self, _symbols: Sequence[str]) -> Listing[PositionReport]:
        return self._positions

    def fetch_my_trades(
        self, _symbol: str, _since: int | None, _cursor: str | None
    ) -> Listing[TradeReport]:
        return self._trades


def _exchange_of(manager: Any) -> _QuietExchange:
    now = manager.snapshot()
    listed = tuple(
        OrderUpdate(
            "BTCUSDT",
            slot.working.client_oid,
            slot.working.order_id,
            slot.working.side,
            slot.working.price,
            slot.working.quantity,
            slot.working.status,
            time_ms=slot.working.time_ms,
        )
        for slot in now.values()
        if slot.working is not None
    )
    return _QuietExchange(listed, now.total("position"))


def _locked_pass(manager: Any, exchange: _QuietExchange, account: Account) -> PassPlan:
    """Reconcile once with deep copies for snapshots, by the same plans as the `Reconciler`.

    Like that it plans what to ask for on what it saw before, and the pass at the end.
    """
    promises, ledger, findings = exchange.promises, account.ledger, account.findings
    (position,) = exchange.fetch_positions(["BTCUSDT"])
    listed = exchange.fetch_open_orders("BTCUSDT", None).items
    seen = OrdersSeen(_NOW_MS, listed, _NOW_MS, complete=True)
    plan_queries(manager.snapshot(), seen, ledger, findings, _CONFIG, promises, _POLICY.queries)
    trades = exchange.fetch_my_trades("BTCUSDT", ledger.since_ms, None).items
    heard = Heard(
        (PositionLook(position.quantity, _NOW_MS, _NOW_MS, _NOW_MS),),
        seen,
        TradesRead(TradesReading(_NOW_MS, True), trades),
        answered=frozenset(ENDPOINTS),
    )
    return plan_pass(
        manager.snapshot(),
        account,
        heard,
        FillHistory(0, _NOW_MS),
        Memory(Watch(_NOW_MS)),
        BreakerState(),
        _CONFIG,
        promises,
        _POLICY,
        _NOW_MS,
    )


def _pass_operation(name: str, size: int) -> Operation:
    manager = _filled(_MANAGERS[name], size, history=0)
    exchange = _exchange_of(manager)
    if name == "locked":
        ledger = begin(Account().ledger, manager.snapshot(), exchange.promises, _NOW_MS)
        account = Account(ledger=ledger)
        reconcile = partial(_locked_pass, manager, exchange, account)
        return Operation("reconcile()", {"reconcile": reconcile})
    reconciler: Any = Reconciler(
        manager,
        exchange,  # type: ignore[arg-type]
        policy=_POLICY,
        time_ms=lambda: _NOW_MS,
    )
    return Operation("reconcile()", {"reconcile": reconciler.reconcile})


def manager_operations(workload: str, size: int) -> dict[str, Operation]:
    """Return the operations of ``on_order_update``, ``..._history`` or ``reconcile``."""
    if workload == "reconcile":
        return {name: _pass_operation(name, size) for name in _MANAGERS}
    history = 10_000 if workload.endswith("history") else 0
    return {name: _update_operation(make, size, history) for name, make in _MANAGERS.items()}
