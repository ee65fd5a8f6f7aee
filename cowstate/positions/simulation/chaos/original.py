"""The rule that ours replaces: missing means cancelled, unknown is cancelled, totals overwritten.

It is kept here to be measured. Nobody should use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from cowstate import ConflictError

from ...book.model import EXACT, OrderStatus, OrderUpdate
from ...book.reports import TradeReport
from ...book.store import Slots
from ...errors import ExchangeError, ShortfallError
from ...reconcile.breaker import CircuitBreaker
from .rules import Claim, PresentLife, Said

__all__ = ["OriginalLife"]


class OriginalLife(PresentLife):
    """The original system's reconciler: one look, no questions, and what differs is overwritten.

    It trades before it has looked, and an open breaker is not saved.
    """

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.breaker = CircuitBreaker()

    def may_trade(self) -> bool:
        """See `Life.may_trade`."""
        return not self.breaker.is_open(self._symbol)

    def halted(self) -> str:
        """See `Life.halted`."""
        state = self.breaker.state(self._symbol)
        return state.reason if state.open else ""

    def unread(self, _slots: Slots, _entries: Sequence[TradeReport], /) -> None:
        """See `Life.unread`: it reads no trades."""

    def alarmed(self) -> bool:
        """See `Life.alarmed`: there are no alarms."""
        return False

    def reset(self) -> None:
        """See `Life.reset`."""
        self.breaker.reset(self._symbol, told=self.halted())

    def reconcile(self) -> Said:
        """See `Life.reconcile`."""
        exchange, symbol = self._exchange, self.manager.config.symbol
        try:
            listed = list(exchange.fetch_open_orders(symbol))
            self._reconcile_orders(listed)
            held = [report.quantity for report in exchange.fetch_positions([symbol])]
        except ExchangeError as error:
            return Said(Claim.NONE, why=str(error))
        remote = sum(held, Decimal(0))
        local = self.total(self.manager.snapshot())
        if local == remote:
            return Said(Claim.EXACT)
        difference = EXACT.subtract(remote, local)
        size = max(local.copy_abs(), remote.copy_abs())
        if difference.copy_abs() >= EXACT.multiply(self.bound, size):
            self.breaker.open(symbol, f"diverges by {difference}", self._time_ms())
            return Said(Claim.DIVERGES, why=f"breaker: by {difference}")
        try:
            self.manager.force_sync(remote)
        except (ShortfallError, ConflictError) as error:
            return Said(Claim.DIVERGES, why=str(error))
        return Said(Claim.DIVERGES, why=f"overwritten: by {difference}")

    def _reconcile_orders(self, listed: list[OrderUpdate]) -> None:
        there = {order.order_id for order in listed}
        ours = {
            order.order_id
            for slot in self.manager.snapshot().values()
            for order in slot.orders
            if not order.terminal
        }
        for _, slot in sorted(self.manager.snapshot().items()):
            order = slot.working
            if order is not None and order.order_id is not None and order.order_id not in there:
                self.manager.on_order_update(
                    OrderUpdate(
                        self.manager.config.symbol,
                        order.client_oid,
                        order.order_id,
                        order.side,
                        order.price,
                        order.quantity,
                        OrderStatus.CANCELED,
                        order.filled,
                        order.cost,
                        self._time_ms(),
                    )
                )
        for update in listed:
            if update.order_id is not None and update.order_id not in ours:
                try:
                    self._exchange.cancel_order(update.order_id, self.manager.config.symbol)
                except ExchangeError:
                    continue
