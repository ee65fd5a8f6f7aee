"""What is certain in a fact that contradicts what is held, and what trades tell of an order."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.positions.book.facts import certain, fact_of, is_another, learn
from cowstate.positions.book.ledger import Tally
from cowstate.positions.book.model import OrderStatus, OrderUpdate, Side
from cowstate.positions.book.orders import apply_order_update, join_order
from cowstate.positions.book.slots import InventorySlot, Order

THREE = Decimal(3)
ORDER = Order("g-50-B1", 1, Side.BUY, Decimal(50), THREE, OrderStatus.NEW, 7)

amounts = st.integers(0, 5).map(Decimal)
updates = st.builds(
    lambda side, price, quantity, status, filled, order_id: OrderUpdate(
        "X",
        "g-50-B1",
        order_id,
        side,
        price,
        quantity,
        status,
        max(filled, quantity) if status is OrderStatus.FILLED else filled,
        filled * 50,
        100,
    ),
    st.sampled_from([Side.BUY] * 4 + [Side.SELL]),
    st.sampled_from([Decimal(50), Decimal(50), Decimal(51)]),
    st.sampled_from([THREE, THREE, Decimal(2), Decimal(5)]),
    st.sampled_from(OrderStatus),
    amounts,
    st.sampled_from([None, 7, 7, 8]),
)
orders = st.builds(
    lambda filled, order_id: ORDER.replace(filled=filled, order_id=order_id),
    st.integers(0, 3).map(Decimal),
    st.sampled_from([None, 7]),
)


@given(orders, updates)
def test_what_is_certain_joins_and_what_was_filled_counts(order, update):
    if is_another(order, update):
        return
    found = certain(order, update, 900)
    joined = join_order(order, found.update)
    if order.side is update.side:
        assert joined.filled == max(order.filled, update.filled)
    else:
        assert joined.filled == order.filled
    assert joined.terminal is (order.terminal or update.status.terminal)
    assert (joined.price, joined.quantity) == (order.price, order.quantity)
    if joined.status is OrderStatus.FILLED:
        assert joined.filled >= joined.quantity
    disagree = {
        name
        for name in ("price", "quantity", "side")
        if getattr(order, name) != getattr(update, name)
    }
    assert {each.about for each in found.disputes} == disagree
    assert found.update == update or disagree
    # A second time it is no news: nothing is tried for ever.
    assert join_order(joined, certain(joined, update, 901).update) is joined


@given(updates)
def test_the_venues_id_names_the_order(update):
    assert is_another(ORDER, update) is (
        update.order_id == 8 or (update.order_id is None and update.side is Side.SELL)
    )
    unnamed = ORDER.replace(order_id=None)
    assert is_another(unnamed, update) is (update.side is Side.SELL)


@given(updates, updates)
def test_a_slot_learns_what_is_certain_without_an_error(first, second):
    first = first.replace(side=Side.BUY)
    slot, disputes = learn(InventorySlot(Decimal(50)), first, 1)
    assert (slot, disputes) == (apply_order_update(InventorySlot(Decimal(50)), first), ())
    (known,) = slot.orders
    learnt, disputes = learn(slot, second, 2)
    if is_another(known, second):
        assert (learnt, disputes) == (slot, ())
    else:
        assert learnt == apply_order_update(slot, certain(known, second, 2).update)
        assert disputes == certain(known, second, 2).disputes
        assert learn(learnt, second, 3)[0] is learnt


@given(
    st.sampled_from(Side), st.integers(0, 5), st.integers(-5, 5), st.integers(0, 9), st.booleans()
)
@example(Side.BUY, 2, 2, 6, False)
@example(Side.SELL, 2, -2, 5, False)
def test_trades_tell_of_an_order_what_is_not_known(side, filled, traded, cost, over):
    status = OrderStatus.CANCELED if over else OrderStatus.NEW
    order = ORDER.replace(side=side, filled=Decimal(filled), cost=Decimal(5), status=status)
    tally = Tally(7, None, Decimal(traded), Decimal(traded), Decimal(cost), 10, 20, True)
    update = fact_of(order, tally, "X")
    told = side.sign * traded
    more = told > filled or (told == filled and told > 0 and cost > 5)
    assert (update is not None) is more
    if update is not None:
        joined = join_order(order, update)
        assert joined is not order
        assert (joined.filled, joined.cost) == (told, cost)
        # More than was ordered shows that somebody has edited it: what is left, nobody can say.
        assert joined.terminal is (over or told == 3)
        assert fact_of(joined, tally, "X") is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"quantity": Decimal(2), "filled": Decimal(2)}, OrderStatus.CANCELED),
        ({"quantity": Decimal(4), "filled": Decimal(4)}, OrderStatus.FILLED),
        ({"price": Decimal(51), "filled": THREE}, OrderStatus.FILLED),
        ({"side": Side.SELL, "filled": THREE}, OrderStatus.CANCELED),
    ],
)
def test_an_edited_order_that_is_full_there_is_over_here(changes, status):
    told = OrderUpdate(
        "X", "g-50-B1", 7, Side.BUY, Decimal(50), THREE, OrderStatus.FILLED, THREE
    ).replace(**changes)
    found = certain(ORDER, told, 900)
    assert found.update.status is status
    (dispute,) = found.disputes
    assert (dispute.client_oid, dispute.order_id, dispute.since_ms) == ("g-50-B1", 7, 900)
    about = dispute.about
    assert (dispute.ours, dispute.theirs) == (
        str(getattr(ORDER, about)),
        str(getattr(told, about)),
    )
