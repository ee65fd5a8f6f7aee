"""What monitoring systems are told: figures of stores and their kin, each scrape of one moment.

`Metrics` holds, weakly, what is to be watched, and reads all of it at once. It is handed on to
Prometheus by ``cowstate.metrics.prometheus`` (extra ``prometheus``) and to OpenTelemetry by
``cowstate.metrics.opentelemetry`` (extra ``opentelemetry``); by itself it needs neither.

>>> from cowstate import Store
>>> from cowstate.metrics import Metrics
>>> settings, metrics = Store({"a": 1}), Metrics()
>>> metrics.add_store("settings", settings)
>>> "cowstate_store_commits_total" in {sample.metric.exposed for sample in metrics.read()}
True
"""

from .figures import Figure
from .samples import Sample
from .table import Kind, Metric
from .watching import Metrics

__all__ = ["Figure", "Kind", "Metric", "Metrics", "Sample"]
