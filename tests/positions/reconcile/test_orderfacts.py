"""What `plan_facts` says of small inputs, one behaviour each: answers, absences, trades, claims."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import OrderStatus, OrderUpdate, Side
from cowstate.positions.book.findings import Absent, Dispute, Findings, Ghost
from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.orders import apply_order_update, open_order
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.book.store import Slots, new_book
from cowstate.positions.exchange.promises import FOREVER, VenuePromises
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.orderfacts import Claim, Fold, OrderFacts, plan_facts
from cowstate.positions.reconcile.queries import Asking, OrderAnswer, OrdersSeen, Query
from tests.positions.reconcile.ordering import CONFIG, LOT

NAME = "grid-100-B1"
NO_FINDINGS = Findings()
NEW, PARTLY, OVER = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED


def fact(
    order_id: int | None = 1, name: str = NAME, filled: int = 0, **changes: Any
) -> OrderUpdate:
    """A purchase of three at 100, working, unless *changes* say otherwise."""
    status = PARTLY if filled else NEW
    price, done = Decimal(100), Decimal(filled)
    told = OrderUpdate("X", name, order_id, Side.BUY, price, LOT, status, done, done * price, 100)
    return told.replace(**changes)


def book(*updates: OrderUpdate) -> Slots:
    slot = InventorySlot(Decimal(100))
    for update in updates:
        slot = apply_order_update(slot, update)
    return new_book({"100": slot}).snapshot()


def sent() -> Slots:
    """A book with one order of which nothing was heard yet."""
    slot = open_order(InventorySlot(Decimal(100)), Side.BUY, Decimal(100), LOT, NAME, 100)
    return new_book({"100": slot}).snapshot()


def forgetful() -> Slots:
    """A book whose slot has forgotten its first order, of which it had counted two."""
    names = [f"grid-100-B{number}" for number in range(1, 10)]
    return book(*(fact(n, name, 2, status=OVER) for n, name in enumerate(names, 1)))


def tally(
    order_id: int | None = 1, name: str | None = NAME, traded: int = 1, **changes: Any
) -> Tally:
    amount = Decimal(traded)
    return Tally(order_id, name, amount, amount, amount * 100, 50, 60, True).replace(**changes)


def answer(
    why: Asking,
    told: OrderUpdate | None = None,
    said: Said | None = None,
    *,
    name: str | None = NAME,
    order_id: int | None = None,
    at: int = 1_000,
    acknowledged: bool = False,
) -> OrderAnswer:
    known_as = name or f"#{order_id}"
    query = Query(known_as, name, order_id, why, acknowledged)
    return OrderAnswer(query, at, said or Said.TOLD, told)


def planned(
    slots: Slots,
    *answers: OrderAnswer,
    listed: tuple[OrderUpdate, ...] | None = (),
    complete: bool = False,
    tallies: tuple[Tally, ...] = (),
    since_ms: int = 0,
    findings: Findings = NO_FINDINGS,
    **promises: Any,
) -> OrderFacts:
    seen = OrdersSeen(1_000, listed, 1_000, complete, answers)
    ledger = Ledger(tallies=tallies, since_ms=since_ms)
    return plan_facts(slots, seen, ledger, findings, CONFIG, VenuePromises.exact(**promises))


# What is told of an order


def test_a_fact_is_joined_under_our_id_whatever_the_venue_calls_it():
    told = fact(name="x-1", filled=1)
    assert planned(book(fact()), listed=(told,)).join == (told.replace(client_oid=NAME),)


@pytest.mark.parametrize(("slots", "adopted"), [(sent(), (NAME,)), (book(fact()), ())])
def test_only_an_order_of_which_nothing_was_heard_is_adopted(slots, adopted):
    found = planned(slots, listed=(fact(filled=1),))
    assert (found.join, found.adopted) == ((fact(filled=1),), adopted)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.booleans())
def test_no_fact_is_joined_that_an_earlier_one_of_the_pass_had_told(fills, is_known):
    """Of an order that is new here, and of one that is not: each joined fact tells more."""
    told = [fact(filled=filled) for filled in fills]
    found = planned(book(fact()) if is_known else book(), listed=tuple(told))
    joined = [int(update.filled) for update in found.join]
    more = [filled for n, filled in enumerate(fills) if filled > max(fills[:n], default=-1)]
    assert joined == [filled for filled in more if filled or not is_known]


def test_of_two_orders_under_one_id_the_one_told_first_is_believed():
    first, second = fact(1, filled=1), fact(2, filled=2, price=Decimal(90))
    assert planned(sent(), listed=(first, second)).join == (first,)
    taken_in = planned(book(), listed=(first, second))
    assert taken_in.join == (first,)
    # What is of another order does not contradict this one.
    assert taken_in.findings.disputes == ()


def test_an_order_of_the_other_side_is_another_one():
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
def test_what_works_there_and_is_over_here_is_a_ghost_if_the_venue_names_it(told, ghosts):
    found = planned(book(fact(status=OVER)), listed=(told,))
    assert tuple(ghost.order_id for ghost in found.findings.ghosts) == ghosts


def test_a_new_order_whose_id_names_the_other_side_is_a_dispute_and_not_taken_in():
    found = planned(book(), listed=(fact(side=Side.SELL),))
    assert found.join == ()
    assert found.findings.disputes == (Dispute(NAME, 1, "side", "BUY", "SELL", 1_000),)


@pytest.mark.parametrize(
    ("listed", "complete", "left"),
    [((), True, False), ((), False, True), ((fact(),), True, True), (None, False, True)],
)
def test_a_ghost_that_a_whole_list_shows_no_more_was_none(listed, complete, left):
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
    said, told, at, cancels, left
):
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
def test_an_order_that_is_found_was_hidden_for_what_is_more_than_the_lag(slots, last_ms, hidden):
    findings = Findings(absent=(Absent(NAME, 200, last_ms, True),))
    found = planned(slots, listed=(fact(),), findings=findings, order_lag_ms=100)
    assert found.hidden == hidden
    assert found.findings.absent == ()


def test_of_an_order_that_is_over_it_stays_known_that_it_was_given_up():
    gone = Absent(NAME, 200, 900)
    for findings in (Findings(given_up=(gone,)), Findings(absent=(gone,))):
        for listed in ((), (fact(status=OVER),)):
            found = planned(book(fact(status=OVER)), listed=listed, findings=findings)
            assert found.findings.given_up == (gone,)


@pytest.mark.parametrize(("acknowledged", "hidden"), [(True, 700), (False, 640)])
def test_an_order_that_was_given_up_and_works_was_hidden_for_longer_than_was_promised(
    acknowledged, hidden
):
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


def test_a_ghost_that_was_never_given_up_was_not_hidden():
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
def test_an_answer_without_the_venues_id_is_of_what_was_asked_for(query, told, order_id, joined):
    slots = sent() if order_id is None else book(fact(order_id))
    name, asked_id = query
    found = planned(slots, answer(Asking.UNLISTED, told, name=name, order_id=asked_id))
    assert [(each.client_oid, each.order_id) for each in found.join] == joined
    assert bool(found.foreign) is (not joined)


@pytest.mark.parametrize(("order_id", "joins"), [(7, True), (8, False), (None, False)])
def test_an_answer_to_a_guess_counts_only_if_it_names_the_listed_order(order_id, joins):
    told = fact(order_id, "grid-100-B2", 1)
    found = planned(
        book(fact()),
        answer(Asking.STRANGER, told, name="grid-100-B2"),
        listed=(fact(7, "x-7"),),
        trades_carry_client_ids=False,
    )
    assert found.join == ((told,) if joins else ())


def test_an_order_of_which_no_slot_knows_cannot_be_missed():
    for said in (Said.NOT_FOUND, Said.NOT_YET, Said.PURGED):
        found = planned(book(), answer(Asking.UNLISTED, said=said))
        assert found == OrderFacts()


@pytest.mark.parametrize("said", [Said.NOT_FOUND, Said.PURGED])
def test_an_order_that_is_over_or_was_told_of_in_this_pass_is_not_missed(said):
    missed = answer(Asking.UNLISTED, said=said)
    for slots, listed in ((book(fact(status=OVER)), ()), (sent(), (fact(),))):
        found = planned(slots, missed, listed=listed)
        assert (found.endings, found.findings) == ((), Findings())


def test_an_order_that_is_purged_ends_and_is_not_absent():
    found = planned(book(fact()), answer(Asking.UNLISTED, said=Said.PURGED))
    assert [ending.update.status for ending in found.endings] == [OVER]
    assert found.findings == Findings()


@pytest.mark.parametrize(("acknowledged", "ends"), [(True, True), (False, False)])
def test_what_was_told_of_since_it_was_asked_for_is_not_given_up(acknowledged, ends):
    findings = Findings(absent=(Absent(NAME, 200, 900, acknowledged),))
    missed = answer(Asking.UNLISTED, said=Said.NOT_FOUND, acknowledged=acknowledged)
    found = planned(book(fact()), missed, findings=findings)
    assert bool(found.endings) is ends
    assert found.findings.absent == (Absent(NAME, 200, 1_000, acknowledged),)


def test_an_order_that_is_on_its_way_is_not_absent():
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
def test_the_answer_says_whose_the_order_was_that_nobody_knew(known, told, claims):
    asked = answer(Asking.UNKNOWN, told, name=None, order_id=9)
    assert planned(book(), asked, tallies=(known,)).claims == claims


def test_each_order_is_claimed_once():
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
def test_an_order_that_looks_like_one_that_was_sent_is_nobodys_yet(slots, told, repeats, is_said):
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
def test_an_order_of_nobody_is_gone_past_all_hiding(name, said, at, is_gone):
    """It is somebody else's where no trade names an id of ours, and ours where one does."""
    known = tally(9, name, ours=None)
    findings = Findings(absent=(Absent("#9", 500, 500),))
    asked = answer(Asking.UNKNOWN, said=said, name=None, order_id=9, at=at)
    found = planned(
        book(), asked, tallies=(known,), findings=findings, hidden_ms=60, order_lag_ms=30
    )
    assert found.claims == ((Claim(known, False),) if is_gone and name is None else ())
    assert found.gone == ((known,) if is_gone and name else ())


def test_an_order_without_trades_cannot_be_gone():
    asked = answer(Asking.UNKNOWN, said=Said.PURGED, name=None, order_id=9)
    assert planned(book(), asked) == OrderFacts()


# What trades tell


def test_trades_that_name_no_id_of_ours_are_of_the_order_that_was_learnt_just_now():
    nameless = tally(9, None, 2, ours=None)
    found = planned(sent(), listed=(fact(9),), tallies=(nameless,))
    assert found.claims == (Claim(nameless, True, NAME),)
    assert [int(update.filled) for update in found.join] == [0, 2]


def test_trades_that_name_an_id_of_ours_wait_until_its_slot_has_the_order():
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
def test_trades_tell_that_an_order_is_full_unless_its_own_quantity_was_edited(about, name, status):
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
    slots, unique_ms, is_sure, ours, name, is_said
):
    """Where ids may be used again that is the venue's id of it; and once it is said, not again."""
    known = tally(1, name, ours=ours)
    found = planned(slots, tallies=(known,), ids_unique_ms=unique_ms)
    if name is None and slots["100"].order_id is None:
        assert (found.claims, found.join) == ((), ())  # nothing says that it is this one
        return
    assert found.claims == ((Claim(known, True, NAME),) if is_sure and not is_said else ())
    assert [int(update.filled) for update in found.join] == ([1] if is_sure else [])


def test_trades_of_another_order_under_our_id_of_one_are_folded():
    other = tally(9)
    found = planned(book(fact(1)), tallies=(other,))
    assert found.folds == (Fold(other),)
    assert (found.join, found.claims) == ((), ())


@pytest.mark.parametrize("name", [None, "grid-100-B1"])
@pytest.mark.parametrize(("since_ms", "passed"), [(110, False), (111, True)])
def test_trades_of_a_forgotten_order_are_folded_past_its_end_by_either_clock(
    name, since_ms, passed
):
    late = tally(1, name)
    found = planned(forgetful(), tallies=(late,), since_ms=since_ms, clock_ms=10)
    assert found.folds == ((Fold(late, Decimal(2)),) if passed else ())
    assert found.dropped == ((("100", (NAME,)),) if passed else ())


def test_a_trade_that_is_late_keeps_what_was_counted_of_its_order():
    late = tally(1, last_ms=200)
    found = planned(forgetful(), tallies=(late,), since_ms=200)
    assert (found.folds, found.dropped) == ((), ())


@pytest.mark.parametrize(
    ("late", "counted"), [(tally(), 1), (tally(gone=True), 0), (tally(traded=2), 2)]
)
def test_an_order_of_which_nothing_is_kept_was_forgotten_with_its_trades(late, counted):
    slots = new_book({"100": forgetful()["100"].replace(forgotten=())}).snapshot()
    found = planned(slots, tallies=(late,), since_ms=101)
    assert found.folds == (Fold(late, Decimal(counted)),)
    assert found.dropped == ()


def test_of_another_order_than_the_forgotten_one_nothing_was_counted():
    other = tally(99)
    found = planned(forgetful(), tallies=(other,), since_ms=101)
    assert [(fold.tally, fold.counted) for fold in found.folds] == [(other, 0)]


def test_what_is_not_counted_of_a_fold_is_all_of_it():
    assert Fold(tally()).counted == 0
