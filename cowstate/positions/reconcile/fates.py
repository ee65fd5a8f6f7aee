"""When an order that the venue does not find can be given up, by what the venue promises.

"Not found" is not "there is none": the request may be on its way, the order may not be visible
yet, the answer may be of an earlier moment, or the order is over and its record is gone. Each of
these ends after a time that the venue promises; before that nothing is concluded.
"""

from __future__ import annotations

from enum import StrEnum

from ..book.findings import Absent
from ..book.model import OrderStatus, OrderUpdate
from ..book.slots import Order
from ..exchange.promises import FOREVER, VenuePromises

__all__ = [
    "Said",
    "can_be_asked",
    "given_up",
    "is_acknowledged",
    "is_alive_for_sure",
    "is_gone",
    "purged",
]


class Said(StrEnum):
    """How a request for one order was answered.

    TOLD: with what is known of it. NOT_FOUND: there is none, for all that the venue says. NOT_YET:
    it was taken and cannot be seen yet. PURGED: it was there and is over.
    """

    TOLD = "TOLD"
    NOT_FOUND = "NOT_FOUND"
    NOT_YET = "NOT_YET"
    PURGED = "PURGED"


def is_acknowledged(order: Order) -> bool:
    """Whether the venue has ever told of *order*."""
    return order.order_id is not None or order.status is not OrderStatus.PENDING


def given_up(
    order: Order, absent: Absent, promises: VenuePromises, symbol: str, now_ms: int
) -> OrderUpdate | None:
    """Return what ends *order*, if it can neither come nor be found any more; None before. Pure.

    An order that the venue never acknowledged may be on its way for as long as a request lives,
    from when it was noted, by our clock, to be going out; then hidden; and the answer may be as
    old as answers are. Past that it was REJECTED, if two requests did not find it. One that was
    acknowledged need not arrive any more: counted from the first request that did not find it to
    the latest, it is over and gone, CANCELED, with what its trades tell.

    The result is to be written only if the order is still the same object.

    >>> from cowstate.positions import Side
    >>> from decimal import Decimal
    >>> order = Order("g-50-B1", 1, Side.BUY, Decimal(50), Decimal(3), OrderStatus.NEW, 7)
    >>> promises = VenuePromises.exact(hidden_ms=8_000, order_lag_ms=2_000)
    >>> absent = Absent("g-50-B1", 1_000, 11_001)
    >>> given_up(order, absent, promises, "X", 11_100).status.value
    'CANCELED'
    >>> given_up(order, absent.replace(last_ms=11_000), promises, "X", 11_100) is None
    True
    """
    if order.terminal:
        return None
    acknowledged = is_acknowledged(order)
    if not acknowledged:
        if absent.since_ms == absent.last_ms:
            return None
        absent = absent.replace(since_ms=order.time_ms)
    if not is_gone(absent, promises, 0 if acknowledged else promises.lifetime_ms):
        return None
    return _over(order, acknowledged, symbol, now_ms)


def is_gone(absent: Absent, promises: VenuePromises, on_its_way_ms: int = 0) -> bool:
    """Whether an order that may have been on its way for so long can no longer be found. Pure.

    It was asked for past all hiding, in answers that are not older than answers are.
    """
    may_last = on_its_way_ms + promises.hidden_ms + promises.order_lag_ms
    return absent.last_ms - absent.since_ms > may_last


def _over(order: Order, acknowledged: bool, symbol: str, now_ms: int) -> OrderUpdate:
    return OrderUpdate(
        symbol,
        order.client_oid,
        order.order_id,
        order.side,
        order.price,
        order.quantity,
        OrderStatus.CANCELED if acknowledged else OrderStatus.REJECTED,
        order.filled,
        order.cost,
        now_ms,
    )


def purged(order: Order, symbol: str, now_ms: int) -> OrderUpdate:
    """Return what ends *order*, of which the venue says that it is over and gone. Pure."""
    return _over(order, True, symbol, now_ms)


def can_be_asked(order: Order, promises: VenuePromises, now_ms: int) -> bool:
    """Whether an answer about *order* would be about that order. Pure.

    Where a client id may be used again, and the venue has told no id of its own, an earlier order
    may have the same; its answer would be taken for this one's. Once the order cannot be on its
    way any more, the newest order under its id is this one, if it ever came.
    """
    if order.order_id is not None or promises.ids_unique_ms >= FOREVER:
        return True
    return now_ms - order.time_ms > promises.lifetime_ms


def is_alive_for_sure(asked_ms: int, since_ms: int, promises: VenuePromises) -> bool:
    """Whether an order that an answer shows alive was alive after *since_ms*. Pure.

    The request left at *asked_ms*, so the answer is of no earlier moment than its lag before.
    """
    return asked_ms - promises.order_lag_ms > since_ms
