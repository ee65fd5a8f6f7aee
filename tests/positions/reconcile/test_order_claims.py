"""What is done about orders does no harm and ends: laws of a random world, each broken by bugs."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate.errors import CowstateError
from cowstate.positions.book import facts
from cowstate.positions.book.findings import Findings
from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.store import new_book
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile import fates, orderfacts
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.queries import Asking, OrderAnswer, OrdersSeen, Query
from cowstate.positions.reconcile.standing import standing_of
from tests.positions.reconcile.ordering import CONFIG, World


def lived(seed: int, steps: int = 120) -> World:
    world = World(seed)
    world.run(steps)
    world.rest()
    world.check_rest()
    return world


@pytest.mark.parametrize("seed", range(40))
def test_no_order_is_given_up_that_works_and_all_is_right_at_rest(seed):
    """What is checked at each pass, and at rest, stands in `World`."""
    for number in range(5):
        lived(1_000 * seed + number)


@pytest.mark.parametrize("seed", range(25))
def test_what_slots_forget_is_held_against_its_trades_first(seed):
    """In worlds so long that slots forget their first orders, with trades still to be listed."""
    lived(seed, 900)


def test_the_worlds_are_not_empty():
    """Each of the things that the laws speak of does happen in them."""
    happened = dict.fromkeys(("ended", "disputed", "adopted", "folded", "gone", "dropped"), 0)

    class Watched(World):
        def apply(self, found: orderfacts.OrderFacts) -> None:
            happened["ended"] += len(found.endings)
            happened["disputed"] += len(found.findings.disputes)
            happened["adopted"] += len(found.adopted)
            happened["folded"] += len(found.folds)
            happened["gone"] += len(found.gone) + len(found.claims)
            happened["dropped"] += len(found.dropped)
            super().apply(found)

    for seed in range(20):
        Watched(seed).run(600)
    assert all(happened.values()), happened


def test_an_order_that_was_given_up_wrongly_is_found_and_cancelled():
    """The venue hides orders for longer than it was told to: that does harm, and it heals."""
    cancelled = hidden = 0

    class Watched(World):
        def apply(self, found: orderfacts.OrderFacts) -> None:
            nonlocal cancelled, hidden
            cancelled += len(found.cancel)
            hidden += len(found.hidden)
            super().apply(found)

    for seed in range(150):
        world = Watched(seed, bold=True)
        world.run(120)
        world.rest()
        world.check_rest()
    assert cancelled
    assert hidden


PROMISES = VenuePromises.exact(hidden_ms=60, order_lag_ms=30)


@pytest.mark.parametrize(
    ("name", "said", "last_ms", "claimed", "gone"),
    [
        (None, Said.NOT_FOUND, 1_090, [], []),
        (None, Said.NOT_FOUND, 1_091, [False], []),
        (None, Said.NOT_YET, 1_091, [], []),
        (None, Said.PURGED, 1_000, [False], []),
        ("grid-100-B1", Said.NOT_FOUND, 1_090, [], []),
        ("grid-100-B1", Said.NOT_FOUND, 1_091, [], [9]),
        ("grid-100-B1", Said.PURGED, 1_000, [], [9]),
    ],
)
def test_whose_an_order_was_that_is_found_no_more_is_said_past_all_hiding(
    name, said, last_ms, claimed, gone
):
    """Without a client id it counts as somebody else's, with one as ours: it counts either way."""
    one = Decimal(1)
    tally = Tally(9, name, one, one, one, 50, 60, None)
    ledger = Ledger(tallies=(tally,))
    query = Query("#9", None, 9, Asking.UNKNOWN)
    findings = Findings().not_found("#9", 1_000)
    seen = OrdersSeen(1_100, answers=(OrderAnswer(query, last_ms, said),))
    found = orderfacts.plan_facts(new_book().snapshot(), seen, ledger, findings, CONFIG, PROMISES)
    assert [claim.ours for claim in found.claims] == claimed
    assert [each.order_id for each in found.gone] == gone
    for claim in found.claims:
        ledger = ledger.claimed(claim.tally, claim.ours, claim.client_oid)
    for each in found.gone:
        ledger = ledger.given_up(each)
    assert standing_of(ledger, Decimal(0), ()).accounted == 1


# Seeded bugs. In some world, each breaks a law.

_given_up = fates.given_up
_certain = facts.certain
_claimed = Ledger.claimed


def given_up_at_once(order, absent, promises, symbol, now_ms):
    return _given_up(order, absent.replace(last_ms=10**9), promises, symbol, now_ms)


def given_up_as_if_nothing_hid(order, absent, promises, symbol, now_ms):
    return _given_up(order, absent, promises.replace(hidden_ms=0), symbol, now_ms)


def given_up_as_if_requests_were_quick(order, absent, promises, symbol, now_ms):
    return _given_up(order, absent, promises.replace(lifetime_ms=0), symbol, now_ms)


def never_given_up(order, absent, promises, symbol, now_ms):
    return None


def every_answer_is_of_now(asked_ms, since_ms, promises):
    return True


def trades_tell_nothing(order, tally, symbol, *, edited=False):
    return None


def what_contradicts_is_dropped(order, update, now_ms):
    found = _certain(order, update, now_ms)
    if found.disputes:
        return found.replace(
            update=update.replace(
                price=order.price,
                quantity=order.quantity,
                side=order.side,
                status=order.status,
                filled=order.filled,
                cost=order.cost,
            )
        )
    return found


def only_the_list_is_believed(self, answer):
    return None


def forgets_whose_it_was(self, tally, ours, client_oid=None):
    """As in the first design: what is not ours is dropped into one sum, for ever."""
    if ours:
        return _claimed(self, tally, ours, client_oid)
    found = _claimed(self, tally, False)
    return found.forgotten(found.kept_ms).replace(
        tallies=tuple(each for each in found.tallies if each.order_id != tally.order_id),
        settled_others=tuple(sorted(found.others.items())),
    )


TWINS: list[tuple[Callable[..., Any], list[tuple[Any, str]]]] = [
    (given_up_at_once, [(orderfacts, "given_up")]),
    (given_up_as_if_nothing_hid, [(orderfacts, "given_up")]),
    (given_up_as_if_requests_were_quick, [(orderfacts, "given_up")]),
    (never_given_up, [(orderfacts, "given_up")]),
    (trades_tell_nothing, [(orderfacts, "fact_of")]),
    (what_contradicts_is_dropped, [(orderfacts, "certain"), (facts, "certain")]),
    (only_the_list_is_believed, [(orderfacts._Facts, "_answered")]),
    (forgets_whose_it_was, [(Ledger, "claimed")]),
    (every_answer_is_of_now, [(orderfacts, "is_alive_for_sure")]),
]


@pytest.mark.parametrize(("twin", "places"), TWINS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_seeded_bug_is_found(twin, places, monkeypatch):
    for where, name in places:
        monkeypatch.setattr(where, name, twin)
    with pytest.raises((AssertionError, CowstateError)):
        for seed in range(2_000):
            lived(seed)
