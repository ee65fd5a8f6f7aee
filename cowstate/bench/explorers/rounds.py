"""All explorers on all programs, side by side, and the file that keeps what came out.

Each attempt is made in a process of its own: a program that hangs is ended, and what an explorer
changes in the interpreter, or leaves running, harms no other. Every round tries a program by all
explorers, one after the other, in an order drawn anew, so that whatever else the machine does falls
on all alike; what is timed leaves out the start of the process and the imports.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from cowstate.errors import ArgumentValueError

from ..measure import conditions
from .attempts import Attempt, Explorer
from .explorers import EXPLORERS, installed
from .programs import TRIALS, Trial

__all__ = ["Run", "apart", "limited", "measured", "read", "told", "write"]

_LONG_S = 5.0
"""What takes longer is not repeated."""

_START_S = 300.0
"""How long a process may take to start, and to end, on a machine that does much else."""

_MARK = "attempt: "
_HUNG = "hung: "


class Run(msgspec.Struct):
    """What came out.

    Attributes:
        conditions: of machine, interpreter and packages.
        attempts: by explorer and program, one for each round; of those that were installed.
    """

    conditions: dict[str, Any]
    attempts: dict[str, dict[str, list[Attempt]]]


def apart(explorer: Explorer, trial: Trial) -> Attempt:
    """Try *trial* by *explorer* in a process of its own.

    Raises:
        ArgumentValueError: that process failed, with the end of what it said.
    """
    here = [sys.executable, *explorer.started]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*here, "-m", "cowstate.bench.explorers", "try", explorer.name, trial.name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=explorer.limit_s + _START_S,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith((_MARK, _HUNG))]
    if not lines:
        raise ArgumentValueError(
            f"{explorer.name} on {trial.name!r} ended with {done.returncode}: "
            f"{(done.stdout + done.stderr)[-2_000:]}"
        )
    if lines[-1].startswith(_HUNG):
        return Attempt("hung", said=f"ended after {explorer.limit_s:.0f} seconds")
    return msgspec.json.decode(lines[-1].removeprefix(_MARK), type=Attempt)


def limited(explorer: Explorer, trial: Trial) -> Attempt:
    """Try *trial* by *explorer* in this process, which ends if that takes longer than it may.

    Imports, which take as long as the machine is busy, are made before.
    """
    import_module(explorer.module)
    over = threading.Event()

    def end() -> None:
        if not over.wait(explorer.limit_s):
            os.write(1, f"\n{_HUNG}{explorer.limit_s} seconds\n".encode())
            os._exit(1)

    # Threads that hang would keep the process from ending in any other way.
    threading.Thread(target=end, daemon=True).start()
    try:
        return explorer.attempt(trial)
    finally:
        over.set()


def told(attempt: Attempt) -> str:
    """Return the line by which a process tells what came out in it."""
    return _MARK + msgspec.json.encode(attempt).decode()


def measured(
    rounds: int,
    tell: Callable[[str], object],
    explorers: Iterable[Explorer] = tuple(EXPLORERS.values()),
    trials: Iterable[Trial] = tuple(TRIALS.values()),
) -> Run:
    """Try all programs by all explorers that are installed; *tell* is told what comes next."""
    there = {each.name: each for each in explorers if installed(each)}
    packages = {each.package: installed(each) for each in there.values() if each.package}
    where = {**conditions(), "packages": packages, "rounds": rounds}
    attempts: dict[str, dict[str, list[Attempt]]] = {name: {} for name in there}
    rng = random.Random(0)
    for trial in trials:
        for _ in range(rounds):
            order = list(there.values())
            rng.shuffle(order)
            for explorer in order:
                before = attempts[explorer.name].setdefault(trial.name, [])
                if not before or _again(before[0]):
                    tell(f"{trial.name}: {explorer.name}")
                    before.append(apart(explorer, trial))
    where["load afterwards"] = conditions()["load"]
    return Run(where, attempts)


def _again(attempt: Attempt) -> bool:
    return attempt.seconds is not None and attempt.seconds < _LONG_S


def write(path: Path, run: Run) -> None:
    """Keep *run*, a line for each explorer and program."""
    lines = [
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f"{json.dumps(trial)}: {_line(each)}" for trial, each in of.items())
        + "\n}"
        for name, of in run.attempts.items()
    ]
    whole = ",\n".join(lines)
    path.write_text(
        f'{{\n"conditions": {json.dumps(run.conditions)},\n"attempts": {{\n{whole}\n}}\n}}\n',
        encoding="utf-8",
    )


def _line(attempts: Iterable[Attempt]) -> str:
    kept: list[dict[str, Any]] = [msgspec.to_builtins(each) for each in attempts]
    for each in kept:
        if each["seconds"] is not None:
            each["seconds"] = float(f"{each['seconds']:.4g}")
    return json.dumps(kept)


def read(path: Path) -> Run:
    """Return what is kept in *path*.

    Raises:
        ArgumentValueError: it is no such file, or cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Run)
    except (OSError, msgspec.MsgspecError) as error:
        raise ArgumentValueError(
            f"{path} cannot be used: {error}; make it by "
            "python -m cowstate.bench.explorers measure, in a checkout"
        ) from None
