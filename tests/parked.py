"""A store that tells when somebody lies down to wait for it, so that no test need sleep."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

from cowstate import Store
from cowstate.members import Members
from cowstate.waiters import Waiter

PATIENCE = 300


def nothing() -> None:
    pass


class Parked(Members[str, Waiter]):
    """The sleepers of a store; calls back at the two moments that matter, before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] = nothing
        self.after: Callable[[], object] = nothing
        self._arrived = threading.Semaphore(0)

    def add(self, number: int, member: Waiter, keys: Collection[str] | None) -> None:
        self.before()
        super().add(number, member, keys)
        self.after()
        self._arrived.release()

    def wait_for(self, sleepers: int) -> None:
        """Return when so many more have lain down."""
        for _ in range(sleepers):
            assert self._arrived.acquire(timeout=PATIENCE), "nobody comes to wait"


class Hooked(Store[str, int]):
    """A store whose sleepers are `Parked`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.parked = self.source.waiters.parked = Parked()
