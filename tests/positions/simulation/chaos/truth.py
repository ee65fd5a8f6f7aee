"""A rule that sees the truth: with it the oracle has nothing to find."""

from __future__ import annotations

from decimal import Decimal

from cowstate.positions import InventorySlot, OrderStatus, OrderUpdate
from cowstate.positions.book.orders import adjust_position
from cowstate.positions.errors import ExchangeError
from cowstate.positions.simulation.chaos.rules import Claim, PresentLife, Said

ASIDE = "5000"
"""The slot that holds so much from the start that it never becomes short."""


class TruthLife(PresentLife):
    """Sees the venue's ledger, and what is under way; keeps what has no slot in one aside."""

    def __init__(self, exchange, config, time_ms, promises, saved):
        super().__init__(exchange, config, time_ms, promises, saved)
        self.venue = exchange._venue
        self.promises = promises
        self.open = ""
        self.corrected = Decimal(0)

    # What it sees

    def orders(self):
        return [
            order
            for order in self.venue.ledger.engine.orders()
            if order.client_oid.startswith("grid-")
        ]

    def divergence(self):
        return self.venue.ledger.position - self.total(self.manager.snapshot())

    def local(self):
        return {
            order.client_oid: order
            for slot in self.manager.snapshot().values()
            for order in slot.orders
        }

    # What it does

    def may_trade(self):
        return not self.open

    def halted(self):
        return self.open

    def reset(self):
        self.open = ""

    def unread(self, slots, entries):
        return None

    def reconcile(self):
        self.look()
        self.join()
        self.give_up()
        return self.compare()

    def look(self):
        """Ask for something, so that time passes within a pass."""
        try:
            self._exchange.fetch_open_orders("BTCUSDT")
        except ExchangeError:
            pass

    def join(self):
        for order in self.orders():
            self.learn(order)

    def learn(self, order):
        local = self.local().get(order.client_oid)
        if local is not None and local.order_id not in (None, order.order_id):
            if not order.status.terminal:
                try:
                    self._exchange.cancel_order(order.order_id, "BTCUSDT")
                except ExchangeError:
                    pass
            return
        if local is not None:
            order = in_words_of(local, order)
        self.manager.on_order_update(order)

    def give_up(self):
        there = {order.client_oid for order in self.orders()}
        under_way = {*self.venue.flight.coming.values()}
        for order in self.local().values():
            patience = self.promises.lifetime_ms + self.promises.hidden_ms + 1_000
            old = self._time_ms() - order.time_ms > patience
            if not order.terminal and order.client_oid not in there | under_way and old:
                self.deny(order)

    def deny(self, order):
        """There is no such order, and there will be none."""
        self.manager.on_order_update(
            OrderUpdate(
                "BTCUSDT", order.client_oid, order.order_id, order.side, order.price,
                order.quantity, OrderStatus.REJECTED,
            )
        )  # fmt: skip

    def compare(self):
        difference = self.divergence()
        if not difference:
            return Said(Claim.EXACT)
        size = max(abs(self.venue.ledger.position), abs(self.total(self.manager.snapshot())))
        self.corrected += abs(difference)
        if abs(difference) >= self.bound * size or self.corrected > size / 5:
            self.open = f"diverges by {difference}, of {self.corrected} in all"
        else:
            self.correct(difference)
        return Said(Claim.DIVERGES, why=str(difference))

    def correct(self, difference):
        self.manager.store.update(
            ASIDE,
            lambda slot: adjust_position(slot, slot.position_qty + difference),
            default=InventorySlot(Decimal(ASIDE)),
        )


def in_words_of(local, order):
    """What is certain in an order that was edited, in the words by which we know it."""
    if order.price == local.price and order.quantity == local.quantity:
        return order
    status = order.status
    if status is OrderStatus.FILLED and order.filled < local.quantity:
        status = OrderStatus.CANCELED
    return order.replace(price=local.price, quantity=local.quantity, status=status)
