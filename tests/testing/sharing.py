"""Programs of threads that share a store, for who explores them with its modules and without."""

from __future__ import annotations

from typing import Any

from cowstate import Store


def waiting() -> Any:
    """One waits for what the other writes."""
    store = Store({"n": 0})
    seen: list[int] = []

    def wait() -> None:
        seen.append(store.wait_for(lambda now: now["n"] > 0).version)

    return [wait, lambda: store.set("n", 1)], lambda: tuple(seen)


def losing() -> Any:
    """Two write what they have read in a step before."""
    store = Store({"n": 0})

    def add() -> None:
        n = store.snapshot()["n"]
        store.set("n", n + 1)

    def check() -> None:
        assert store.snapshot()["n"] == 2

    return [add, add], check
