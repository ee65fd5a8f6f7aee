"""One reading for each collection, whoever collects: the SDK, two readers, threads, cut short."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.metrics.export import Metric as Collected
from opentelemetry.sdk.metrics.view import DropAggregation, View

from cowstate import ArgumentTypeError, ReentrantWriteError, Store
from cowstate.metrics import Figure, Metrics
from cowstate.metrics.opentelemetry import observe
from cowstate.metrics.table import METRICS
from tests.metrics.asked import Other
from tests.metrics.watched import MOVING, Program


def collected(reader: InMemoryMetricReader) -> dict[str, Collected]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    return {
        metric.name: metric
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def points(metric: Collected) -> dict[tuple[Any, ...], float]:
    return {
        tuple(point.attributes.values()): point.value  # type: ignore[union-attr]
        for point in metric.data.data_points
    }


@pytest.fixture
def readers() -> list[InMemoryMetricReader]:
    return [InMemoryMetricReader(), InMemoryMetricReader()]


class Counted:
    """A store that counts the readings, and is written to in each of them."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.store: Store[str, int] = Store({"n": 0})
        self.readings = 0
        self.metrics = Metrics() if metrics is None else metrics
        figures = [
            Figure("test.readings", self.read, "How many readings there were."),
            Figure("test.version", lambda now: now.version, "Of the snapshot."),
            Figure("test.n", lambda now: now["n"], "The number, which is the version, too."),
        ]
        self.metrics.add_store("s", self.store, figures=figures)

    def read(self, now: Any) -> int:
        self.store.update("n", lambda n: n + 1)
        self.readings += 1
        return self.readings


NAMES = ("test.version", "test.n", "cowstate.store.commits")


def test_a_collection_by_the_sdk_is_what_one_reading_tells(
    tmp_path: Path, readers: list[InMemoryMetricReader]
) -> None:
    reader = readers[0]
    with Program(tmp_path / "kept.db") as program:
        observe(program.metrics, MeterProvider([reader]).get_meter("test"))
        program.live()
        program.lost.close()
        got = collected(reader)
        told = program.metrics.read()
    for sample in told:
        if sample.metric.exposed not in MOVING:
            assert points(got[sample.metric.name])[sample.labels] == sample.value
    assert set(got) == {sample.metric.name for sample in told}
    for metric in METRICS.values():
        assert got[metric.name].unit == metric.unit
        assert got[metric.name].description == metric.help
        assert getattr(got[metric.name].data, "is_monotonic", False) == (metric.kind == "counter")


def test_each_collection_of_each_reader_is_of_one_reading(
    readers: list[InMemoryMetricReader],
) -> None:
    counted = Counted()
    observe(counted.metrics, MeterProvider(readers).get_meter("test"))
    for n, reader in enumerate([readers[0], readers[1], readers[1], readers[0]]):
        got = collected(reader)
        assert counted.readings == n + 1
        assert [*points(got["test.readings"]).values()] == [n + 1]
        assert {value for name in NAMES for value in points(got[name]).values()} == {n}


def test_readers_in_several_threads_each_get_one_version(
    readers: list[InMemoryMetricReader],
) -> None:
    counted = Counted()
    observe(counted.metrics, MeterProvider(readers).get_meter("test"))
    found: list[set[float]] = []

    def collect(reader: InMemoryMetricReader) -> None:
        for _ in range(10):
            got = collected(reader)
            found.append({value for name in NAMES for value in points(got[name]).values()})

    threads = [Thread(target=collect, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(each) for each in found] == [1] * 20


def versions(meter: Other, order: Sequence[str]) -> set[float]:
    return {value for name in order for value in meter.ask(name)}


@given(st.lists(st.permutations(NAMES), max_size=6))
def test_a_whole_collection_is_of_one_version_in_whichever_order_and_a_new_one_each_time(
    collections: list[Sequence[str]],
) -> None:
    counted, meter = Counted(), Other()
    observe(counted.metrics, meter)
    seen: list[float] = []
    for order in collections:
        found = versions(meter, order)
        assert len(found) == 1
        seen += found
    assert seen == sorted(set(seen))


def test_collections_of_two_threads_that_meet_are_each_of_one_version() -> None:
    # As by an SDK that collects for each reader in its own thread, and holds no lock meanwhile.
    counted, meter = Counted(), Other()
    observe(counted.metrics, meter)
    mine = versions(meter, NAMES[:1])
    others: list[set[float]] = []
    other = Thread(target=lambda: others.append(versions(meter, NAMES)))
    other.start()
    other.join()
    mine |= versions(meter, NAMES[1:])
    assert [mine, *others] == [{0}, {1}]


@given(st.integers(0, 2))
def test_one_that_was_cut_short_does_not_reach_into_the_next(asked: int) -> None:
    counted, meter = Counted(), Other()
    observe(counted.metrics, meter)
    assert versions(meter, NAMES) == {0}
    for name in NAMES[:asked]:
        meter.ask(name)
    before = counted.readings
    assert len(versions(meter, NAMES)) == 1
    assert counted.readings == before + 1


def test_what_is_gone_is_gone_from_the_next_collection(
    readers: list[InMemoryMetricReader],
) -> None:
    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store)
    observe(metrics, MeterProvider(readers[:1]).get_meter("test"))
    assert "cowstate.store.records" in collected(readers[0])
    del store
    gc.collect()
    assert "cowstate.store.records" not in collected(readers[0])


def test_a_figure_that_is_added_later_gets_its_instrument_once(
    readers: list[InMemoryMetricReader],
) -> None:
    metrics, meter, stores = Metrics(), Other(), [Store({"a": 1}), Store({"a": 1})]
    observe(metrics, meter)
    observe(metrics, MeterProvider(readers[:1]).get_meter("test"))
    for name, store in zip("ab", stores, strict=True):
        metrics.add_store(name, store, figures=[Figure("test.later", len, "How many.")])
    assert meter.ask("test.later") == [1, 1]
    assert len(meter.callbacks["test.later"]) == 1
    assert points(collected(readers[0])["test.later"]) == {("a",): 1, ("b",): 1}


def test_what_fails_is_missing_alone(readers: list[InMemoryMetricReader]) -> None:
    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store, figures=[Figure("test.broken", lambda now: 1 / 0, "X.")])
    observe(metrics, MeterProvider(readers[:1]).get_meter("test"))
    got = collected(readers[0])
    assert "test.broken" not in got
    assert points(got["cowstate.store.records"]) == {("s",): 1}


@pytest.mark.parametrize("wrong", [(Store(), None), (Metrics(), Store())])
def test_something_else_is_refused(wrong: tuple[Any, Any]) -> None:
    with pytest.raises(ArgumentTypeError, match="observe takes"):
        observe(*wrong)


def test_a_second_call_does_nothing(readers: list[InMemoryMetricReader]) -> None:
    listeners: list[Any] = []

    class Listened(Metrics):
        def on_metric(self, callback: Any) -> None:
            listeners.append(callback)
            super().on_metric(callback)

    counted = Counted(Listened())
    meter = MeterProvider(readers[:1]).get_meter("test")
    for _ in range(3):
        observe(counted.metrics, meter)
    assert len(listeners) == 1
    got = collected(readers[0])
    assert [*points(got["test.version"]).values()] == [0]
    assert counted.readings == 1


def test_two_metrics_that_are_told_by_one_meter_are_both_told(
    readers: list[InMemoryMetricReader],
) -> None:
    # An SDK ignores a second instrument of the same name, and its callback.
    parts = [Metrics(), Metrics()]
    stores = [Store({"a": 1}), Store({"a": 1, "b": 2})]
    meter = MeterProvider(readers[:1]).get_meter("test")
    for metrics, store, name in zip(parts, stores, "xy", strict=True):
        metrics.add_store(name, store, figures=[Figure(f"test.{name}", len, "How many.")])
        observe(metrics, meter)
    parts[1].add_store("x", stores[1])
    got = collected(readers[0])
    # What both of them call the same is told once, by the first.
    assert points(got["cowstate.store.records"]) == {("x",): 1, ("y",): 2}
    assert points(got["test.x"]) == {("x",): 1}
    assert points(got["test.y"]) == {("y",): 2}


def test_a_meter_that_has_gone_leaves_nothing_to_one_that_comes_in_its_place() -> None:
    places: set[int] = set()
    for _ in range(1_000):
        metrics, store, meter = Metrics(), Store({"a": 1}), Other()
        metrics.add_store("s", store)
        observe(metrics, meter)
        assert meter.ask("cowstate.store.records") == [1]
        if id(meter) in places:
            return
        places.add(id(meter))
        del metrics, store, meter
        gc.collect()
    pytest.fail("no meter came to be where another one was")


class Struck(Other):
    """A meter that makes the first instrument, and then Ctrl-C comes."""

    def create_observable_counter(self, *given: Any, **named: Any) -> Any:
        super().create_observable_counter(*given, **named)
        if len(self.callbacks) == 1 and len(self.callbacks["cowstate.store.commits"]) == 1:
            raise KeyboardInterrupt


def test_what_was_made_twice_observes_once() -> None:
    counted, meter = Counted(), Struck()
    with pytest.raises(KeyboardInterrupt):
        observe(counted.metrics, meter)
    observe(counted.metrics, meter)
    assert len(meter.callbacks["cowstate.store.commits"]) == 2
    assert [meter.ask(name) for name in ("cowstate.store.commits", "test.n")] == [[0], [0]]


def test_nothing_is_observed_in_the_middle_of_a_collection_which_would_wait_for_itself(
    readers: list[InMemoryMetricReader],
) -> None:
    provider = MeterProvider(readers[:1])
    metrics, store, raised = Metrics(), Store({"a": 1}), []

    def read(now: Any) -> int:
        try:
            observe(metrics, provider.get_meter("another"))
        except ReentrantWriteError as error:
            raised.append(str(error))
        return 1

    metrics.add_store("s", store, figures=[Figure("test.observes", read, "X.")])
    observe(metrics, provider.get_meter("test"))
    collecting = Thread(target=collected, args=readers[:1], daemon=True)
    collecting.start()
    collecting.join(60)
    assert not collecting.is_alive()
    assert "in the middle of a scrape" in raised[0]


def test_a_figure_of_another_label_than_one_that_is_gone_is_told_with_that(
    readers: list[InMemoryMetricReader],
) -> None:
    metrics, first = Metrics(), Store({"a": 1})
    observe(metrics, MeterProvider(readers[:1]).get_meter("test"))
    metrics.add_store("s", first, figures=[Figure("test.n", len, "X.")])
    assert points(collected(readers[0])["test.n"]) == {("s",): 1}
    del first
    gc.collect()
    second = Store({"a": 1})
    metrics.add_store("s", second, figures=[Figure("test.n", dict, "X.", label="k")])
    assert points(collected(readers[0])["test.n"]) == {("s", "a"): 1}


def test_views_of_the_program_leave_the_rest_of_one_version() -> None:
    reader = InMemoryMetricReader()
    views = [
        View(instrument_name="test.n", name="renamed"),
        View(instrument_name="test.readings", aggregation=DropAggregation()),
        View(instrument_name="cowstate.store.records", attribute_keys=set()),
    ]
    counted = Counted()
    observe(counted.metrics, MeterProvider([reader], views=views).get_meter("test"))
    for n in range(3):
        got = collected(reader)
        assert "test.readings" not in got
        assert "test.n" not in got
        assert points(got["renamed"]) == points(got["test.version"]) == {("s",): n}
        assert points(got["cowstate.store.records"]) == {(): 1}


LATER = """
from cowstate import Store
from cowstate.metrics import Metrics
from cowstate.metrics.opentelemetry import observe
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
parts, stores = [Metrics(), Metrics()], [Store({1: 1}), Store({1: 1})]
for metrics, store, name in zip(parts, stores, "xy"):
    metrics.add_store(name, store)
    observe(metrics)
reader = InMemoryMetricReader()
set_meter_provider(MeterProvider([reader]))
[scope] = reader.get_metrics_data().resource_metrics[0].scope_metrics
[records] = [each for each in scope.metrics if each.name == "cowstate.store.records"]
print(scope.scope.name, sorted(point.attributes["store"] for point in records.data.data_points))
"""


def test_two_that_are_told_by_the_global_meter_before_there_is_a_provider_are_both_told() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, timeout=600, check=True
    )
    assert done.stdout == "cowstate ['x', 'y']\n"


def test_the_api_alone_will_do() -> None:
    metrics, store = Metrics(), Store({"a": 1})
    metrics.add_store("s", store)
    observe(metrics)
    observe(metrics, NoOpMeter("test"))
