"""A subscriber that has lagged, and has not been told."""

from __future__ import annotations

from typing import Any

from cowstate import Store
from cowstate.timeline import BACKLOG
from tests.loops import loop


def lagging(**options: Any) -> tuple[Store[str, int], Any, Any]:
    """Return a store, and a loop that has not served for too long, and its subscription."""
    store: Store[str, int] = Store({"a": 0})
    serving = loop()
    subscription = store.subscribe(via=serving, **options)
    for n in range(1, BACKLOG + 3):
        store.set("a", n)
    return store, serving, subscription
