"""A process that writes is killed, or failed, at every n-th system call that changes the file.

By strace, which does it at the very call. Every place of a run of one commit; of longer runs of
several threads a sample, and all of them with
``COWSTATE_SWEEP=all python -m pytest tests/journal/test_kill_sweep.py``.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.journal.killed import EACH, check
from tests.journal.stracing import CALLS, SWEEP, needs_strace, traced

ALL = SWEEP == "all"
pytestmark = needs_strace


def run(directory: Path, inject: str | None, threads: int, commits: int = EACH) -> tuple[int, str]:
    """Run the program with one fault; return how it ended, and what it said."""
    files = [str(directory / "slots.db"), str(directory / "told"), str(threads), str(commits)]
    return traced(directory / "trace", inject, ["-m", "tests.journal.killed", *files])


def calls_of(directory: Path, threads: int, commits: int = EACH) -> Counter[str]:
    """How often a thread makes each call, in a run that nothing happens to.

    The one that makes it most often: strace counts for each thread.
    """
    status, said = run(directory, None, threads, commits)
    assert status == 0, said
    assert check(directory / "slots.db", directory / "told", threads) == "closed"
    made: Counter[tuple[str, str]] = Counter()
    for line in (directory / "trace").read_text().splitlines():
        thread, _, call = line.partition(" ")
        made[thread, call.strip().partition("(")[0]] += 1
    most: Counter[str] = Counter()
    for (_, name), count in made.items():
        if name in CALLS:
            most[name] = max(most[name], count)
    return most


def places(made: Counter[str], each: int) -> list[tuple[str, int]]:
    found = []
    for name, count in made.items():
        step = 1 if ALL else max(1, count // each)
        found += [(name, n) for n in range(1, count + 1, step)]
    return found


def kill(place: tuple[str, int], parent: Path, threads: int, commits: int = EACH) -> str:
    """Kill the program at one call; return what became of it, in a word."""
    name, n = place
    directory = parent / f"{name}-{n}"
    directory.mkdir()
    status, said = run(directory, f"{name}:signal=KILL:when={n}", threads, commits)
    assert status in (0, -9, 137), said
    became = check(directory / "slots.db", directory / "told", threads)
    shutil.rmtree(directory)
    return became


def test_whoever_is_killed_in_a_commit_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    made = calls_of(tmp_path / "whole", 1, 1)
    every = [(name, n) for name, count in made.items() for n in range(1, count + 1)]
    became = Counter(kill(place, tmp_path, 1, 1) for place in every)
    assert became["killed early"] > 5
    assert became["opened"] > 5
    assert became["closed"] == 0


@pytest.mark.parametrize("threads", [1, 3] if ALL else [3])
def test_whoever_is_killed_loses_nothing_acknowledged(threads: int, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    made = calls_of(tmp_path / "whole", threads)
    assert made["pwrite64"] > 5
    assert made["fdatasync"] + made["fsync"] > 2
    became = Counter(kill(place, tmp_path, threads) for place in places(made, 5))
    assert became["opened"] > 2, became


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("lasting", ["", "+"], ids=["once", "from then on"])
def test_whatever_fails_memory_and_disk_agree(error: str, lasting: str, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    made = calls_of(tmp_path / "whole", 3)
    for name, n in places(made, 3):
        directory = tmp_path / f"{name}-{n}"
        directory.mkdir()
        status, said = run(directory, f"{name}:error={error}:when={n}{lasting}", 3)
        # Whatever it could not do it said by an error of its own.
        assert status in (0, 3), said
        if status == 0 or not lasting:
            check(directory / "slots.db", directory / "told", 3)
        shutil.rmtree(directory)
