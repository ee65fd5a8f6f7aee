"""Whether anything was put into a directory, or taken out of it: `Directory`."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, TypeAlias

__all__ = ["Directory"]

TICK: Final = 3.0
"""Longer, in seconds, than what a system notes as one time may be apart: on FAT that is two."""

State: TypeAlias = tuple[int, int, int, int]


class Directory:
    """Says whether all names in a directory stand for what they did, mostly by one question.

    Each name that is made, deleted or moved leaves its time with the directory. Two of them may be
    the same time, for many systems take it from a clock that ticks. So what stands in the
    directory is known only when that time was seen to be the same for as long as no tick lasts:
    then whatever comes later leaves another one. There is what a directory does not note (that
    something is mounted over a file), or not so that it can be told (when the clock was set
    back); therefore the names themselves are looked up every `TICK` as well. One thread at a time.

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
        # What it is and when it changed last, as it was when it was asked last.
        self._seen: State | None = None
        # Whether all names were looked up when it was so, and had been for long enough.
        self._known = False
        self._again = 0.0

    def still(self, look: Callable[[], bool]) -> bool:
        """Whether *look* says so; mostly it is not asked again while nothing was moved.

        Args:
            look: looks names up, in this directory and nowhere else; true for ever, if all of them
                stand for what they do now.
        """
        now = self._clock()
        if now < self._again:
            if not self._known:  # others come and go here, so it is not asked in vain
                return look()
            if self._state() == self._seen:
                return True
        before, self._known = self._seen, False
        self._seen, self._again = self._state(), now + TICK
        there = look()
        # If it is as it was a tick ago, whatever comes after this leaves another time.
        self._known = there and self._seen is not None and self._seen == before
        return there

    def _state(self) -> State | None:
        try:
            found = self._stat(self._path)
        except OSError:
            return None
        if not found.st_ctime_ns:  # a system that notes none
            return None
        return found.st_ino, found.st_dev, found.st_ctime_ns, found.st_mtime_ns
