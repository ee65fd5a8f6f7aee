"""A source of the files of a directory: `FileSource`."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from time import time_ns
from typing import Any, Final, Generic, NamedTuple, TypeVar, final

from ..errors import ArgumentTypeError
from ..sameness import same
from ..showing import shown
from ..slips import ensure_flag, ensure_function
from .errors import RevisionGoneError
from .options import checked_seconds
from .source import Changes, Listed, News, Pause

__all__ = ["FileSource"]

V = TypeVar("V")

_YOUNG_NS: Final = 2_000_000_000
"""A file that was changed so shortly before it was read may be changed again and look the same.

That is how coarse the times of some file systems are."""


class _Seen(NamedTuple):
    """One file as it was read: what `os.stat` said before and after, and what it held."""

    mark: tuple[int, int, int, int]
    young: bool
    value: Any


@final
class FileSource(Generic[V]):
    """The files of a directory, by name: those that match, each read when it has changed.

    What has changed is told by size, times and inode; what was changed within the last two seconds
    is read again, for a file system may not tell two changes of one moment apart. A file that
    changes while it is read is left as it was until it stands still: no half of a write is
    published, unless it is left so. (Write beside it and rename.) The content of each file is of
    one moment; that of several is not. A directory that is not there is an error, no empty one.

    It is for one mirror.

    Args:
        directory: where they are.
        decode: a function of the bytes of a file that returns the record.
        pattern: which names, as of `fnmatch`, of the files and not of the folders they are in.
        recursive: whether folders within are gone through, too; keys are then paths with ``/``.
        interval: how many seconds lie between two looks.

    Raises:
        ArgumentTypeError, ArgumentValueError: an argument makes no sense.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     written = Path(folder, "a.txt").write_bytes(b"one")
    ...     source = FileSource(folder, decode=bytes.decode, pattern="*.txt")
    ...     dict(source.list().items)
    {'a.txt': 'one'}
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        decode: Callable[[bytes], V] = bytes,  # type: ignore[assignment]
        pattern: str = "*",
        recursive: bool = False,
        interval: float = 1.0,
    ) -> None:
        if not isinstance(pattern, str):
            raise ArgumentTypeError(f"pattern must be a str such as '*.json', not {shown(pattern)}")
        ensure_function(decode, "decode is a function of bytes")
        ensure_flag(recursive, "recursive")
        self._directory = Path(directory)
        self._decode = decode
        self._pattern = pattern
        self._recursive = recursive
        self._interval = checked_seconds("interval", interval, above_zero=True)
        self._seen: dict[str, _Seen] = {}
        self._looks = 0
        self._failed = False

    def list(self) -> Listed[str, V]:
        """Return what all files hold.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     FileSource(folder).list()
        Listed(items={}, revision=1)
        """
        self._look()
        return Listed({key: seen.value for key, seen in self._seen.items()}, self._looks)

    def watch(self, revision: Any, /) -> Iterator[News[str, V]]:
        """Yield what has changed, each time that something has, and pauses in between.

        Raises:
            RevisionGoneError: *revision* is not that of the last look.

        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     source = FileSource(folder, interval=2)
        ...     next(source.watch(source.list().revision))
        Pause(seconds=2.0)
        """
        if revision != self._looks:
            raise RevisionGoneError(revision)
        while True:
            if not self._failed:  # after an error the mirror has waited
                yield Pause(self._interval)
            before = self._seen
            self._look()
            after = self._seen
            put = {
                key: seen.value
                for key, seen in after.items()
                if key not in before or before[key].value is not seen.value
            }
            yield Changes(put, [key for key in before if key not in after], self._looks)

    def _look(self) -> None:
        """Read what has changed. If that fails, what was read before stays as it is."""
        seen: dict[str, _Seen] = {}
        self._failed = True
        for key, path in self._paths(self._directory, ""):
            found = self._read(path, self._seen.get(key))
            if found is not None:
                seen[key] = found
        self._seen = seen
        self._looks += 1
        self._failed = False

    def _paths(self, folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=_name_of)
        for entry in found:
            if entry.is_file():
                if fnmatchcase(entry.name, self._pattern):
                    yield prefix + entry.name, Path(entry.path)
            # Not through links, which may lead round in a ring.
            elif self._recursive and entry.is_dir(follow_symlinks=False):
                yield from self._paths(Path(entry.path), f"{prefix}{entry.name}/")

    def _read(self, path: Path, known: _Seen | None) -> _Seen | None:
        """Return *path* as it is, or as it is known if it changes just now; None for gone."""
        try:
            mark = _mark_of(path)
            if known is not None and known.mark == mark and not known.young:
                return known
            content = _content_of(path)
            if content is None:
                return None
            if _mark_of(path) != mark:
                return known
        except FileNotFoundError:
            return None
        young = time_ns() - max(mark[2:]) < _YOUNG_NS
        value = self._decoded(content, path)
        if known is not None and same(known.value, value):
            value = known.value
        return _Seen(mark, young, value)

    def _decoded(self, content: bytes, path: Path) -> V:
        try:
            return self._decode(content)
        except Exception as error:
            error.add_note(f"in {path}")
            raise


def _mark_of(path: Path) -> tuple[int, int, int, int]:
    found = os.stat(path)
    return found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _content_of(path: Path) -> bytes | None:
    """Return what a file holds; None if it is none any more: to read a pipe may take for ever."""
    with open(path, "rb", opener=_without_waiting) as file:
        return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _name_of(entry: os.DirEntry[str]) -> str:
    return entry.name
