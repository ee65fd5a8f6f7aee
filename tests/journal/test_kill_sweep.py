"""A process that writes is killed, or failed, at every n-th system call that changes the file.

By strace, which does it at the very call. At two to six calls of each kind, spread evenly over the
run; at each call, and by one writer besides three, with
``COWSTATE_SWEEP=all python -m pytest tests/journal/test_kill_sweep.py``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.journal.killed import EACH, check
from tests.journal.stracing import CALLS, SWEEP, needs_strace, traced
from tests.journal.sweeping import NTH, Run, swept

ALL = SWEEP == "all"
pytestmark = needs_strace


def calls_of(home: Path, threads: int, commits: int = EACH) -> Counter[str]:
    """How often a thread makes each call, in a run that nothing happens to.

    The one that makes it most often: strace counts for each thread.
    """
    home.mkdir()
    files = [str(home / "slots.db"), str(home / "told"), str(threads), str(commits)]
    status, said = traced(home / "trace", None, ["-m", "tests.journal.killed", *files])
    assert status == 0, said
    assert check(home / "slots.db", home / "told", threads) == "closed"
    made: Counter[tuple[str, str]] = Counter()
    for line in (home / "trace").read_text().splitlines():
        thread, _, call = line.partition(" ")
        made[thread, call.strip().partition("(")[0]] += 1
    most: Counter[str] = Counter()
    for (_, name), count in made.items():
        if name in CALLS:
            most[name] = max(most[name], count)
    assert all(count < NTH for count in most.values())
    return most


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often a call is made for one commit."""
    return calls_of(tmp_path_factory.mktemp("short") / "whole", 1, 1)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often a thread makes a call where several write."""
    return calls_of(tmp_path_factory.mktemp("long") / "whole", 3)


def places(
    made: Counter[str], each: int, home: Path, threads: int, commits: int = EACH
) -> list[Run]:
    """Runs that go wrong at some calls of each kind: *each* of them, spread evenly, or all."""
    runs = []
    for name, count in made.items():
        step = 1 if ALL else -(-count // each)
        for n in range(1, count + 1, step):
            directory = home / f"{name}-{n}"
            directory.mkdir()
            runs.append(Run(str(directory), threads, commits, name, n))
    return runs


def killed(runs: list[Run], home: Path) -> Counter[str]:
    """Kill each of the *runs* at its call; return what became of them, in words."""
    became: Counter[str] = Counter()
    for run, (status, said) in zip(runs, swept(runs, "signal=KILL", home), strict=True):
        assert status in (0, -9), said
        became[check(run.file, run.told, run.threads)] += 1
    return became


def test_whoever_is_killed_in_a_commit_loses_nothing(short: Counter[str], tmp_path: Path) -> None:
    became = killed(places(short, 6, tmp_path, 1, 1), tmp_path)
    assert became["killed early"] > 3
    assert became["opened"] > 3
    assert became["closed"] == 0


@pytest.mark.parametrize("threads", [1, 3] if ALL else [3])
def test_whoever_is_killed_loses_nothing_acknowledged(
    threads: int, long: Counter[str], tmp_path: Path
) -> None:
    made = long if threads > 1 else calls_of(tmp_path / "whole", threads)
    assert made["pwrite64"] > 5
    assert made["fdatasync"] + made["fsync"] > 2
    became = killed(places(made, 5, tmp_path, threads), tmp_path)
    assert became["opened"] > 2, became


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("lasting", ["", "+"], ids=["once", "from then on"])
def test_whatever_fails_memory_and_disk_agree(
    error: str, lasting: str, long: Counter[str], tmp_path: Path
) -> None:
    runs = places(long, 2, tmp_path, 3)
    found = swept(runs, f"error={error}{lasting}", tmp_path)
    assert any(status == 3 for status, _ in found)
    for run, (status, said) in zip(runs, found, strict=True):
        # Whatever it could not do it said by an error of its own.
        assert status in (0, 3), said
        if status == 0 or not lasting:
            check(run.file, run.told, 3)
