"""A manager, a paper exchange whose stream is cut, and a reconciler, on a virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Self

from cowstate.positions import (
    ActionKind,
    CorrectionKind,
    GridConfig,
    InventorySlot,
    OrderAction,
    PaperExchange,
    PassReport,
    PositionManager,
    PositionReport,
    Reconciler,
    Side,
    Trade,
    VirtualClock,
)
from cowstate.positions.errors import ExchangeError, NetworkError, OrderNotFoundError

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 2, "grid")
START = 1_000_000
LATENCY = 10
LIFETIME = LATENCY + 1_000
"""For so long a request may be on its way at the paper exchange, by its promises."""


class Paper(PaperExchange):
    """A paper exchange at whose account somebody works by hand, of which no trade tells."""

    by_hand = Decimal(0)

    def fetch_positions(self, symbols: Any) -> Any:
        listing = super().fetch_positions(symbols)
        told = (PositionReport(each.symbol, each.quantity + self.by_hand) for each in listing)
        return listing.replace(items=tuple(told))


class Mute(Paper):
    """An exchange that gives no answer to the methods named, refuses, and forgets its orders."""

    mute: frozenset[str] = frozenset()
    amnesia = False
    refusals = 0

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("fetch", "cancel")):
            mute = super().__getattribute__("mute")
            if name in mute or ("fetch" in mute and name.startswith("fetch")):
                return super().__getattribute__("no_answer")
        return super().__getattribute__(name)

    def no_answer(self, *_: Any) -> Any:
        raise NetworkError("no answer")

    def fetch_open_orders(self, symbol: str, cursor: str | None = None) -> Any:
        listing = super().fetch_open_orders(symbol, cursor)
        if self.refusals:
            self.refusals -= 1
            raise ExchangeError("refused")
        return listing.replace(items=()) if self.amnesia else listing

    def fetch_order(self, order_id: Any, symbol: str, client_oid: Any = None) -> Any:
        if self.amnesia:
            raise OrderNotFoundError("unknown")
        return super().fetch_order(order_id, symbol, client_oid)


class Desk:
    """All of that together; *saved* is what the manager begins with."""

    def __init__(self, exchange: type[Paper] = Paper, *, saved: Any = (), **options: Any) -> None:
        self.clock = VirtualClock(START)
        self.exchange = exchange(self.clock, "X", latency_ms=LATENCY)
        self.options = options
        self.begin(saved)

    def begin(self, saved: Any) -> None:
        """Start a process that goes on from what was *saved*."""
        self.manager = PositionManager(CONFIG, time_ms=self.now)
        self.manager.restore_state(saved)
        self.reconciler = Reconciler(
            self.manager, self.exchange, time_ms=self.now, pause=self.pause, **self.options
        )

    @classmethod
    def holding(cls, quantity: str, exchange: type[Paper] = Paper, **options: Any) -> Self:
        """A desk that holds *quantity*, as its exchange does, which then begins."""
        held = Decimal(quantity)
        desk = cls(exchange, saved=[InventorySlot(Decimal(300), held)], **options)
        desk.exchange.by_hand = held
        return desk

    def now(self) -> int:
        return self.clock.now_ms

    def pause(self, seconds: float) -> None:
        self.clock.wait_until(self.now() + round(seconds * 1_000))

    def drift(self, quantity: str) -> None:
        """Somebody trades by hand, and no trade tells of it."""
        self.exchange.by_hand += Decimal(quantity)

    def place(self, action: OrderAction) -> Any:
        return self.exchange.create_order(
            "X", "limit", action.side, action.quantity, action.price,
            {"clientOrderId": action.client_oid},
        )  # fmt: skip

    def trade(self, price: int, quantity: str) -> None:
        self.exchange.on_trade(
            Trade(self.now(), 1, Decimal(price), Decimal(quantity), buyer_is_maker=True)
        )

    def later(self, ms: int = 5_000) -> PassReport:
        self.clock.run_until(self.now() + ms)
        return self.reconciler.reconcile()

    def before_commit(self, happens: Callable[[], object]) -> None:
        """Have something happen once, after the next pass was planned and before it is written."""
        store = self.manager.store
        transaction = store.transaction

        def opened(**options: Any) -> Any:
            store.transaction = transaction  # type: ignore[method-assign]
            happens()
            return transaction(**options)

        store.transaction = opened  # type: ignore[method-assign]


def kinds(report: PassReport) -> list[CorrectionKind]:
    return [correction.kind for correction in report.corrections]


def stray(oid: str, price: int = 90) -> OrderAction:
    return OrderAction(ActionKind.PLACE, str(price), Side.BUY, Decimal(price), Decimal("0.5"), oid)


def mute(desk: Desk, *methods: str) -> None:
    """Have the exchange of *desk*, a `Mute` one, give no answer to these alone."""
    assert isinstance(desk.exchange, Mute)
    desk.exchange.mute = frozenset(methods)
