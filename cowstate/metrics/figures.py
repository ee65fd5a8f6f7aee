"""A number of the user's own, of the records of a store: `Figure`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final

from ..errors import ArgumentTypeError, ArgumentValueError
from ..records import Record
from ..showing import shown
from ..slips import ensure_function, plain
from ..snapshot import Snapshot
from .samples import Sample, label_of, number_of
from .table import Kind, Metric

__all__ = ["Figure", "metric_of_figure", "samples_of_figure"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*", re.ASCII)
_LABEL: Final = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_KINDS: Final = ("counter", "amount", "gauge")
# What Prometheus adds to the names of others, by which it would take this for one of those.
_TAKEN: Final = ("_total", "_created", "_bucket", "_count", "_sum", "_info")
_LONGEST: Final = 200
_MOST: Final = 1_000


class Figure(Record):
    """A number of your own, read from the snapshot that the figures of its store are of.

    It is asked once for each scrape, by the thread that scrapes, outside of every lock. A scrape
    waits for it, however long it takes: so it should be quick, as a total is. An `Exception` that
    it raises makes it, and nothing else, missing from that scrape. It must not hold the store,
    which would then live as long as the metrics do: what it needs is in the snapshot.

    Args:
        name: in dots or underscores, such as ``"shop.orders.open"``.
        read: a function of a `Snapshot` that returns a number; with *label*, a mapping from values
            of that label to numbers, at most 1,000; None for nothing to tell.
        help: what it is, in a sentence.
        unit: ``"s"`` for seconds, ``"By"`` for bytes, what is counted in braces, or nothing.
        kind: ``"counter"`` for what only grows, ``"amount"`` for what may be added up over stores,
            else ``"gauge"``.
        label: the name of a label.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.

    >>> Figure("shop.orders.open", lambda now: now.total("open"), "Orders not yet sent.")
    Figure(name='shop.orders.open', ...)
    """

    name: str
    read: Callable[[Snapshot[Any, Any, Any]], object]
    help: str
    unit: str = ""
    kind: Kind = "gauge"
    label: str | None = None

    def __post_init__(self) -> None:
        ensure_function(self.read, "read of a Figure is a function of a snapshot")
        for field in ("name", "help", "unit"):
            if not isinstance(getattr(self, field), str):
                raise ArgumentTypeError(
                    f"{field} of a Figure is a str, not {shown(getattr(self, field))}"
                )
        self._ensure_named()
        if self.kind not in _KINDS:
            raise ArgumentValueError(
                f"kind must be 'counter', 'amount' or 'gauge', not {shown(self.kind)}"
            )
        if not (self.unit.isascii() and self.unit.isprintable() and len(self.unit) < 64):
            raise ArgumentValueError(
                f"unit must be 's', 'By', '{{things}}' or '', not {shown(self.unit)}"
            )
        try:
            self.help.encode()
        except UnicodeEncodeError:
            raise ArgumentValueError(f"help of {self.name} is no text that can be sent") from None
        label = self.label
        if label is None:
            return
        if not isinstance(label, str) or not _LABEL.fullmatch(label) or label == "store":
            raise ArgumentValueError(
                "label must be a name of small letters, digits and underscores other than 'store', "
                f"not {shown(label)}"
            )

    def _ensure_named(self) -> None:
        name = self.name
        if not _NAME.fullmatch(name) or len(name) > _LONGEST:
            raise ArgumentValueError(
                "name must be of small letters and digits, with dots or underscores between, such "
                f"as 'shop.orders.open', not {shown(name)}"
            )
        if name.replace(".", "_").startswith("cowstate_"):
            raise ArgumentValueError(f"{name} is a name of this package's; begin it otherwise")
        if name.replace(".", "_").endswith(_TAKEN):
            raise ArgumentValueError(
                f"{name} ends like what Prometheus itself adds to names; leave that away"
            )


def metric_of_figure(figure: Figure) -> Metric:
    """Return the metric of which it is."""
    labels = ("store",) if figure.label is None else ("store", figure.label)
    return Metric(figure.name, figure.kind, figure.unit, figure.help, labels)


def samples_of_figure(
    store: str, figure: Figure, snapshot: Snapshot[Any, Any, Any]
) -> list[Sample]:
    """Return the samples of a figure: one, or one for each value of its label.

    Raises:
        ArgumentTypeError, ArgumentValueError: it returned what is no number, or no such mapping.
        Exception: whatever it raises.
    """
    metric, value = metric_of_figure(figure), plain(figure.read(snapshot), "a Figure")
    if value is None:
        return []
    if figure.label is None:
        return [Sample(metric, number_of(value), (store,))]
    if not isinstance(value, Mapping):
        raise ArgumentTypeError(
            f"with a label, a figure is a mapping from values of that to numbers, not "
            f"{shown(value)}"
        )
    pairs = list(islice(value.items(), _MOST + 1))
    if len(pairs) > _MOST:
        raise ArgumentValueError(
            f"{figure.name} has more than {_MOST} values of its label; tell the largest, or a sum"
        )
    samples = {
        label: Sample(metric, number_of(each), (store, label))
        for label, each in ((label_of(key), each) for key, each in pairs)
    }
    if len(samples) < len(pairs):
        raise ArgumentValueError(f"{figure.name} has two values of its label that read the same")
    return [*samples.values()]
