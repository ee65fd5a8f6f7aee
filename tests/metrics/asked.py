"""A meter of another SDK, as far as observable instruments go: a test asks them, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from opentelemetry.metrics import CallbackOptions, NoOpMeter, Observation


class Other(NoOpMeter):
    """Keeps the callbacks of the instruments that it is to make."""

    def __init__(self) -> None:
        super().__init__("other")
        self.callbacks: dict[str, list[Callable[[CallbackOptions], Iterable[Observation]]]] = {}

    def _keep(self, name: str, callbacks: Any, *_: Any, **__: Any) -> Any:
        self.callbacks.setdefault(name, []).extend(callbacks)

    create_observable_counter = _keep
    create_observable_up_down_counter = _keep
    create_observable_gauge = _keep

    def ask(self, name: str) -> list[float]:
        """What the callbacks of the instruments of a name observe."""
        return [
            each.value
            for callback in self.callbacks.get(name, ())
            for each in callback(CallbackOptions())
        ]
