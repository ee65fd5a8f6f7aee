"""How costs grow: each figure is there, and of what it says."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from cowstate import Feed, Store
from cowstate.bench import scale
from cowstate.bench.levels import Level, add_one
from cowstate.bench.measure import Figure, Settings, quantile
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
        "a full collection",
        "a full collection, records frozen",
        "worst write, ring of 16",
    ):
        assert all(sample > 0 for sample in found[quantity].samples), quantity
        assert found[quantity].size == size
    assert found["worst write, collector on"].least >= found["update"].least
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_the_worst_write_is_measured_while_the_collector_is_as_its_name_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    states: list[tuple[bool, bool]] = []

    def worst(store: scale.AnyStore, keys: list[int], writes: int) -> float:
        states.append((gc.isenabled(), gc.get_freeze_count() > 0))
        return float(len(states))

    monkeypatch.setattr(scale, "_worst", worst)
    figures = scale.run_records(5, QUICK)
    each = [(True, False), (True, True), (False, False), (True, False)]
    assert states == each * len(scale.kinds())
    named = [figure.quantity for figure in figures if figure.quantity.startswith("worst write")]
    assert named[:4] == [f"worst write, {how}" for how in HOW]


HOW = ("collector on", "records frozen", "collector off", "ring of 16")


def test_the_worst_of_three_times_as_many_writes_is_told_in_milliseconds() -> None:
    ratio = scale.worst_write(QUICK)
    assert 0 < ratio.low <= ratio.high == ratio.value < 10_000


@pytest.mark.parametrize(("name", "follow"), scale._FOLLOWERS.items())
def test_a_follower_is_told_of_what_its_name_says(
    name: str, follow: Callable[[scale.AnyStore, int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(scale, "ignore", told.append)
    store: scale.AnyStore = Store({0: Level(0), 7: Level(7)})
    follower = follow(store, 7)
    for key in (0, 7):
        store.update(key, add_one)
    if isinstance(follower, Feed):
        while (commit := follower.poll()) is not None:
            told.append(commit)
    assert len(told) == (2 if name.endswith("everything") else 1)


@pytest.mark.parametrize("size", [1, 40])
def test_an_update_is_measured_beside_each_kind_of_follower(size: int) -> None:
    figures = scale.run_followers(size, QUICK)
    assert [figure.variant for figure in figures] == [
        "subscribers of other keys",
        "feeds of other keys",
        "feeds of everything",
    ]


@pytest.mark.parametrize("size", [1, 30])
def test_the_writes_of_many_threads_are_all_counted(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    def quantile_of(ordered: list[int], part: float) -> float:
        counted.append(len(ordered))
        return quantile(ordered, part)

    monkeypatch.setattr(scale, "quantile", quantile_of)
    figures = {figure.quantity: figure.least for figure in scale.run_writers(size, QUICK)}
    assert 0 < figures["an update, median"] <= figures["an update, 99th percentile"]
    assert figures["an update, 99th percentile"] <= figures["an update, worst"]
    assert counted == [500 // size * size]


def test_what_takes_minutes_is_measured_only_when_it_is_named() -> None:
    named = {"follow", "followers", "journal", "opening", "scale", "served", "writers"}
    assert {step.workload.name for step in steps_of((), QUICK)} == set(workloads()) - named
    assert {step.workload.name for step in steps_of(("scale",), QUICK)} == {"scale"}
