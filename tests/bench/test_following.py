"""What it costs to be followed: that what is measured is what its name says."""

from __future__ import annotations

import threading

import pytest

from cowstate import Store
from cowstate.bench import following
from cowstate.bench.levels import Level, add_one
from cowstate.bench.measure import Settings

QUICK = Settings.quickly(2)


def test_the_right_thread_wakes_each_time_and_the_others_sleep_on() -> None:
    before = threading.active_count()
    found = following.asleep(QUICK)
    assert found.right
    assert len(found.awake) == len(found.paid) == 20
    assert all(sample > 0 for sample in (*found.awake, *found.paid))
    assert threading.active_count() == before


def test_both_are_told_in_milliseconds_of_one_measurement() -> None:
    awake, paid = following.awake_after(QUICK), following.paid_by_the_writer(QUICK)
    samples = following.asleep(QUICK)
    for ratio, taken in ((awake, samples.awake), (paid, samples.paid)):
        assert min(taken) <= ratio.low <= ratio.value <= ratio.high <= max(taken)


def test_a_task_sleeps_at_each_update_and_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Store[int, Level]] = []
    asleep: list[int] = []

    def store_of(records: dict[int, Level]) -> Store[int, Level]:
        made.append(Store(records))
        return made[-1]

    def change(level: Level) -> Level:
        asleep.append(made[0].statistics().waiting)
        return add_one(level)

    monkeypatch.setattr(following, "Store", store_of)
    monkeypatch.setattr(following, "add_one", change)
    ratio = following.task_wakes(QUICK)
    assert 0 < ratio.low <= ratio.high
    assert set(asleep) == {1}


def test_an_update_is_measured_beside_subscribers_of_other_keys_and_beside_none() -> None:
    assert following.beside_subscribers(QUICK).value > 0
