"""When an order that is not found can be given up: not a millisecond before it must be gone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions.book.findings import Absent
from cowstate.positions.book.model import OrderStatus, Side
from cowstate.positions.book.slots import Order
from cowstate.positions.exchange.promises import FOREVER, VenuePromises
from cowstate.positions.reconcile.fates import (
    can_be_asked,
    given_up,
    is_acknowledged,
    is_alive_for_sure,
    purged,
)

PROMISES = VenuePromises.exact(hidden_ms=800, order_lag_ms=200, lifetime_ms=5_000)
SENT = Order(
    "g-50-B1",
    1,
    Side.BUY,
    Decimal(50),
    Decimal(3),
    OrderStatus.PENDING,
    filled_ms=100,
    status_ms=100,
)
KNOWN = SENT.replace(status=OrderStatus.PARTIALLY_FILLED, order_id=7, filled=Decimal(1))


def end(order: Order, since: int, last: int):
    return given_up(order, Absent(order.client_oid, since, last), PROMISES, "X", 9_999)


def test_what_was_never_acknowledged_is_given_up_by_when_it_was_sent():
    """`storm` 1110853: it was asked for 8 s after it was sent, and 13 s were waited from there."""
    assert end(SENT, 5_000, 6_100) is None
    update = end(SENT, 5_000, 6_101)
    assert update.status is OrderStatus.REJECTED
    # One answer alone is none to build on.
    assert end(SENT, 6_101, 6_101) is None
    # What goes out anew may arrive anew.
    later = SENT.replace(status_ms=200, filled_ms=200)
    assert end(later, 5_000, 6_101) is None
    assert end(later, 5_000, 6_201) is not None


@pytest.mark.parametrize(
    ("order", "bound", "status"),
    [
        (KNOWN, 1_000, OrderStatus.CANCELED),
        (SENT.replace(order_id=7), 1_000, OrderStatus.CANCELED),
        (SENT.replace(status=OrderStatus.NEW), 1_000, OrderStatus.CANCELED),
    ],
)
def test_an_order_is_given_up_when_it_can_neither_come_nor_be_found(order, bound, status):
    assert end(order, 300, 300) is None
    assert end(order, 300, 300 + bound) is None
    update = end(order, 300, 301 + bound)
    assert update.status is status
    assert (update.filled, update.order_id, update.time_ms) == (order.filled, order.order_id, 9_999)
    assert is_acknowledged(order)


def test_what_is_over_is_not_given_up_again():
    assert end(KNOWN.replace(status=OrderStatus.CANCELED), 0, 10**9) is None


def test_an_order_that_the_venue_says_is_purged_is_over_at_once():
    assert purged(SENT, "X", 5).status is OrderStatus.CANCELED
    assert purged(KNOWN, "X", 5).filled == 1


@pytest.mark.parametrize(
    ("unique", "order", "now", "allowed"),
    [
        (FOREVER, SENT, 101, True),
        (0, SENT, 5_100, False),
        (0, SENT, 5_101, True),
        (0, SENT.replace(order_id=7), 101, True),
        (86_400_000, SENT, 101, False),
    ],
)
def test_where_ids_may_be_used_again_a_new_order_is_asked_for_only_when_it_has_come(
    unique, order, now, allowed
):
    assert can_be_asked(order, PROMISES.replace(ids_unique_ms=unique), now) is allowed


def test_an_answer_shows_what_was_no_longer_ago_than_its_lag():
    assert not is_alive_for_sure(1_200, 1_000, PROMISES)
    assert is_alive_for_sure(1_201, 1_000, PROMISES)
