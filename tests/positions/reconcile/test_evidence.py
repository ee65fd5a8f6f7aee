"""Evidence over several looks: it sticks, it begins again, and it never says that all is well."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cowstate.positions.reconcile.evidence import Evidence
from cowstate.positions.reconcile.policy import ReconcilePolicy, Remedy
from cowstate.positions.reconcile.possible import Possible
from cowstate.positions.reconcile.verdicts import Verdict, VerdictKind, verdict_of

numbers = st.integers(-4, 4).map(Decimal)
sets = st.one_of(
    st.sets(numbers, min_size=1, max_size=4).map(Possible.of),
    st.tuples(numbers, numbers).map(lambda ends: Possible.between(min(ends), max(ends))),
)
SIZE = Decimal(100)
POLICY = ReconcilePolicy(looks=2, lasting_ms=1_000, hour_part=Decimal("0.05"))
AFTER = Evidence.after


def after(*seen: Possible) -> Evidence:
    """The evidence of looks that came one second after the other."""
    evidence = Evidence()
    for number, each in enumerate(seen):
        evidence = evidence.after(each, 1_000 * number)
    return evidence


def judged(evidence: Evidence, policy: ReconcilePolicy = POLICY, **options: Any) -> Verdict:
    known = {"now_ms": evidence.last_ms, "fresh": True, "accounted": SIZE, "lot": Decimal(1)}
    return verdict_of(evidence, policy=policy, **(known | options))


def may_be(*values: int) -> Possible:
    return Possible.of(map(Decimal, values))


def test_nothing_is_known_before_the_first_look():
    assert Evidence() == Evidence(None, 0, 0, 0, 0, 0, None)
    assert not Evidence().proven
    assert Evidence().exact is None


# The size


@given(numbers, st.lists(sets, min_size=1))
def test_what_all_looks_allow_is_possible_after_them(truth, seen):
    evidence = after(*(each | may_be(int(truth)) for each in seen))
    assert truth in evidence.possible
    assert evidence.looks == len(seen)
    assert evidence.lasted_ms == evidence.last_ms == 1_000 * (len(seen) - 1)


@given(st.lists(sets, min_size=2))
def test_the_size_begins_again_where_nothing_fits_all(seen):
    evidence = after(*seen)
    kept = seen[-evidence.looks :]
    common = kept[0]
    for each in kept[1:]:
        common = common & each
    assert evidence.possible == common
    assert evidence.since_ms == 1_000 * (len(seen) - evidence.looks)
    if evidence.looks < len(seen):
        assert after(*seen[: -evidence.looks]).possible & kept[0] is None


# The proof


@given(numbers.filter(bool), st.lists(sets, min_size=1))
def test_a_proof_sticks_while_the_truth_stays(truth, seen):
    seen = [each | may_be(int(truth)) for each in seen]
    evidence = after(*seen)
    proofs = [number for number, each in enumerate(seen) if 0 not in each]
    assert evidence.proofs == len(proofs)
    if proofs:
        assert evidence.proven_ms == 1_000 * proofs[0]
        assert evidence.proven_for_ms == 1_000 * (len(seen) - 1 - proofs[0])


@given(st.lists(sets, min_size=1))
def test_what_may_have_been_right_all_the_time_is_never_proven_wrong(seen):
    evidence = after(*(each | may_be(0) for each in seen))
    assert not evidence.proven
    assert evidence.proofs == evidence.proven_ms == evidence.proven_for_ms == 0


def test_a_divergence_that_changes_at_every_look_is_proven_as_well():
    evidence = after(may_be(5, 6), may_be(7), may_be(8, 9))
    assert (evidence.proofs, evidence.proven_for_ms, evidence.looks) == (3, 2_000, 1)


def test_a_proof_ends_when_something_has_happened_and_zero_is_possible_again():
    assert not after(may_be(5), may_be(0, 3)).proven
    assert after(may_be(5), may_be(0, 5), may_be(0, 5, 6)).proofs == 1


# The verdict


@given(st.lists(sets, min_size=1))
@example([may_be(0), may_be(0, 5)])
def test_a_verdict_is_what_the_evidence_says(seen):
    evidence = after(*seen)
    found = judged(evidence)
    newest = seen[-1]
    if found.kind is VerdictKind.AGREES:
        assert newest.exact == 0
    elif found.kind is VerdictKind.WITHIN:
        assert 0 in newest
        assert found.width == newest.width
        assert newest.exact is None
    else:
        assert 0 not in evidence.possible
        assert found.possible == evidence.possible
    if found.kind in (VerdictKind.CORRECT, VerdictKind.BREAK):
        assert 0 not in newest
        assert evidence.proofs >= POLICY.looks
        assert evidence.proven_for_ms >= POLICY.lasting_ms
    if found.kind is VerdictKind.CORRECT:
        assert evidence.exact == found.possible.exact == found.possible.least
        assert evidence.looks >= POLICY.looks
        assert evidence.lasted_ms >= POLICY.lasting_ms


def test_old_certainty_hides_no_new_divergence():
    """Each look still allows zero; together they leave zero alone, and yet it may be five."""
    evidence = after(may_be(0), may_be(0, 5))
    assert evidence.exact == 0
    assert judged(evidence).kind is VerdictKind.WITHIN


def test_a_look_that_allows_zero_is_not_acted_on():
    """Somebody may have put it right: four is only still among what the newest look allows."""
    proven = after(may_be(4), may_be(4))
    assert judged(proven).kind is VerdictKind.CORRECT
    doubtful = proven.after(may_be(0, 4), 2_000)
    assert judged(doubtful).kind is VerdictKind.DIVERGES
    assert judged(doubtful.after(may_be(4), 3_000)).kind is VerdictKind.CORRECT


@pytest.mark.parametrize(
    ("seen", "policy", "kind"),
    [
        ([4], {}, VerdictKind.DIVERGES),
        ([4, 4], {}, VerdictKind.CORRECT),
        ([4, 4], {"lasting_ms": 1_001}, VerdictKind.DIVERGES),
        ([4, 4], {"looks": 3}, VerdictKind.DIVERGES),
        ([3, 4], {}, VerdictKind.DIVERGES),
        ([3, 4, 4], {}, VerdictKind.CORRECT),
        ([5, 6], {}, VerdictKind.BREAK),
        ([-5, -5], {}, VerdictKind.BREAK),
        ([5, 5], {"small_part": Decimal("0.04")}, VerdictKind.BREAK),
        ([7, 9], {}, VerdictKind.BREAK),
        ([40], {"lasting_ms": 0}, VerdictKind.DIVERGES),
        ([40, 40], {"looks": 3}, VerdictKind.DIVERGES),
        ([40, 40], {"lasting_ms": 1_001}, VerdictKind.DIVERGES),
        ([4, 4], {"small_most": Decimal(4)}, VerdictKind.BREAK),
        ([4, 4], {"small_lots": Decimal(4)}, VerdictKind.BREAK),
        ([4, 4], {"small_lots": Decimal("4.1")}, VerdictKind.CORRECT),
        ([4, 4], {"dust": Decimal(4)}, VerdictKind.DIVERGES),
        ([4, 4], {"hour_part": Decimal("0.02")}, VerdictKind.BREAK),
    ],
)
def test_what_is_done_follows_from_size_and_duration(seen, policy, kind):
    assert judged(after(*map(may_be, seen)), POLICY.replace(**policy)).kind is kind


def test_the_corrections_of_an_hour_stay_under_their_part_together():
    """Five percent of 104 is 5.2: what reaches that is no small correction any more."""
    seen = after(may_be(4), may_be(4))
    assert judged(seen, corrected=Decimal("1.19")).kind is VerdictKind.CORRECT
    assert judged(seen, corrected=Decimal("1.2")).kind is VerdictKind.BREAK


def test_what_is_large_is_measured_in_the_larger_of_the_two_positions():
    """Five percent of 105 there; of the 100 here it would be more."""
    assert judged(after(may_be(5), may_be(5))).kind is VerdictKind.CORRECT
    assert judged(after(may_be(5), may_be(5)), accounted=Decimal(95)).kind is VerdictKind.BREAK
    assert judged(after(may_be(4), may_be(4)), accounted=Decimal(0)).kind is VerdictKind.BREAK


def test_several_possible_sizes_are_judged_by_the_least():
    small = judged(after(may_be(4, 90), may_be(4, 90)))
    assert (small.kind, small.remedy) == (VerdictKind.DIVERGES, Remedy.REQUERY)
    assert judged(after(may_be(40, 90), may_be(40, 90))).kind is VerdictKind.BREAK


def test_corrections_of_an_hour_are_bounded_together():
    evidence = after(may_be(2), may_be(2))
    assert judged(evidence, corrected=Decimal(3)).kind is VerdictKind.CORRECT
    assert judged(evidence, corrected=Decimal("3.2")).kind is VerdictKind.BREAK


def test_a_pass_without_a_new_look_says_the_last_verdict_and_its_age():
    evidence = after(may_be(0), may_be(0))
    found = judged(evidence, now_ms=6_000, fresh=False)
    assert (found.kind, found.age_ms, found.fresh) == (VerdictKind.AGREES, 5_000, False)
    assert "5000 ms ago" in found.why
    late = judged(evidence, now_ms=1_000 + POLICY.fresh_ms + 1, fresh=False)
    assert late.kind is VerdictKind.SILENT
    assert judged(after(may_be(4), may_be(4)), fresh=False).kind is VerdictKind.DIVERGES
    assert judged(Evidence()).kind is VerdictKind.SILENT


@pytest.mark.parametrize("remedy", [Remedy.REPORT, Remedy.FLATTEN, Remedy.HALT])
def test_the_policy_says_what_is_done(remedy):
    policy = POLICY.replace(small=remedy, large=remedy)
    assert judged(after(may_be(4), may_be(4)), policy).remedy is remedy
    assert judged(after(may_be(40), may_be(40)), policy).remedy is remedy


# Seeded bugs, each of which a law above must find


def forgetful(self: Evidence, seen: Possible, came_ms: int) -> Evidence:
    """Evidence that does not stick: a look that allows zero ends the proof."""
    found = AFTER(self, seen, came_ms)
    return found.replace(proofs=0, proven_ms=0) if 0 in seen else found


def credulous(self: Evidence, seen: Possible, came_ms: int) -> Evidence:
    """A look that allows zero counts as another proof, if there is one already."""
    found = AFTER(self, seen, came_ms)
    return found.replace(proofs=self.proofs + 1) if found.proven else found


def small_minded(self: Evidence, seen: Possible, came_ms: int) -> Evidence:
    """The proof begins again with the size."""
    found = AFTER(self, seen, came_ms)
    return found.replace(proofs=min(found.proofs, 1)) if found.looks == 1 else found


@pytest.mark.parametrize(
    ("twin", "law"),
    [
        (forgetful, test_a_proof_sticks_while_the_truth_stays),
        (credulous, test_a_proof_sticks_while_the_truth_stays),
        (small_minded, test_a_divergence_that_changes_at_every_look_is_proven_as_well),
    ],
)
def test_a_seeded_bug_is_found(twin, law, monkeypatch):
    monkeypatch.setattr(Evidence, "after", twin)
    with pytest.raises((AssertionError, ExceptionGroup)):
        law()


def agreeable(evidence: Evidence, **options: Any) -> Verdict:
    """The first design: zero alone in what all looks allow is said to be agreement."""
    found = verdict_of(evidence, **options)
    return found.replace(kind=VerdictKind.AGREES) if evidence.exact == 0 else found


def hasty(evidence: Evidence, **options: Any) -> Verdict:
    """What was proven is acted on, whatever the newest look allows."""
    newest = evidence.possible
    return verdict_of(evidence.replace(last=newest), **options)


@pytest.mark.parametrize(
    ("twin", "law"),
    [
        (agreeable, test_a_verdict_is_what_the_evidence_says),
        (agreeable, test_old_certainty_hides_no_new_divergence),
        (hasty, test_a_look_that_allows_zero_is_not_acted_on),
    ],
)
def test_a_seeded_bug_in_the_verdict_is_found(twin, law, monkeypatch):
    def seeded(evidence: Evidence, policy: ReconcilePolicy = POLICY, **options: Any) -> Verdict:
        known = {"now_ms": evidence.last_ms, "fresh": True, "accounted": SIZE, "lot": Decimal(1)}
        return twin(evidence, policy=policy, **(known | options))

    monkeypatch.setitem(globals(), "judged", seeded)
    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
