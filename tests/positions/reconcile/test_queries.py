"""Which orders are asked for: in a stated order, whoever waits longest first, within a budget."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions import GridConfig, OrderStatus, OrderUpdate, Side
from cowstate.positions.book.findings import Findings
from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.orders import apply_order_update, open_order
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.book.store import Slots, new_book
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile import orderfacts
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.orderfacts import plan_facts
from cowstate.positions.reconcile.places import Place, place_of, place_of_tally
from cowstate.positions.reconcile.queries import Asking, OrderAnswer, OrdersSeen, plan_queries

CONFIG = GridConfig("X", Decimal(10), Decimal(3), 3, "grid")
PROMISES = VenuePromises.exact()
NOTHING = Ledger()


def update(name: str, order_id: int | None, status=OrderStatus.NEW, time_ms=100, **changes):
    price = Decimal(name.split("-")[1])
    side = Side.BUY if "-B" in name else Side.SELL
    told = OrderUpdate("X", name, order_id, side, price, Decimal(3), status, time_ms=time_ms)
    return told.replace(**changes)


def book(*updates: OrderUpdate) -> Slots:
    store = new_book()
    for each in updates:
        key = each.client_oid.split("-")[1]
        empty = InventorySlot(Decimal(key))
        store.update(key, lambda slot, each=each: apply_order_update(slot, each), default=empty)
    return store.snapshot()


def tally(order_id: int | None, client_oid: str | None = None, first_ms: int = 50, **changes):
    one = Decimal(1)
    return Tally(order_id, client_oid, one, one, one, first_ms, 60, True).replace(**changes)


def asked(slots, seen, ledger=NOTHING, findings=None, budget=99, promises=PROMISES):
    found = plan_queries(slots, seen, ledger, findings or Findings(), CONFIG, promises, budget)
    return [(query.name, query.why) for query in found]


def listed(*updates: OrderUpdate, at: int = 1_000, **changes) -> OrdersSeen:
    return OrdersSeen(at, updates, at, True).replace(**changes)


WORKING = [update("grid-100-B1", 1, time_ms=300), update("grid-110-B1", 2, time_ms=200)]


def test_who_was_asked_longest_ago_comes_first_and_then_the_oldest():
    slots = book(*WORKING, update("grid-120-B1", 3, time_ms=400))
    unlisted = Asking.UNLISTED
    assert asked(slots, listed()) == [
        ("grid-110-B1", unlisted),
        ("grid-100-B1", unlisted),
        ("grid-120-B1", unlisted),
    ]
    findings = Findings().asking(["grid-110-B1"], 900).asking(["grid-100-B1"], 800)
    assert asked(slots, listed(), findings=findings, budget=2) == [
        ("grid-120-B1", unlisted),
        ("grid-100-B1", unlisted),
    ]


@given(st.permutations(range(6)), st.integers(0, 12))
def test_the_order_does_not_depend_on_that_of_slots_tallies_or_lists(order, budget):
    working = [update(f"grid-{100 + 10 * n}-B1", n, time_ms=300) for n in range(6)]
    ghosts = [update(f"grid-{200 + 10 * n}-B1", 20 + n) for n in range(6)]
    over = [each.replace(status=OrderStatus.CANCELED) for each in ghosts]
    unknown = [tally(40 + n, f"grid-{300 + 10 * n}-B1") for n in range(6)]

    def run(turns):
        slots = book(*(working[n] for n in turns), *(over[n] for n in turns))
        seen = listed(*(ghosts[n] for n in turns))
        ledger = Ledger(tallies=tuple(unknown[n] for n in turns))
        return asked(slots, seen, ledger, budget=budget)

    found = run(order)
    assert found == run(range(6))
    assert len(found) == min(budget, 18)
    assert [why for _, why in found] == sorted(why for _, why in found)


def test_what_is_listed_answered_or_too_young_is_not_asked_for():
    slots = book(*WORKING)
    assert asked(slots, listed(*WORKING)) == []
    assert asked(slots, listed(*WORKING[:1])) == [("grid-110-B1", Asking.UNLISTED)]
    (query, other) = plan_queries(slots, listed(), NOTHING, Findings(), CONFIG, PROMISES, 9)
    answered = listed(answers=(OrderAnswer(query, 1_000, Said.NOT_FOUND),))
    assert asked(slots, answered) == [(other.name, Asking.UNLISTED)]
    # Noted after the list was asked for: it need not be in it.
    assert asked(slots, listed(at=300)) == [("grid-110-B1", Asking.UNLISTED)]
    # Without a list, each that is alive is to be asked for.
    assert len(asked(slots, OrdersSeen(300))) == 2
    assert asked(book(update("grid-100-B1", 1, OrderStatus.CANCELED)), listed()) == []


def test_a_listed_order_is_known_by_the_venues_id_too():
    nameless = [each.replace(client_oid=f"x-{each.order_id}") for each in WORKING]
    assert asked(book(*WORKING), listed(*nameless)) == []


def test_where_ids_may_be_used_again_a_new_order_is_not_asked_for_yet():
    slot = open_order(
        InventorySlot(Decimal(100)), Side.BUY, Decimal(100), Decimal(3), "grid-100-B1", 500
    )
    slots = new_book({"100": slot}).snapshot()
    reused = PROMISES.replace(ids_unique_ms=0)
    assert asked(slots, listed()) == [("grid-100-B1", Asking.UNLISTED)]
    assert asked(slots, listed(), promises=reused) == []
    assert asked(slots, listed(at=60_501), promises=reused) == [("grid-100-B1", Asking.UNLISTED)]


@pytest.mark.parametrize(
    ("one", "place", "name"),
    [
        (tally(1, "grid-100-B1"), Place.KNOWN, None),
        (tally(1), Place.KNOWN, None),
        (tally(9), Place.NAMELESS, "#9"),
        (tally(9, "grid-100-B5"), Place.NEW, "#9"),
        (tally(9, "grid-500-B1"), Place.NEW, "#9"),
        (tally(None, "grid-500-B1"), Place.NEW, "grid-500-B1"),
        (tally(9, "grid-100-B1"), Place.ANOTHER, None),
        (tally(9, "grid-500-B1", gone=True), Place.NEW, None),
        (tally(9, ours=False), Place.NAMELESS, None),
    ],
)
def test_orders_that_only_trades_tell_of_are_asked_for(one, place, name):
    slots = book(*WORKING)
    assert place_of_tally(slots, one, CONFIG).place is place
    found = asked(slots, listed(*WORKING), Ledger(tallies=(one,)))
    assert found == ([] if name is None else [(name, Asking.UNKNOWN)])


def test_an_order_that_its_slot_has_forgotten_is_not_asked_for():
    closed = [update(f"grid-100-B{n}", n, OrderStatus.CANCELED) for n in range(1, 12)]
    slots = book(*closed)
    forgotten = tally(1, "grid-100-B1")
    assert place_of_tally(slots, forgotten, CONFIG).place is Place.FORGOTTEN
    assert asked(slots, listed(), Ledger(tallies=(forgotten,))) == []
    # Its trades were counted with it, unless it is known that they were not.
    ledger = Ledger(tallies=(forgotten,))
    lost = slots["100"].replace(forgotten=())
    unkept = new_book({"100": lost}).snapshot()
    for since_ms, gone, counted in ((60, False, None), (61, False, 1), (61, True, 0)):
        now = ledger.read(since_ms)
        now = now.given_up(forgotten) if gone else now
        facts = plan_facts(unkept, listed(), now, Findings(), CONFIG, PROMISES)
        assert [fold.counted for fold in facts.folds] == ([] if counted is None else [counted])
        assert facts.dropped == ()


@pytest.mark.parametrize(
    ("since_ms", "last_ms", "order_id", "counted"),
    [
        (100, 60, 1, None),
        (101, 60, 1, Decimal(2)),
        (101, 101, 1, None),
        (102, 101, 1, Decimal(2)),
        (101, 60, 99, Decimal(0)),
        (101, 60, None, Decimal(2)),
    ],
)
def test_a_forgotten_order_is_held_against_its_trades_when_the_list_has_passed_both(
    since_ms, last_ms, order_id, counted
):
    filled = {"filled": Decimal(2), "cost": Decimal(200)}
    closed = [update(f"grid-100-B{n}", n, OrderStatus.CANCELED, **filled) for n in range(1, 10)]
    slots = book(*closed)
    (kept,) = slots["100"].forgotten
    assert (kept.client_oid, kept.order_id, kept.filled, kept.ended_ms) == (
        "grid-100-B1",
        1,
        2,
        100,
    )
    one = tally(order_id, "grid-100-B1", last_ms=last_ms)
    ledger = Ledger(tallies=(one,)).read(since_ms)
    facts = plan_facts(slots, listed(), ledger, Findings(), CONFIG, PROMISES)
    assert [fold.counted for fold in facts.folds] == ([] if counted is None else [counted])
    assert facts.dropped == (() if counted is None else (("100", ("grid-100-B1",)),))


@pytest.mark.parametrize(
    ("told", "place"),
    [
        (WORKING[0], Place.KNOWN),
        (WORKING[0].replace(client_oid="x-1"), Place.KNOWN),
        (WORKING[0].replace(order_id=None), Place.KNOWN),
        (WORKING[0].replace(order_id=9), Place.ANOTHER),
        (update("grid-500-B1", 9), Place.NEW),
        (update("grid-100-B7", 9), Place.NEW),
        (update("grid-100-B7", 9).replace(client_oid="web-1"), Place.FOREIGN),
        (update("grid-100-B7", 9).replace(client_oid="other-100-B7"), Place.FOREIGN),
    ],
)
def test_an_order_is_what_the_venues_id_names(told, place):
    placed = place_of(book(*WORKING), told, CONFIG)
    assert placed.place is place
    assert (placed.order is None) is (place in (Place.NEW, Place.FOREIGN))


def test_a_bug_that_drops_them_at_once_is_found(monkeypatch):
    """A fill that no event told of, of an order that was cancelled and forgotten, would be lost."""
    monkeypatch.setattr(orderfacts._Facts, "_is_passed", lambda self, moment_ms: True)
    with pytest.raises(AssertionError):
        test_a_forgotten_order_is_held_against_its_trades_when_the_list_has_passed_both(
            101, 101, 1, None
        )


# What becomes of answers


def answer(slots, said, told=None, *, at=1_000, findings=None, ledger=NOTHING, **promises):
    (query,) = plan_queries(
        slots, listed(at=at), ledger, findings or Findings(), CONFIG, PROMISES, 1
    )
    seen = listed(answers=(OrderAnswer(query, at, said, told),), at=at)
    kept = PROMISES.replace(**promises)
    return plan_facts(slots, seen, ledger, findings or Findings(), CONFIG, kept)


def test_a_list_that_lags_does_not_discard_an_orders_own_answer():
    filled = WORKING[0].replace(
        status=OrderStatus.FILLED, filled=Decimal(3), cost=Decimal(300), time_ms=900
    )
    slots = book(WORKING[0])
    seen = listed(WORKING[0])
    (query,) = plan_queries(slots, listed(), NOTHING, Findings(), CONFIG, PROMISES, 1)
    seen = seen.replace(answers=(OrderAnswer(query, 1_000, Said.TOLD, filled),))
    assert plan_facts(slots, seen, NOTHING, Findings(), CONFIG, PROMISES).join == (filled,)


def test_not_found_not_yet_and_purged_are_told_apart():
    slots = book(WORKING[0])
    absent = answer(slots, Said.NOT_FOUND, hidden_ms=500)
    assert absent.endings == ()
    assert absent.findings.absence("grid-100-B1").since_ms == 1_000
    again = answer(slots, Said.NOT_FOUND, at=1_501, findings=absent.findings, hidden_ms=500)
    assert [ending.update.status for ending in again.endings] == [OrderStatus.CANCELED]
    later = answer(slots, Said.NOT_YET, at=1_501, findings=absent.findings)
    assert (later.endings, later.findings.absent) == ((), ())
    (ending,) = answer(slots, Said.PURGED).endings
    assert ending.order is slots["100"].working
    assert ending.update.status is OrderStatus.CANCELED


def test_an_order_that_was_hidden_and_is_there_shows_for_how_long():
    findings = Findings().not_found("grid-100-B1", 200).not_found("grid-100-B1", 900)
    found = answer(book(WORKING[0]), Said.TOLD, WORKING[0], findings=findings, order_lag_ms=100)
    assert found.hidden == (("grid-100-B1", 600),)
    assert found.findings.absent == ()


def test_an_order_that_is_new_here_is_taken_in_and_never_cancelled():
    stranger = update("grid-500-B3", 9)
    found = plan_facts(book(), listed(stranger), NOTHING, Findings(), CONFIG, PROMISES)
    assert (found.join, found.cancel) == ((stranger,), ())
    turned = stranger.replace(side=Side.SELL)
    found = plan_facts(book(), listed(turned), NOTHING, Findings(), CONFIG, PROMISES)
    assert found.join == ()
    assert [each.about for each in found.findings.disputes] == ["side"]


def test_orders_of_others_are_told_and_left_alone():
    foreign = update("grid-500-B3", 9).replace(client_oid="web")
    found = plan_facts(book(), listed(foreign), NOTHING, Findings(), CONFIG, PROMISES)
    assert (found.foreign, found.join, found.cancel) == ((foreign,), (), ())


def test_trades_tell_what_no_answer_does_and_each_fact_once():
    ledger = Ledger(tallies=(tally(1, "grid-100-B1"),))
    slots = book(WORKING[0])
    (fact,) = plan_facts(slots, listed(WORKING[0]), ledger, Findings(), CONFIG, PROMISES).join
    assert (fact.filled, fact.status) == (1, OrderStatus.PARTIALLY_FILLED)
    told = WORKING[0].replace(filled=Decimal(1), cost=Decimal(1))
    told = told.replace(status=OrderStatus.PARTIALLY_FILLED)
    found = plan_facts(slots, listed(told), ledger, Findings(), CONFIG, PROMISES)
    assert found.join == (told,)


def test_an_order_that_is_listed_though_it_is_over_is_asked_for_and_then_cancelled():
    over = WORKING[0].replace(status=OrderStatus.CANCELED)
    slots = book(over)
    first = plan_facts(slots, listed(WORKING[0]), NOTHING, Findings(), CONFIG, PROMISES)
    assert first.cancel == ()
    assert first.findings.ghost(1).since_ms == 1_000
    seen = listed(WORKING[0], at=2_000)
    (query,) = plan_queries(slots, seen, NOTHING, first.findings, CONFIG, PROMISES, 9)
    assert (query.why, query.order_id) == (Asking.GHOST, 1)
    for told, said, cancelled, left in (
        (WORKING[0], Said.TOLD, [1], 0),
        (over, Said.TOLD, [], 0),
        (None, Said.NOT_FOUND, [], 0),
        (None, Said.PURGED, [], 0),
        (None, Said.NOT_YET, [], 1),
    ):
        answers = (OrderAnswer(query, 2_000, said, told),)
        found = plan_facts(
            slots, seen.replace(answers=answers), NOTHING, first.findings, CONFIG, PROMISES
        )
        assert [each.order_id for each in found.cancel] == cancelled
        assert len(found.findings.ghosts) == left
    # No longer listed: the list was late.
    gone = plan_facts(slots, listed(at=2_000), NOTHING, first.findings, CONFIG, PROMISES)
    assert gone.findings.ghosts == ()
    cut = listed(at=2_000, complete=False)
    kept = plan_facts(slots, cut, NOTHING, first.findings, CONFIG, PROMISES)
    assert len(kept.findings.ghosts) == 1
