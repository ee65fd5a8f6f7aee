"""A replay that is killed with SIGKILL at its writes, again and again; and one that is not.

    python -m tests.positions.kept.resumed DIRECTORY SEED KILLS OPTIONS...

Each life is forked from this process and runs the command. What both print is compared byte by
byte, but for the wall time, and must be the same; the points of death are printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from pathlib import Path
from random import Random

import cowstate.journal.opening
from cowstate.cli import main as command
from tests.positions.kept.trader import KillingLog


def said(*arguments: str) -> str:
    """Return what the command prints as JSON, without the wall time."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = command(["replay", "--json", *arguments])
    assert code == 0, printed.getvalue()
    told = json.loads(printed.getvalue())
    del told["wall_seconds"]
    return json.dumps(told)


def killed(dies_at: int, after: bool, told: Path, *arguments: str) -> bool:
    """Run the command in a process that dies at one of its writes; whether it came to that."""
    child = os.fork()
    if not child:
        code = 1
        try:
            KillingLog.dies_at, KillingLog.after = dies_at, after
            cowstate.journal.opening.SqliteLog = KillingLog  # type: ignore[misc]
            told.write_text(said(*arguments))
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    dead = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert dead or os.WEXITSTATUS(status) == 0, "a life failed, see above"
    return dead


def main(directory: str, seed: str, kills: str, *options: str) -> None:
    random = Random(int(seed))
    whole = said(*options)
    versions = json.loads(whole)["versions"]
    file, told = Path(directory) / "run.db", Path(directory) / "told.json"
    points: list[int] = []
    resume: tuple[str, ...] = ()
    for _ in range(int(kills)):
        dies_at = random.randrange(1, max(2, versions // 3))
        if not killed(
            dies_at, random.random() < 0.5, told, *options, "--journal", str(file), *resume
        ):
            break
        points.append(dies_at)
        resume = ("--resume",) if Path(f"{file}-replay").exists() else ()
    # Whole, and once more when it is whole.
    for _ in range(2):
        assert not killed(0, False, told, *options, "--journal", str(file), *resume)
        assert told.read_text() == whole, f"{told.read_text()}\nis not\n{whole}"
        resume = ("--resume",)
    with contextlib.redirect_stdout(io.StringIO()):
        assert command(["verify", str(file)]) == 0
    print(json.dumps(points))


if __name__ == "__main__":
    main(*sys.argv[1:])
