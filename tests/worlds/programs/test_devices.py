"""The registry of devices: many report, and whoever looks sees all of it at one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from queue import SimpleQueue

import pytest

from cowstate import Store
from cowstate.errors import ScheduleError
from cowstate.testing.schedules import STORE, explore
from tests.worlds.programs.devices import (
    AddressTakenError,
    Alarms,
    Device,
    Registry,
    Sites,
    sweeping,
)

PATIENCE = 300.0
"""After how many seconds something hangs."""


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(clock: Clock) -> Registry:
    return Registry(clock)


def in_threads(*functions: Callable[[], object]) -> None:
    failed: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(each,), daemon=True) for each in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    if failed:
        raise failed[0]


def test_a_page_is_of_one_moment_whoever_reports(registry: Registry) -> None:
    def site(number: int) -> None:
        for n in range(100):
            registry.report(
                f"{number}-{n % 10}", "north" if n % 2 else "south", f"{number}.{n % 10}"
            )

    def look() -> None:
        for _ in range(300):
            now = registry.store.snapshot()
            here = [*now.find_all("site", "north"), *now.find_all("site", "south")]
            assert len(here) == len(set(here)) == len(now) == now.total("devices")
            page = registry.page("north")
            assert page["online"] == len(page["devices"])  # type: ignore[arg-type]

    in_threads(*(lambda number=number: site(number) for number in range(4)), look, look)
    assert registry.store.snapshot().total("devices") == 40


def test_an_address_is_never_without_a_device_while_two_exchange_theirs(registry: Registry) -> None:
    registry.report("one", "north", "10.0.0.1")
    registry.report("other", "north", "10.0.0.2")
    ended = threading.Event()

    def swap() -> None:
        for _ in range(300):
            registry.swap_addresses("one", "other")
        ended.set()

    def look() -> None:
        while not ended.is_set():
            assert registry.at("10.0.0.1") is not None

    in_threads(swap, look)
    assert registry.at("10.0.0.1") == ("one", registry.store.snapshot()["one"])


def test_two_devices_do_not_get_one_address(registry: Registry) -> None:
    registry.report("one", "north", "10.0.0.1")
    with pytest.raises(AddressTakenError, match=r"10\.0\.0\.1"):
        registry.report("other", "north", "10.0.0.1")
    assert list(registry.store.snapshot()) == ["one"]


def test_tags_are_found(registry: Registry) -> None:
    registry.report("one", "north", "1", "old", "loud")
    registry.report("other", "north", "2", "loud")
    assert registry.tagged("loud") == {"one", "other"}
    registry.report("one", "north", "1", "old")
    assert (registry.tagged("loud"), registry.tagged("old")) == ({"other"}, {"one"})
    assert registry.retire("other")
    assert not registry.retire("other")
    assert registry.tagged("loud") == set()


def test_alarms_tell_of_each_step_once_and_in_order(registry: Registry, clock: Clock) -> None:
    told: list[str] = []
    alarms = Alarms(registry, told.append)
    registry.report("one", "north", "1")
    clock.now += 60
    assert registry.sweep(30) == ["one"]
    assert registry.sweep(30) == []
    registry.report("one", "north", "1")
    registry.retire("one")
    assert registry.store.flush(PATIENCE)
    assert told == ["one is offline", "one is back", "one is gone"]
    alarms.close()
    registry.report("one", "north", "1")
    assert registry.store.flush(PATIENCE)
    assert len(told) == 3


def test_alarms_that_cannot_keep_up_say_so(registry: Registry) -> None:
    telling, held, told = threading.Event(), threading.Event(), SimpleQueue[str]()

    def tell(text: str) -> None:
        telling.set()
        held.wait(PATIENCE)
        told.put(text)

    alarms = Alarms(registry, tell)
    registry.report("one", "north", "1")
    registry.retire("one")
    assert telling.wait(PATIENCE)
    for n in range(1_200):
        registry.report("two", "north", f"2.{n}")
    held.set()
    assert registry.store.flush(PATIENCE)
    assert [told.get_nowait(), told.get_nowait()] == [
        "one is gone",
        "something was missed; 1 are online",
    ]
    alarms.close()


def test_a_sweeper_goes_by(registry: Registry, clock: Clock) -> None:
    registry.report("one", "north", "1")
    clock.now += 60
    due = threading.Event()
    with sweeping(registry, 30, due):
        due.set()
        registry.store.wait_for(lambda now: now.total("online") == 0, PATIENCE)
    registry.report("one", "north", "1")
    assert registry.wait_until_online(1, PATIENCE)["one"].online


def test_sites_are_brought_up_to_date(registry: Registry) -> None:
    registry.report("one", "north", "1")
    sites = Sites(registry)
    registry.report("one", "south", "1")
    registry.report("two", "south", "2")
    registry.report("three", "south", "3")
    registry.retire("three")
    assert sites.sync() == 2
    assert {site: serials for site, serials in sites.serials.items() if serials} == {
        "south": {"one", "two"}
    }
    assert sites.sync() == 0


# Every order in which a sweep and a report can meet

MODULES = [*STORE, "tests.worlds.programs.devices"]


class Careless(Registry):
    """One that sweeps without looking whether the device is still as it was seen."""

    def sweep(self, patience: float) -> list[str]:
        limit = self._clock() - patience
        for serial, device in self.store.snapshot().items():
            if device.seen < limit:
                self.store.set(serial, device.replace(online=False))
        return []


def a_sweep_and_a_report(
    make: type[Registry],
) -> tuple[list[Callable[[], object]], Callable[[], Hashable]]:
    clock = Clock()
    registry = make(clock)
    registry.store = Store({"one": Device("north", "1", seen=0.0)})

    def check() -> Hashable:
        device = registry.store.snapshot()["one"]
        assert (device.online, device.seen) == (True, clock.now)
        return registry.store.snapshot().version

    return [lambda: registry.sweep(30), lambda: registry.report("one", "north", "1")], check


def test_a_sweep_never_overwrites_a_report() -> None:
    result = explore(lambda: a_sweep_and_a_report(Registry), modules=MODULES, preemptions=2)
    assert result.complete
    assert set(result.outcomes) == {1, 2}


def test_a_careless_sweep_is_found_out() -> None:
    modules = [*MODULES, __name__]
    with pytest.raises(ScheduleError):
        explore(lambda: a_sweep_and_a_report(Careless), modules=modules, preemptions=2)
