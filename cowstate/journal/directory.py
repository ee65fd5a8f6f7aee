"""Whether anything was put into a directory, or taken out of it: `Directory`."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, TypeAlias

__all__ = ["Directory"]

TICK: Final = 3.0
"""How many seconds what the system notes as one time may be apart: on FAT they are two."""

State: TypeAlias = tuple[int, int, int, int]


class Directory:
    """Says whether all names in a directory stand for what they did, by one question.

    Each name that is made, deleted or moved leaves its time with the directory. Two of them may be
    the same time, for many systems take it from a clock that ticks. So what stands in the
    directory is known only when that time was seen to be the same for as long as no tick lasts:
    then whatever comes later leaves another one. One thread at a time.

    Args:
        path: the directory.
        clock: the time, in seconds, that never goes back.
        stat: asks the system for what it notes of *path*; raises `OSError` if that is not there.
    """

    def __init__(
        self,
        path: str,
        clock: Callable[[], float] = monotonic,
        stat: Callable[[str], Any] = os.stat,
    ) -> None:
        self._path = path
        self._clock = clock
        self._stat = stat
        # What it is and when it changed last: as it was when all names were known, and as it was
        # first seen to be.
        self._known: State | None = None
        self._seen: State | None = None
        self._again = 0.0

    def still(self, look: Callable[[], bool]) -> bool:
        """Whether *look* says so; it is not asked again where all names stand for what they did.

        Args:
            look: looks names up, in this directory and nowhere else; true for ever, if all of them
                stand for what they do now.
        """
        known = self._known
        if known is not None:
            state = self._state()
            if state == known:
                return True
            self._known = None
        elif self._clock() < self._again:  # others come and go here, so it is not asked in vain
            return look()
        else:
            state = self._state()
            if state is not None and state == self._seen:
                # It has stood for longer than any tick: whatever comes now leaves another time.
                if not look():
                    return False
                self._known = state
                return True
        self._seen, self._again = state, self._clock() + TICK
        return look()

    def _state(self) -> State | None:
        try:
            found = self._stat(self._path)
        except OSError:
            return None
        if not found.st_ctime_ns:  # a system that notes none
            return None
        return found.st_ino, found.st_dev, found.st_ctime_ns, found.st_mtime_ns
