"""How costs grow: each figure is there, and of what it says."""

from __future__ import annotations

import gc

import pytest

from cowstate.bench import scale
from cowstate.bench.measure import Figure, Settings
from cowstate.bench.workloads import steps_of, workloads

QUICK = Settings.quickly(2)._replace(budget_s=0.001)


def by_quantity(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.quantity: figure for figure in figures if "tree" in figure.variant}


@pytest.mark.parametrize("size", [5, 300])
def test_each_cost_of_the_records_is_measured_for_each_map(size: int) -> None:
    figures = scale.run_records(size, QUICK)
    assert {figure.variant for figure in figures} == {f"cowstate/{maps}" for maps in scale.kinds()}
    found = by_quantity(figures)
    for quantity in (
        "build, a record",
        "snapshot",
        "read",
        "update",
        "transaction of ten",
        "update and diff",
        "memory of a version",
        "worst write, collector on",
        "worst write, records frozen",
        "worst write, collector off",
    ):
        assert all(sample > 0 for sample in found[quantity].samples), quantity
        assert found[quantity].size == size
    assert found["worst write, collector on"].least >= found["update"].least
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("size", [1, 40])
def test_an_update_is_measured_beside_each_kind_of_follower(size: int) -> None:
    figures = scale.run_followers(size, QUICK)
    assert [figure.variant for figure in figures] == [
        "subscribers of other keys",
        "feeds of other keys",
        "feeds of everything",
    ]


@pytest.mark.parametrize("size", [1, 30])
def test_the_writes_of_many_threads_are_all_counted(size: int) -> None:
    figures = {figure.quantity: figure.least for figure in scale.run_writers(size, QUICK)}
    assert 0 < figures["an update, median"] <= figures["an update, 99th percentile"]
    assert figures["an update, 99th percentile"] <= figures["an update, worst"]


def test_what_takes_minutes_is_measured_only_when_it_is_named() -> None:
    named = {"scale", "followers", "writers"}
    assert {step.workload.name for step in steps_of((), QUICK)} == set(workloads()) - named
    assert {step.workload.name for step in steps_of(("scale",), QUICK)} == {"scale"}
