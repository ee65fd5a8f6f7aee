"""What a change did: a run beside an earlier one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate.bench.compare import NOISE, compare
from cowstate.bench.measure import Figure
from cowstate.bench.variants import DEFAULT, LOCKED


def figure(variant: str, least: float, unit: str = "ns", workload: str = "update") -> Figure:
    return Figure(workload, variant, 100, "time", unit, (least * 1.5, least), "")


times = st.floats(1, 1e9)


@given(times, times, st.floats(0.01, 100))
def test_another_machine_changes_nothing_beside_the_twin(
    ours: float, twin: float, slower: float
) -> None:
    before = [figure(DEFAULT, ours), figure(LOCKED, twin)]
    now = [figure(DEFAULT, ours * slower), figure(LOCKED, twin * slower)]
    [(title, (first, second))] = compare(before, now)
    assert title == "update: time"
    assert first.raw == pytest.approx(slower)
    assert first.beside == pytest.approx(1)
    assert first.verdict == ""
    # The twin has nothing beside it.
    assert second.beside == 0
    assert second.raw == pytest.approx(slower)


@given(
    times, times, st.floats(1.0 + 2 * NOISE, 100), st.booleans(), st.sampled_from(["ns", "per s"])
)
def test_a_change_is_told_and_whether_it_is_for_the_better(
    ours: float, twin: float, factor: float, less: bool, unit: str
) -> None:
    factor = 1 / factor if less else factor
    before = [figure(DEFAULT, ours, unit), figure(LOCKED, twin, unit)]
    now = [figure(DEFAULT, ours * factor, unit), figure(LOCKED, twin, unit)]
    [(_, (first, second))] = compare(before, now)
    assert first.beside == pytest.approx(factor)
    assert first.verdict == ("better" if less == (unit == "ns") else "WORSE")
    assert second.verdict == ""
    assert first.row()[4:] == [f"{factor:.2f}", f"{first.beside:.2f}", first.verdict]


def test_what_only_one_run_has_is_left_out() -> None:
    both = figure(DEFAULT, 1.0)
    alone = figure("another", 1.0)
    elsewhere = figure(DEFAULT, 1.0, workload="diff")
    in_bytes = figure("a third", 1.0, unit="bytes")
    compared = compare([both, alone, in_bytes], [both, elsewhere, figure("a third", 1.0)])
    assert [each.now for _, group in compared for each in group] == [both]
