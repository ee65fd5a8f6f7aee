"""To be told that a file is written to, where the system can tell: `Touched`."""

from __future__ import annotations

import os
import sys
from ctypes import CDLL, c_char_p, c_int, c_uint32
from functools import cache
from io import FileIO
from typing import Any, Final
from weakref import WeakSet

__all__ = ["Touched", "inotify"]

MODIFIED: Final = 0x00000002
ONCE: Final = 0x80000000
"""Both as Linux numbers them for ever: IN_MODIFY and IN_ONESHOT."""

MOST: Final = 32
"""How many a process takes: often the system has 128 for all the programs of a user together, and
who edits or serves files needs some."""

_held: WeakSet[Touched] = WeakSet()


@cache
def inotify() -> tuple[Any, Any] | None:
    """Return what makes a watch, and what has it watch; None where there is no such thing.

    What makes one raises `ValueError` where the system has no more.
    """
    if not sys.platform.startswith("linux"):
        return None
    try:
        system = CDLL(None)
        begin, add = system.inotify_init1, system.inotify_add_watch
    except (OSError, AttributeError):
        return None
    begin.argtypes = (c_int,)
    # By the call itself: of a bare number, what strikes before it is kept would leave it open.
    begin.restype = FileIO
    add.argtypes = (c_int, c_char_p, c_uint32)
    return begin, add


class Touched:
    """Tells of the next write to a file, once: whoever writes on pays for that alone.

    It tells when the write begins to come, not when it is whole, and it may be deaf: the system has
    no such thing, or no more of them, this process has `MOST`, or the file is another one by now.
    So it says when to look, and whoever hears nothing looks all the same, now and then. One thread
    at a time.

    Args:
        path: the file; it need not be there.

    Attributes:
        file: what is to be read when it tells; None where it cannot.
    """

    def __init__(self, path: str) -> None:
        self._path = os.fsencode(path)
        self._armed = False
        self.file: FileIO | None = None

    @property
    def armed(self) -> bool:
        """Whether it will tell."""
        return self._armed

    def arm(self) -> bool:
        """Have it tell of the next write; whether it can. Look afterwards at what was before."""
        known = inotify()
        if known is None:
            return False
        begin, add = known
        file = self.file
        if file is None:
            if len(_held) >= MOST:
                return False
            try:
                file = self.file = begin(os.O_NONBLOCK | os.O_CLOEXEC)
            except ValueError:
                return False
            _held.add(self)
        self._drop()  # also of a watch that is over: it says so, and maybe after that was heard
        self._armed = add(file.fileno(), self._path, MODIFIED | ONCE) >= 0
        return self._armed

    def heard(self) -> None:
        """Note that it told, so that it is not armed any more."""
        self._armed = False
        self._drop()

    def _drop(self) -> None:
        if self.file is not None:
            self.file.read(4096)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        self._armed = False
        if self.file is not None:
            self.file.close()
            self.file = None
        _held.discard(self)
