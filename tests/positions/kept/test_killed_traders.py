"""Traders that are killed anywhere go on from what was acknowledged, and end in agreement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="lives are forked")


def campaign(
    directory: Path, seed: int, lives: int, twin: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.positions.kept.killed", directory, seed, lives, twin]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("seed", range(4))
def test_wherever_they_are_killed_all_that_was_acknowledged_is_there_and_both_sides_agree(
    tmp_path: Path, seed: int
) -> None:
    told = campaign(tmp_path, seed, 40)
    assert told.returncode == 0, told.stderr
    happened = json.loads(told.stdout)
    for kind in ("write", "request", "moment"):
        assert happened[f"{kind}: killed"] > 3, happened
    assert happened["fills"] > 20
    assert happened["late"], "no request outlived the process that sent it"


@pytest.mark.parametrize(
    ("twin", "caught"), [("late", "is not on disk"), ("blind", "before the first look")]
)
def test_a_trader_with_a_bug_is_caught(tmp_path: Path, twin: str, caught: str) -> None:
    told = campaign(tmp_path, 1, 40, twin)
    assert told.returncode != 0
    assert caught in told.stderr
