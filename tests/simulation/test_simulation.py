"""Everything at once, for a while; `python -m tests.simulation` does the same for as long as you
like. A simulation that fails tells its seed and its story; see `tests.simulation.simulation`.

Each runs in a process of its own, that nothing but the simulation runs in: what strikes a thread
there may strike it in whatever that thread runs, and the coverage tool's own lock was lost so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.twins import TWINS
from tests.sweeps import as_many

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")

ROOT = Path(__file__).parents[2]
# About half a minute of each, where the usual number is tried.
SEEDS = range(max(6, as_many(24)))
ROUNDS = 4


def simulate(seed: int, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the simulation of one seed by the documented command."""
    counts = ["--seed", str(seed), "--seeds", "1", "--rounds", str(ROUNDS)]
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.simulation", *counts, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1_100,
        check=False,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_law_is_broken_whatever_comes_in_between(seed: int) -> None:
    run = simulate(seed)
    assert run.returncode == 0, run.stdout + run.stderr
    report = re.match(
        rf"seed {seed}: {ROUNDS} rounds, \d+ operations, (\d+) strikes, \d+ forks, (\d+) versions",
        run.stdout,
    )
    assert report, run.stdout
    strikes, versions = map(int, report.groups())
    assert strikes > 50, "hardly anything was struck"
    assert versions > 300, "hardly anything was written"


def story_of(name: str) -> str:
    """Return what the first simulation tells that finds something wrong with the twin."""
    for seed in SEEDS:
        run = simulate(seed, "--twin", name)
        if run.returncode == 1:
            return run.stdout
        assert run.returncode == 0, run.stdout + run.stderr
    pytest.fail(f"no simulation finds that a store {name}")


@pytest.mark.parametrize("name", TWINS)
def test_each_bug_is_found(name: str) -> None:
    assert re.search(TWINS[name].finding, story_of(name))


def test_a_story_is_bounded_and_says_who_did_what_from_which_seed() -> None:
    story = story_of("publishes in two steps")
    assert len(story.splitlines()) < 250
    assert re.match(r"seed \d+, round \d+", story)
    for who in ("ann", "bob", "cyd", "main"):
        assert f" {who} " in story
