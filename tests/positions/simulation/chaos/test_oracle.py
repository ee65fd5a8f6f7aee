"""The laws of the oracle: what is no harm whatever else is so, and what always is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.positions import InventorySlot, OrderStatus, OrderUpdate, Side, apply_order_update
from cowstate.positions.book.orders import adjust_position
from cowstate.positions.simulation.chaos.oracle import (
    Fact,
    Gap,
    HaltVerdict,
    Judgement,
    Truth,
    gap_of,
    judge,
    judge_halt,
    known_orders,
    made_short,
    venue_order,
)

LOT = Decimal("0.1")
ALIVE, OVER = (
    [status for status in OrderStatus if status.terminal is over and status.rank]
    for over in (False, True)
)


def update(number: int, lots: int, status: OrderStatus, side: Side = Side.BUY) -> OrderUpdate:
    price = Decimal(100 + 10 * (number % 3))
    filled = LOT * lots
    quantity = filled if status is OrderStatus.FILLED else LOT * 9
    return OrderUpdate(
        "X", f"g-{price}-{side[0]}{number + 1}", number + 1, side, price, quantity, status, filled,
        filled * price, number,
    )  # fmt: skip


def book(*facts: OrderUpdate) -> dict[str, InventorySlot]:
    slots: dict[str, InventorySlot] = {}
    for fact in facts:
        key = fact.client_oid.split("-")[1]
        slots[key] = apply_order_update(slots.get(key) or InventorySlot(Decimal(key)), fact)
    return slots


def gap(slots: dict[str, InventorySlot], truth: Truth) -> Gap:
    total = sum((slot.position_qty for slot in slots.values()), Decimal(0))
    return gap_of(slots, known_orders(slots.values()), total, truth)


def truth_of(*orders: OrderUpdate, moved: Decimal = Decimal(0), **under_way: Any) -> Truth:
    position = sum((order.side.sign * order.filled for order in orders), moved)
    seen = tuple(venue_order(order, "g") for order in orders)
    return Truth(position, seen, **under_way)  # type: ignore[arg-type]


orders = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(ALIVE + OVER), st.sampled_from(Side)),
    max_size=5,
).map(lambda made: [update(n, *each) for n, each in enumerate(made)])
amounts = st.integers(-9, 9).map(lambda lots: lots * LOT)


@given(orders)
def test_who_knows_everything_is_where_the_truth_is(made: list[OrderUpdate]) -> None:
    assert gap(book(*made), truth_of(*made)).closed


@given(orders, amounts)
def test_what_others_moved_is_unexplained_to_the_digit(
    made: list[OrderUpdate], moved: Decimal
) -> None:
    found = gap(book(*made), truth_of(*made, moved=moved))
    assert (found.unexplained, found.missed, found.wrong, found.behind) == (moved, 0, 0, 0)


@given(orders, st.lists(st.booleans(), min_size=5, max_size=5), amounts, st.integers(0, 4))
def test_to_learn_a_fact_is_never_harmful_whatever_else_is_wrong(
    made: list[OrderUpdate], knows: list[bool], moved: Decimal, which: int
) -> None:
    known = [order for order, known in zip(made, knows, strict=False) if known]
    truth = truth_of(*made, moved=moved)
    before = book(*known)
    if made:
        fact = made[which % len(made)]
        after = book(*known, fact)
        assert judge(gap(before, truth), gap(after, truth)) is not Judgement.HARMFUL


@given(orders, st.integers(0, 4), st.integers(0, 9))
def test_an_older_fact_is_no_harm_either(made: list[OrderUpdate], which: int, lots: int) -> None:
    if made:
        now = made[which % len(made)]
        then = now.replace(
            status=OrderStatus.NEW if not lots else OrderStatus.PARTIALLY_FILLED,
            filled=min(now.filled, LOT * lots),
            cost=Decimal(0),
        )
        others = [order for order in made if order is not now]
        truth = truth_of(*made)
        before, after = gap(book(*others), truth), gap(book(*others, then), truth)
        assert judge(before, after) is not Judgement.HARMFUL


@given(orders, amounts, amounts)
def test_a_correction_is_harmful_exactly_if_it_leads_further_away(
    made: list[OrderUpdate], moved: Decimal, correction: Decimal
) -> None:
    truth, slots = truth_of(*made, moved=moved), book(*made)
    aside = InventorySlot(Decimal(500))
    after = slots | {"500": adjust_position(aside, correction)}
    found = judge(gap(slots | {"500": aside}, truth), gap(after, truth))
    farther, nearer = abs(moved - correction) > abs(moved), abs(moved - correction) < abs(moved)
    expected = Judgement.NEEDED if nearer else Judgement.NEEDLESS
    assert found is (Judgement.HARMFUL if farther else expected)


@given(orders, st.integers(0, 4), amounts)
def test_to_correct_for_a_fill_that_can_still_be_learnt_is_harm(
    made: list[OrderUpdate], which: int, moved: Decimal
) -> None:
    if made and made[which % len(made)].filled:
        unheard = made[which % len(made)]
        slots = book(*(order for order in made if order is not unheard))
        truth = truth_of(*made)
        aside = InventorySlot(Decimal(500), unheard.side.sign * unheard.filled)
        before = gap(slots | {"500": InventorySlot(Decimal(500))}, truth)
        assert before.missed == unheard.filled
        assert not before.unexplained
        assert judge(before, gap(slots | {"500": aside}, truth)) is Judgement.HARMFUL


@given(orders, st.integers(0, 4))
def test_to_give_up_what_works_is_harm_and_to_give_up_what_does_not_is_none(
    made: list[OrderUpdate], which: int
) -> None:
    for order in made[which : which + 1]:
        others = [each for each in made if each is not order]
        alive = order.replace(status=OrderStatus.NEW, filled=Decimal(0), cost=Decimal(0))
        over = alive.replace(status=OrderStatus.CANCELED)
        before, after = book(*others, alive), book(*others, over)
        works, gone = truth_of(*others, alive), truth_of(*others, over)
        assert judge(gap(before, works), gap(after, works)) is Judgement.HARMFUL
        assert judge(gap(before, gone), gap(after, gone)) is Judgement.NEEDED


def test_to_give_up_what_is_still_on_its_way_is_harm() -> None:
    sent = update(0, 0, OrderStatus.PENDING).replace(order_id=None)
    over = sent.replace(status=OrderStatus.REJECTED)
    arriving = Truth(Decimal(0), coming=frozenset([sent.client_oid]))
    assert judge(gap(book(sent), arriving), gap(book(over), arriving)) is Judgement.HARMFUL
    lost = Truth(Decimal(0))
    assert judge(gap(book(sent), lost), gap(book(over), lost)) is Judgement.NEEDED


def test_what_is_under_way_is_as_good_as_here() -> None:
    filled = update(0, 3, OrderStatus.CANCELED)
    fact = {filled.client_oid: Fact(1, filled.filled, True)}
    new = filled.replace(status=OrderStatus.NEW, filled=Decimal(0), cost=Decimal(0))
    for slots in (book(), book(new)):
        assert gap(slots, truth_of(filled, facts=fact)).closed
        assert gap(slots, truth_of(filled)).missed == filled.filled
    assert gap(book(new), truth_of(filled)).behind == 1


@given(orders, st.lists(st.sampled_from(["known", "old", "new"]), min_size=5, max_size=5),
       st.lists(st.booleans(), min_size=5, max_size=5))  # fmt: skip
def test_what_is_under_way_counts_as_if_it_had_come(
    made: list[OrderUpdate], knows: list[str], flies: list[bool]
) -> None:
    here, come, facts = [], [], {}
    for order, known, is_flying in zip(made, knows, flies, strict=False):
        old = order.replace(status=OrderStatus.NEW, filled=Decimal(0), cost=Decimal(0))
        seen = [] if known == "new" else [order if known == "known" else old]
        here += seen
        come += [order] if is_flying else seen
        if is_flying:
            over = order.status.terminal
            facts[order.client_oid] = Fact(order.order_id, order.filled, over)
    assert gap(book(*here), truth_of(*made, facts=facts)) == gap(book(*come), truth_of(*made))


def test_a_cancellation_that_is_under_way_leaves_nothing_to_hold_against_who_sent_it() -> None:
    alive = update(0, 0, OrderStatus.NEW)
    over = alive.replace(status=OrderStatus.CANCELED)
    for slots in (book(alive), book(over)):
        assert gap(slots, truth_of(alive, ending=frozenset([1]))).closed
    assert gap(book(over), truth_of(alive)).wrong == 1
    # It came too late to matter: that the order is over has to be learnt.
    assert gap(book(alive), truth_of(over, ending=frozenset([1]))).behind == 1


def test_what_is_under_way_about_another_order_of_the_same_id_tells_nothing_of_this_one() -> None:
    filled = update(0, 3, OrderStatus.CANCELED)
    new = filled.replace(status=OrderStatus.NEW, filled=Decimal(0), cost=Decimal(0))
    other = {filled.client_oid: Fact(77, filled.filled, True)}
    assert gap(book(new), truth_of(filled, facts=other)) == gap(book(new), truth_of(filled))
    unnamed = {filled.client_oid: Fact(None, filled.filled, True)}
    assert gap(book(new), truth_of(filled, facts=unnamed)).closed


def test_nobody_can_know_yet_that_a_request_was_lost() -> None:
    sent = update(0, 0, OrderStatus.PENDING).replace(order_id=None)
    assert gap(book(sent), Truth(Decimal(0), young=frozenset([sent.client_oid]))).closed
    assert gap(book(sent), Truth(Decimal(0))).behind == 1


def test_nobody_can_know_it_either_where_an_order_that_is_over_had_the_same_id() -> None:
    ended = update(0, 0, OrderStatus.CANCELED)
    sent = update(0, 0, OrderStatus.PENDING).replace(order_id=None)
    young = frozenset([sent.client_oid])
    assert gap(book(sent), truth_of(ended, young=young)).closed
    assert gap(book(sent), truth_of(ended)).behind == 1
    # What was heard of is on its way no more; and what works there is there.
    assert gap(book(update(0, 0, OrderStatus.NEW)), truth_of(ended, young=young)).behind == 1
    works = update(0, 0, OrderStatus.NEW)
    over = update(0, 0, OrderStatus.CANCELED).replace(order_id=None)
    assert gap(book(over), truth_of(works, young=young)).wrong == 1


def test_a_fill_that_was_never_is_missed_and_unexplained() -> None:
    invented = update(0, 3, OrderStatus.PARTIALLY_FILLED)
    found = gap(book(invented), Truth(Decimal(0)))
    assert found.missed == LOT * 3
    assert not found.unexplained
    assert judge(Gap(), found) is Judgement.HARMFUL


def test_two_orders_under_one_id_are_two() -> None:
    ours = update(0, 2, OrderStatus.CANCELED)
    other = ours.replace(order_id=77, status=OrderStatus.NEW, filled=LOT, cost=Decimal(1))
    found = gap(book(ours), truth_of(ours, other))
    assert (found.unexplained, found.missed, found.behind) == (LOT, 0, 1)
    ended = found._replace(behind=0, orders=frozenset())
    assert gap(book(ours), truth_of(ours, other, ending=frozenset([77]))) == ended


def test_a_slot_is_made_short_by_a_correction_and_by_no_fact() -> None:
    bought = book(update(0, 2, OrderStatus.FILLED))
    (slot,) = bought.values()
    assert slot.position_qty == LOT * 2
    sold = update(3, 5, OrderStatus.FILLED, Side.SELL)
    by_fact = apply_order_update(slot, sold)
    assert by_fact.position_qty == -LOT * 3
    assert not made_short(slot, by_fact)
    assert not made_short(None, apply_order_update(InventorySlot(slot.price), sold))
    assert not made_short(by_fact, adjust_position(by_fact, -LOT * 4))  # it was short before
    assert not made_short(slot, adjust_position(slot, Decimal(0)))
    assert made_short(slot, adjust_position(slot, -LOT))
    assert made_short(slot, adjust_position(by_fact, -LOT * 4))
    assert made_short(None, adjust_position(InventorySlot(slot.price), -LOT))


def test_a_purchase_that_is_learnt_without_its_fee_is_no_harm() -> None:
    bought = update(0, 5, OrderStatus.CANCELED)
    fee = Decimal("0.001")
    truth = truth_of(bought, moved=-bought.filled * fee, fee=fee)
    before, after = gap(book(), truth), gap(book(bought), truth)
    assert not before.unexplained
    assert after.unexplained == -bought.filled * fee
    fact = {bought.client_oid: Fact(1, bought.filled, True)}
    truth = truth._replace(facts=fact)
    assert judge(gap(book(), truth), gap(book(bought), truth)) is not Judgement.HARMFUL


@example([(LOT, Decimal(2))])  # just as large
@example([(-LOT, Decimal(2)), (Decimal(0), Decimal(2))])
@given(st.lists(st.tuples(amounts, st.integers(1, 50).map(Decimal)), min_size=1, max_size=3))
def test_a_halt_is_right_exactly_where_a_divergence_as_large_as_the_bound_was(
    moments: list[tuple[Decimal, Decimal]],
) -> None:
    bound = Decimal("0.05")
    found = judge_halt([(Gap(unexplained=moved), size) for moved, size in moments], bound)
    if any(moved and abs(moved) >= bound * size for moved, size in moments):
        assert found is HaltVerdict.RIGHT
    elif any(moved for moved, _ in moments):
        assert found is HaltVerdict.SMALL
    else:
        assert found is HaltVerdict.WRONG


def test_of_an_order_that_is_forgotten_nothing_can_be_learnt_any_more() -> None:
    fee = Decimal("0.001")
    order = update(0, 4, OrderStatus.PARTIALLY_FILLED)
    held = LOT * 4
    key = order.client_oid.split("-")[1]
    slots = {key: InventorySlot(Decimal(key), held, retired_sequence=1, last_sequence=1)}
    # That it works still, no fact mends; what it filled was counted, but for the fee.
    works = gap(slots, truth_of(order, moved=-held * fee, fee=fee))
    assert (works.wrong, works.behind, works.missed) == (1, 0, 0)
    assert (works.unexplained, works.fees) == (-held * fee, held * fee)
    assert judge(gap(book(order), truth_of(order)), gap(slots, truth_of(order))) is (
        Judgement.HARMFUL
    )
    assert not gap(slots, truth_of(order, ending=frozenset([1]))).wrong
    assert not gap(slots, truth_of(order.replace(status=OrderStatus.CANCELED))).wrong
    # One more than it was forgotten up to can be learnt.
    later = {key: slots[key].replace(retired_sequence=0, position_qty=Decimal(0))}
    assert gap(later, truth_of(order)).missed == held
