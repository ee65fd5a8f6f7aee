"""See the package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .explorers import EXPLORERS
from .page import DOCS, FILE, PAGE, written
from .programs import TRIALS
from .rounds import limited, measured, told, write

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Try one, measure all, or write the page."""
    parser = argparse.ArgumentParser(prog="python -m cowstate.bench.explorers")
    commands = parser.add_subparsers(dest="command")
    one = commands.add_parser("try", help="one explorer on one program, in this process")
    one.add_argument("explorer", choices=EXPLORERS)
    one.add_argument("program", choices=TRIALS)
    several = commands.add_parser("measure", help="all that are installed, into the stored file")
    several.add_argument("--rounds", type=int, default=5, metavar="N")
    for each in (parser, several):
        each.add_argument("--docs", type=Path, default=DOCS, help="where the page is")
    args = parser.parse_args(argv)
    if args.command == "try":
        print("\n" + told(limited(EXPLORERS[args.explorer], TRIALS[args.program])), flush=True)
        return 0
    if args.command == "measure":
        write(args.docs / FILE, measured(args.rounds, _say))
    written(args.docs / PAGE, args.docs / FILE)
    return 0


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
