"""What the laws find, operation by operation: ``python -m tests.laws.survey KIND [OPERATION ...]``.

KIND is ``once``, ``twice``, ``quiet`` or ``calls``. All points with ``COWSTATE_LAWS=all``,
else a sample. Prints points, violations and seconds of each, and one violation in full.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tests import standing
from tests.laws.calls import Calls
from tests.laws.interrupts import Interrupts
from tests.laws.operations import OPERATIONS, Operation
from tests.laws.points import Violations, sample, watched


def once(operation: Operation, violations: Violations) -> int:
    interrupts = Interrupts(operation, violations)
    interrupts.once(most=60)
    return interrupts.struck


def twice(operation: Operation, violations: Violations) -> int:
    interrupts = Interrupts(operation, violations)
    interrupts.twice(most=10, most_after=5)
    return interrupts.struck


def quiet(operation: Operation, violations: Violations) -> int:
    interrupts = Interrupts(operation, violations, quiet=True)
    interrupts.once(most=60)
    return interrupts.struck


def calls(operation: Operation, violations: Violations) -> int:
    inside = Calls(operation, violations)
    pairs = [
        (inner, point)
        for inner in inside.inners(list(OPERATIONS.values()))
        for point in range(1, inside.points + 1)
    ]
    for inner, point in sample(f"calls inside {operation}", pairs, most=100):
        inside.try_call(inner, point)
    return inside.refused.total()


KINDS: dict[str, Callable[[Operation, Violations], int]] = {
    "once": once,
    "twice": twice,
    "quiet": quiet,
    "calls": calls,
}


def main(kind: str, *names: str) -> None:
    standing.PATIENCE = 0.5
    points = places = violated = 0
    begin = time.perf_counter()
    for name in names or OPERATIONS:
        if kind == "calls" and OPERATIONS[name].alone:
            continue
        start = time.perf_counter()
        reached: list[int] = []
        found = watched(
            lambda violations: reached.append(KINDS[kind](OPERATIONS[name], violations)),  # noqa: B023
            enough=1_000_000,
        )
        seconds = time.perf_counter() - start
        points += found.points
        places += sum(reached)
        violated += len(found.found)
        print(
            f"{name:42} {found.points:6} points {sum(reached):6} places "
            f"{len(found.found):6} violations {seconds:6.1f} s",
            flush=True,
        )
        if found.found:
            print("    " + found.found[0].splitlines()[0][:300], flush=True)
    print(
        f"{'all':42} {points:6} points {places:6} places {violated:6} violations "
        f"{time.perf_counter() - begin:6.1f} s on {sys.version.split()[0]}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
