"""One writer at a time, also among processes: `Claim`."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final

from .errors import JournalError

__all__ = ["Claim", "here"]

MAKING: Final = b"the file beside this one is being made"


def here() -> str:
    """Return who this is, in words, for others to read.

    >>> here().startswith("process ")
    True
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    name = os.path.basename(sys.argv[0] or "python") if sys.argv else "python"
    return f"process {os.getpid()} ({name}) on {socket.gethostname()}, since {now}"


class Claim:
    """The lock of a file beside the journal's, held for as long as this lives.

    The operating system gives it back when the process ends, however that ends. It is not taken on
    the journal's own file: to close any descriptor of that would drop the locks of SQLite's. The
    file stays there when the claim is over: one who deletes it could delete another one's.

    Args:
        path: the file.

    Raises:
        BlockingIOError: somebody has it.
        JournalError: it cannot be locked.
    """

    def __init__(self, path: str) -> None:
        try:
            # Held until it is closed, or nobody refers to it.
            self._file: IO[Any] | None = open(path, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise JournalError(
                f"{path} cannot be opened, and without it nobody knows who writes: "
                f"{error.strerror}; the directory must be writable"
            ) from error
        try:
            _lock(self._file.fileno())
        except OSError as error:
            self.release()
            if isinstance(error, BlockingIOError):
                raise
            raise JournalError(
                f"{path} cannot be locked ({error.strerror}), so two could write at once; put the "
                "file on a disk of this machine"
            ) from error

    @property
    def making(self) -> bool:
        """Whether who had it last was struck while he made the journal's file."""
        return self._file is not None and os.fstat(self._file.fileno()).st_size > 0

    def note_making(self, making: bool) -> None:
        """Note whether the journal's file is being made: the claim's file is empty if it is not."""
        if self._file is not None:
            if making:
                self._file.write(MAKING)
            else:
                self._file.truncate(0)

    def release(self) -> None:
        """Give it back; no harm if it is over. In the child of a fork, the parent keeps it."""
        file, self._file = self._file, None
        if file is not None:
            file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> None:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(str(error)) from error

else:
    import fcntl

    def _lock(number: int) -> None:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
