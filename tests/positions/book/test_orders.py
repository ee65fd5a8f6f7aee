"""The laws of the join: any order of arrival ends in the same slot."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.book.model import FORGOTTEN, TAIL, OrderStatus, OrderUpdate, Side
from cowstate.positions.book.orders import apply_order_update, fills_of, join_order, noted_anew
from cowstate.positions.book.slots import InventorySlot, Order
from cowstate.positions.errors import OrderMismatchError, RetiredOrderError

PRICE = Decimal(50000)
EMPTY = InventorySlot(PRICE)
QUANTITY = Decimal(3)


def client_oid(sequence: int) -> str:
    return f"g-50000-{'B' if sequence % 2 else 'S'}{sequence}"


ONE_ORDER = st.just(1)
SOME_ORDERS = st.integers(1, TAIL)


@st.composite
def facts(draw, sequences=SOME_ORDERS):
    """Anything that may be said of one of the orders, however contradictory."""
    sequence = draw(sequences)
    status = draw(st.sampled_from(OrderStatus))
    least = 3 if status is OrderStatus.FILLED else 0
    filled = draw(st.integers(least, 5))
    return OrderUpdate(
        "BTCUSDT",
        client_oid(sequence),
        draw(st.sampled_from([None, 1000 + sequence])),
        Side.BUY if sequence % 2 else Side.SELL,
        PRICE,
        QUANTITY,
        status,
        Decimal(filled),
        Decimal(filled * 50000 - draw(st.integers(0, 2)) if filled else 0),
        draw(st.integers(0, 4)),
        draw(st.booleans()) if status is OrderStatus.REJECTED else False,
    )


def fold(slot: InventorySlot, updates) -> InventorySlot:
    for update in updates:
        slot = apply_order_update(slot, update)
        check(slot)
    return slot


def check(slot: InventorySlot) -> None:
    """Everything that is true of every slot."""
    orders = slot.orders
    sequences = [order.sequence for order in orders]
    assert sequences == sorted(sequences)
    assert [o.sequence for o in slot.tail] == sorted(o.sequence for o in slot.tail)
    alive = [order for order in orders if not order.terminal]
    assert slot.working is (alive[-1] if alive else None)
    assert slot.last_sequence >= max([slot.retired_sequence, *sequences])
    assert len(slot.closed) <= TAIL or len(alive) > 1


def totals(updates) -> tuple[Decimal, Decimal]:
    """Signed quantity and cash by the greatest that was said of each order: the plain model."""
    last: dict[str, tuple[Decimal, Decimal]] = {}
    signs = {}
    for update in updates:
        signs[update.client_oid] = update.side.sign
        said = (update.filled, update.cost)
        last[update.client_oid] = max(said, last.get(update.client_oid, said))
    return (
        sum((signs[oid] * filled for oid, (filled, _) in last.items()), Decimal(0)),
        -sum((signs[oid] * cost for oid, (_, cost) in last.items()), Decimal(0)),
    )


@st.composite
def shuffled(draw, sequences=SOME_ORDERS):
    """Some facts, and the same again in another order with some of them doubled."""
    updates = draw(st.lists(facts(sequences), max_size=12))
    again = st.lists(st.sampled_from(updates), max_size=5) if updates else st.just([])
    return updates, draw(st.permutations(updates + draw(again)))


@given(shuffled(ONE_ORDER))
def test_updates_of_one_order_end_in_one_state_in_any_order_and_number(two_ways):
    one, other = two_ways
    assert fold(EMPTY, one) == fold(EMPTY, other)


@given(shuffled())
def test_updates_of_several_orders_end_in_one_slot_in_any_order_and_number(two_ways):
    one, other = two_ways
    assert fold(EMPTY, one) == fold(EMPTY, other)


@given(facts(), facts())
def test_the_join_is_commutative(one, other):
    assert fold(EMPTY, [one, other]) == fold(EMPTY, [other, one])


@given(st.lists(facts(), max_size=10))
def test_the_join_is_idempotent_and_says_so_by_identity(updates):
    slot = fold(EMPTY, updates)
    for update in updates:
        assert apply_order_update(slot, update) is slot


def summary(order: Order, update: OrderUpdate) -> OrderUpdate:
    """What a query would answer of *order*."""
    return update.replace(
        order_id=order.order_id,
        status=order.status,
        filled=order.filled,
        cost=order.cost,
        time_ms=order.time_ms,
        post_only_reject=order.post_only_reject,
    )


def timeless(slot: InventorySlot) -> InventorySlot:
    """*slot* without the times, of which a summary can carry only one."""
    orders = [order.replace(filled_ms=0, status_ms=0) for order in slot.orders]
    working = next((order for order in reversed(orders) if not order.terminal), None)
    return slot.replace(
        working=working, tail=tuple(order for order in orders if order is not working)
    )


@given(facts(ONE_ORDER), facts(ONE_ORDER), facts(ONE_ORDER))
def test_the_join_is_associative(first, second, third):
    joined = fold(EMPTY, [second, third]).orders[0]
    grouped = fold(EMPTY, [first, summary(joined, second)])
    assert timeless(grouped) == timeless(fold(EMPTY, [first, second, third]))


@given(st.lists(facts(), min_size=1, max_size=10))
def test_a_summary_of_what_is_known_teaches_nothing(updates):
    slot = fold(EMPTY, updates)
    known = {order.client_oid: order for order in slot.orders}
    for update in updates:
        assert apply_order_update(slot, summary(known[update.client_oid], update)) is slot


@given(st.lists(facts(), max_size=12))
def test_position_is_the_signed_sum_of_the_final_cumulative_quantities(updates):
    slot = fold(EMPTY, updates)
    assert (slot.position_qty, slot.cash) == totals(updates)
    by_orders = sum((o.side.sign * o.filled for o in slot.orders), Decimal(0))
    assert slot.position_qty == by_orders


@given(st.lists(facts(), max_size=12))
def test_filled_never_falls_and_a_terminal_status_is_never_left(updates):
    slot = EMPTY
    for update in updates:
        before = {order.client_oid: order for order in slot.orders}
        slot = apply_order_update(slot, update)
        after = {order.client_oid: order for order in slot.orders}
        assert before.keys() <= after.keys()
        for oid, order in before.items():
            assert after[oid].filled >= order.filled
            assert after[oid].status.rank >= order.status.rank
            assert after[oid].terminal >= order.terminal
            assert after[oid].order_id == (order.order_id or after[oid].order_id)
            if oid != update.client_oid:
                assert after[oid] is order


@given(st.lists(facts(), max_size=12))
def test_fills_tell_every_growth_once(updates):
    slot, position = EMPTY, Decimal(0)
    for update in updates:
        grown = apply_order_update(slot, update)
        for fill in fills_of(slot, grown):
            assert fill.quantity > 0
            assert (fill.slot, fill.client_oid) == ("50000", update.client_oid)
            position += fill.side.sign * fill.quantity
        slot = grown
        assert position == slot.position_qty


@given(st.lists(facts(), max_size=12), st.integers(1, 6))
def test_the_precision_of_the_callers_thread_does_not_reach_the_money(updates, precision):
    with localcontext() as context:
        context.prec = precision
        slot = fold(EMPTY, updates)
        profit = slot.realized_profit
    assert slot == fold(EMPTY, updates)
    assert profit == slot.cash + slot.position_qty * PRICE


NEW = OrderUpdate("BTCUSDT", client_oid(1), 1001, Side.BUY, PRICE, QUANTITY, OrderStatus.NEW)


def test_a_fill_beyond_the_quantity_is_kept_and_flagged():
    over = NEW.replace(status=OrderStatus.FILLED, filled=Decimal(4), cost=Decimal(200000))
    slot = fold(EMPTY, [NEW, over])
    assert slot.position_qty == 4
    assert [order.client_oid for order in slot.overfilled] == [client_oid(1)]
    assert slot.overfilled[0].remaining == 0
    assert fold(EMPTY, [NEW]).overfilled == ()


def test_the_fill_of_an_order_that_was_not_known_is_all_that_it_has():
    filled = NEW.replace(status=OrderStatus.FILLED, filled=QUANTITY, cost=Decimal(150000))
    (fill,) = fills_of(EMPTY, fold(EMPTY, [filled]))
    assert (fill.quantity, fill.cost) == (QUANTITY, 150000)


def test_a_fill_that_follows_canceled_still_counts():
    canceled = NEW.replace(status=OrderStatus.CANCELED, time_ms=5)
    late = NEW.replace(status=OrderStatus.PARTIALLY_FILLED, filled=Decimal(1), time_ms=4)
    slot = fold(EMPTY, [NEW, canceled, late])
    assert slot.position_qty == 1
    assert slot.orders[0].status is OrderStatus.CANCELED
    assert slot.working is None


def test_an_event_of_an_old_order_cannot_touch_a_new_one():
    newer = NEW.replace(client_oid=client_oid(3), order_id=1003)
    slot = fold(EMPTY, [NEW.replace(status=OrderStatus.CANCELED), newer])
    late = NEW.replace(status=OrderStatus.FILLED, filled=QUANTITY)
    after = fold(slot, [late])
    assert after.working is slot.working
    assert after.position_qty == QUANTITY


def numbered(sequence: int, status: OrderStatus) -> OrderUpdate:
    side = Side.BUY if sequence % 2 else Side.SELL
    return NEW.replace(
        client_oid=client_oid(sequence), order_id=1000 + sequence, side=side, status=status
    )


def test_the_oldest_that_is_over_is_forgotten_though_an_older_one_is_alive():
    """Two are alive: the later one works, the other stands among those that are over."""
    waiting, working, last = 1, TAIL + 2, TAIL + 5
    slot = EMPTY
    for sequence in range(1, last + 1):
        alive = sequence in (waiting, working)
        slot = fold(slot, [numbered(sequence, OrderStatus.NEW if alive else OrderStatus.CANCELED)])
    over = [sequence for sequence in range(2, last + 1) if sequence != working]
    kept = over[1 - TAIL :]
    assert slot.working.sequence == working
    assert [order.sequence for order in slot.tail] == [waiting, *kept]
    assert slot.retired_sequence == kept[0] - 1
    with pytest.raises(RetiredOrderError):
        apply_order_update(slot, numbered(slot.retired_sequence, OrderStatus.CANCELED))


ENDS = {
    "refused": {"status": OrderStatus.REJECTED, "order_id": None},
    "canceled": {"status": OrderStatus.CANCELED},
    "filled without an id": {"status": OrderStatus.CANCELED, "order_id": None, "filled": QUANTITY},
}


@given(st.lists(st.sampled_from(sorted(ENDS)), min_size=3, max_size=12), st.integers(0, 3))
def test_of_those_forgotten_one_that_surely_never_was_goes_first_else_the_oldest(ends, first):
    ends = ["canceled"] * (FORGOTTEN - first) + ends + ["canceled"] * TAIL
    kept, slot = [], EMPTY
    for sequence, end in enumerate(ends, 1):
        told = numbered(sequence, OrderStatus.CANCELED).replace(**ENDS[end])
        slot = apply_order_update(slot, told)
        if sequence > TAIL:
            kept.append((client_oid(sequence - TAIL), ends[sequence - TAIL - 1]))
        if len(kept) > FORGOTTEN:
            kept.remove(next((each for each in kept if each[1] == "refused"), kept[0]))
        assert [order.client_oid for order in slot.forgotten] == [oid for oid, _ in kept]


@pytest.mark.parametrize(
    ("heard", "there"),
    [
        ([], False),
        ([numbered(1, OrderStatus.PENDING).replace(order_id=None)], True),
        ([numbered(1, OrderStatus.PENDING)], False),
        ([NEW.replace(order_id=None)], False),
        ([NEW.replace(status=OrderStatus.REJECTED, order_id=None)], False),
        ([numbered(3, OrderStatus.PENDING).replace(order_id=None)], False),
    ],
    ids=["none", "nothing heard of it", "its id", "that it is new", "its end", "another one"],
)
def test_an_order_of_which_nothing_was_heard_can_be_noted_anew_and_no_other(heard, there):
    slot = fold(EMPTY, heard)
    noted = noted_anew(slot, client_oid(1), 77)
    if not there:
        assert noted is None
    else:
        working = slot.working.replace(filled_ms=77, status_ms=77)
        assert noted == slot.replace(working=working)
        assert noted.working.time_ms == 77 != slot.working.time_ms


@pytest.mark.parametrize(
    ("known", "told", "said"),
    [
        ({"order_id": None}, {"price": Decimal(1)}, "the update says BUY 3 at 1"),
        ({}, {"price": Decimal(1), "order_id": None}, "the update says BUY 3 at 1"),
        ({}, {"quantity": Decimal(7)}, "the update says BUY 7 at 50000"),
        ({}, {"order_id": 9}, "the exchange's id is 1001, the update says 9"),
    ],
)
def test_what_contradicts_an_order_is_named(known, told, said):
    slot = fold(EMPTY, [NEW.replace(**known)])
    with pytest.raises(OrderMismatchError, match=said):
        apply_order_update(slot, NEW.replace(**told))


def test_every_order_that_is_alive_is_remembered_however_many_there_are():
    slot = EMPTY
    for sequence in range(1, 2 * TAIL):
        slot = fold(slot, [numbered(sequence, OrderStatus.NEW)])
    assert [order.sequence for order in slot.orders] == [*range(1, 2 * TAIL)]
    over = fold(slot, [numbered(3, OrderStatus.CANCELED)])
    assert len(over.orders) == len(slot.orders)
    assert fills_of(slot, over) == ()


def test_a_cost_that_is_told_later_is_filled_in():
    filled = NEW.replace(status=OrderStatus.FILLED, filled=QUANTITY)
    slot = fold(EMPTY, [filled])
    told = fold(slot, [filled.replace(cost=Decimal(150000))])
    assert (slot.cash, told.cash) == (0, -150000)
    assert told.position_qty == slot.position_qty
    assert fills_of(slot, told) == ()


def test_what_is_told_of_a_smaller_filled_quantity_is_older_news_whatever_it_cost():
    more = NEW.replace(status=OrderStatus.PARTIALLY_FILLED, filled=Decimal(2), time_ms=7)
    for cost, told in ((0, 0), (0, 60_000), (100_000, 110_000)):
        slot = fold(EMPTY, [more.replace(cost=Decimal(cost))])
        less = more.replace(filled=Decimal(1), cost=Decimal(told), time_ms=8)
        assert apply_order_update(slot, less) is slot
    # Nor does its earlier time become that of what was filled later, though the cost is the same.
    slot = fold(EMPTY, [more, more.replace(filled=Decimal(1), time_ms=5)])
    assert slot.orders[0].filled_ms == 7


def test_an_order_keeps_the_earliest_time_of_the_state_it_is_in():
    filled = NEW.replace(status=OrderStatus.PARTIALLY_FILLED, filled=Decimal(1), time_ms=7)
    order = fold(EMPTY, [NEW.replace(time_ms=3), filled, filled.replace(time_ms=9)]).orders[0]
    assert order.time_ms == 7


@given(facts(ONE_ORDER))
def test_join_order_returns_the_very_order_when_nothing_is_new(update):
    order = fold(EMPTY, [update]).orders[0]
    assert join_order(order, update) is order


@pytest.mark.parametrize("status", list(OrderStatus))
def test_each_status_alone_gives_the_slot_its_state(status):
    filled = QUANTITY if status is OrderStatus.FILLED else Decimal(0)
    slot = fold(EMPTY, [NEW.replace(status=status, filled=filled)])
    expected = {"PENDING": "PENDING", "NEW": "LOCKED", "PARTIALLY_FILLED": "LOCKED"}
    assert slot.slot_status == expected.get(status, "FREE")
    assert slot.order_id == (None if status.terminal else 1001)
    assert slot.client_oid == (None if status.terminal else client_oid(1))
