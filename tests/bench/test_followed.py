"""What followers cost: each figure is there, and of processes that did see what was written."""

from __future__ import annotations

from typing import Any

import pytest

from cowstate.bench import followed
from cowstate.bench.followed import follow_targets, run_follow
from cowstate.bench.measure import Ratio, Settings
from cowstate.bench.places import NO_SERVER, SERVER
from cowstate.bench.workloads import steps_of

QUICK = Settings.quickly(2)


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SERVER, raising=False)


def test_each_is_measured_over_a_file_and_over_no_server_if_none_is_named() -> None:
    figures = run_follow(200, QUICK)
    assert {figure.variant for figure in figures} == {"SQLite"}
    found = {figure.quantity: figure.samples for figure in figures}
    assert [*found] == [
        *("from commit to follower", "an idle follower"),
        *("an update beside 0 followers", "an update beside 2 followers"),
    ]
    # A sample for each write: each was seen.
    assert len(found.pop("from commit to follower")) == 10 * QUICK.repeats
    assert all(sample > 0 for samples in found.values() for sample in samples)
    reached: dict[str, Any] = {
        target.what: target.measure(QUICK) for target in follow_targets() if target.measure
    }
    for what, value in reached.items():
        assert isinstance(value, Ratio) if "SQLite" in what else value == NO_SERVER


def test_what_others_had_the_cores_for_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**12, 1_000_000))  # each look at it is a millisecond later
    waits = iter([0, 4_000_000])
    monkeypatch.setattr(followed, "perf_counter_ns", lambda: next(clock))
    monkeypatch.setattr(followed, "_waited", lambda: next(waits))

    class Counted:
        count = 0

        def update(self, key: str, fn: object) -> None:
            Counted.count += 1

    taken = followed._one_update(Counted(), 0.01)
    assert Counted.count == 9
    assert taken == (11_000_000 - 4_000_000) / 9


def test_they_are_run_when_they_are_named() -> None:
    steps = [*steps_of(("follow", "served"), QUICK)]
    assert [(step.workload.name, step.size) for step in steps] == [("follow", 200), ("served", 200)]
    assert not {"follow", "served"} & {step.workload.name for step in steps_of((), QUICK)}
