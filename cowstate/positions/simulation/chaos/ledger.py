"""The truth of a venue, and what it was at every moment before: orders, position, trades.

The matching is that of `MatchingEngine`, which replay uses too. Beside it stands what an account
goes through that no order of ours does: fees in the base asset, trades by hand, entries that are
no trades. Nothing here knows of messages: a venue that lags reads an earlier moment of this.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal

from ...book.model import EXACT, OrderUpdate, Side
from ...book.reports import FeeAsset, TradeKind, TradeReport
from ...exchange.protocol import OrderRequest
from ..matching import MatchingEngine
from ..tape import Trade

__all__ = ["Ledger"]

_ZERO = Decimal(0)
_START = float("-inf")


class Ledger:
    """What is so at a venue, and what was so at any moment before. Not thread-safe.

    Reading a moment costs O(log moments), the open orders of one O(orders open then or ended
    since).

    Args:
        symbol: the market.
        fee: which part of a purchase is taken off in the base asset.
        reuse: whether a client id may be used again when its order is over.
        held: the position to begin with.
        ours: what the client ids of our orders begin with; the others are somebody else's.

    >>> from cowstate.positions import OrderRequest, Trade
    >>> ledger = Ledger("BTCUSDT")
    >>> order = ledger.place(OrderRequest("BTCUSDT", Side.BUY, Decimal(2), Decimal(100)), 10)
    >>> filled = ledger.match(Trade(20, 1, Decimal(100), Decimal("0.5"), buyer_is_maker=True), 20)
    >>> ledger.position, ledger.position_at(19), [order.filled for order in ledger.open_at(19)]
    (Decimal('0.5'), Decimal('0'), [Decimal('0')])
    """

    def __init__(
        self,
        symbol: str,
        *,
        fee: Decimal = _ZERO,
        reuse: bool = False,
        held: Decimal = _ZERO,
        ours: str = "",
    ) -> None:
        self.symbol = symbol
        self._ours = ours
        self.fee = fee
        self.engine = MatchingEngine(symbol, reuse_ids=reuse)
        self.engine.move(held)
        self.entries: list[TradeReport] = []
        self.created: dict[int, int] = {}
        self.told = _ZERO
        """What moved the position by no order of ours and stands in the entries, added up."""
        self._versions: dict[int, list[OrderUpdate]] = {}
        self._ended: list[tuple[int, int]] = []
        self._moments: list[float] = [_START]
        self._positions = [held]
        self._untold = [_ZERO]
        self._outside: list[tuple[int, Decimal, bool]] = []
        self._taken = 0
        self.untold_ms: float = _START
        """When somebody last moved the position of which nothing tells."""
        self.changes = 0
        self._touched: dict[int, None] = {}
        self._changed_ms: float = _START

    # What happens

    @property
    def position(self) -> Decimal:
        """The signed quantity held now."""
        return self.engine.position

    def place(self, request: OrderRequest, now_ms: int) -> OrderUpdate:
        """See `MatchingEngine.place`."""
        return self._note(self.engine.place(request, now_ms), now_ms)

    def cancel(self, order_id: int, now_ms: int) -> OrderUpdate:
        """See `MatchingEngine.cancel`."""
        return self._note(self.engine.cancel(order_id, now_ms), now_ms)

    def amend(self, order_id: int, price: Decimal, quantity: Decimal, now_ms: int) -> OrderUpdate:
        """See `MatchingEngine.amend`."""
        return self._note(self.engine.amend(order_id, price, quantity, now_ms), now_ms)

    def match(self, trade: Trade, now_ms: int) -> list[OrderUpdate]:
        """Fill what *trade* reaches and return the new state of each order that it filled."""
        filled = self.engine.match(trade, now_ms)
        for order in filled:
            self._note(order, now_ms)
        for fill in self.engine.fills_from(self._taken):
            self._enter_fill(fill, now_ms)
        return filled

    def enter(
        self,
        kind: TradeKind | None,
        quantity: Decimal,
        price: Decimal,
        now_ms: int,
    ) -> None:
        """Move the position by the signed *quantity* as nobody's order did.

        With a *kind* there is an entry among the trades that tells it, which may move nothing, as
        funding that is paid in the quote; with None nothing tells.
        """
        if kind is not None:
            side = Side.SELL if quantity < 0 else Side.BUY
            entry = TradeReport(
                len(self.entries) + 1,
                None,
                None,
                self.symbol,
                side,
                price,
                quantity.copy_abs(),
                now_ms,
                kind=kind,
            )
            self.entries.append(entry)
            self.told = EXACT.add(self.told, entry.quantity)
        if quantity:
            self.engine.move(quantity)
            self._mark(now_ms, quantity, _ZERO if kind is not None else quantity)
            self._outside.append((now_ms, quantity, kind is not None))
            if kind is None:
                self.untold_ms = now_ms

    # What was so

    def position_at(self, time_ms: int) -> Decimal:
        """Return the position as it was at *time_ms*."""
        return self._positions[bisect_right(self._moments, time_ms) - 1]

    def positions_within(self, from_ms: int, to_ms: int) -> list[tuple[float, Decimal]]:
        """Return the positions from one moment to another, each with a moment of it, in order."""
        first = bisect_right(self._moments, from_ms) - 1
        last = bisect_right(self._moments, to_ms)
        within = zip(self._moments[first:last], self._positions[first:last], strict=True)
        return [(max(moment, from_ms), position) for moment, position in within]

    def told_within(self, from_ms: int, to_ms: int) -> list[Decimal]:
        """Return what each of those positions was without that of which nothing tells."""
        first = bisect_right(self._moments, from_ms) - 1
        last = bisect_right(self._moments, to_ms)
        both = zip(self._positions[first:last], self._untold[first:last], strict=True)
        return [EXACT.subtract(position, untold) for position, untold in both]

    def outside_moments(self) -> list[int]:
        """Return when others than our orders have moved the position, the latest first."""
        return [*dict.fromkeys(moment for moment, _, _ in reversed(self._outside))]

    def outside_since(self, time_ms: float, told_ms: int | None = None) -> Decimal:
        """Return by how much others than our orders have moved the position after *time_ms*.

        With *told_ms*, without what stands in the entries up to then.
        """
        moved = _ZERO
        for moment, quantity, is_told in reversed(self._outside):
            if moment <= time_ms:
                break
            if told_ms is None or not is_told or moment > told_ms:
                moved = EXACT.add(moved, quantity)
        return moved

    def untold_moves(self) -> list[tuple[int, Decimal]]:
        """Return when, and by how much, the position was moved of which nothing tells."""
        return [(moment, quantity) for moment, quantity, is_told in self._outside if not is_told]

    def order_at(self, order_id: int, time_ms: int) -> OrderUpdate | None:
        """Return the order as it was at *time_ms*, None if it did not exist then."""
        for version in reversed(self._versions.get(order_id, ())):
            if version.time_ms <= time_ms:
                return version
        return None

    def open_at(self, time_ms: int) -> list[OrderUpdate]:
        """Return the orders that worked at *time_ms*, in order of their ids."""
        if time_ms >= self._changed_ms:
            return self.engine.open_orders()
        ids = {*self.engine.open_ids()}
        for ended_ms, order_id in reversed(self._ended):
            if ended_ms <= time_ms:
                break
            ids.add(order_id)
        then = (self.order_at(order_id, time_ms) for order_id in sorted(ids))
        return [order for order in then if order is not None and not order.status.terminal]

    def entries_at(self, time_ms: int, since_ms: int | None, after: int = 0) -> list[TradeReport]:
        """Return the entries from *since_ms* up to *time_ms*, or from the number *after* on."""
        start = after
        if not after and since_ms is not None:
            start = bisect_left(self.entries, since_ms, key=_time)
        return self.entries[start : bisect_right(self.entries, time_ms, key=_time)]

    def take_changed(self) -> list[int]:
        """Return the ids of the orders that changed since this was last asked."""
        touched, self._touched = list(self._touched), {}
        return touched

    def _note(self, order: OrderUpdate, now_ms: int) -> OrderUpdate:
        order_id = order.order_id
        assert isinstance(order_id, int)
        versions = self._versions.setdefault(order_id, [])
        if not versions:
            self.created[order_id] = now_ms
        versions.append(order)
        if order.status.terminal:
            self._ended.append((now_ms, order_id))
        self._changed_ms = now_ms
        self.changes += 1
        self._touched[order_id] = None
        return order

    def _mark(self, now_ms: int, moved: Decimal, untold: Decimal = _ZERO) -> None:
        # One trade of the market may fill several orders: each fill is a moment of its own.
        self._moments.append(now_ms)
        self._positions.append(EXACT.add(self._positions[-1], moved))
        self._untold.append(EXACT.add(self._untold[-1], untold))
        self.changes += 1

    def _enter_fill(self, fill: TradeReport, now_ms: int) -> None:
        self._taken += 1
        entry = fill.replace(trade_id=len(self.entries) + 1)
        if self.fee and fill.side is Side.SELL:
            # What a sale costs is taken from the quote, and said so.
            entry = entry.replace(fee=_ZERO, fee_asset=FeeAsset.QUOTE)
        elif self.fee:
            fee = EXACT.multiply(fill.quantity, self.fee)
            entry = entry.replace(fee=fee, fee_asset=FeeAsset.BASE)
            self.engine.move(fee.copy_negate())
        self.entries.append(entry)
        self._mark(now_ms, entry.moved)
        if entry.fee is not None:
            self.told = EXACT.add(self.told, entry.fee)
        if not (fill.client_oid or "").startswith(self._ours):
            self._outside.append((now_ms, entry.moved, True))
            self.told = EXACT.add(self.told, entry.quantity)


def _time(entry: TradeReport) -> int:
    return entry.time_ms
