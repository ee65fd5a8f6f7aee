"""Instructions of operations, counted by valgrind's callgrind in a process of their own.

That process calls ``getppid`` where a count begins and ends: callgrind writes down its count, and
begins a new one, at each call of that function. So start-up, set-up and warm-up do not count. What
an empty loop takes is subtracted.
"""

from __future__ import annotations

import gc
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from timeit import Timer

from .errors import InstructionCountError
from .measure import Operation

__all__ = ["available", "count_operations", "release", "run_counted"]

_RUNS = 60
_WARM_UP = 20
_NOTHING = Operation("pass", {})
_SUMMARY = re.compile(r"^summary: (\d+)", re.MULTILINE)


def available() -> bool:
    """Return whether valgrind is there."""
    return shutil.which("valgrind") is not None


def release() -> str:
    """Return which Python this is, as far as its counts belong to it: ``3.14``, or ``3.14t``."""
    free = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{sys.version_info.major}.{sys.version_info.minor}{free}"


def run_counted(operations: Iterable[Operation]) -> None:
    """Run *operations*, in the process that is counted; first nothing, to know what that costs."""
    todo = [_NOTHING, *operations]
    gc.collect()
    gc.disable()
    for operation in todo:
        for runs in (_WARM_UP, _RUNS):
            names = dict(operation.names)
            if operation.fresh is not None:
                # One pass over a stream is long enough, and there is no second on that state.
                names |= operation.fresh()
                runs = 1
            timer = Timer(operation.statement, globals=names)
            os.getppid()
            timer.timeit(runs)
        os.getppid()


def count_operations(
    source: str, operations: Sequence[Operation], environment: Mapping[str, str] | None = None
) -> list[float]:
    """Return the instructions of each of *operations*, for one.

    Args:
        source: what the counted process runs: it gives those operations to `run_counted`.
        operations: the same ones, made here.
        environment: variables of that process that are not those of this one.

    Raises:
        InstructionCountError: valgrind failed, or wrote something else than is known here.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        done = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--dump-before=getppid",
                f"--callgrind-out-file={directory / 'out'}",
                sys.executable,
                "-c",
                source,
            ],
            env={**os.environ, **(environment or {}), "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise InstructionCountError(f"valgrind ended with {done.returncode}: {done.stderr}")
        counted = list(_counted(directory))
    if len(counted) != 1 + len(operations):
        raise InstructionCountError(
            f"callgrind wrote {len(counted)} counts for {len(operations)} operations and one that "
            "does nothing; does this interpreter call getppid of a shared C library?"
        )
    nothing = counted[0] / _RUNS
    return [
        _for_one(operation, taken, nothing)
        for operation, taken in zip(operations, counted[1:], strict=True)
    ]


def _counted(directory: Path) -> Iterator[int]:
    # Three calls for each operation: of what lies between them, the last is what counts.
    place = 3
    while (path := directory / f"out.{place}").exists():
        found = _SUMMARY.search(path.read_text(encoding="utf-8"))
        if found is None:
            raise InstructionCountError(f"callgrind wrote no summary into {path.name}")
        yield int(found[1])
        place += 3


def _for_one(operation: Operation, taken: int, nothing: float) -> float:
    runs = _RUNS if operation.fresh is None else 1
    return (taken / runs - nothing) / operation.per
