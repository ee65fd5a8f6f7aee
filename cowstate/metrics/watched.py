"""One thing that is watched: `Watched`, and what is read of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import ref

from ..readstore import ReadStore
from ..showing import cut
from .figures import Figure, samples_of_figure
from .of_stores import look_at_store, samples_of_store
from .samples import Sample
from .table import metric_of

__all__ = ["Fails", "Watched", "samples_of"]

Fails = Callable[[str, Exception], None]
"""Told of each figure that cannot be read; an empty name stands for all of a source."""

_log = logging.getLogger("cowstate")


class Watched:
    """Something that is watched, while somebody else holds it.

    Args:
        kind: what it is, in a word.
        name: the value of the label that says which.
        source: it; held weakly.
        samples: makes the samples of a look at it; it is told what to call for what fails.
        figures: those of the user's that are among them.

    Attributes:
        admitted: whether it is read; not while it is not known whether its names are free.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        source: Any,
        samples: Callable[[Any, Fails], list[Sample]],
        figures: tuple[Figure, ...] = (),
    ) -> None:
        self.kind = kind
        self.name = name
        self.source = ref(source)
        self.admitted = False
        self.figures = figures
        self._samples = samples
        # Counted without a lock: without the GIL two at the very same instant may count as one.
        self._failures = dict.fromkeys(["", *(figure.name for figure in figures)], 0)
        self._failing: set[str] = set()

    def read(self) -> list[Sample]:
        """Look once, if it is still there; whatever fails is missing, and counted."""
        source = self.source()
        if source is None:
            return []
        failed: set[str] = set()

        def fails(figure: str, error: Exception) -> None:
            failed.add(figure)
            self._failures[figure] = self._failures.get(figure, 0) + 1
            if figure not in self._failing:
                _log.warning(
                    "%s of the %s %r cannot be read for a scrape: %s",
                    *(figure or "all", self.kind, self.name, _in_words(error)),
                    extra={
                        "cowstate_event": "metrics_failed",
                        "cowstate_source": self.kind,
                        "cowstate_name": self.name,
                        "cowstate_figure": figure,
                    },
                )

        try:
            samples = self._samples(source, fails)
        except Exception as error:
            samples = []
            fails("", error)
        self._failing = failed
        metric = metric_of("metrics.failures")
        for figure, times in self._failures.copy().items():
            samples.append(Sample(metric, times, (self.kind, self.name, figure)))
        return samples


def samples_of(
    name: str, figures: tuple[Figure, ...], store: ReadStore[Any, Any, Any], fails: Fails
) -> list[Sample]:
    """Look at a store, once, and return the samples of it and of its figures."""
    seen = look_at_store(store)
    samples = samples_of_store(name, seen)
    for figure in figures:
        try:
            samples += samples_of_figure(name, figure, seen.snapshot)
        except Exception as error:
            fails(figure.name, error)
    return samples


def _in_words(error: Exception) -> str:
    try:
        said = str(error)
    except Exception:  # it is not ours, and must not end the scrape
        said = "what it says could not be read"
    return cut(f"{type(error).__name__}: {said}", 400)
