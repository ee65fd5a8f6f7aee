"""Stores with one bug each, that the simulation must find.

Each is made anew for each simulation, for it keeps what it needs beside the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, NamedTuple

from cowstate import Store
from tests.simulation.faults import give_way


class Pretender:
    """A subscription that says it is open, whether or not it is."""

    def __init__(self, subscription: Any) -> None:
        self.subscription = subscription
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.subscription, name)

    def close(self) -> None:
        """Close it."""
        self.closed = True
        self.subscription.close()

    def __enter__(self) -> Pretender:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def losing_a_subscription() -> type[Store[Any, Any]]:
    """A write that is interrupted forgets whoever subscribed last."""
    pretenders: list[Pretender] = []

    class LosesASubscription(Store[Any, Any]):
        def subscribe(self, callback: Any, **options: Any) -> Any:
            pretenders.append(Pretender(super().subscribe(callback, **options)))
            return pretenders[-1]

        def update(self, key: Any, fn: Callable[[Any], Any]) -> Any:
            try:
                return super().update(key, fn)
            except Exception:
                raise
            except BaseException:
                pretenders.pop().subscription.close()
                raise

    return LosesASubscription


def publishing_in_two_steps() -> type[Store[Any, Any]]:
    """A transaction publishes all that it changed but for one key, and then that."""

    class PublishesInTwoSteps(Store[Any, Any]):
        @contextmanager
        def transaction(self, **options: Any) -> Iterator[Any]:
            late = None
            with super().transaction(**options) as tx:
                yield tx
                changed = [key for key in tx.changes if key in tx.base and key in tx]
                if len(changed) > 1:
                    late = changed[-1], tx[changed[-1]]
                    tx[changed[-1]] = tx.base[changed[-1]]
            if late is not None:
                self.set(*late)

    return PublishesInTwoSteps


def leaving_a_gate_shut() -> type[Store[Any, Any]]:
    """An update passes a lock that it does not give back when it is interrupted."""
    gate = RLock()

    class LeavesAGateShut(Store[Any, Any]):
        def update(self, key: Any, fn: Callable[[Any], Any]) -> Any:
            gate.acquire()
            commit = super().update(key, fn)
            gate.release()
            return commit

    return LeavesAGateShut


def updating_outside_the_lock() -> type[Store[Any, Any]]:
    """An update reads the record before the lock is taken."""

    class UpdatesOutsideTheLock(Store[Any, Any]):
        def update(self, key: Any, fn: Callable[[Any], Any]) -> Any:
            record = fn(self.snapshot()[key])
            give_way()
            return self.set(key, record)

    return UpdatesOutsideTheLock


class Twin(NamedTuple):
    """How to make it, and what the story must say of it, after how long in seconds if it hangs."""

    make: Callable[[], type[Store[Any, Any]]]
    finding: str
    patience: float = 30.0


TWINS = {
    "loses a subscription": Twin(losing_a_subscription, "not told", patience=6.0),
    "publishes in two steps": Twin(publishing_in_two_steps, "in version|in all accounts"),
    "leaves a gate shut": Twin(leaving_a_gate_shut, "still at work", patience=3.0),
    "updates outside the lock": Twin(updating_outside_the_lock, "is .*, of .* to"),
}
