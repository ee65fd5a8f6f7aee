"""What is watched, and one reading of all of it: `Metrics`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from ..errors import ArgumentTypeError, ArgumentValueError, ReentrantWriteError
from ..readstore import ReadStore
from ..showing import shown
from .figures import Figure, metric_of_figure
from .samples import Sample, label_of
from .table import METRICS, Metric
from .watched import Fails, Watched, samples_of

if TYPE_CHECKING:
    from ..positions import Reconciler
    from .of_mirrors import AnyMirror

__all__ = ["Metrics"]

_numbers = count()


class Metrics:
    """What monitoring systems are told: the figures of stores, mirrors and reconcilers.

    Each is given a name and held weakly, so what nobody else holds any more is gone from the next
    reading; what was closed stays, and says that it was. A reading takes no lock, goes to no disk
    and asks no source. Every method may be called from any thread, at any time.

    Hand it to `cowstate.metrics.prometheus.MetricsCollector`, or to
    `cowstate.metrics.opentelemetry.observe`.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> metrics = Metrics()
    >>> metrics.add_store("settings", store)
    >>> [each.value for each in metrics.read() if each.metric.name == "cowstate.store.records"]
    [1.0]
    """

    def __init__(self) -> None:
        # A plain dict: its operations are atomic, so a reading finds it whole.
        self._watched: dict[int, Watched] = {}
        self._listeners: dict[int, Callable[[Metric], object]] = {}

    # What is watched

    def add_store(
        self, name: str, store: ReadStore[Any, Any, Any], *, figures: Iterable[Figure] = ()
    ) -> None:
        """Watch a store: in memory, in a file, or one that follows a file.

        Times and conflicts are told of a store that has a `Meter`. A name is of one store for as
        long as that lives, and a scrape may hold it for a moment more; after `remove` the name is
        free at once. Added again, a store has the new *figures* only.

        Args:
            name: the value of the label ``store``.
            store: it is held weakly.
            figures: numbers of its records, read from the same snapshot.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense, the name is taken, or
                a figure is another one than one that has its name.
            ReentrantWriteError: called with figures, and by one, in the middle of a scrape.

        >>> from cowstate import Aggregate, Store
        >>> from cowstate.metrics import Figure
        >>> jobs = Store({1: "mail", 2: "mail"}, aggregates={"by": Aggregate.count(by=str)})
        >>> metrics, queued = Metrics(), Figure("jobs", lambda now: now.total("by"), "By queue.",
        ...     label="queue")
        >>> metrics.add_store("jobs", jobs, figures=[queued])
        >>> [each for each in metrics.read() if each.metric.name == "jobs"][0][1:]
        (2.0, ('jobs', 'mail'))
        """
        if not isinstance(store, ReadStore):
            raise ArgumentTypeError(f"add_store takes a store, not {shown(store)}")
        own = _checked(figures)
        if own:
            _ensure_outside("add_store")
        self._add("store", name, store, partial(samples_of, label_of(name), own), own)
        for figure in own:
            self._tell(metric_of_figure(figure))

    def add_mirror(self, name: str, mirror: AnyMirror) -> None:
        """Watch a mirror, of either kind; its store is another thing to be watched.

        Args:
            name: the value of the label ``mirror``.
            mirror: it is held weakly.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense, or the name is taken.

        >>> from cowstate import Store
        >>> from cowstate.mirror import Mirror, PollingSource
        >>> mirror = Mirror(Store(), PollingSource(dict))
        >>> metrics = Metrics()
        >>> metrics.add_mirror("pods", mirror)
        >>> [each.labels for each in metrics.read() if each.value == 1]
        [('pods', 'new')]
        """
        # With the mirror these have been imported, and most programs have none.
        from ..mirror import AsyncMirror, Mirror
        from .of_mirrors import look_at_mirror, samples_of_mirror

        if not isinstance(mirror, Mirror | AsyncMirror):
            raise ArgumentTypeError(f"add_mirror takes a mirror, not {shown(mirror)}")
        text = label_of(name)
        self._add(
            *("mirror", name, mirror),
            lambda source, fails: samples_of_mirror(text, look_at_mirror(source, fails)),
        )

    def add_reconciler(self, name: str, reconciler: Reconciler) -> None:
        """Watch a reconciler; the store of its manager is another thing to be watched.

        Args:
            name: the value of the label ``reconciler``; its symbol, say.
            reconciler: it is held weakly.

        Raises:
            ArgumentTypeError, ArgumentValueError: an argument makes no sense, or the name is taken.

        >>> from decimal import Decimal
        >>> from cowstate.positions import GridConfig, PaperExchange, PositionManager
        >>> from cowstate.positions import Reconciler, VirtualClock
        >>> grid = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid")
        >>> venue = PaperExchange(VirtualClock(), "BTCUSDT")
        >>> metrics, reconciler = Metrics(), Reconciler(PositionManager(grid), venue)
        >>> metrics.add_reconciler("BTCUSDT", reconciler)
        >>> [each.value for each in metrics.read() if each.metric.name.endswith(".halted")]
        [0.0]
        """
        from ..positions import Reconciler
        from .of_reconcilers import samples_of_reconciler

        if not isinstance(reconciler, Reconciler):
            raise ArgumentTypeError(f"add_reconciler takes a Reconciler, not {shown(reconciler)}")
        text = label_of(name)
        self._add(
            *("reconciler", name, reconciler),
            lambda source, _: samples_of_reconciler(text, source.status()),
        )

    def remove(self, source: object) -> None:
        """Watch it no more, under whichever names; no harm if it is not watched.

        >>> from cowstate import Store
        >>> store, metrics = Store(), Metrics()
        >>> metrics.add_store("settings", store)
        >>> metrics.remove(store)
        >>> metrics.read()
        []
        """
        for number, watched in list(self._watched.items()):
            if watched.source() is source:
                self._watched.pop(number, None)

    def _add(
        self,
        kind: str,
        name: str,
        source: Any,
        samples: Callable[[Any, Fails], list[Sample]],
        figures: tuple[Figure, ...] = (),
    ) -> None:
        if not isinstance(name, str) or not name:
            raise ArgumentValueError(
                f"the name of a {kind} is a str, and not empty, unlike {shown(name)}"
            )
        watched, number = Watched(kind, label_of(name), source, samples, figures), next(_numbers)
        try:
            # Entered before the look: of two that come at once, one at least sees the other.
            self._watched[number] = watched
            over = self._admit(watched, number, source)
        except BaseException:
            self._watched.pop(number, None)
            raise
        for other in over:
            self._watched.pop(other, None)

    def _admit(self, watched: Watched, number: int, source: object) -> list[int]:
        """Admit it beside the others, or raise; return those that are over then."""
        over, others = [], []
        for other, each in list(self._watched.items()):
            found = each.source()
            if found is None:
                over.append(other)
            elif (each.kind, each.name) != (watched.kind, watched.name):
                others.append(each)
            elif found is not source:
                raise ArgumentValueError(
                    f"the name {watched.name!r} is that of another {watched.kind}, "
                    f"{shown(found)}; give it another name, or remove() that one first"
                )
            elif other < number:  # of two that add it anew at once the later one stays
                over.append(other)
        _ensure_fits(watched.figures, others)
        watched.admitted = True
        return over

    def _forget(self) -> None:
        """Let go of what is not there any more."""
        for number, watched in list(self._watched.items()):
            if watched.source() is None:
                self._watched.pop(number, None)

    # What is read

    def read(self) -> list[Sample]:
        """Look at all of it, each once, and return the samples.

        It never raises an `Exception` for what they do; what is none, Ctrl-C or a ``sys.exit()`` in
        a figure, passes through, and the next reading is as ever. Costs what the `statistics()` of
        the stores cost, and what the figures do.

        >>> Metrics().read()
        []
        """
        self._forget()
        # Once each, whatever the names are: what is told twice is refused as a whole.
        samples: dict[tuple[str, tuple[str, ...]], Sample] = {}
        for watched in self._each():
            for sample in watched.read():
                samples.setdefault((sample.metric.exposed, sample.labels), sample)
        return [*samples.values()]

    def _each(self) -> list[Watched]:
        """Return what is watched, of each name one: the first that somebody else holds."""
        found: dict[tuple[str, str], Watched] = {}
        for watched in list(self._watched.values()):
            if not watched.admitted:
                continue
            held = found.setdefault((watched.kind, watched.name), watched)
            if held.source() in (None, watched.source()):
                found[watched.kind, watched.name] = watched  # added anew
        return [*found.values()]

    def metrics(self) -> list[Metric]:
        """Return every metric that there may be samples of, those of figures included.

        >>> Metrics().metrics()[0].exposed
        'cowstate_store_commits_total'
        """
        own = {
            figure.name: metric_of_figure(figure)
            for watched in list(self._watched.values())
            if watched.source() is not None
            for figure in watched.figures
        }
        return [*METRICS.values(), *own.values()]

    def on_metric(self, callback: Callable[[Metric], object]) -> None:
        """Have *callback* called for each metric: at once for those there are, later for others.

        For what hands them on. It may be called more than once for one, and by any thread. If it
        raises at once it is not called again.

        Raises:
            ReentrantWriteError: called by a figure, in the middle of a scrape.

        >>> seen = []
        >>> Metrics().on_metric(lambda metric: seen.append(metric.exposed))
        >>> "cowstate_store_records" in seen
        True
        """
        _ensure_outside("on_metric")
        number = next(_numbers)
        try:
            # First, so that none is missed.
            self._listeners[number] = callback
            _tell_all(callback, self.metrics())
        except BaseException:
            self._listeners.pop(number, None)
            raise

    def _tell(self, metric: Metric) -> None:
        for callback in list(self._listeners.values()):
            callback(metric)


def _tell_all(callback: Callable[[Metric], object], metrics: Iterable[Metric]) -> None:
    for metric in metrics:
        callback(metric)


_READ: Final = Metrics.read.__code__


def _is_reading() -> bool:
    """Whether this thread is in a reading. By its frames: they cannot be left in a wrong state."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not _READ:
        frame = frame.f_back
    return frame is not None


def _ensure_outside(call: str) -> None:
    if _is_reading():
        # A collection of OpenTelemetry's holds a lock that a new instrument waits for.
        raise ReentrantWriteError(
            f"{call} was called by a figure, in the middle of a scrape, in which nothing can be "
            "added that is told; do it before"
        )


def _ensure_fits(figures: Iterable[Figure], others: Iterable[Watched]) -> None:
    """Raise if one of *figures* is of another metric than one that is called as it is."""
    if not figures:
        return
    known: dict[str, Metric] = {}
    for metric in (metric_of_figure(each) for other in others for each in other.figures):
        known[metric.name] = known[metric.family] = metric
    for metric in map(metric_of_figure, figures):
        for name in (metric.name, metric.family):
            if known.setdefault(name, metric) != metric:
                raise ArgumentValueError(f"{name} is another metric already: {known[name]}")


def _checked(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    if isinstance(figures, Figure):
        raise ArgumentTypeError("figures is a list of figures; put the one into a list")
    own = tuple(figures)
    for figure in own:
        if not isinstance(figure, Figure):
            raise ArgumentTypeError(f"figures are of Figure, not {shown(figure)}")
    if len({figure.name for figure in own}) < len(own):
        raise ArgumentValueError("two of these figures have the same name; give each its own")
    return own
