"""As much of an event loop as a store needs, which runs what it was told when a test asks it to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Loop:
    """Give it to a store as the ``via`` of a subscription."""

    def __init__(self) -> None:
        self.told: list[Callable[[], object]] = []
        self.closed = False
        self.raises: BaseException | None = None
        """What the next one who tells it something is answered."""

    def call_soon_threadsafe(self, callback: Callable[[], object]) -> None:
        error, self.raises = self.raises, None
        if error is not None:
            raise error
        if self.closed:
            raise RuntimeError("Event loop is closed")
        self.told.append(callback)

    def is_closed(self) -> bool:
        return self.closed

    def run(self) -> None:
        """Do all that it was told, and what that tells it."""
        while self.told:
            self.told.pop(0)()


def loop() -> Any:
    """Return one, for which a type checker takes an event loop of asyncio's."""
    return Loop()
