"""What it costs to be followed: that what is measured is what its name says."""

from __future__ import annotations

import threading
from operator import ge
from time import perf_counter_ns
from typing import Any

import pytest

from cowstate import Feed, Store
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


class Seen:
    """A feed of which is known when it is asked again, so that what it gave has been told."""

    def __init__(self, feed: Feed[int, Level]) -> None:
        self.close = feed.close
        self.take = feed.get
        self.asked = threading.Event()

    def get(self) -> object:
        self.asked.set()
        return self.take()


def test_whoever_else_wakes_is_seen_and_is_not_taken_for_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feeds: list[Seen] = []
    before_the_right: list[float] = []

    class Crowding(Store[int, Level]):
        """Each update wakes another thread first, and waits until that has told."""

        def feed(self, **named: Any) -> Any:
            feeds.append(Seen(super().feed(**named)))
            return feeds[-1]

        def update(self, key: int, *args: Any, **named: Any) -> Any:
            began = perf_counter_ns()
            other = (key + 1) % len(feeds)
            feeds[other].asked.clear()
            super().update(other, *args, **named)
            feeds[other].asked.wait()
            before_the_right.append((perf_counter_ns() - began) / 1e6)
            return super().update(key, *args, **named)

    monkeypatch.setattr(following, "Store", Crowding)
    found = following.asleep.__wrapped__(QUICK)
    assert not found.right
    assert len(found.awake) == len(before_the_right)
    assert all(map(ge, found.awake, before_the_right))


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


def test_an_update_is_measured_beside_subscribers_of_other_keys_and_beside_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Store[int, Level]] = []
    told: list[object] = []
    written: set[int] = set()

    class Kept(Store[int, Level]):
        def update(self, key: int, *args: Any, **named: Any) -> Any:
            written.add(key)
            return super().update(key, *args, **named)

    def store_of(records: dict[int, Level]) -> Store[int, Level]:
        made.append(Kept(records))
        return made[-1]

    monkeypatch.setattr(following, "Store", store_of)
    monkeypatch.setattr(following, "ignore", told.append)
    assert following.beside_subscribers(QUICK).value > 0
    followed, alone = made
    assert (followed.statistics().subscriptions, alone.statistics().subscriptions) == (500, 0)
    assert min(store.snapshot().version for store in made) > 0
    assert (written, told) == ({0}, [])
    followed.update(1, add_one)
    followed.update(500, add_one)
    assert len(told) == 2
