"""To sleep until something has happened, once and for good: `Gate`."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import Final

__all__ = ["Gate"]

_AN_AGE: Final = 1e9
"""So many seconds and more, thirty years, is for ever: longer ones do not fit in all clocks."""


class Gate:
    """Opened once. Any number of threads may wait for it.

    It has no lock that an exception could leave taken, or a fork take along: it may be opened by a
    finalizer or a signal handler in the middle of anything.

    >>> gate = Gate()
    >>> gate.wait(0), gate.open(), gate.wait(0)
    (False, None, True)
    """

    __slots__ = ("_asleep", "is_open")

    def __init__(self) -> None:
        self.is_open = False
        self._asleep: dict[int, SimpleQueue[None]] = {}

    def open(self) -> None:
        """Let everybody pass, for good."""
        self.is_open = True
        for bell in list(self._asleep.values()):
            bell.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep until it is open, or so many seconds; return whether it is."""
        if self.is_open:
            return True
        bell: SimpleQueue[None] = SimpleQueue()
        try:
            self._asleep[id(bell)] = bell
            # Who opens it after this look finds the bell.
            if not self.is_open:
                _hear(bell, timeout)
        finally:
            self._asleep.pop(id(bell), None)
        return self.is_open


def _hear(bell: SimpleQueue[None], timeout: float | None) -> None:
    try:
        bell.get(timeout=None if timeout is None or timeout > _AN_AGE else timeout)
    except Empty:
        pass
