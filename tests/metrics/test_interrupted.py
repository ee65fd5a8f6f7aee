"""Ctrl-C in the middle of adding and of a scrape: what is watched is whole, and the next one is."""

from __future__ import annotations

from types import CodeType
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from cowstate import Store
from cowstate.metrics import Figure, Metrics
from cowstate.metrics.opentelemetry import observe
from cowstate.metrics.prometheus import MetricsCollector
from tests.faults.injection import Injected, interrupt_at_opcode
from tests.metrics.asked import Other
from tests.metrics.watched import values
from tests.sweeps import step

VERSION = Figure("shop.version", lambda now: now.version, "Of the snapshot.")
AGAIN = Figure("shop.again", lambda now: now.version, "Of the snapshot, once more.")
# In the order in which their instruments are made, by which an SDK asks them.
NAMES = ("cowstate.store.commits", "shop.version", "shop.again")


def in_metrics(code: CodeType) -> bool:
    return "/cowstate/metrics/" in code.co_filename.replace("\\", "/")


class Program:
    """Two stores, one of them watched, and what is scraped in both ways."""

    def __init__(self) -> None:
        self.one: Store[str, int] = Store({"a": 1})
        self.other: Store[str, int] = Store({"a": 1, "b": 2})
        self.metrics = Metrics()
        self.metrics.add_store("one", self.one, figures=[VERSION])
        self.collector = MetricsCollector(self.metrics)
        self.meter = Other()
        observe(self.metrics, self.meter)

    def add(self) -> None:
        self.metrics.add_store("other", self.other, figures=[AGAIN, VERSION])
        self.metrics.add_store("one", self.one, figures=[VERSION, AGAIN])

    def begin(self) -> None:
        """Hand them to another meter; what was interrupted is tried again."""
        self.meter = Other()
        observe(self.metrics, self.meter)

    def scrape(self) -> None:
        self.collector.collect()

    def observe(self) -> None:
        for name in NAMES:
            self.meter.ask(name)

    def remove(self) -> None:
        self.metrics.remove(self.one)
        self.metrics.add_store("one", self.one, figures=[VERSION])

    def check(self) -> None:
        """It can be added and scraped as ever, and tells everything once."""
        for _ in range(2):
            self.add()
            told = self.metrics.read()
            assert values(told, "cowstate_store_records") == {("one",): 1, ("other",): 2}
            assert not any(values(told, "cowstate_metrics_failures_total").values())
            keys = [(sample.metric.exposed, sample.labels) for sample in told]
            assert len(set(keys)) == len(keys)
            self.one.set("a", self.one.snapshot()["a"] + 1)
            found = [sorted(self.meter.ask(name)) for name in NAMES]
            assert found == [[0, self.one.snapshot().version]] * 3


@pytest.mark.parametrize(
    ("act", "stride"),
    [
        *((Program.add, 17), (Program.remove, 7), (Program.begin, 53)),
        *((Program.scrape, 61), (Program.observe, 61)),
    ],
)
def test_it_leaves_all_as_it_was(act: Any, stride: int) -> None:
    struck = 0
    for number in range(1, 1_000_000, step(stride)):
        program = Program()
        if interrupt_at_opcode(lambda: act(program), number, Injected, in_metrics) is None:  # noqa: B023
            break
        struck += 1
        if act is Program.begin:
            observe(program.metrics, program.meter)
        program.check()
    assert struck > 5


def test_what_was_interrupted_is_told_by_an_sdk_after_another_call() -> None:
    # It keeps the instrument that it has, with its callback, and ignores one that is called so.
    struck = 0
    for number in range(1, 1_000_000, step(53)):
        program, reader = Program(), InMemoryMetricReader()
        meter = MeterProvider([reader]).get_meter("test")
        if (
            interrupt_at_opcode(
                lambda: observe(program.metrics, meter),  # noqa: B023
                *(number, Injected, in_metrics),
            )
            is None
        ):
            break
        struck += 1
        observe(program.metrics, meter)
        data = reader.get_metrics_data()
        assert data is not None
        [scope] = data.resource_metrics[0].scope_metrics
        told = {sample.metric.name for sample in program.metrics.read()}
        assert {metric.name for metric in scope.metrics} == told
    assert struck > 5
