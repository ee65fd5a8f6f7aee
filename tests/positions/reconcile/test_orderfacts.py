"""What `plan_facts` says of small inputs, one behaviour each: answers, absences, trades, claims."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import OrderStatus, Side
from cowstate.positions.book.findings import Absent, Dispute, Findings, Ghost
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.orderfacts import Claim, OrderFacts
from cowstate.positions.reconcile.queries import Asking
from tests.positions.reconcile.planning import (
    NAME,
    OVER,
    answer,
    book,
    fact,
    planned,
    sent,
    tally,
)

# What is told of an order


def test_a_fact_is_joined_under_our_id_whatever_the_venue_calls_it() -> None:
    told = fact(name="x-1", filled=1)
    assert planned(book(fact()), listed=(told,)).join == (told.replace(client_oid=NAME),)


@pytest.mark.parametrize(("slots", "adopted"), [(sent(), (NAME,)), (book(fact()), ())])
def test_only_an_order_of_which_nothing_was_heard_is_adopted(slots: Any, adopted: Any) -> None:
    found = planned(slots, listed=(fact(filled=1),))
    assert (found.join, found.adopted) == ((fact(filled=1),), adopted)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.booleans())
def test_no_fact_is_joined_that_an_earlier_one_of_the_pass_had_told(
    fills: Any, is_known: Any
) -> None:
    """Of an order that is new here, and of one that is not: each joined fact tells more."""
    told = [fact(filled=filled) for filled in fills]
    found = planned(book(fact()) if is_known else book(), listed=tuple(told))
    joined = [int(update.filled) for update in found.join]
    more = [filled for n, filled in enumerate(fills) if filled > max(fills[:n], default=-1)]
    assert joined == [filled for filled in more if filled or not is_known]


def test_of_two_orders_under_one_id_the_one_told_first_is_believed() -> None:
    first, second = fact(1, filled=1), fact(2, filled=2, price=Decimal(90))
    assert planned(sent(), listed=(first, second)).join == (first,)
    taken_in = planned(book(), listed=(first, second))
    assert taken_in.join == (first,)
    # What is of another order does not contradict this one.
    assert taken_in.findings.disputes == ()


def test_an_order_of_the_other_side_is_another_one() -> None:
    found = planned(sent(), listed=(fact(9, side=Side.SELL),))
    assert (found.join, found.findings.disputes) == ((), ())
    assert found.findings.ghosts == (Ghost(9, NAME, 1_000),)


@pytest.mark.parametrize(
    ("told", "ghosts"),
    [
        (fact(1), (1,)),
        (fact(1, status=OVER), ()),
        (fact(None), ()),
        (fact(2), (2,)),
        (fact(2, status=OVER), ()),
    ],
)
def test_what_works_there_and_is_over_here_is_a_ghost_if_the_venue_names_it(
    told: Any, ghosts: Any
) -> None:
    found = planned(book(fact(status=OVER)), listed=(told,))
    assert tuple(ghost.order_id for ghost in found.findings.ghosts) == ghosts


def test_a_new_order_whose_id_names_the_other_side_is_a_dispute_and_not_taken_in() -> None:
    found = planned(book(), listed=(fact(side=Side.SELL),))
    assert found.join == ()
    assert found.findings.disputes == (Dispute(NAME, 1, "side", "BUY", "SELL", 1_000),)


@pytest.mark.parametrize(
    ("listed", "complete", "left"),
    [((), True, False), ((), False, True), ((fact(),), True, True), (None, False, True)],
)
def test_a_ghost_that_a_whole_list_shows_no_more_was_none(
    listed: Any, complete: Any, left: Any
) -> None:
    ghost = Ghost(1, NAME, 500)
    findings = Findings(ghosts=(ghost,))
    slots = book(fact(status=OVER))
    found = planned(slots, listed=listed, complete=complete, findings=findings)
    assert found.findings.ghosts == ((ghost,) if left else ())


@pytest.mark.parametrize(
    ("said", "told", "at", "cancels", "left"),
    [
        (Said.TOLD, fact(), 600, False, True),
        (Said.TOLD, fact(), 601, True, False),
        (Said.TOLD, fact(status=OVER), 600, False, False),
        (Said.NOT_FOUND, None, 600, False, False),
        (Said.NOT_YET, None, 600, False, True),
    ],
)
def test_a_ghost_is_cancelled_once_an_answer_shows_that_it_was_alive_since(
    said: Any, told: Any, at: Any, cancels: Any, left: Any
) -> None:
    findings = Findings(ghosts=(Ghost(1, NAME, 500),))
    asked = answer(Asking.GHOST, told, said, name=None, order_id=1, at=at)
    found = planned(book(fact(status=OVER)), asked, findings=findings, order_lag_ms=100)
    assert found.cancel == ((fact(),) if cancels else ())
    assert bool(found.findings.ghosts) is left


# For how long an order was hidden


@pytest.mark.parametrize(
    ("slots", "last_ms", "hidden"),
    [
        (book(fact()), 299, ()),
        (book(fact()), 300, ()),
        (book(fact()), 301, ((NAME, 1),)),
        (book(fact()), 302, ((NAME, 2),)),
        # One that was never acknowledged may have been on its way.
        (sent(), 302, ()),
        (book(fact(status=OVER)), 302, ()),
    ],
)
def test_an_order_that_is_found_was_hidden_for_what_is_more_than_the_lag(
    slots: Any, last_ms: Any, hidden: Any
) -> None:
    findings = Findings(absent=(Absent(NAME, 200, last_ms, True),))
    found = planned(slots, listed=(fact(),), findings=findings, order_lag_ms=100)
    assert found.hidden == hidden
    assert found.findings.absent == ()


def test_of_an_order_that_is_over_it_stays_known_that_it_was_given_up() -> None:
    gone = Absent(NAME, 200, 900)
    for findings in (Findings(given_up=(gone,)), Findings(absent=(gone,))):
        for listed in ((), (fact(status=OVER),)):
            found = planned(book(fact(status=OVER)), listed=listed, findings=findings)
            assert found.findings.given_up == (gone,)


@pytest.mark.parametrize(("acknowledged", "hidden"), [(True, 700), (False, 640)])
def test_an_order_that_was_given_up_and_works_was_hidden_for_longer_than_was_promised(
    acknowledged: Any, hidden: Any
) -> None:
    """It is cancelled, and from then on no longer taken for given up, nor for a ghost."""
    findings = Findings(
        ghosts=(Ghost(1, NAME, 500),), given_up=(Absent(NAME, 100, 900, acknowledged),)
    )
    told = answer(Asking.GHOST, fact(name="x-1"), name=None, order_id=1)
    found = planned(
        book(fact(status=OVER)), told, findings=findings, order_lag_ms=100, lifetime_ms=60
    )
    assert found.hidden == ((NAME, hidden),)
    assert found.cancel == (fact(),)
    assert (found.findings.given_up, found.findings.ghosts) == ((), ())


def test_a_ghost_that_was_never_given_up_was_not_hidden() -> None:
    findings = Findings(ghosts=(Ghost(1, NAME, 500),))
    told = answer(Asking.GHOST, fact(), name=None, order_id=1)
    found = planned(book(fact(status=OVER)), told, findings=findings)
    assert (found.hidden, found.cancel) == ((), (fact(),))


# Answers


@pytest.mark.parametrize(
    ("query", "told", "order_id", "joined"),
    [
        # What an answer leaves out is what was asked for.
        ((NAME, None), fact(None, "x-1", 1), 1, [(NAME, None)]),
        ((None, 1), fact(None, "x-1", 1), 1, [(NAME, 1)]),
        ((None, 1), fact(None, NAME, 1), 1, [(NAME, 1)]),
        ((NAME, None), fact(None, NAME, 1), None, [(NAME, None)]),
        # The venue's id in an answer says more than what was asked for.
        ((NAME, None), fact(9, "x-9", 1), None, []),
        ((None, 9), fact(1, "x-1", 1), 1, [(NAME, 1)]),
    ],
)
def test_an_answer_without_the_venues_id_is_of_what_was_asked_for(
    query: Any, told: Any, order_id: Any, joined: Any
) -> None:
    slots = sent() if order_id is None else book(fact(order_id))
    name, asked_id = query
    found = planned(slots, answer(Asking.UNLISTED, told, name=name, order_id=asked_id))
    assert [(each.client_oid, each.order_id) for each in found.join] == joined
    assert bool(found.foreign) is (not joined)


@pytest.mark.parametrize(("order_id", "joins"), [(7, True), (8, False), (None, False)])
def test_an_answer_to_a_guess_counts_only_if_it_names_the_listed_order(
    order_id: Any, joins: Any
) -> None:
    told = fact(order_id, "grid-100-B2", 1)
    found = planned(
        book(fact()),
        answer(Asking.STRANGER, told, name="grid-100-B2"),
        listed=(fact(7, "x-7"),),
        trades_carry_client_ids=False,
    )
    assert found.join == ((told,) if joins else ())


def test_an_order_of_which_no_slot_knows_cannot_be_missed() -> None:
    for said in (Said.NOT_FOUND, Said.NOT_YET, Said.PURGED):
        found = planned(book(), answer(Asking.UNLISTED, said=said))
        assert found == OrderFacts()


@pytest.mark.parametrize("said", [Said.NOT_FOUND, Said.PURGED])
def test_an_order_that_is_over_or_was_told_of_in_this_pass_is_not_missed(said: Any) -> None:
    missed = answer(Asking.UNLISTED, said=said)
    for slots, listed in ((book(fact(status=OVER)), ()), (sent(), (fact(),))):
        found = planned(slots, missed, listed=listed)
        assert (found.endings, found.findings) == ((), Findings())


def test_an_order_that_is_purged_ends_and_is_not_absent() -> None:
    found = planned(book(fact()), answer(Asking.UNLISTED, said=Said.PURGED))
    assert [ending.update.status for ending in found.endings] == [OVER]
    assert found.findings == Findings()


@pytest.mark.parametrize(("acknowledged", "ends"), [(True, True), (False, False)])
def test_what_was_told_of_since_it_was_asked_for_is_not_given_up(
    acknowledged: Any, ends: Any
) -> None:
    findings = Findings(absent=(Absent(NAME, 200, 900, acknowledged),))
    missed = answer(Asking.UNLISTED, said=Said.NOT_FOUND, acknowledged=acknowledged)
    found = planned(book(fact()), missed, findings=findings)
    assert bool(found.endings) is ends
    assert found.findings.absent == (Absent(NAME, 200, 1_000, acknowledged),)


def test_an_order_that_is_on_its_way_is_not_absent() -> None:
    findings = Findings(absent=(Absent(NAME, 200, 900),))
    found = planned(sent(), answer(Asking.UNLISTED, said=Said.NOT_YET), findings=findings)
    assert found == OrderFacts()


# Whose an order is of which trades tell

UNKNOWN = tally(9, None, ours=None)
TOLD = fact(9, "web-9")


@pytest.mark.parametrize(
    ("known", "told", "claims"),
    [
        (UNKNOWN, TOLD, (Claim(UNKNOWN, False),)),
        (tally(9, NAME, ours=None), fact(9), (Claim(tally(9, NAME, ours=None), True, NAME),)),
        # It has been said already, or nobody needs to know.
        (UNKNOWN.replace(ours=False), TOLD, ()),
        (UNKNOWN.replace(order_id=8), TOLD, ()),
    ],
)
def test_the_answer_says_whose_the_order_was_that_nobody_knew(
    known: Any, told: Any, claims: Any
) -> None:
    asked = answer(Asking.UNKNOWN, told, name=None, order_id=9)
    assert planned(book(), asked, tallies=(known,)).claims == claims


def test_each_order_is_claimed_once() -> None:
    """Of one that is known here the trades are claimed as such, whatever it was asked for."""
    known = tally(ours=None)
    asked = answer(Asking.UNLISTED, fact(), order_id=1)
    assert planned(book(fact()), asked, tallies=(known,)).claims == (Claim(known, True, NAME),)


@pytest.mark.parametrize(
    ("slots", "told", "repeats", "is_said"),
    [
        (sent(), TOLD, False, False),
        (sent(), TOLD, True, True),
        (sent(), TOLD.replace(side=Side.SELL), False, True),
        (sent(), TOLD.replace(price=Decimal(110)), False, True),
        (sent(), TOLD.replace(quantity=Decimal(2)), False, True),
        (book(fact(1)), TOLD, False, True),
        (book(fact(None, status=OrderStatus.REJECTED)), TOLD, False, True),
        (book(), TOLD, False, True),
    ],
)
def test_an_order_that_looks_like_one_that_was_sent_is_nobodys_yet(
    slots: Any, told: Any, repeats: Any, is_said: Any
) -> None:
    """Where trades repeat no id of ours, it may be the one whose id at the venue is not known."""
    asked = answer(Asking.UNKNOWN, told, name=None, order_id=9)
    found = planned(slots, asked, tallies=(UNKNOWN,), trades_carry_client_ids=repeats)
    assert found.claims == ((Claim(UNKNOWN, False),) if is_said else ())


@pytest.mark.parametrize(
    ("said", "at", "is_gone"),
    [
        (Said.NOT_FOUND, 590, False),
        (Said.NOT_FOUND, 591, True),
        (Said.NOT_YET, 591, False),
        (Said.PURGED, 500, True),
    ],
)
@pytest.mark.parametrize("name", [None, NAME])
def test_an_order_of_nobody_is_gone_past_all_hiding(
    name: Any, said: Any, at: Any, is_gone: Any
) -> None:
    """It is somebody else's where no trade names an id of ours, and ours where one does."""
    known = tally(9, name, ours=None)
    findings = Findings(absent=(Absent("#9", 500, 500),))
    asked = answer(Asking.UNKNOWN, said=said, name=None, order_id=9, at=at)
    found = planned(
        book(), asked, tallies=(known,), findings=findings, hidden_ms=60, order_lag_ms=30
    )
    assert found.claims == ((Claim(known, False),) if is_gone and name is None else ())
    assert found.gone == ((known,) if is_gone and name else ())


def test_an_order_without_trades_cannot_be_gone() -> None:
    asked = answer(Asking.UNKNOWN, said=Said.PURGED, name=None, order_id=9)
    assert planned(book(), asked) == OrderFacts()
