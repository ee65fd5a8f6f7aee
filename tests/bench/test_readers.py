"""Readers side by side: that what is counted is what was called, by whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter

from cowstate.bench.measure import Settings, conditions
from cowstate.bench.readers import price_of_deferral, throughput, two_readers

QUICK = Settings.quickly(2)


def test_throughput_is_what_was_called_by_the_time_it_took() -> None:
    called: list[tuple[int, int]] = []

    def reader(place: int) -> Callable[[], object]:
        return lambda: called.append((place, threading.get_ident()))

    began = perf_counter()
    rate = throughput(reader, 2, 0.02)
    took = perf_counter() - began
    assert len(called) / took <= rate <= len(called) / 0.02
    assert {place for place, _ in called} == {0, 1}
    assert len(set(called)) == 2  # a thread has its own


def test_the_first_of_them_may_write_meanwhile() -> None:
    threads: dict[int, int] = {}
    acted: list[int] = []

    def reader(place: int) -> Callable[[], object]:
        threads[place] = threading.get_ident()
        return int

    throughput(reader, 2, 0.0, lambda: acted.append(threading.get_ident()))
    assert set(acted) == {threads[0]}


def test_both_kinds_are_measured_without_a_gil_and_said_to_need_that_with_one() -> None:
    for outcome in (
        two_readers("reads", QUICK),
        two_readers("snapshots", QUICK, deferred=False, written=True),
        price_of_deferral(QUICK),
    ):
        assert isinstance(outcome, str) is (conditions()["gil"] == "on")
