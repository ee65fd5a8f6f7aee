"""A sleep that ends when somebody wakes the sleeper, or something is heard: `Waking`."""

from __future__ import annotations

import selectors
from contextlib import suppress
from selectors import EVENT_READ
from socket import socketpair
from typing import Any, Final

from .errors import JournalError

__all__ = ["Waking"]

LONGEST: Final = 3600.0
"""The longest sleep, in seconds: some weeks are too much for a system's call."""

# Neither takes a file of its own: a process that has no more to open sleeps all the same.
_SELECTOR: Final[type[selectors.BaseSelector]] = getattr(
    selectors, "PollSelector", selectors.SelectSelector
)


class Waking:
    """The sleep of one thread, which any other one may end. Close it.

    Args:
        of: what the thread is there for, for errors.

    Raises:
        JournalError: the process has no more files to open.
    """

    def __init__(self, of: str) -> None:
        try:
            self._ears, self._bell = socketpair()
        except OSError as error:
            raise JournalError(
                f"{of} cannot be followed: {error.strerror}; a follower takes some: close what is "
                "not needed, or raise the bound (ulimit -n)"
            ) from error
        self._ears.setblocking(False)
        self._bell.setblocking(False)

    def sleep(self, seconds: float, file: Any = None) -> bool:
        """Return after *seconds*, or when something comes on *file*, or when woken.

        Args:
            seconds: how long at the most.
            file: what else is heard, if anything: it has a ``fileno``.

        Returns:
            Whether there is something on *file*; not so where somebody woke.
        """
        with _SELECTOR() as selector:
            selector.register(self._ears, EVENT_READ)
            if file is not None:
                selector.register(file, EVENT_READ)
            found = selector.select(min(max(seconds, 0), LONGEST))
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
        self._ears.close()
        self._bell.close()
