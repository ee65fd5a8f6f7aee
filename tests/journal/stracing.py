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


STRACE = ("strace", "-f", "-qq")

SWEEP = os.environ.get("COWSTATE_SWEEP", "")
"""``all`` for every place, ``none`` for no process under strace; else what a few minutes allow."""


def _lack() -> str:
    """Why there is no strace here; nothing, if there is."""
    if SWEEP == "none":
        return "NOT run, for COWSTATE_SWEEP says so"
    if shutil.which("strace") is None:
        return "NOT run, for there is no strace (apt install strace)"
    command = [*STRACE, "-e", "trace=none", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"NOT run, for strace may not trace here: {done.stderr[:200]}" * (done.returncode != 0)


LACK = _lack()
needs_strace = pytest.mark.skipif(bool(LACK), reason=LACK or "there is one")


def traced(trace: Path, inject: str | None, arguments: list[str]) -> tuple[int, str]:
    """Run Python with *arguments* and one fault; return how it ended, and what it said.

    Args:
        trace: where the calls are noted.
        inject: the fault, as strace has it; the n of ``when=`` is counted for each thread.
        arguments: of Python.
    """
    under = [*STRACE, "-o", str(trace), "-e", f"trace={','.join(CALLS)}"]
    if "signal=" not in (inject or ""):
        # With a filter in the kernel only the calls that are asked for cost anything. strace 6.1
        # sends no signals with it.
        under += ["--seccomp-bpf"]
    if inject is not None:
        under += ["-e", f"inject={inject}"]
    done = subprocess.run(
        [*under, sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return done.returncode, done.stderr


def stats_of(name: str, trace: Path, arguments: list[str]) -> int:
    """Return how often Python, with *arguments*, asks more of a file than which it is.

    Args:
        name: what the name of the file ends with.
        trace: where the calls are noted.
        arguments: of Python.
    """
    under = [*STRACE, "-o", str(trace), "-e", "trace=%%stat"]
    subprocess.run([*under, sys.executable, *arguments], check=True, timeout=600)
    calls = [line for line in trace.read_text().splitlines() if f'{name}"' in line]
    return len([line for line in calls if "STATX_INO," not in line])
