"""Looks that wait for their trades: what they allow already, and that a correction heeds them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.book.learnt import Growth, Learnt
from cowstate.positions.book.ledger import Entry, Ledger, Tally
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile import passes
from cowstate.positions.reconcile.looks import PositionLook
from cowstate.positions.reconcile.standing import HeldOrder, Standing, standing_of
from cowstate.positions.reconcile.waiting import allowed_so_far, unexplained
from cowstate.positions.simulation.chaos.rules import Claim
from tests.positions.incidents.stage import LOT, Stage

ZERO = Decimal(0)
LAGGING = VenuePromises.exact(positions_lag_ms=50, trades_lag_ms=1_000)


def traded(number: int, quantity: Decimal, time_ms: int) -> Entry:
    return Entry(number, number, None, time_ms, quantity, quantity, ZERO)


fills = st.lists(
    st.tuples(st.integers(0, 99), st.integers(1, 9), st.sampled_from(["list", "slot", "pass"])),
    max_size=5,
)


@given(fills, st.integers(-9, 9), st.integers(50, 100), st.integers(0, 50))
def test_what_all_known_fills_explain_is_allowed(
    made: list[tuple[int, int, str]], divergence: int, answered: int, age: int
) -> None:
    """Whoever told of a fill, the list, the stream or an answer of this pass."""
    position = divergence + sum(size for time, size, _ in made if time <= answered - age)
    look = PositionLook(Decimal(position), answered, answered, answered_ms=answered)
    entries, tallies, held, growths = [], [], [], []
    for number, (time, size, teller) in enumerate(sorted(made)):
        quantity = Decimal(size)
        if teller == "list":
            entries.append(traded(number, quantity, time))
            tallies.append(Tally(number, None, quantity, quantity, ZERO, time, time, True))
        if teller == "slot":
            held.append(HeldOrder(f"g-{number}-B1", number, quantity))
        if teller == "pass":
            growths.append(Growth(answered, quantity))
    slots = sum((each.filled for each in held), ZERO)
    standing = standing_of(Ledger(tallies=tuple(tallies)), slots, held)
    assert Decimal(divergence) in allowed_so_far(look, standing, entries, growths, LAGGING)
    assert unexplained([look], Decimal(divergence), standing, entries, growths, LAGGING) is None


def test_an_order_may_be_shown_as_it_was_known_at_any_time() -> None:
    history = [Learnt(10, Decimal(2)), Learnt(20, Decimal(5)), Learnt(30, Decimal(9))]
    order = HeldOrder("g-1-B1", 1, Decimal(9), steps=tuple(each.filled for each in history))
    listed = Tally(1, None, Decimal(2), Decimal(2), ZERO, 5, 5, True)
    standing = standing_of(Ledger(tallies=(listed,)), Decimal(9), [order])
    assert standing.awaited == ((Decimal(3), Decimal(7)),)
    assert standing.ahead == 7
    look = PositionLook(Decimal(9), 40, 40, answered_ms=40)
    allowed = allowed_so_far(look, standing, [traded(1, Decimal(2), 5)], (), LAGGING)
    assert [int(each) for each in allowed.values] == [0, 2, 4, 6, 7, 9]


def test_of_many_orders_everything_between_the_ends_is_allowed() -> None:
    orders = [HeldOrder(f"g-{n}-B1", n, Decimal(2**n)) for n in range(12)]
    standing = standing_of(Ledger(), Decimal(2**12 - 1), orders)
    look = PositionLook(ZERO, 40, 40, answered_ms=40)
    allowed = allowed_so_far(look, standing, (), (), LAGGING)
    assert (allowed.whole, allowed.lowest, allowed.highest) == (True, 1 - 2**12, 0)


def test_the_newest_look_that_does_not_fit_is_told() -> None:
    looks = [
        PositionLook(Decimal(held), when, when, answered_ms=when)
        for when, held in ((10, 3), (20, 5), (30, 4), (40, 3))
    ]
    standing = Standing(Decimal(3))
    found = unexplained(looks, ZERO, standing, (), (), LAGGING)
    assert found is looks[2]
    assert unexplained(looks[:1], ZERO, standing, (), (), LAGGING) is None
    assert unexplained((), ZERO, standing, (), (), LAGGING) is None


# In passes


def undone_by_hand(**faults: Any) -> Stage:
    """Somebody trades by hand, and takes it back when only looks that wait can show that."""
    stage = Stage(trades_lag=2_000, interval_ms=1_000, **faults)
    stage.buy_at()
    stage.look(4)
    stage.by_hand("0.031")
    stage.look(5)
    stage.wait(500)
    stage.by_hand("-0.031")
    return stage


def test_what_is_put_right_while_the_trades_lag_is_not_corrected() -> None:
    stage = undone_by_hand()
    assert stage.said[-1].claim is Claim.DIVERGES
    said = stage.look()
    assert "a newer look, which waits for its trades, does not fit it" in said.why
    stage.heal()
    assert not stage.result.corrected
    assert stage.did_no_harm()


def test_who_heeds_no_look_that_waits_does_harm(monkeypatch: Any) -> None:
    monkeypatch.setattr(passes, "unexplained", lambda *_: None)
    stage = undone_by_hand()
    stage.look(2)
    assert stage.result.corrected
    assert not stage.did_no_harm()


def corrected_after(happens: str) -> int:
    """In how many passes a divergence is corrected while our order is filled meanwhile."""
    stage = Stage(trades_lag=2_000, interval_ms=1_000)
    stage.buy_at()
    stage.look(4)
    stage.by_hand("0.031")
    stage.look(5)
    if happens != "nothing":
        if happens == "unheard":
            stage.fault("lose_event")
        stage.fill(1_000, f"{LOT}")
        stage.wait(40)
    for passes_made in range(1, 9):
        stage.look()
        if stage.result.corrected:
            stage.heal()
            assert stage.did_no_harm()
            return passes_made
    raise AssertionError("not corrected")


def test_what_is_known_of_a_fill_does_not_delay_a_correction() -> None:
    # By the stream, or by an answer of the very pass: no list has it yet.
    assert corrected_after("heard") == corrected_after("nothing")
    assert corrected_after("unheard") == corrected_after("nothing")
