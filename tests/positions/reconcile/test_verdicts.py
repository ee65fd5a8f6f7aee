"""Looks are judged when their trades are complete, oldest first; until then they wait."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cowstate.positions.book.ledger import Entry, Ledger
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.evidence import Era, Evidence
from cowstate.positions.reconcile.looks import PositionLook, TradesReading, Window
from cowstate.positions.reconcile.policy import ReconcilePolicy, Remedy
from cowstate.positions.reconcile.possible import Possible
from cowstate.positions.reconcile.standing import Overdue, Standing
from cowstate.positions.reconcile.verdicts import (
    Judgement,
    Verdict,
    VerdictKind,
    judge_looks,
    verdict_of,
)

PROMISES = VenuePromises.exact(trades_lag_ms=2_000, clock_ms=10)
STANDING = Standing(Decimal(5))
EARLY = PositionLook(Decimal(5), 1_000, 1_100, answered_ms=1_050)
LATER = PositionLook(Decimal(7), 2_000, 2_100, answered_ms=2_050)


def judge(looks, sent_ms=None, ledger=Ledger(), standing=STANDING, **promises) -> Judgement:  # noqa: B008
    reading = None if sent_ms is None else TradesReading(sent_ms, True)
    kept = PROMISES.replace(**promises)
    return judge_looks(looks, reading, ledger, standing, Evidence(), kept)


@pytest.mark.parametrize(
    ("sent_ms", "pending"),
    [(None, [EARLY, LATER]), (3_100, [EARLY, LATER]), (3_101, [LATER]), (4_101, [])],
)
def test_a_look_waits_until_its_trades_are_complete(sent_ms, pending):
    found = judge([EARLY, LATER], sent_ms)
    assert list(found.pending) == pending
    assert found.judged == 2 - len(pending)
    assert found.evidence.last_ms == {2: 0, 1: 1_100, 0: 2_100}[len(pending)]


def test_a_reading_that_was_cut_judges_nothing():
    found = judge_looks(
        [EARLY], TradesReading(9_000, False), Ledger(), STANDING, Evidence(), PROMISES
    )
    assert found == Judgement(Evidence(), (EARLY,))


def test_the_evidence_is_of_all_looks_in_order():
    found = judge([EARLY, LATER], 9_000)
    assert found.evidence.last.exact == 2
    assert (found.exact_ms, found.agreed_ms) == (2_100, 1_100)
    assert found.evidence.proven_ms == 2_100
    assert judge([LATER], 9_000).agreed_from_ms is None


def test_an_agreement_is_of_the_first_moment_that_the_newest_such_look_may_show():
    """What happened at or after that moment may be missing from what agreed."""
    again = LATER.replace(quantity=Decimal(5))
    found = judge([EARLY, again, LATER.replace(sent_ms=3_000)], 9_000, positions_lag_ms=10)
    assert found.agreed_from_ms == 2_040
    assert judge([again.replace(answered_ms=None)], 9_000).agreed_from_ms == 1_990


def test_a_look_of_moments_whose_trades_are_forgotten_is_dropped_and_said():
    for kept_ms, dropped in ((1_040, 0), (1_041, 1)):
        found = judge([EARLY], 9_000, Ledger(kept_ms=kept_ms), positions_lag_ms=10)
        assert (found.judged, found.dropped, found.pending) == (1 - dropped, dropped, ())
        assert (found.agreed_ms is None) is bool(dropped)


def test_a_look_that_allows_two_numbers_is_neither_exact_nor_an_agreement():
    ledger = Ledger(entries=(Entry(1, 1, None, 1_050, Decimal(5), Decimal(5), Decimal(0)),))
    found = judge([EARLY], 9_000, ledger)
    assert set(found.evidence.last.values) == {0, 5}
    assert (found.exact_ms, found.agreed_ms, found.judged) == (None, None, 1)


def test_a_fill_in_dispute_is_doubted_from_the_lag_before_the_look():
    for lag, width in ((0, 0), (100, 3)):
        standing = Standing(Decimal(5), overdue=(Overdue("a", 1, Decimal(3), 900),))
        found = judge([EARLY], 9_000, standing=standing, positions_lag_ms=lag)
        assert found.evidence.last.width == width


# What is said of them

FOUR = Possible.of([Decimal(4)])
POLICY = ReconcilePolicy(looks=2, lasting_ms=1_000, fresh_ms=5_000)
PROVEN = Evidence().after(FOUR, 1_000).after(FOUR, 2_000)


def said(evidence: Evidence, now_ms: int = 2_000, fresh: bool = True) -> Verdict:
    hundred = {"accounted": Decimal(100), "lot": Decimal(1)}
    return verdict_of(evidence, now_ms=now_ms, fresh=fresh, policy=POLICY, **hundred)


@pytest.mark.parametrize("fresh", [True, False])
def test_before_the_first_look_there_is_nothing_to_say(fresh):
    found = said(Evidence(), fresh=fresh)
    told = "nothing was judged yet"
    assert found == Verdict(VerdictKind.SILENT, None, 0, Remedy.REPORT, told, False)
    assert found.width is None


@pytest.mark.parametrize("evidence", [PROVEN, Evidence().after(Possible.of([Decimal(0)]), 2_000)])
def test_what_was_said_is_said_again_until_it_is_too_old_and_with_its_age(evidence):
    now = said(evidence)
    assert (now.age_ms, now.fresh, "ago" in now.why) == (0, True, False)
    again = said(evidence, 2_000 + POLICY.fresh_ms, fresh=False)
    assert (again.age_ms, again.fresh) == (5_000, False)
    assert again.why.endswith("; that was 5000 ms ago")
    assert again.remedy is Remedy.REPORT
    late = said(evidence, 2_001 + POLICY.fresh_ms, fresh=False)
    told = "the last look that could be judged came 5001 ms ago"
    assert late == Verdict(VerdictKind.SILENT, evidence.possible, 5_001, Remedy.REPORT, told, False)
    # A look that took long to come is a look all the same.
    slow = said(evidence, 2_001 + POLICY.fresh_ms)
    assert (slow.kind, slow.age_ms, slow.fresh) == (now.kind, 5_001, True)


@pytest.mark.parametrize(
    ("before", "least", "told"),
    [
        (7, 4, "it differs by at least 4"),
        (2, 2, "it differs by at least 2"),
        (0, 4, "it differs by 4"),  # that it does differ is proven
    ],
)
def test_what_may_be_so_as_well_is_among_what_is_said_but_not_that_all_is_well(before, least, told):
    era = Era(Possible.of([Decimal(before)]), 900, 950)
    unsettled = PROVEN.replace(eras=(era,), mixed=True, sized=Window(800, 1_000))
    found = said(unsettled)
    assert (found.kind, found.remedy) == (VerdictKind.DIVERGES, Remedy.REPORT)
    assert found.possible.least == least
    assert found.why == f"{told}; which answers are of before is not known yet"
    # Where the answers come in their order, what was before is over.
    ordered = said(unsettled.replace(mixed=False))
    assert (ordered.kind, ordered.why) == (VerdictKind.CORRECT, "it differs by 4")


@pytest.mark.parametrize(
    ("numbers", "amount"), [((60,), "60"), ((60, 70), "at least 60"), ((-70, -60), "at least -60")]
)
def test_what_is_large_is_said_as_exactly_as_it_is_known(numbers, amount):
    seen = Possible.of([Decimal(number) for number in numbers])
    found = said(Evidence().after(seen, 1_000).after(seen, 2_000))
    assert (found.kind, found.remedy) == (VerdictKind.BREAK, POLICY.large)
    assert found.why == f"it differs by {amount}, which is large in a position of 100"


@pytest.mark.parametrize("looks", [1, 2, 3])
@pytest.mark.parametrize("apart_ms", [0, 999, 1_000])
@pytest.mark.parametrize("lasting_ms", [0, 1_000])
def test_a_number_is_corrected_only_after_enough_looks_over_long_enough_have_shown_that_one(
    looks, apart_ms, lasting_ms
):
    evidence = Evidence()
    for came_ms in (1_000, 2_000):  # that it differs is proven, but by how much is another thing
        evidence = evidence.after(Possible.of([Decimal(3)]), came_ms)
    shown_ms = [2_500, *[2_500 + apart_ms] * (looks - 1)]
    for came_ms in shown_ms:
        evidence = evidence.after(FOUR, came_ms)
    policy = POLICY.replace(lasting_ms=lasting_ms)
    found = verdict_of(
        evidence,
        now_ms=shown_ms[-1],
        fresh=True,
        accounted=Decimal(100),
        lot=Decimal(1),
        policy=policy,
    )
    if looks >= policy.looks and shown_ms[-1] - shown_ms[0] >= lasting_ms:
        assert (found.kind, found.remedy) == (VerdictKind.CORRECT, policy.small)
    else:
        assert (found.kind, found.remedy) == (VerdictKind.DIVERGES, Remedy.REPORT)
        assert found.why == "it differs by 4; that has not lasted yet"


@pytest.mark.parametrize(("until_ms", "of_before"), [(1_045, False), (1_055, True)])
def test_a_look_tells_of_what_was_before_only_if_it_may_show_that_of_a_moment_of_then(
    until_ms, of_before
):
    # It agrees if it is of after the fill; and else it differs by 5, as the one before it did.
    ledger = Ledger(entries=(Entry(1, 1, None, 1_050, Decimal(5), Decimal(5), Decimal(0)),))
    agreed = Era(Possible.of([Decimal(0)]), 900, until_ms)
    evidence = Evidence().after(Possible.of([Decimal(5)]), 1_000, Window(990, 1_000))
    found = judge_looks(
        [EARLY],
        TradesReading(9_000, True),
        ledger,
        STANDING,
        evidence.replace(eras=(agreed,)),
        PROMISES.replace(positions_lag_ms=10),
    )
    assert found.evidence.looks == (1 if of_before else 2)
