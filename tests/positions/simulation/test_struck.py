"""Ctrl-C at any instruction ends a replay with real threads, and leaves nobody waiting."""

from __future__ import annotations

import re
import subprocess
import sys

from cowstate.bench.measure import gil_enabled
from tests.commanding import ROOT, environment

STRIKES = 60 if gil_enabled() else 20
SECONDS = 1_100
"""After which it counts as hung; not waited when all is well."""


def test_ctrl_c_anywhere_ends_the_threads_and_is_what_comes_out() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.positions.simulation.struck", "1", str(STRIKES)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    came = re.match(r"(\d+) strikes at", run.stdout)
    assert came, run.stdout
    assert int(came[1]) > STRIKES / 2, "hardly any came up"
