"""What is known of orders that is no fact yet: kept, in a stated order, until it is settled."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from cowstate.positions.book.findings import Absent, Dispute, Findings, Ghost

NAMES = ["g-1-B1", "g-1-S2", "g-2-B1"]
names = st.sampled_from(NAMES)
PRICE = Dispute("g-1-B1", 7, "price", "50", "51", 100)


@given(st.lists(st.tuples(names, st.booleans(), st.integers(0, 9)), max_size=12))
def test_an_order_is_absent_since_it_was_first_not_found_after_it_was_last_found(answers):
    findings = Findings()
    since: dict[str, tuple[int, int]] = {}
    for number, (name, found, pause) in enumerate(answers):
        when = 10 * number + pause
        if found:
            findings = findings.found(name)
            since.pop(name, None)
        else:
            findings = findings.not_found(name, when)
            since[name] = (since.get(name, (when, when))[0], when)
    assert findings.absent == tuple(Absent(name, *since[name]) for name in sorted(since))
    for name in NAMES:
        absent = findings.absence(name)
        assert (absent is None) is (name not in since)


@given(st.permutations([3, 1, 2]))
def test_ghosts_are_kept_from_their_first_sight_in_a_stated_order(ids):
    findings = Findings()
    for when, order_id in enumerate(ids):
        findings = findings.listed_though_over(order_id, NAMES[order_id - 1], when)
    again = findings.listed_though_over(2, NAMES[1], 99)
    assert again is findings
    assert [ghost.order_id for ghost in findings.ghosts] == [1, 2, 3]
    assert findings.ghost(2) == Ghost(2, NAMES[1], list(ids).index(2))
    assert [ghost.order_id for ghost in findings.laid(2).ghosts] == [1, 3]
    assert findings.laid(9) == findings


def test_a_dispute_is_kept_once_until_somebody_settles_it():
    findings = Findings().disputed(PRICE)
    assert findings.disputed(PRICE.replace(since_ms=500)) is findings
    more = findings.disputed(PRICE.replace(theirs="52")).disputed(PRICE.replace(order_id=8))
    assert len(more.disputes) == 3
    left = more.settled(PRICE.replace(since_ms=7))
    assert len(left.disputes) == 2
    assert PRICE not in left.disputes
    assert left.settled(PRICE) == left
    # Whoever has looked at it is not told again.
    assert left.disputed(PRICE.replace(since_ms=900)) is left


def test_what_was_asked_is_remembered_for_those_that_are_alive():
    findings = Findings().asking(["b", "a"], 10).asking(["b"], 20).not_found("a", 10)
    assert findings.asked == (("a", 10), ("b", 20))
    kept = findings.disputed(PRICE).listed_though_over(1, "c", 5).only(["b"])
    assert (kept.asked, kept.absent) == ((("b", 20),), ())
    assert (len(kept.disputes), len(kept.ghosts)) == (1, 1)
    assert pickle.loads(pickle.dumps(kept)) == kept
    hash(kept)


def test_what_was_absent_when_it_ended_is_given_up_until_somebody_finds_it():
    findings = Findings().not_found("a", 10).not_found("a", 30, True).not_found("b", 20)
    ended = findings.only(["b"], over=["a", "c"])
    assert ended.absence("a") is None
    assert ended.gave_up("a") == Absent("a", 30, 30, True)
    assert ended.gave_up("b") is None
    assert ended.only(["b"], over=["a"]) == ended
    assert ended.found("a").gave_up("a") is None
    assert ended.only(["b"]).given_up == ()
