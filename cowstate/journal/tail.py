"""To look at the file of a store again and again, while somebody writes it: `FileTail`."""

from __future__ import annotations

import os
import sqlite3
from typing import Final

from cowstate.errors import CowstateError

from .errors import JournalFileError
from .place import not_opened
from .reading import Reader
from .touched import Touched
from .waking import Waking

__all__ = ["FileTail"]

SELDOM: Final = 0.25
"""How long, in seconds, from one look to the next where whoever writes is heard, mostly."""

SOON: Final = 0.001
"""How long, in seconds, until a look at what was heard: it is not whole yet. If it is not then, the
next looks come after twice as long each, up to as often as ever."""

GONE: Final = (
    "was deleted or replaced while it was followed; what is in memory can still be read. Follow "
    "the file that is there now"
)

FIXED: Final = (
    "cannot be followed: nobody can write beside it, so SQLite would not see what is written "
    "meanwhile. Make its directory writable; to look once there is cowstate show"
)


class FileTail:
    """The file of a store, held open, to be looked at whenever somebody has written it.

    Between two looks it holds nobody up and keeps nothing from being cleaned up. One thread at a
    time; as `Tail` says.

    Args:
        path: the file.
        every: how often it is looked at while it is written to, in seconds.

    Raises:
        JournalFileError: there is none, it is none of a store, or cannot be followed.
    """

    def __init__(self, path: str, every: float) -> None:
        self._reader = Reader(path)
        self.path = os.path.realpath(path)
        self._every = every
        self._soon = every
        # Of what is written first; SQLite copies it into the file when it likes.
        self._touched = Touched(self.path + "-wal")
        self.stirs = 0
        try:
            if self._reader.fixed:
                raise JournalFileError(self.path, FIXED)
            self._reader.end()
            self._identity = self._found()
            self._waking = Waking(self.path)
        except BaseException:
            self._reader.close()
            raise
        self._closed = False
        self._seen: int | None = None
        self._looked: int | None = None

    def _found(self) -> tuple[int, int] | None:
        try:
            file = os.stat(self.path)
        except OSError:
            return None
        return file.st_dev, file.st_ino

    def look(self) -> Reader | None:
        """Return what is there, as of one moment, if anything was written since the last look.

        None if nothing was; else `done` says that it is over.

        Raises:
            JournalFileError: it was deleted or replaced.
        """
        if self._found() != self._identity:
            raise JournalFileError(self.path, GONE)
        # Before the look: what is written in between is found now, and looked at once more.
        self._looked = self._reader.state()
        if self._looked == self._seen:
            return None
        self._reader.begin()
        return self._reader

    def done(self, to_its_end: bool = True) -> None:
        """End the look; if it was not *to_its_end*, there is another one, whoever writes."""
        self._reader.end()
        if to_its_end:
            self._seen = self._looked

    def view(self) -> Reader:
        """Return a look of its own at the file. From any thread."""
        return Reader(self.path)

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*; or when somebody begins to write, if that is heard, or wakes.

        It is listened for only where looks have become rarer. So whoever writes without a pause is
        heard once, and pays for no more.
        """
        touched = self._touched
        if seconds <= self._every:
            soon, self._soon = self._soon, min(2 * self._soon, self._every)
            self._waking.sleep(min(seconds, soon))
        elif touched.armed:
            if self._waking.sleep(max(seconds, SELDOM), touched.file):
                touched.heard()
                self.stirs += 1
                self._soon = SOON
        elif not touched.arm():
            self._waking.sleep(seconds)
        # Else there is a look now, at what was written before it was listened for.

    def wake(self) -> None:
        """End the sleep now, or the next one. From any thread."""
        self._waking.wake()

    def passes(self, error: Exception) -> bool:
        """Whether *error* may be gone at the next look: somebody has the file, say."""
        return isinstance(error, sqlite3.OperationalError)

    def refused(self, error: Exception) -> CowstateError | None:
        """Return what to say of an *error* of SQLite's; None if it is none of that."""
        return not_opened(self.path, error) if isinstance(error, sqlite3.Error) else None

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._closed = True
        self._reader.close()
        self._touched.close()
        self._waking.close()

    def abandon(self) -> None:
        """Forget the file without a touch: it belongs to the parent of a fork."""
        if not self._closed:
            self._reader.abandon()
