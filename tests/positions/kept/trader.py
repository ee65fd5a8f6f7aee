"""One life of a trader that keeps its positions in a file, for `tests.positions.kept.killed`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cowstate.journal.opening
import cowstate.positions.trading.sending
from cowstate.journal.sqlite import SqliteLog
from cowstate.positions import (
    GridConfig,
    OrderUpdate,
    PositionManager,
    PositionReport,
    ReconcilePolicy,
    Reconciler,
    VenuePromises,
)
from cowstate.positions.book.account import held
from cowstate.positions.exchange.listing import Listing
from cowstate.positions.trading.strategy import GridStrategy
from tests.journal.killing import Killing

CONFIG = GridConfig("X", Decimal(10), Decimal("0.05"), 3, "grid")
LIFETIME = 1_000
STEPS = 60


class KillingLog(Killing, SqliteLog):
    """The log as it is, whose process may die at one of its writes."""


class Wire:
    """An `Exchange` at the other end of a pipe."""

    promises = VenuePromises.exact(lifetime_ms=LIFETIME)

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.now = 0
        self.price = Decimal(0)
        self.events: list[OrderUpdate] = []
        self.manager: PositionManager | None = None

    def tell(self, name: str, *args: Any) -> None:
        """Say something, and up to where all is acknowledged."""
        version, position = 0, "0"
        if self.manager is not None:
            slots = self.manager.snapshot()
            version, position = slots.version, str(slots.total("position"))
        self.pipe.send((name, args, version, position))

    def ask(self, name: str, *args: Any) -> Any:
        self.tell(name, *args)
        answer, self.now, self.price, events = self.pipe.recv()
        self.events += events
        if isinstance(answer, Exception):
            raise answer
        return answer

    def time_ms(self) -> int:
        return self.now

    def pause(self, seconds: float) -> None:
        self.ask("idle", round(seconds * 1_000))

    def fetch_positions(self, symbols: Sequence[str]) -> Listing[PositionReport]:
        position, now = self.ask("fetch_positions")
        return Listing(
            tuple(PositionReport(each, position, now) for each in symbols),
            answered_ms=now,
            as_of_ms=now,
        )

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Any:
        return self.ask("fetch_open_orders")

    def fetch_order(self, order_id: Any, symbol: str, client_oid: str | None = None) -> Any:
        return self.ask("fetch_order", order_id, client_oid)

    def fetch_my_trades(
        self, symbol: str, since_ms: int | None = None, cursor: str | None = None
    ) -> Any:
        return self.ask("fetch_my_trades", since_ms)

    def create_orders(self, requests: Sequence[Any]) -> Any:
        return self.ask("create_orders", list(requests))

    def cancel_orders(self, ids: Sequence[Any], symbol: str) -> Any:
        return self.ask("cancel_orders", list(ids))

    def cancel_order(self, order_id: Any, symbol: str) -> Any:
        (answer,) = self.cancel_orders([order_id], symbol)
        if isinstance(answer, Exception):
            raise answer
        return answer


def live(
    pipe: Connection, file: Path, dies_at: int, after: bool, *, lasting: bool, twin: str
) -> None:
    """Trade until killed, or for some steps; *lasting*, then look until all is known.

    *twin* names a bug to live with: ``"late"`` sends what is not on disk, ``"blind"`` trades before
    it has looked.
    """
    KillingLog.dies_at, KillingLog.after = dies_at, after
    cowstate.journal.opening.SqliteLog = KillingLog  # type: ignore[misc]
    if twin == "late":
        cowstate.positions.trading.sending.wait_on_disk = lambda store: None
    wire: Any = Wire(pipe)
    wire.ask("idle", 1)
    manager = wire.manager = PositionManager.open(
        file, CONFIG, time_ms=wire.time_ms, sync="interval" if twin == "late" else "full",
        interval=3_600,
    )  # fmt: skip
    wire.ask("begin", manager.snapshot().version, str(manager.snapshot().total("position")))
    reconciler = Reconciler(
        manager, wire, policy=ReconcilePolicy(gate=twin != "blind"), time_ms=wire.time_ms,
        pause=wire.pause,
    )  # fmt: skip
    strategy = GridStrategy(manager, wire, wire.time_ms, reconciler.permit)
    for step in range(STEPS):
        wire.ask("idle", 100)
        events, wire.events = wire.events, []
        for event in events:
            manager.on_order_update(event)
        if step % 4 == (1 if twin == "blind" else 0):
            reconciler.reconcile()
        strategy.step(wire.price)
    if not lasting:
        manager.close()
        wire.tell("ended", {})
        return
    settle(wire, manager, reconciler)


def settle(wire: Wire, manager: PositionManager, reconciler: Reconciler) -> None:
    """Trade no more, look until nothing is left to learn, and tell what is known."""
    wire.ask("still")
    agrees = False
    for _ in range(20):
        wire.ask("idle", LIFETIME + 1)
        report = reconciler.reconcile()
        agrees = report.agrees and not report.corrections
        if agrees and not manager.snapshot().meta.findings.absent:
            break
    slots = manager.snapshot()
    working = [order for slot in slots.values() for order in slot.orders if not order.terminal]
    manager.close()
    wire.tell(
        "ended",
        {
            "position": held(slots),
            "unattributed": slots.meta.unattributed,
            "trips": slots.meta.breaker.trips,
            "agrees": agrees,
            "working": {
                each.client_oid: (each.order_id, each.side, each.price, each.quantity, each.filled)
                for each in working
            },
        },
    )
