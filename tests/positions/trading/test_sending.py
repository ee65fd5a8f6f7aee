"""An order goes out when it goes out: what was noted long before is noted anew, or not sent."""

from __future__ import annotations

from decimal import Decimal

from cowstate.positions import OrderStatus, SlotStatus
from cowstate.positions.book.findings import Absent
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.fates import given_up
from cowstate.positions.trading.sending import going_out
from tests.positions.trading.managing import PRICE, make, told

PROMISES = VenuePromises.exact(lifetime_ms=1_000)


def test_what_goes_out_late_is_not_given_up_while_it_is_on_its_way() -> None:
    manager = make()
    actions = manager.calculate_adjustments(PRICE)
    key, name = actions[0].slot, actions[0].client_oid
    # Asked for long before it went out, and just after it.
    absent = Absent(name, 1_500, 6_100)
    noted = manager.snapshot()[key].order(name)
    assert noted is not None
    assert given_up(noted, absent, PROMISES, "X", 6_200) is not None
    assert going_out(manager.store, actions, 6_000) == actions
    sent = manager.snapshot()[key].order(name)
    assert sent is not None
    assert sent.time_ms == 6_000
    assert given_up(sent, absent, PROMISES, "X", 6_200) is None
    assert given_up(sent, absent.replace(last_ms=7_001), PROMISES, "X", 7_100) is not None


def test_what_is_over_or_was_heard_of_is_not_sent() -> None:
    manager = make()
    given, heard, kept = manager.calculate_adjustments(PRICE)
    manager.on_order_update(told(given, OrderStatus.REJECTED, order_id=None))
    manager.on_order_update(told(heard, order_id=7))
    assert going_out(manager.store, [given, heard, kept], 6_000) == (kept,)
    now = manager.snapshot()
    assert now[heard.slot].slot_status is SlotStatus.LOCKED
    assert now[given.slot].slot_status is SlotStatus.FREE
    assert now.total("position") == Decimal(0)
