"""Which file stands at a path, asked for so that it does not cost the next write to it: `Inode`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from ctypes import CDLL, c_char_p, c_int, c_uint, c_void_p, create_string_buffer
from errno import ENOENT
from functools import cache
from struct import Struct
from typing import Any, Final, TypeAlias

__all__ = ["Inode", "statx"]

HERE: Final = -100
"""AT_FDCWD: a path is as the process sees it."""

NUMBER: Final = 0x100
"""STATX_INO: nothing is asked for but which file it is."""

SIZE: Final = 256
ANSWER: Final = Struct("=32xQ96xII")
"""Of `struct statx`, as Linux has it for ever: the inode, and both parts of its device."""

Which: TypeAlias = tuple[int, ...]


@cache
def statx() -> Any:
    """Return the call by which Linux says of a file what is asked, and no more; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        call = CDLL(None).statx
    except (OSError, AttributeError):
        return None
    call.argtypes = (c_int, c_char_p, c_int, c_uint, c_void_p)
    return call


class Inode:
    """The file that stood at *path* when this was made, and whether it still does.

    From Linux 6.13 on (multigrain timestamps) who asks by `os.stat` is told, among the rest, when
    the file was written to; so that the answer is not the same after the next write, that one must
    note its time anew. Asked between all writes to a file that is synced, that took a third of the
    time. So nobody is asked but for the number of the file. One thread at a time.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: none is there, or it cannot be asked for.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._name = os.fsencode(path)
        self._answer = create_string_buffer(SIZE)
        self._call = statx()
        self._ask: Callable[[], Which | None] = self._by_number
        # An old kernel has no such call, and a sandbox may forbid it.
        if self._call is None or self._by_number() is None:
            self._ask = self._by_all
        found = self._ask()
        if found is None:
            raise FileNotFoundError(ENOENT, "is not there, or cannot be asked for", path)
        self._found = found

    def is_there(self) -> bool:
        """Whether it is there, and no other one in its place."""
        return self._ask() == self._found

    def _by_number(self) -> Which | None:
        if self._call(HERE, self._name, 0, NUMBER, self._answer):
            return None
        return ANSWER.unpack_from(self._answer)

    def _by_all(self) -> Which | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_ino, found.st_dev
