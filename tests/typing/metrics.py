"""What a type checker infers for what is watched.

Checked by mypy and pyright, and never run for its effects.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, assert_type

from cowstate import Aggregate, Record, Snapshot, Statistics, Store, Timing
from cowstate.journal import follow, open_store
from cowstate.metrics import Figure, Metric, Metrics, Sample
from cowstate.mirror import Mirror, PollingSource
from cowstate.positions import Reconciler


class Slot(Record):
    price: Decimal
    owner: str = ""


slots = Store({"a": Slot(Decimal(1))}, aggregates={"n": Aggregate.count()}, meta=7)


def owners(now: Snapshot[Any, Any, Any]) -> dict[str, int]:
    return {slot.owner: 1 for slot in now.values()}


def watched(reconciler: Reconciler) -> Metrics:
    metrics = Metrics()
    metrics.add_store("slots", slots, figures=[Figure("slots.n", lambda now: now.total("n"), "N.")])
    metrics.add_store("kept", open_store("kept.db", key=str, record=Slot))
    metrics.add_store("seen", follow("kept.db", key=str, record=Slot))
    metrics.add_store("owners", slots, figures=(Figure("o", owners, "O.", label="owner"),))
    metrics.add_mirror("pods", Mirror(slots, PollingSource(dict[str, Slot])))
    metrics.add_reconciler("X", reconciler)
    return metrics


def read(metrics: Metrics) -> None:
    assert_type(metrics.read(), list[Sample])
    assert_type(metrics.metrics(), list[Metric])
    for sample in metrics.read():
        assert_type(sample.value, float)
        assert_type(sample.metric.exposed, str)


def of_one_version() -> None:
    assert_type(slots.statistics(slots.snapshot()), Statistics)
    measured = slots.statistics().measured
    if measured is not None:
        assert_type(measured.syncs, Timing | None)
