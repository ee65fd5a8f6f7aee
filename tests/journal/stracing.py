"""To run a program under strace, which kills it, or fails it, at the n-th of some system calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = ("pwrite64", "fdatasync", "ftruncate", "unlink", "fsync")
"""What changes a file."""


def _strace_works() -> bool:
    found = shutil.which("strace")
    if found is None:
        return False
    command = [found, "-f", "-e", "trace=none", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


needs_strace = pytest.mark.skipif(not _strace_works(), reason="needs strace (apt install strace)")


def traced(trace: Path, inject: str | None, arguments: list[str]) -> tuple[int, str]:
    """Run Python with *arguments* and one fault; return how it ended, and what it said.

    Args:
        trace: where the calls are noted.
        inject: the fault, as strace has it; the n of ``when=`` is counted for each thread.
        arguments: of Python.
    """
    under = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
    if inject is not None:
        under += ["-e", f"inject={inject}"]
    done = subprocess.run(
        [*under, sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode, done.stderr
