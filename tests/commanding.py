"""The command as a process, for tests, and a tape of which there is always more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

import cowstate

ROOT = Path(cowstate.__file__).parents[1]
COMMAND = [sys.executable, "-m", "cowstate"]
# A shell may have started the tests with SIGINT ignored, and children inherit that.
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from cowstate.cli import main; sys.exit(main(sys.argv[1:]))"
)
WITHOUT_RICH = "import sys; sys.modules['rich'] = None; " + INTERRUPTIBLE
SECONDS = 600  # only a test that fails waits for so long
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and terminals")


def environment(**changes):
    inherited = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    return {**inherited, "PYTHONPATH": str(ROOT), "TERM": "xterm", **changes}


def run(*argv, env=None, **kwargs):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | kwargs
    return subprocess.run(
        [*COMMAND, *argv],
        check=False,
        timeout=SECONDS,
        text=True,
        env=env or environment(),
        **streams,
    )


def shell(script, *argv):
    """Run the command as ``"$@"`` of a shell script."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *COMMAND, *argv],
        check=False,
        timeout=SECONDS,
        capture_output=True,
        text=True,
        env=environment(),
    )


def is_one_line(text, message):
    return text.count("\n") == 1 and text.endswith("\n") and message in text


def rows():
    """The start of a tape, in long rows of which there are always more."""
    for number in count(1):
        price = 60_000 + number % 31
        time = 1_700_000_000_000 + 40 * number
        yield f"{number},{price},0.01,{'1' * 400},{time},{number % 2}\n"


def interrupt(process):
    """Send Ctrl-C to *process*; return the status that it ends with.

    Once; but from 3.14 on again when that has not ended it, for CPython loses a signal that comes
    at the very moment when its main thread begins to wait for a plain lock without a timeout.
    """
    for _ in range(SECONDS // 10 if sys.version_info >= (3, 14) else 0):
        process.send_signal(signal.SIGINT)
        try:
            return process.wait(10)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGINT)
    return process.wait(SECONDS)
