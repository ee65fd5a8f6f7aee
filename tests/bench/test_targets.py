"""Targets: what is demanded, and when it counts as reached."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cowstate.bench.measure import Ratio, Settings, conditions
from cowstate.bench.targets import targets
from cowstate.bench.variants import DEFAULT, LOCKED
from cowstate.bench.verdicts import Part, Target, Verdict, judge

QUICK = Settings.quickly(2)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.booleans())
def test_a_target_is_missed_on_the_wrong_side_of_its_bound_only(
    bound: float, reached: float, at_least: bool
) -> None:
    verdict = Verdict(Target("x", bound, at_least=at_least), Ratio(reached, reached, reached))
    assert verdict.ok is (reached >= bound if at_least else reached <= bound)
    assert verdict.row()[-1] == ("ok" if verdict.ok else "MISSED")


def test_what_is_only_shown_and_what_is_skipped_is_not_missed() -> None:
    shown = Verdict(Target("x", None), Ratio(9, 9, 9))
    skipped = Verdict(Target("x", 1), None, "no such machine")
    assert shown.ok
    assert skipped.ok
    assert shown.row()[-1] == "shown"
    assert skipped.row()[-1] == "skipped: no such machine"


def test_targets_are_measured_in_ratios_of_one_run() -> None:
    told: list[str] = []
    demanded = [
        Target(
            "copy by snapshot",
            2,
            (Part("snapshot", LOCKED, 100), Part("snapshot", DEFAULT, 100)),
            at_least=True,
        ),
        Target(
            "a thousand by one",
            20,
            (Part("update", DEFAULT, 100, 1_000), Part("update", DEFAULT, 100)),
            at_least=True,
        ),
        Target("absent", 1, (Part("update", DEFAULT, 100), Part("update", "nobody", 100))),
        Target("measured", 3, measure=lambda settings: Ratio(2, 1, 3)),
        Target("cannot be", 3, measure=lambda settings: "why not"),
    ]
    verdicts = list(judge(demanded, QUICK, told.append))
    assert [verdict.target for verdict in verdicts] == demanded
    assert told == [target.what for target in demanded]
    assert all(verdict.ok for verdict in verdicts)
    assert [verdict.skipped for verdict in verdicts[2:]] == [
        "not all that it compares is installed",
        "",
        "why not",
    ]


def test_the_table_of_the_issue_is_all_there() -> None:
    found = targets(Settings())
    names = Counter(target.what for target in found)
    assert max(names.values()) == 1
    bounds = [target.bound for target in found if "nimbuskv" not in target.what]
    for bound in (1.3, 5_000, 50_000, 2.5, 8, 1.7, 0.5, 3, 4, 1.1, 1_000, 4_096, 2, 1.8):
        assert bound in bounds
    assert sum("nimbuskv" in target.what for target in found) >= 12
    for target in found:
        assert (target.sides is None) is (target.measure is not None)


# Each demand on a write, a reader and a scale, and its bound.
DEMANDED = {
    "update over the C map, by hand-written, in instructions": 1.45,
    "update, by update in place, in instructions": 1.65,
    "update on a plain install, by the first core's, in instructions": 0.30,
    "set, by hand-written": 1.7,
    "snapshot()[key], by hand-written": 1.4,
    "update with 2 indexes and 3 totals that do not move, over immutables, by hand-written": 2.4,
    "ten in a block, by ten updates of the first core, in instructions": 0.42,
    "ten by transact, by ten updates of the first core, in instructions": 0.42,
    "ten by update_all, by ten updates of the first core, in instructions": 0.32,
    "draft of one, by the first core's, in instructions": 0.45,
    "draft of ten, by the first core's, in instructions": 0.65,
    "delivery of 1,000, by nimbuskv's": 1,
    "update beside 10,000 subscribers of other keys, by none": 1.2,
    "the right one of 1,000 sleeping feeds is awake, ms": 0.15,
    "what the writer pays for that, ms": 0.05,
    "a task wakes, by call_soon_threadsafe and a future": 4,
    "on_order_update, by the locked manager's": 1.8,
    "worst of 20,000 writes at 1,000,000, collector on, ms": 10,
}
AT_LEAST = {
    f"{kind} by two threads, by those of one{where}": 1.8
    for kind in ("reads", "snapshots")
    for where in ("", " beside a writer")
}


def test_no_bound_is_looser_than_it_was_demanded() -> None:
    found = {target.what: target for target in targets(Settings())}
    for what, bound in DEMANDED.items():
        assert (found[what].bound, found[what].at_least) == (bound, False), what
    for what, bound in AT_LEAST.items():
        assert (found[what].bound, found[what].at_least) == (bound, True), what
    for what, target in found.items():
        if "nimbuskv" in what or "atomix" in what:
            assert (target.bound, target.at_least) == (1, False), what
    for peer, least in (("nimbuskv", 19), ("atomix", 17)):
        assert sum(peer in what for what in found) >= least


def test_an_update_beside_what_is_derived_is_compared_with_a_bare_one_of_the_same_map() -> None:
    compared = [each.sides for each in targets(Settings()) if "2 indexes and 3 totals" in each.what]
    assert compared == [
        (Part("update_derived", f"cowstate/{maps}", 1_000), Part("update", by_hand, 1_000))
        for maps in ("immutables", "tree")
        for by_hand in [f"reference+lock/{maps}"]
    ]


def test_without_a_gil_two_readers_are_measured_and_with_one_the_target_is_skipped() -> None:
    demanded = [target for target in targets(QUICK) if "by two threads" in target.what]
    assert len(demanded) == 6
    for verdict in judge(demanded, QUICK, lambda _: None):
        assert (verdict.reached is None) is (conditions()["gil"] == "on")
