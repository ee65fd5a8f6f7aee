"""What the venue's list of trades adds to the book's ledger: `begin`, `take_in`."""

from __future__ import annotations

from cowstate import Record

from ..book.config import GridConfig
from ..book.ids import parse_client_oid
from ..book.ledger import Entry, Ledger, Ours, Tally
from ..book.reports import Leg, TradeReport
from ..book.store import Slots
from ..exchange.promises import FOREVER, VenuePromises
from .looks import TradesReading, complete_until

__all__ = ["TradesRead", "begin", "keep_ms", "leg_of", "ours_in", "take_in"]


class TradesRead(Record):
    """What a pass read of the list of trades.

    Attributes:
        reading: when it was asked for, and whether it came to the end; None: nothing came.
        trades: what was listed.
        cursor: where to go on, if it was cut.
    """

    reading: TradesReading | None = None
    trades: tuple[TradeReport, ...] = ()
    cursor: str | None = None


def leg_of(promises: VenuePromises) -> Leg:
    """Return which position a grid that only buys first is about."""
    return Leg.LONG if promises.hedged else Leg.NET


def begin(ledger: Ledger, slots: Slots, promises: VenuePromises, now_ms: int) -> Ledger:
    """Return the ledger of a book of which nobody knows how far the list of trades was read.

    All that has happened by now is taken to be in the book. Answers of the first seconds may be
    of a moment before that, so the list is read from so much earlier on. Pure.
    """
    counted: list[Tally] = []
    for slot in slots.values():
        for order in slot.orders:
            if order.filled and order.order_id is not None:
                filled, when = order.signed_filled, order.filled_ms
                name = order.client_oid
                counted.append(
                    Tally(order.order_id, name, filled, filled, order.cost, when, when, True)
                )
    back = promises.positions_lag_ms + promises.stamp_ms + 2 * promises.clock_ms
    began = now_ms - promises.clock_ms
    return ledger.begun(leg_of(promises), began, back, sorted(counted, key=_client_oid))


def _client_oid(tally: Tally) -> str:
    return tally.client_oid or ""


def ours_in(slots: Slots, config: GridConfig, promises: VenuePromises) -> Ours:
    """Return who says of a trade whether its order is ours. Pure; O(1) a trade.

    What names no client id, at a venue that repeats them, is of an order that had none.
    """
    forgotten = {
        order.order_id
        for slot in slots.values()
        for order in slot.forgotten
        if order.order_id is not None
    }

    def ours(trade: TradeReport) -> bool | None:
        if trade.order_id is not None and (
            trade.order_id in forgotten or slots.find_key("order_id", trade.order_id) is not None
        ):
            return True
        if trade.client_oid is not None:
            return parse_client_oid(trade.client_oid, config.prefix) is not None
        return False if promises.trades_carry_client_ids else None

    return ours


def take_in(
    ledger: Ledger, read: TradesRead, slots: Slots, config: GridConfig, promises: VenuePromises
) -> tuple[Ledger, tuple[Entry, ...]]:
    """Return *ledger* with what was *read*, and the entries that are new. Pure."""
    ledger, fresh = ledger.absorbed(
        (trade for trade in read.trades if trade.symbol == config.symbol),
        ours=ours_in(slots, config, promises),
        fee_asset=promises.fee_asset,
        base_fee=promises.base_fee,
    )
    if read.reading is not None and read.reading.complete:
        return ledger.read(complete_until(read.reading, promises)), fresh
    return ledger.read(ledger.since_ms, read.cursor), fresh


def keep_ms(promises: VenuePromises) -> int:
    """Return for how long entries and growths are kept: the greatest lag there is, and a minute."""
    times = (promises.positions_lag_ms, promises.trades_lag_ms, promises.order_lag_ms)
    longest = max(times) + 2 * promises.clock_ms + promises.stamp_ms + 60_000
    return min(longest, FOREVER)
