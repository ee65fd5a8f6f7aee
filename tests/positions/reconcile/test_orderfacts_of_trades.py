"""What `plan_facts` says of trades: whose they are, and what of them is counted already."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cowstate.positions import OrderStatus
from cowstate.positions.book.findings import Dispute, Findings
from cowstate.positions.book.store import new_book
from cowstate.positions.exchange.promises import FOREVER
from cowstate.positions.reconcile.orderfacts import Claim, Fold
from tests.positions.reconcile.planning import (
    NAME,
    PARTLY,
    book,
    fact,
    forgetful,
    planned,
    sent,
    tally,
)


def test_trades_that_name_no_id_of_ours_are_of_the_order_that_was_learnt_just_now() -> None:
    nameless = tally(9, None, 2, ours=None)
    found = planned(sent(), listed=(fact(9),), tallies=(nameless,))
    assert found.claims == (Claim(nameless, True, NAME),)
    assert [int(update.filled) for update in found.join] == [0, 2]


def test_trades_that_name_an_id_of_ours_wait_until_its_slot_has_the_order() -> None:
    assert planned(book(), listed=(fact(9),), tallies=(tally(9, traded=2),)).join == (fact(9),)


@pytest.mark.parametrize(
    ("about", "name", "status"),
    [
        ("quantity", NAME, PARTLY),
        ("price", NAME, OrderStatus.FILLED),
        ("quantity", "grid-100-B2", OrderStatus.FILLED),
        ("price", "grid-100-B2", OrderStatus.FILLED),
    ],
)
def test_trades_tell_that_an_order_is_full_unless_its_own_quantity_was_edited(
    about: Any, name: Any, status: Any
) -> None:
    findings = Findings(disputes=(Dispute(name, 1, about, "3", "4", 500),))
    found = planned(book(fact()), tallies=(tally(traded=3),), findings=findings)
    assert [update.status for update in found.join] == [status]


@pytest.mark.parametrize(
    ("slots", "unique_ms", "is_sure"),
    [
        (sent(), FOREVER, True),
        (sent(), FOREVER - 1, False),
        (sent(), 0, False),
        (book(fact()), 0, True),
    ],
)
@pytest.mark.parametrize(
    ("ours", "name", "is_said"),
    [(True, NAME, True), (True, None, False), (None, NAME, False), (False, NAME, False)],
)
def test_trades_are_claimed_for_an_order_that_they_name_for_sure(
    slots: Any, unique_ms: Any, is_sure: Any, ours: Any, name: Any, is_said: Any
) -> None:
    """Where ids may be used again that is the venue's id of it; and once it is said, not again."""
    known = tally(1, name, ours=ours)
    found = planned(slots, tallies=(known,), ids_unique_ms=unique_ms)
    if name is None and slots["100"].order_id is None:
        assert (found.claims, found.join) == ((), ())  # nothing says that it is this one
        return
    assert found.claims == ((Claim(known, True, NAME),) if is_sure and not is_said else ())
    assert [int(update.filled) for update in found.join] == ([1] if is_sure else [])


def test_trades_of_another_order_under_our_id_of_one_are_folded() -> None:
    other = tally(9)
    found = planned(book(fact(1)), tallies=(other,))
    assert found.folds == (Fold(other),)
    assert (found.join, found.claims) == ((), ())


@pytest.mark.parametrize("name", [None, "grid-100-B1"])
@pytest.mark.parametrize(("since_ms", "passed"), [(110, False), (111, True)])
def test_trades_of_a_forgotten_order_are_folded_past_its_end_by_either_clock(
    name: Any, since_ms: Any, passed: Any
) -> None:
    late = tally(1, name)
    found = planned(forgetful(), tallies=(late,), since_ms=since_ms, clock_ms=10)
    assert found.folds == ((Fold(late, Decimal(2)),) if passed else ())
    assert found.dropped == ((("100", (NAME,)),) if passed else ())


def test_a_trade_that_is_late_keeps_what_was_counted_of_its_order() -> None:
    late = tally(1, last_ms=200)
    found = planned(forgetful(), tallies=(late,), since_ms=200)
    assert (found.folds, found.dropped) == ((), ())


@pytest.mark.parametrize(
    ("late", "counted"), [(tally(), 1), (tally(gone=True), 0), (tally(traded=2), 2)]
)
def test_an_order_of_which_nothing_is_kept_was_forgotten_with_its_trades(
    late: Any, counted: Any
) -> None:
    slots = new_book({"100": forgetful()["100"].replace(forgotten=())}).snapshot()
    found = planned(slots, tallies=(late,), since_ms=101)
    assert found.folds == (Fold(late, Decimal(counted)),)
    assert found.dropped == ()


def test_of_another_order_than_the_forgotten_one_nothing_was_counted() -> None:
    other = tally(99)
    found = planned(forgetful(), tallies=(other,), since_ms=101)
    assert [(fold.tally, fold.counted) for fold in found.folds] == [(other, 0)]


def test_what_is_not_counted_of_a_fold_is_all_of_it() -> None:
    assert Fold(tally()).counted == 0
