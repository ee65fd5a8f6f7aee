"""Others in the same account: who trades by hand, edits our orders, and what the venue books."""

from __future__ import annotations

from decimal import Decimal

from ...book.config import GridConfig
from ...book.model import EXACT, OrderUpdate, Side
from ...book.reports import TradeKind
from ...exchange.protocol import OrderRequest
from .script import Accident
from .venue import Venue

__all__ = ["Others"]

_PRICE = Decimal(1_000)
_SMALL = Decimal("0.060")
_LARGE = Decimal("0.300")
_LOT = Decimal("0.001")
_BOOKED = Decimal("0.040")
_INTEREST = Decimal("0.004")
_FOREIGN = Decimal("0.013")
_MOVED = Decimal(2)


class Others:
    """What happens in the account without us; each `Accident` by its kind and size.

    Args:
        venue: whose account it is.
        grid: ours: whose orders are edited, and by what.
        out_of_reach: orders at this price or above are left alone.
    """

    def __init__(self, venue: Venue, grid: GridConfig, out_of_reach: Decimal) -> None:
        self.short = Decimal("0.7")
        """What the account holds short, where it has legs: none of it ours."""
        self._venue = venue
        self._ledger = venue.ledger
        self._grid = grid
        self._out_of_reach = out_of_reach
        self._placed = 0

    def happen(self, accident: Accident, price: Decimal | None) -> None:
        """Let it happen now; *price* is the market's, None before its first trade."""
        kind, size, now = accident.kind, accident.size, self._venue.now_ms
        if self._venue.log is not None:
            self._venue.log(now, "others", f"{kind}, {size:.3f}")
        match kind:
            case "amend" | "cancel":
                self._change_an_order(kind, size)
            case "foreign":
                self._place(size, _PRICE if price is None else price)
            case "funding":
                # Mostly in the quote, where it moves no position; else as interest in the base.
                moved = Decimal(0) if size < 0.5 else _odd(size, _INTEREST)
                self._ledger.enter(TradeKind.FUNDING, moved, _PRICE, now)
            case "liquidation":
                part = Decimal(int(size * 200)) / 1_000
                taken = EXACT.multiply(self._ledger.position, part).quantize(_LOT)
                if taken:
                    self._ledger.enter(TradeKind.LIQUIDATION, -taken, _PRICE, now)
            case "adjustment":
                moved = _odd(size, _BOOKED)
                self._ledger.enter(TradeKind.ADJUSTMENT, moved, Decimal(0), now)
            case "manual":
                self._trade(_odd(size, _SMALL))
            case _:
                self._trade(_odd(size, _LARGE) + _LARGE.copy_sign(_sign(size)))

    def _trade(self, quantity: Decimal) -> None:
        if self._venue.faults.hedge and quantity < 0:
            self.short -= quantity
            return
        # Nobody sells what is not there: the grid is long only, and a leg has one sign.
        quantity = max(quantity, -self._ledger.position)
        self._ledger.enter(None, quantity, _PRICE, self._venue.now_ms)

    def _change_an_order(self, kind: str, size: float) -> None:
        ours = [
            order
            for order in self._ledger.engine.open_orders()
            if order.client_oid.startswith(f"{self._grid.prefix}-")
            and order.price < self._out_of_reach
        ]
        if ours:
            order = ours[int(size * len(ours))]
            self._venue.tell(self._changed(order, kind, size))

    def _changed(self, order: OrderUpdate, kind: str, size: float) -> OrderUpdate:
        ledger, now, order_id = self._ledger, self._venue.now_ms, order.order_id
        assert isinstance(order_id, int)
        if kind == "cancel":
            return ledger.cancel(order_id, now)
        if size < 0.5:
            price = order.price + (_MOVED if order.side is Side.SELL else -_MOVED)
            return ledger.amend(order_id, price, order.quantity, now)
        quantity = order.quantity + self._grid.quantity
        return ledger.amend(order_id, order.price, quantity, now)

    def _place(self, size: float, price: Decimal) -> None:
        self._placed += 1
        side = Side.BUY if size < 0.5 else Side.SELL
        away = Decimal(int(size * 60) % 15)
        request = OrderRequest(
            self._grid.symbol,
            side,
            _FOREIGN,
            price - away if side is Side.BUY else price + away,
            f"web_{self._placed}",
        )
        self._venue.tell(self._ledger.place(request, self._venue.now_ms))


def _sign(size: float) -> Decimal:
    return Decimal(1 if size < 0.5 else -1)


def _odd(size: float, most: Decimal) -> Decimal:
    """Return a quantity in thousandths, of either sign, at most *most*."""
    part = abs(size - 0.5) * 2
    return _sign(size) * Decimal(1 + int(part * int(most * 1_000 - 1))) / 1_000
