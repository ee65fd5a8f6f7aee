"""Disks that are full when a test says so: a small one, and one with a limit on its files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.positions.live.life import Life

__all__ = ["Disk", "limited", "small"]

MIB = 1024 * 1024


class Disk(Protocol):
    """A directory, in which nothing more can be written from *fill* to *empty*."""

    home: Path

    def fill(self, life: Life) -> None:
        raise NotImplementedError

    def empty(self) -> None:
        raise NotImplementedError


class Small:
    """A file system of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def fill(self, life: Life) -> None:
        with (self.home / "filler").open("wb", buffering=0) as filler:
            for size in (64 * 1024, 4 * 1024, 1):
                with suppress(OSError):
                    while filler.write(bytes(size)):
                        pass
        assert not os.statvfs(self.home).f_bavail

    def empty(self) -> None:
        (self.home / "filler").unlink()


class Limited:
    """A directory as any; no file of the process can grow."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def fill(self, life: Life) -> None:
        import resource

        resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE, (0, 0))

    def empty(self) -> None:
        pass  # it was that process's


@contextmanager
def small(directory: Path) -> Iterator[Disk]:
    home = directory / "small"
    home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={4 * MIB}", "tmpfs", str(home)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        # For those who may not mount anything.
        yield Limited(home)
        return
    try:
        yield Small(home)
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)


@contextmanager
def limited(directory: Path) -> Iterator[Disk]:
    yield Limited(directory)
