"""One program, run many times under one strace, with its fault at another call each time.

    python -m tests.journal.sweeping PLAN

strace kills, or fails, each thread at its n-th call, with one n for all that it sees. So each run
makes, in each of its threads, so many calls beforehand that do nothing that the one that is meant
becomes the n-th. In this way Python starts once, and forks: that is most of what a run would cost.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.journal.killed import EACH, main
from tests.journal.stracing import traced

NTH = 200
"""The n: more than any thread makes calls of one kind."""


class Run(NamedTuple):
    """One run of `tests.journal.killed`.

    Attributes:
        directory: where its files are.
        threads: how many write.
        commits: how many each of them makes.
        name: of which kind the call is that goes wrong; none, if it is empty.
        number: the how many-th of a thread it is.
    """

    directory: str
    threads: int
    commits: int = EACH
    name: str = ""
    number: int = NTH

    @property
    def file(self) -> Path:
        return Path(self.directory) / "slots.db"

    @property
    def told(self) -> Path:
        return Path(self.directory) / "told"

    @property
    def said(self) -> Path:
        return Path(self.directory) / "said"


def swept(runs: Sequence[Run], fault: str | None, home: Path) -> list[tuple[int, str]]:
    """Do the *runs*, each with a *fault*; return how each ended, and what it said.

    Args:
        runs: in directories that are there.
        fault: as strace has it: ``signal=KILL``. With a ``+`` at its end, also at each later call.
        home: where to note what was done.
    """
    plan, trace = home / "plan", home / "trace"
    plan.write_text(json.dumps(runs))
    names = ",".join({run.name for run in runs if run.name})
    inject = None
    if fault is not None:
        lasting = "+" * fault.endswith("+")
        inject = f"{names}:{fault.removesuffix('+')}:when={NTH}{lasting}"
    status, said = traced(trace, inject, ["-m", "tests.journal.sweeping", str(plan)])
    assert status == 0, said
    ends = json.loads(plan.with_suffix(".ends").read_text())
    return [(end, run.said.read_text()) for end, run in zip(ends, runs, strict=True)]


def _nothing(name: str, times: int) -> None:
    """Make so many calls that do nothing."""
    null = os.open(os.devnull, os.O_WRONLY)
    calls: dict[str, Callable[[], object]] = {
        "pwrite64": lambda: os.pwrite(null, b"", 0),
        "fdatasync": lambda: os.fdatasync(null),
        "fsync": lambda: os.fsync(null),
        "ftruncate": lambda: os.ftruncate(null, 0),
        "unlink": lambda: os.unlink(""),
    }
    for _ in range(times):
        with suppress(OSError):  # they cannot be made on what they are made on, and count
            calls[name]()
    os.close(null)


def _one(run: Run) -> int:
    said = os.open(run.said, os.O_WRONLY | os.O_CREAT)
    os.dup2(said, 2)
    begin = partial(_nothing, run.name, NTH - run.number)
    return main(str(run.file), str(run.told), run.threads, run.commits, begin)


def _all(plan: Path) -> int:
    """Do all in processes of their own, which end as any does; or return as one of them."""
    ends = []
    for run in (Run(*each) for each in json.loads(plan.read_text())):
        child = os.fork()
        if not child:
            return _one(run)
        ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    plan.with_suffix(".ends").write_text(json.dumps(ends))
    return 0


if __name__ == "__main__":
    sys.exit(_all(Path(sys.argv[1])))
