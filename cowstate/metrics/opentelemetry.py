"""Metrics for OpenTelemetry, by its API: `observe`.

Needs the extra ``opentelemetry``; which SDK collects them is the program's choice.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from ..errors import ArgumentTypeError, MissingExtraError
from ..showing import shown
from .samples import Sample
from .table import Metric
from .watching import Metrics

try:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter
except ImportError as error:
    raise MissingExtraError("cowstate.metrics.opentelemetry", "opentelemetry") from error

__all__ = ["observe"]


def observe(metrics: Metrics, meter: Meter | None = None) -> None:
    """Have *metrics* told by observable instruments of *meter*, one for each metric.

    All that one collection observes is of one reading: of one snapshot and one `statistics()` of
    each store. Call it once for a meter: instruments cannot be taken back.

    Args:
        metrics: what is read.
        meter: of the program's provider; None for one of the global provider's, named ``cowstate``.

    Raises:
        ArgumentTypeError: one of them is something else.

    >>> from cowstate import Store
    >>> from cowstate.metrics import Metrics
    >>> settings, metrics = Store({"a": 1}), Metrics()
    >>> metrics.add_store("settings", settings)
    >>> observe(metrics)
    """
    if not isinstance(metrics, Metrics):
        raise ArgumentTypeError(f"observe takes Metrics, not {shown(metrics)}")
    if meter is None:
        meter = get_meter("cowstate")
    if not isinstance(meter, Meter):
        raise ArgumentTypeError(
            f"observe takes a meter of OpenTelemetry, such as get_meter('shop'), not {shown(meter)}"
        )
    _Instruments(metrics, meter)


class _Reading(threading.local):
    """One reading in one thread, and which instruments it has served.

    The API says of no two calls whether they are of one collection. But in one collection each
    instrument is asked once, and by one thread: so who asks a second time begins the next.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._samples: dict[str, list[Sample]] | None = None
        self._served: set[str] = set()

    def of(self, name: str) -> list[Sample]:
        """Return what the metric called *name* was found to be in this collection."""
        samples = self._samples
        if samples is None or name in self._served:
            samples = {}
            for sample in self._metrics.read():
                samples.setdefault(sample.metric.name, []).append(sample)
            # A straight line: the next reading, or the last one.
            self._samples, self._served = samples, set()
        self._served.add(name)
        return samples.get(name, [])


class _Instruments:
    """The instruments of one meter: of those of one name the one that was made whole observes."""

    def __init__(self, metrics: Metrics, meter: Meter) -> None:
        self._meter = meter
        self._reading = _Reading(metrics)
        self._made: dict[str, object] = {}
        try:
            metrics.on_metric(self._make)
        except BaseException:
            self._made.clear()  # who tries again makes them anew
            raise

    def _make(self, metric: Metric) -> None:
        mark = object()
        make = {
            "counter": self._meter.create_observable_counter,
            "amount": self._meter.create_observable_up_down_counter,
            "gauge": self._meter.create_observable_gauge,
        }[metric.kind]
        try:
            if self._made.setdefault(metric.name, mark) is not mark:
                return  # told twice
            make(
                metric.name,
                callbacks=[partial(self._observed, metric, mark)],
                unit=metric.unit,
                description=metric.help,
            )
        except BaseException:
            # It may be there or not, and cannot be taken back; so it is silent, and made again.
            if self._made.get(metric.name) is mark:
                self._made.pop(metric.name)
            raise

    def _observed(self, metric: Metric, mark: object, _: CallbackOptions) -> Sequence[Observation]:
        if self._made.get(metric.name) is not mark:
            return []
        return [
            Observation(sample.value, dict(zip(metric.labels, sample.labels, strict=True)))
            for sample in self._reading.of(metric.name)
        ]
