"""Traders that are killed anywhere go on from what was acknowledged, and end in agreement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="lives are forked")


def campaign(
    directory: Path, seed: int, lives: int, twin: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.positions.kept.killed", directory, seed, lives, twin]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def test_wherever_they_are_killed_all_that_was_acknowledged_is_there_and_both_sides_agree(
    tmp_path: Path,
) -> None:
    happened: Counter[str] = Counter()
    for seed in range(4):
        directory = tmp_path / str(seed)
        directory.mkdir()
        told = campaign(directory, seed, 40)
        assert told.returncode == 0, told.stderr
        happened.update(json.loads(told.stdout))
    # When a life is killed at "any moment" depends on the machine, and so does all that follows.
    for kind in ("write", "request", "order", "moment"):
        assert happened[f"{kind}: killed"] > 3, happened
    assert happened["fills"] > 50
    assert happened["late"] > 1, "no request outlived the process that sent it"


@pytest.mark.parametrize(
    ("twin", "caught"), [("late", "is not on disk"), ("blind", "before the first look")]
)
def test_a_trader_with_a_bug_is_caught(tmp_path: Path, twin: str, caught: str) -> None:
    told = campaign(tmp_path, 1, 40, twin)
    assert told.returncode != 0
    assert caught in told.stderr
