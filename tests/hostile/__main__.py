"""Inputs for as long as one likes: ``python -m tests.hostile --inputs 100000``.

Each door is knocked at in a process of its own, so that one that dies, hangs or fills the memory is
told, with the input that did it. ``--only NUMBER`` puts that one in again, in this process.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.hostile.doors import DOORS, choices
from tests.hostile.knocking import run


def main(argv: list[str] | None = None) -> int:
    """Knock at all doors, or some; 1 if a law was broken, which is told."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000, help="how many, for each door")
    parser.add_argument("--door", action="append", choices=[*DOORS], help="these only; repeatable")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no input after, per door")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="the input of that number")
    parser.add_argument("--covering", action="store_true", help="led by coverage, with atheris")
    chosen = parser.parse_args(argv)
    broken = 0
    for name in chosen.door or [*DOORS]:
        if chosen.only is not None:
            with DOORS[name].opened() as knock:
                print(f"{name}: {knock(choices(chosen.seed, chosen.only))}")
            continue
        if chosen.covering:
            from tests.hostile.covering import covered

            covered(name, chosen.inputs, chosen.seconds)
        began = time.monotonic()
        found, problem = run(name, chosen.seed, chosen.inputs, chosen.seconds)
        took = time.monotonic() - began
        outcomes = ", ".join(f"{how} {count:,}" for how, count in Counter(found).most_common())
        print(f"{name}: {sum(found.values()):,} inputs in {took:.0f} s: {outcomes}", flush=True)
        if problem is not None:
            broken += 1
            print(f"{name}: BROKEN by seed {chosen.seed}, {problem}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
