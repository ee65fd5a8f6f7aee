"""Answers of before and of after a change, mixed: the fewest changes tell what is so since."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.reconcile.differences import Showing
from cowstate.positions.reconcile.evidence import Evidence
from cowstate.positions.reconcile.looks import Window
from cowstate.positions.reconcile.policy import ReconcilePolicy
from cowstate.positions.reconcile.possible import Possible
from cowstate.positions.reconcile.verdicts import VerdictKind, verdict_of

LAG = 20
POLICY = ReconcilePolicy(looks=2, lasting_ms=3)
AFTER = Evidence.after

# When each of the divergences 1, 2, 3 begins; before that there was none.
changes = st.lists(st.integers(45, 70), max_size=3, unique=True).map(sorted)
# How long after the one before a look came, how old it was, and whether it allows more numbers.
looks = st.lists(
    st.tuples(
        st.integers(1, 6), st.sampled_from([0, 5, 10, 15, LAG]), st.sampled_from([0, 0, 0, 1, 2])
    ),
    min_size=10,
    max_size=40,
)


def may_be(*values: float) -> Possible:
    return Possible.of(Decimal(str(value)) for value in values)


class Looking:
    """Looks at a divergence that changes, each of some moment of the lag."""

    def __init__(self, begins: list[int]) -> None:
        self.begins = begins
        # Whoever knows that answers come in any order.
        self.evidence = Evidence(mixed=True)
        self.shown = 0
        self.made = 0

    def divergence(self, moment: int) -> int:
        return sum(begin <= moment for begin in self.begins)

    def look(self, came: int, age: int, more: int = 0) -> None:
        self.made += 1
        so = self.divergence(came - age)
        # What it allows beside the truth no other look does.
        seen = may_be(so, *(1_000 * self.made + each for each in range(more)))
        self.shown = max(self.shown, so)
        self.evidence = self.evidence.after(seen, came, Window(came - LAG, came))

    def latest_is_known(self) -> None:
        evidence = self.evidence
        if evidence.settled and evidence.exact is not None and evidence.looks > 1:
            assert evidence.exact == self.shown


def test_what_is_settled_is_the_latest_that_any_look_has_shown():
    for seed in range(400):
        random = Random(seed)
        looking = Looking(sorted(random.sample(range(45, 71), random.randrange(4))))
        now = 20
        for _ in range(30):
            now += random.randint(1, 6)
            looking.look(now, random.choice([0, 5, 10, 15, LAG]), random.choice([0, 0, 0, 1, 2]))
            looking.latest_is_known()


@given(changes, looks)
def test_it_is_settled_when_no_look_may_be_of_before_any_more(begins, made):
    looking = Looking(begins)
    now = 20
    for wait, age, more in made:
        now += wait
        looking.look(now, age, more)
    now = max([now, *begins])
    for _ in range(4):
        now += LAG + 1
        looking.look(now, 0)
    assert looking.evidence.settled
    assert looking.evidence.exact == looking.divergence(now)
    assert not looking.evidence.eras


@given(changes, looks, st.integers(0, LAG))
def test_where_answers_come_in_order_the_latest_is_settled_at_once(begins, made, age):
    looking = Looking(begins)
    looking.evidence = Evidence()
    now = 20
    for wait, _, more in made:
        now += wait
        looking.look(now, age, more)
        looking.latest_is_known()
        assert looking.evidence.settled
    assert not looking.evidence.mixed


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(-3, 3)), min_size=1))
def test_where_nothing_lags_every_look_is_of_after_those_before(made):
    with_windows, without = Evidence(), Evidence()
    now = 0
    for wait, number in made:
        now += wait
        seen = may_be(number)
        with_windows = with_windows.after(seen, now, Window(now, now))
        without = without.after(seen, now)
        assert with_windows.settled
        for name in ("possible", "looks", "since_ms", "proofs", "proven_ms", "last"):
            assert getattr(with_windows, name) == getattr(without, name)


def seen_in(*shown: tuple[int, Possible]) -> Evidence:
    evidence = Evidence()
    for came, seen in shown:
        evidence = evidence.after(seen, came, Window(came - LAG, came))
    return evidence


def judged(evidence: Evidence) -> VerdictKind:
    return verdict_of(
        evidence,
        now_ms=evidence.last_ms,
        fresh=True,
        accounted=Decimal(100),
        lot=Decimal(1),
        policy=POLICY,
    ).kind


AGREED = [(came, may_be(0)) for came in range(0, 31, 2)]
"""Looks of a time that is longer than anything lags, in which all was well."""


def test_what_was_corrected_is_not_corrected_back_by_answers_of_before():
    """`lagging` 701143: 0.045 was corrected, and then five answers showed the old position."""
    moved = [(came, may_be(3)) for came in (32, 33, 34, 35)]
    evidence = seen_in(*AGREED, *moved)
    assert judged(evidence) is VerdictKind.CORRECT
    evidence = evidence.moved(Decimal(3))
    assert evidence.exact == 0
    for came in (36, 37, 38, 39, 41, 43, 50):
        evidence = evidence.after(may_be(-3), came, Window(came - LAG, came))
        assert not evidence.proven
        assert judged(evidence) is VerdictKind.WITHIN
    # What may be of before no longer is a divergence again.
    for came in (53, 55, 57):
        evidence = evidence.after(may_be(-3), came, Window(came - LAG, came))
    assert judged(evidence) is VerdictKind.CORRECT
    assert evidence.exact == -3


def test_an_answer_of_before_does_not_narrow_what_is_so_since():
    """`lagging` 346: -0.049 or more, then one of before, and together they left -0.099."""
    evidence = seen_in(*AGREED, (32, may_be(-2, -4)), (33, may_be(0, -4, -6)))
    assert evidence.possible == may_be(-2, -4)
    assert (evidence.proofs, evidence.looks, evidence.settled) == (1, 1, False)
    later = evidence.after(may_be(-2, -1), 36, Window(16, 36))
    assert (later.exact, later.settled) == (Decimal(-2), True)


def test_two_trades_by_hand_are_not_mixed_into_a_number_that_never_was():
    """`lagging` 701601: of one era -0.073 and -0.077, of the next -0.077 and -0.031."""
    evidence = seen_in(*AGREED, (40, may_be(-73, -23)), (45, may_be(-73, -27, -23)))
    for came, seen in ((50, may_be(-77, -31)), (51, may_be(-77, -31)), (52, may_be(-77, -73))):
        evidence = evidence.after(seen, came, Window(came - LAG, came))
    assert evidence.possible == may_be(-77, -31)
    assert not evidence.settled


def test_an_answer_between_two_that_agree_may_be_of_before_both():
    """`lagging` 701518: 0.067, then one of 0.017, then 0.067 again, and 0.067 is so."""
    evidence = seen_in(*AGREED, (40, may_be(4)), (41, may_be(4)), (42, may_be(0)), (45, may_be(1)))
    assert evidence.mixed
    assert (evidence.exact, evidence.looks) == (Decimal(1), 1)
    assert evidence.allowed == may_be(1, 4)
    assert not evidence.settled
    for came in (46, 52, 58, 64):
        evidence = evidence.after(may_be(4), came, Window(came - LAG, came))
        assert judged(evidence) is VerdictKind.DIVERGES
    for came in (66, 70):
        evidence = evidence.after(may_be(4), came, Window(came - LAG, came))
    assert judged(evidence) is VerdictKind.CORRECT
    assert evidence.exact == 4


def test_a_number_that_a_later_fill_explains_is_not_one_of_before():
    """`lagging` 1100722: after a fill at 40 an answer allowed what had been so until 37 as well."""
    evidence = seen_in(*AGREED, (32, may_be(-2)), (37, may_be(3)))
    shows = [Showing(Decimal(3), None), Showing(Decimal(-2), 40)]
    by_fill = evidence.after(may_be(-2, 3), 41, Window(21, 41), shows)
    assert (by_fill.exact, by_fill.looks, by_fill.settled) == (Decimal(3), 2, True)
    early = [Showing(Decimal(3), None), Showing(Decimal(-2), 37)]
    assert not evidence.after(may_be(-2, 3), 41, Window(21, 41), early).settled


def test_what_began_before_a_fill_is_over_for_what_came_after_it():
    """`lagging` 1131130: -47 fits only until 38; what is seen of after that is of no era before."""
    evidence = seen_in(*AGREED, (32, may_be(-19, -6)), (40, may_be(-84, -47)))
    shows = [Showing(Decimal(-47), None, 38), Showing(Decimal(-97), 38)]
    evidence = evidence.after(may_be(-47, -97), 41, Window(21, 41), shows)
    assert evidence.exact == -47
    shows = [Showing(Decimal(-6), 39)]
    evidence = evidence.after(may_be(-6), 43, Window(23, 43), shows)
    assert (evidence.exact, evidence.looks, evidence.settled) == (Decimal(-6), 1, True)


def test_a_proof_stands_while_answers_of_before_come():
    evidence = seen_in(
        *AGREED, (32, may_be(30)), (33, may_be(0)), (34, may_be(0)), (36, may_be(30))
    )
    assert (evidence.proofs, evidence.proven_for_ms) == (2, 4)
    assert judged(evidence) is VerdictKind.BREAK


def test_a_halt_does_not_wait_for_which_answers_are_of_before():
    """`lagging` 1120301: what may be so was small in one era, and large in what came of late."""
    evidence = seen_in(*AGREED, (40, may_be(6, 12)), (42, may_be(0)), (44, may_be(1, 20)))
    for came in (45, 46, 47, 48):
        evidence = evidence.after(may_be(6, 12), came, Window(came - LAG, came))
    assert evidence.allowed == may_be(1, 6, 12, 20)
    assert evidence.together == may_be(6, 12)
    assert judged(evidence) is VerdictKind.BREAK


# Seeded bugs


def newest_is_latest(self: Evidence, seen: Possible, came_ms: int, *_: Any) -> Evidence:
    """What shows something else than the looks before is of after them."""
    return AFTER(self, seen, came_ms)


def all_is_settled(self: Evidence, seen: Possible, came_ms: int, *more: Any) -> Evidence:
    """What was seen before was before."""
    found = AFTER(self, seen, came_ms, *more)
    return found.replace(sized_ms=came_ms, sized=None)


@pytest.mark.parametrize(
    ("twin", "law"),
    [
        (newest_is_latest, test_what_is_settled_is_the_latest_that_any_look_has_shown),
        (newest_is_latest, test_what_was_corrected_is_not_corrected_back_by_answers_of_before),
        (newest_is_latest, test_an_answer_of_before_does_not_narrow_what_is_so_since),
        (newest_is_latest, test_two_trades_by_hand_are_not_mixed_into_a_number_that_never_was),
        (newest_is_latest, test_a_proof_stands_while_answers_of_before_come),
        (all_is_settled, test_what_is_settled_is_the_latest_that_any_look_has_shown),
        (all_is_settled, test_an_answer_between_two_that_agree_may_be_of_before_both),
    ],
)
def test_a_seeded_bug_is_found(twin, law, monkeypatch):
    monkeypatch.setattr(Evidence, "after", twin)
    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
