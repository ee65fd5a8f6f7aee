"""A store that measures itself by a clock that stands still, and what it measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cowstate import Meter, Store


class Clock:
    """Seconds that pass when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def measured(clock: Callable[[], float], records: Any = None, **options: Any) -> Store[str, Any]:
    store: Store[str, Any] = Store(
        {"a": 1, "b": 2} if records is None else records, meter=Meter(clock), **options
    )
    return store


def figures_of(store: Store[str, Any]) -> Any:
    """What it measured, for a type checker as something that is there."""
    return store.statistics().measured
