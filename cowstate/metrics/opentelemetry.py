"""Metrics for OpenTelemetry, by its API: `observe`.

Needs the extra ``opentelemetry``; which SDK collects them is the program's choice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import TypeAlias
from weakref import ref

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
    each store. Called again for the same meter it does nothing; with other metrics it has those
    told by the same instruments, for a meter has one of each name. They cannot be taken back.

    Args:
        metrics: what is read.
        meter: of the program's provider; None for one of the global provider's, named ``cowstate``.

    Raises:
        ArgumentTypeError: one of them is something else.
        ReentrantWriteError: called by a figure, in the middle of a collection.

    >>> from cowstate import Store
    >>> from cowstate.metrics import Metrics
    >>> settings, metrics = Store({"a": 1}), Metrics()
    >>> metrics.add_store("settings", settings)
    >>> observe(metrics)
    """
    if not isinstance(metrics, Metrics):
        raise ArgumentTypeError(f"observe takes Metrics, not {shown(metrics)}")
    if meter is None:
        meter = _global_meter()
    if not isinstance(meter, Meter):
        raise ArgumentTypeError(
            f"observe takes a meter of OpenTelemetry, such as get_meter('shop'), not {shown(meter)}"
        )
    _instruments_of(meter).add(metrics)


@cache
def _global_meter() -> Meter:
    # One, for each that is asked for is another one until the program has a provider.
    return get_meter("cowstate")


_Instrument: TypeAlias = tuple[str, str, str, str]
"""By what a meter tells instruments apart: name, kind, unit and help."""


def _instrument_for(metric: Metric) -> _Instrument:
    return metric.name, metric.kind, metric.unit, metric.help


class _Reading(threading.local):
    """One reading in one thread, and which instruments it has served.

    The API says of no two calls whether they are of one collection. But in one collection each
    instrument is asked once, and by one thread: so who asks a second time begins the next.
    """

    def __init__(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._read = read
        self._samples: dict[_Instrument, list[Sample]] | None = None
        self._served: set[_Instrument] = set()

    def of(self, instrument: _Instrument) -> list[Sample]:
        """Return what is told by *instrument* in this collection."""
        samples = self._samples
        if samples is None or instrument in self._served:
            samples = {}
            for sample in self._read():
                samples.setdefault(_instrument_for(sample.metric), []).append(sample)
            # A straight line: the next reading, or the last one.
            self._samples, self._served = samples, set()
        self._served.add(instrument)
        return samples.get(instrument, [])


class _Instruments:
    """The instruments of one meter, and the metrics that are told by them."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._metrics: dict[int, Metrics] = {}
        self._reading = _Reading(self._read)
        self._made: set[_Instrument] = set()
        self._asked: dict[_Instrument, object] = {}

    def add(self, metrics: Metrics) -> None:
        """Have *metrics* told, too."""
        if id(metrics) not in self._metrics:
            metrics.on_metric(self._make)
            self._metrics[id(metrics)] = metrics

    def _read(self) -> Iterable[Sample]:
        # What two of them call the same is told once.
        samples: dict[tuple[str, tuple[str, ...]], Sample] = {}
        for metrics in list(self._metrics.values()):
            for sample in metrics.read():
                samples.setdefault((sample.metric.exposed, sample.labels), sample)
        return samples.values()

    def _make(self, metric: Metric) -> None:
        instrument = _instrument_for(metric)
        if instrument in self._made:
            return
        make = {
            "counter": self._meter.create_observable_counter,
            "amount": self._meter.create_observable_up_down_counter,
            "gauge": self._meter.create_observable_gauge,
        }[metric.kind]
        make(
            metric.name,
            callbacks=[partial(self._observed, instrument, object())],
            unit=metric.unit,
            description=metric.help,
        )
        self._made.add(instrument)

    def _observed(
        self, instrument: _Instrument, made: object, _: CallbackOptions
    ) -> Sequence[Observation]:
        # It may have been made twice: by two threads at once, or again after an exception. Then a
        # meter has both, or ignores one of them: that observes which was asked first.
        if self._asked.setdefault(instrument, made) is not made:
            return []
        return [
            Observation(sample.value, dict(zip(sample.metric.labels, sample.labels, strict=True)))
            for sample in self._reading.of(instrument)
        ]


_of_meters: dict[int, ref[_Instruments]] = {}
"""The instruments of each meter that has them, by its id: they hold it, and it holds them."""


def _instruments_of(meter: Meter) -> _Instruments:
    number, made = id(meter), _Instruments(meter)
    while True:
        held = _of_meters.setdefault(number, ref(made))
        found = held()
        if found is not None:
            return found
        _of_meters.pop(number, None)  # of another meter, which is gone
