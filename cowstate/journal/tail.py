"""To look at the file of a store again and again, while somebody writes it: `Tail`."""

from __future__ import annotations

import os
from typing import Final

from .errors import JournalFileError
from .reading import Reader

__all__ = ["Tail"]

GONE: Final = (
    "was deleted or replaced while it was followed; what is in memory can still be read. Follow "
    "the file that is there now"
)

FIXED: Final = (
    "cannot be followed: nobody can write beside it, so SQLite would not see what is written "
    "meanwhile. Make its directory writable; to look once there is cowstate show"
)


class Tail:
    """The file of a store, held open, to be looked at whenever somebody has written it.

    Between two looks it holds nobody up and keeps nothing from being cleaned up. One thread at a
    time.

    Args:
        path: the file.

    Raises:
        JournalFileError: there is none, it is none of a store, or cannot be followed.
    """

    def __init__(self, path: str) -> None:
        self._reader = Reader(path)
        self.path = os.path.realpath(path)
        try:
            if self._reader.fixed:
                raise JournalFileError(self.path, FIXED)
            self._reader.end()
            self._identity = self._found()
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

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        self._closed = True
        self._reader.close()

    def abandon(self) -> None:
        """Forget the file without a touch: it belongs to the parent of a fork."""
        if not self._closed:
            self._reader.abandon()
