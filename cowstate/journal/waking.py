"""A sleep that ends when somebody wakes the sleeper, or something is heard: `Waking`."""

from __future__ import annotations

from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from socket import socketpair
from typing import Any, Final

__all__ = ["Waking"]

LONGEST: Final = 3600.0
"""The longest sleep, in seconds: some weeks are too much for a system's call."""


class Waking:
    """The sleep of one thread, which any other one may end. Close it."""

    def __init__(self) -> None:
        self._ears, self._bell = socketpair()
        self._ears.setblocking(False)
        self._bell.setblocking(False)
        # Made once: a process that has no more files to open sleeps all the same.
        self._selector = DefaultSelector()
        self._selector.register(self._ears, EVENT_READ)

    def sleep(self, seconds: float, file: Any = None) -> bool:
        """Return after *seconds*, or when something comes on *file*, or when woken.

        Args:
            seconds: how long at the most.
            file: what else is heard, if anything: it has a ``fileno``.

        Returns:
            Whether there is something on *file*; not so where somebody woke.
        """
        selector = self._selector
        if file is not None:
            selector.register(file, EVENT_READ)
        try:
            found = selector.select(min(max(seconds, 0), LONGEST))
        finally:
            if file is not None:
                selector.unregister(file)
        ready = [key.fileobj for key, _ in found]
        if self._ears in ready:
            with suppress(BlockingIOError):
                self._ears.recv(4096)
            return False
        return bool(ready)

    def wake(self) -> None:
        """End the sleep now, or the next one. From any thread."""
        with suppress(OSError):  # it is full, so it is awake; or over
            self._bell.send(b"!")

    def close(self) -> None:
        """Let go of it. May be called twice."""
        self._selector.close()
        self._ears.close()
        self._bell.close()
