"""Metrics for Prometheus, by its official client: `MetricsCollector`.

Needs the extra ``prometheus``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ArgumentTypeError, MissingExtraError
from ..showing import shown
from .samples import Sample
from .table import Metric
from .watching import Metrics

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError as error:
    raise MissingExtraError("cowstate.metrics.prometheus", "prometheus") from error

__all__ = ["MetricsCollector"]

_UNITS = {"s": "seconds", "By": "bytes"}


class MetricsCollector(Collector):
    """A collector of prometheus_client: one reading of the metrics for each scrape.

    Register it once, when the figures have been added: a registry asks for their names then, and a
    scrape of some names (``name[]=``) finds no others. It never raises in a scrape, and yields
    nothing for what is gone.

    Args:
        metrics: what is read.

    Raises:
        ArgumentTypeError: that is no `Metrics`.

    >>> from cowstate import Store
    >>> from cowstate.metrics import Metrics
    >>> from prometheus_client import CollectorRegistry
    >>> settings, metrics, registry = Store({"a": 1}), Metrics(), CollectorRegistry()
    >>> metrics.add_store("settings", settings)
    >>> registry.register(MetricsCollector(metrics))
    >>> registry.get_sample_value("cowstate_store_records", {"store": "settings"})
    1.0
    """

    def __init__(self, metrics: Metrics) -> None:
        if not isinstance(metrics, Metrics):
            raise ArgumentTypeError(f"a collector is made of Metrics, not {shown(metrics)}")
        self._metrics = metrics

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return what there is now, as families."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for sample in self._metrics.read():
            name = sample.metric.exposed
            family = families.get(name)
            if family is None:
                family = families[name] = _family(sample.metric)
            _add(family, sample)
        return [*families.values()]

    def describe(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Return what there may be, without a look, so that the registry knows the names."""
        return [_family(metric) for metric in self._metrics.metrics()]


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    # The unit is in the name already.
    unit = _UNITS.get(metric.unit, "")
    return kind(metric.family, metric.help, labels=metric.labels, unit=unit)


def _add(family: CounterMetricFamily | GaugeMetricFamily, sample: Sample) -> None:
    family.add_metric(sample.labels, sample.value)
