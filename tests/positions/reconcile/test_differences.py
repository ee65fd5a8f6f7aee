"""Which divergences an answer allows: with the trades, with fills in dispute, without trades."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise, product
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.positions.book.learnt import Growth, Learnt
from cowstate.positions.book.ledger import Entry, Ledger, Tally
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile import differences as module
from cowstate.positions.reconcile.differences import (
    State,
    differences,
    differences_without_trades,
    states_in,
)
from cowstate.positions.reconcile.looks import PositionLook, TradesReading, Window
from cowstate.positions.reconcile.standing import (
    HeldOrder,
    Overdue,
    Standing,
    due_of,
    standing_of,
)

ZERO = Decimal(0)


def entry(number: int, time_ms: int, moved: int) -> Entry:
    return Entry(number, number, None, time_ms, Decimal(moved), Decimal(moved), ZERO)


def values(states: tuple[State, ...]) -> list[int]:
    return [int(state.total) for state in states]


# The values that the book had


MOVES = [entry(1, 10, 1), entry(2, 20, 2), entry(3, 20, 3), entry(4, 30, 4)]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(0, 5), [0]),
        (Window(11, 19), [1]),
        (Window(11, 20), [1, 3, 6]),
        (Window(20, 20), [1, 3, 6]),
        (Window(20, 29), [1, 3, 6]),
        (Window(10, 30), [0, 1, 3, 6, 10]),
        (Window(31, 40), [10]),
    ],
)
def test_an_entry_at_either_end_of_the_window_may_have_been_before_or_after(window, expected):
    assert values(states_in(window, Decimal(10), MOVES)) == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-3, 3)), max_size=8), st.data())
def test_states_follow_each_other_and_say_when_they_were(moves, data):
    entries = [entry(number, *move) for number, move in enumerate(sorted(moves))]
    lowest = data.draw(st.integers(0, 20))
    window = Window(lowest, data.draw(st.integers(lowest, 20)))
    listed = sum((each.moved for each in entries), Decimal(5))
    states = states_in(window, listed, entries)
    for earlier, later in pairwise(states):
        assert earlier.until_ms == later.since_ms
    for state in states:
        since = -1 if state.since_ms is None else state.since_ms
        until = 99 if state.until_ms is None else state.until_ms
        assert since <= until
        # Of this value the book was after all entries before its time, and some of that moment.
        before = 5 + sum(each.moved for each in entries if each.time_ms < since)
        moved = [each.moved for each in entries if each.time_ms == since]
        assert state.total in {before + sum(moved[:n]) for n in range(len(moved) + 1)}
    assert states[-1].until_ms is None or states[-1].until_ms > window.highest
    assert states[0].since_ms is None or states[0].since_ms < window.lowest


# Fills that the list should show and does not


@pytest.mark.parametrize(("before_ms", "expected"), [(99, {-4}), (100, {-4, -1}), (150, {-4, -1})])
def test_a_fill_in_dispute_counts_both_ways_if_it_became_known_in_the_window(before_ms, expected):
    look = PositionLook(Decimal(6), 120, 130)
    overdue = (Overdue("g-100-B1", 1, Decimal(3), before_ms),)
    standing = Standing(Decimal(10), overdue=overdue)
    found = differences(look, Window(100, 130), standing, (), lag_ms=20)
    assert set(found.values) == expected


@given(st.lists(st.integers(-4, 4).filter(bool), max_size=8))
def test_many_fills_in_dispute_leave_out_nothing(quantities):
    look = PositionLook(ZERO, 100, 110)
    overdue = tuple(
        Overdue(f"g-100-B{n}", n, Decimal(quantity), 100) for n, quantity in enumerate(quantities)
    )
    found = differences(look, Window(100, 110), Standing(ZERO, overdue=overdue), ())
    for counted in product((0, 1), repeat=len(quantities)):
        assert sum(q * c for q, c in zip(quantities, counted, strict=True)) in found
    assert found.whole is (len(quantities) > 6)


# What the book would be by the trades alone


def tally(order_id: int | None, traded: int, client_oid: str | None = None) -> Tally:
    amount = Decimal(traded)
    return Tally(order_id, client_oid, amount, amount, ZERO, 0, 0, True)


def held(order_id: int | None, filled: int, due: int = 0, client_oid: str = "a") -> HeldOrder:
    return HeldOrder(client_oid, order_id, Decimal(filled), Decimal(due), 7)


@pytest.mark.parametrize(
    ("tallies", "orders", "ahead", "orphans", "overdue"),
    [
        ([], [held(1, 3)], 3, 0, []),
        ([], [held(1, 3, 2)], 1, 0, [2]),
        ([tally(1, 2)], [held(1, 3)], 1, 0, []),
        ([tally(1, 2)], [held(1, 3, 2)], 1, 0, []),
        ([tally(1, 2)], [held(1, 3, 3)], 0, 0, [1]),
        ([tally(1, -2)], [held(1, -3)], -1, 0, []),
        ([tally(1, -1)], [held(1, -3, -2)], -1, 0, [-1]),
        ([tally(1, 3)], [held(1, 2, 2)], 0, 1, []),
        ([tally(1, -3)], [held(1, -2, -2)], 0, -1, []),
        ([tally(1, 3)], [held(1, 0)], 0, 3, []),
        ([tally(2, 3)], [held(1, 1)], 1, 3, []),
        ([tally(2, 3), tally(1, 1)], [held(1, 1)], 0, 3, []),
        # An order of which the venue has told no id is the one under its client id, if there is
        # one; and one that it has named is no other, whatever the client id.
        ([tally(2, 3, "a")], [held(None, 3)], 0, 0, []),
        ([tally(2, 3, "a"), tally(3, 1, "a")], [held(None, 3)], 3, 4, []),
        ([tally(2, 3, "a")], [held(1, 3)], 3, 3, []),
        ([tally(None, 3, "a")], [held(1, 3)], 0, 0, []),
        ([tally(0, 3, "a")], [held(1, 3)], 3, 3, []),
    ],
)
def test_the_book_is_held_against_the_list(tallies, orders, ahead, orphans, overdue):
    ledger = Ledger(unattributed=Decimal(5), tallies=tuple(tallies))
    found = standing_of(ledger, Decimal(100), orders)
    assert (found.held, found.ahead, found.orphans) == (105, ahead, orphans)
    assert [each.quantity for each in found.overdue] == overdue
    assert found.accounted == 105 + orphans
    assert found.listed == 105 + orphans - ahead


@given(
    st.dictionaries(st.integers(0, 4), st.integers(-5, 5).filter(bool)),
    st.dictionaries(st.integers(0, 4), st.integers(-5, 5)),
    st.integers(-5, 5),
)
def test_the_book_by_the_list_is_what_slots_hold_beside_orders_and_what_trades_tell(
    traded, filled, rest
):
    """Whatever stands in the slots of orders of which no fill is due."""
    filled = {
        order: abs(amount) * (1 if traded.get(order, amount) > 0 else -1)
        for order, amount in filled.items()
    }
    ledger = Ledger(tallies=tuple(tally(order, amount) for order, amount in traded.items()))
    slots = Decimal(rest + sum(filled.values()))
    found = standing_of(ledger, slots, [held(order, amount) for order, amount in filled.items()])
    assert found.listed == rest + sum(traded.values())


@pytest.mark.parametrize(
    ("filled", "others", "orphans", "ahead"),
    [(None, 3, 0, 0), (3, 0, 0, 0), (1, 0, 2, 0), (4, 0, 0, 1)],
)
def test_what_was_taken_for_others_is_ours_when_a_slot_comes_to_know_it(
    filled, others, orphans, ahead
):
    """A late event tells of an order whose trades nobody had claimed: it counts once."""
    ledger = Ledger(tallies=(tally(1, 3).replace(ours=False),))
    orders = [] if filled is None else [held(1, filled)]
    found = standing_of(ledger, Decimal(filled or 0), orders)
    assert (found.others, found.orphans, found.ahead) == (others, orphans, ahead)
    assert found.listed == 3


def test_disputes_are_told_in_a_stated_order():
    orders = [held(order, 2, 1, client_oid=name) for order, name in enumerate("cab")]
    found = standing_of(Ledger(), Decimal(6), orders)
    assert [each.client_oid for each in found.overdue] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("sent_ms", "due"), [(3_000, 0), (3_001, 1), (7_000, 1), (7_001, 3), (9_000, 3)]
)
def test_a_fill_is_due_when_the_list_was_asked_for_later_by_more_than_its_lag(sent_ms, due):
    history = [Learnt(1_000, Decimal(1)), Learnt(5_000, Decimal(3))]
    promises = VenuePromises.exact(trades_lag_ms=2_000)
    found = due_of(history, TradesReading(sent_ms, True), promises)
    assert found == (due, {0: 0, 1: 1_000, 3: 5_000}[due])
    assert due_of(history, TradesReading(sent_ms, False), promises) == (0, 0)
    assert due_of(history, None, promises) == (0, 0)


# Without trades


class Fill(NamedTuple):
    time: int
    order: int
    quantity: int
    heard: int | None


class Blind(NamedTuple):
    """A world whose trades cannot be read: each order is of five, even ones buy."""

    fills: tuple[Fill, ...]
    lag: int
    shown: int
    sent: int
    came: int
    answered: frozenset[int]
    divergence: int


@st.composite
def blind(draw: Any) -> Blind:
    sent = draw(st.integers(0, 30))
    came = sent + draw(st.integers(0, 10))
    lag = draw(st.sampled_from([0, 5, 15]))
    left = dict.fromkeys(range(4), 5)
    fills = []
    for time in sorted(draw(st.lists(st.integers(0, 50), max_size=8))):
        order = draw(st.integers(0, 3))
        quantity = min(draw(st.integers(1, 3)), left[order])
        left[order] -= quantity
        if quantity:
            heard = draw(st.one_of(st.none(), st.integers(0, 20)))
            fills.append(Fill(time, order, quantity, heard))
    return Blind(
        tuple(fills),
        lag,
        draw(st.integers(sent - lag, came)),
        sent,
        came,
        frozenset(draw(st.sets(st.integers(0, 3)))),
        draw(st.integers(-2, 2)),
    )


def sign(order: int) -> int:
    return -1 if order % 2 else 1


def the_truth_is_possible_without_trades(world: Blind) -> None:
    judged = world.came + 15
    shown = world.divergence + sum(
        sign(fill.order) * fill.quantity for fill in world.fills if fill.time <= world.shown
    )
    known = dict.fromkeys(range(4), 0)
    growths = []
    # The stream tells cumulative fills; an answer tells all that had happened when it was given.
    heard = [(fill.time + fill.heard, fill) for fill in world.fills if fill.heard is not None]
    told = [(when, fill.order, fill.time) for when, fill in heard if when <= judged]
    told += [(judged, order, judged) for order in world.answered]
    for when, order, until in sorted(told):
        filled = sum(
            fill.quantity for fill in world.fills if fill.order == order and fill.time <= until
        )
        if filled > known[order]:
            growths.append(Growth(when, Decimal(sign(order) * (filled - known[order]))))
            known[order] = filled
    held_now = Decimal(sum(sign(order) * filled for order, filled in known.items()))
    unseen = [
        Decimal(sign(order) * (5 - known[order]))
        for order in range(4)
        if order not in world.answered
    ]
    look = PositionLook(Decimal(shown), world.sent, world.came)
    found = module.differences_without_trades(look, held_now, growths, unseen, world.lag)
    assert world.divergence in found
    assert found.width <= sum(abs(each.quantity) for each in growths) + sum(map(abs, unseen))


@given(blind())
@example(Blind((Fill(5, 0, 1, 0),), 15, 0, 10, 12, frozenset(range(4)), 0))
def test_the_true_divergence_is_possible_without_trades(world):
    the_truth_is_possible_without_trades(world)


@pytest.mark.parametrize(("learnt_ms", "width"), [(899, 0), (900, 1), (1_100, 1)])
def test_what_was_learnt_in_the_first_moment_of_the_window_may_be_in_the_answer_or_not(
    learnt_ms, width
):
    """A millisecond is long: the fill may have come after the moment that the answer shows."""
    look = PositionLook(Decimal(2), 1_000, 1_100)
    growths = [Growth(learnt_ms, Decimal(1))]
    found = module.differences_without_trades(look, Decimal(2), growths, [], 100)
    assert found.width == width


def no_lag(look, held, growths, unseen, lag_ms):
    return differences_without_trades(look, held, growths, unseen, 0)


def nothing_unseen(look, held, growths, unseen, lag_ms):
    return differences_without_trades(look, held, growths, [], lag_ms)


def nothing_grew(look, held, growths, unseen, lag_ms):
    return differences_without_trades(look, held, [], unseen, lag_ms)


def the_other_way_round(look, held, growths, unseen, lag_ms):
    turned = [Growth(each.learnt_ms, -each.quantity) for each in growths]
    return differences_without_trades(look, held, turned, unseen, lag_ms)


@pytest.mark.parametrize("twin", [no_lag, nothing_unseen, nothing_grew, the_other_way_round])
def test_a_seeded_bug_without_trades_is_found(twin, monkeypatch):
    monkeypatch.setattr(module, "differences_without_trades", twin)
    with pytest.raises((AssertionError, ExceptionGroup)):
        test_the_true_divergence_is_possible_without_trades()
