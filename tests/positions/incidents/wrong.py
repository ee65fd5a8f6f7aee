"""Rules that are wrong as those of the incidents were; each is ours but for one thing.

What the rule that ours replaces does wrong is in `cowstate.positions.simulation.chaos.original`.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from cowstate.positions import InventorySlot, OrderStatus, OrderUpdate, Side, parse_client_oid
from cowstate.positions.book.orders import adjust_position
from cowstate.positions.book.reports import TradeKind
from cowstate.positions.errors import ExchangeError
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said

__all__ = [
    "AddsWhatEachMessageTells",
    "BelievesTheLastMessage",
    "BooksEveryEntry",
    "CountsErrorsAsNotFound",
    "InventsAnOrderAtEachStart",
    "RebuildsFromTrades",
    "ReplaysTheFills",
    "add",
]


def add(life, quantity, price="5000"):
    """Book *quantity* more in the slot at *price*."""
    life.manager.store.update(
        price,
        lambda slot: adjust_position(slot, slot.position_qty + quantity),
        default=InventorySlot(Decimal(price)),
    )


class Trusting(PresentLife):
    """Trades from its first moment on."""

    def may_trade(self):
        return True


class AddsWhatEachMessageTells(PresentLife):
    """A fill of the stream is a fill, whoever has told of it before."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.heard = {}

    def hear(self, event):
        heard = self.heard.get(event.client_oid, Decimal(0))
        self.heard[event.client_oid] = max(heard, event.filled)
        before = self.total(self.manager.snapshot())
        self.manager.on_order_update(event)
        parts = parse_client_oid(event.client_oid, "grid")
        told = event.side.sign * (self.heard[event.client_oid] - heard)
        grown = self.total(self.manager.snapshot()) - before
        if parts is not None and told != grown:
            add(self, told - grown, parts.slot)


class CountsErrorsAsNotFound(Trusting):
    """An order that could not be asked for often enough is given up."""

    MOST = 3

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.missed = Counter()

    def reconcile(self):
        for slot in self.manager.snapshot().values():
            for order in slot.orders:
                if order.terminal or slot.price == 5_000:
                    continue
                try:
                    self._exchange.fetch_order(order.order_id, "BTCUSDT", order.client_oid)
                except ExchangeError:
                    self.missed[order.client_oid] += 1
                    if self.missed[order.client_oid] >= self.MOST:
                        self.give_up(order)
        return Said(Claim.NONE)

    def give_up(self, order):
        self.manager.on_order_update(
            OrderUpdate(
                "BTCUSDT", order.client_oid, order.order_id, order.side, order.price,
                order.quantity, OrderStatus.REJECTED, order.filled, order.cost, self._time_ms(),
            )
        )  # fmt: skip


class BelievesTheLastMessage(PresentLife):
    """The status of an order is that of the message that came last."""

    def hear(self, event):
        self.manager.on_order_update(event)
        parts = parse_client_oid(event.client_oid, "grid")
        if parts is None or event.status.terminal:
            return

        def reopened(slot):
            order = slot.order(event.client_oid)
            if order is None or not order.terminal:
                return slot
            tail = tuple(each for each in slot.tail if each is not order)
            return slot.replace(working=order.replace(status=event.status), tail=tail)

        self.manager.store.update(parts.slot, reopened)


class BooksEveryEntry(Trusting):
    """Whatever stands in the list of trades and is of no order of ours was a fill."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.booked = set()

    def reconcile(self):
        for entry in self._exchange.fetch_my_trades("BTCUSDT"):
            if entry.kind is not TradeKind.TRADE and entry.trade_id not in self.booked:
                self.booked.add(entry.trade_id)
                # As venues write it: the whole position stands there as the quantity.
                add(self, self.total(self.manager.snapshot()))
        return Said(Claim.EXACT)


class RebuildsFromTrades(PresentLife):
    """The position is what the trades come to that are listed."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        listed = self._exchange.fetch_my_trades("BTCUSDT")
        rebuilt = sum((entry.moved for entry in listed), Decimal(0))
        add(self, rebuilt - self.total(self.manager.snapshot()))


class ReplaysTheFills(PresentLife):
    """At its start it applies every fill that is listed to what it has saved."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        for entry in self._exchange.fetch_my_trades("BTCUSDT"):
            parts = parse_client_oid(entry.client_oid or "", "grid")
            if parts is not None:
                add(self, entry.filled, parts.slot)


class InventsAnOrderAtEachStart(PresentLife):
    """At its start it makes an order of its own for what it finds, under an id that is new."""

    starts = 0

    def __init__(self, *arguments):
        super().__init__(*arguments)
        if isinstance(arguments[-1], list):
            return  # the first start of all
        type(self).starts += 1
        (report,) = self._exchange.fetch_positions(["BTCUSDT"])
        self.manager.on_order_update(
            OrderUpdate(
                "BTCUSDT", f"grid-4000-B{self.starts}", 9_000 + self.starts, Side.BUY,
                Decimal(4_000), report.quantity, OrderStatus.FILLED, report.quantity,
                report.quantity * 4_000, self._time_ms(),
            )
        )  # fmt: skip
