"""prometheus_client 0.26.0: a `Summary` is a count and a sum, each with a lock of its own."""

from __future__ import annotations

from typing import Any

from cowstate.testing import Scenario
from tests.hunt.pinned import pinned, told

HERE = "prometheus_client.metrics"


class Observed:
    def __init__(self) -> None:
        registry = pinned("prometheus_client").CollectorRegistry()
        self.summary = pinned(HERE).Summary("seconds", "of requests", registry=registry)
        self.registry = registry

    def observe(self, amount: int) -> None:
        self.summary.observe(amount)

    def scrape(self) -> tuple[Any, Any]:
        samples = {
            sample.name: sample.value
            for metric in self.registry.collect()
            for sample in metric.samples
        }
        return samples["seconds_count"], samples["seconds_sum"]


def test_a_scrape_sees_the_one_and_not_the_other() -> None:
    scenario = Scenario(before=(), threads=((("observe", (5,)),), (("scrape", ()),)))
    results = told(scenario, Observed, HERE)
    assert "scrape() -> (1.0, 0.0)" in results or "scrape() -> (0.0, 5.0)" in results
