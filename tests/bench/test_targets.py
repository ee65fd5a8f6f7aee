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


def test_without_a_gil_two_readers_are_measured_and_with_one_the_target_is_skipped() -> None:
    demanded = [target for target in targets(QUICK) if "by two threads" in target.what]
    assert len(demanded) == 6
    for verdict in judge(demanded, QUICK, lambda _: None):
        assert (verdict.reached is None) is (conditions()["gil"] == "on")
