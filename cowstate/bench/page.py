"""The pages on performance, which are written from result files and never by hand.

    python -m cowstate.bench.page measure [NAME]   all that the pages show of this Python: minutes
    python -m cowstate.bench.page scale            how costs grow, up to ten million records
    python -m cowstate.bench.page kept             journals, followers and mirrors
    python -m cowstate.bench.page                  write the tables of all files into the pages

Run in a checkout. The files are ``docs/explanation/performance/NAME.json``; what stands in a page
between ``<!-- table: NAME -->`` and ``<!-- end -->`` is made of them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from cowstate.errors import ArgumentValueError

from . import instructions
from .callgrind import release
from .measure import Settings
from .report import plot
from .results import read, write
from .survey import grow, keep, survey
from .tables import BLOCKS, Runs
from .tables.markdown import filled

__all__ = ["PAGES", "load", "main", "rendered"]

DOCS = Path(__file__).resolve().parents[2] / "docs/explanation"
PAGES = ("performance.md", "compared.md", "journal-costs.md")
_FILES = "performance"
_GROWTH = "scale"
_KEPT = "kept"
_PICTURE = "scale.svg"
# Near others that are drawn; the tables have them.
_NOT_DRAWN = {
    "worst write, records frozen",
    "worst write, collector off",
    "worst write, ring of 16",
    "a full collection, records frozen",
    "an update, median",
    "an update, 99th percentile",
}


def load(docs: Path = DOCS) -> Runs:
    """Return what the result files under *docs* hold.

    Raises:
        ArgumentValueError: a file is not what it should be, or there are none.
    """
    found = {path.stem: path for path in sorted((docs / _FILES).glob("*.json"), key=_order)}
    if _GROWTH not in found or len(found) < 2:
        raise ArgumentValueError(
            f"{docs / _FILES} has not all result files; run this in a checkout, "
            "and measure and scale first"
        )
    growth = read(found.pop(_GROWTH))
    kept = found.pop(_KEPT, None)
    stored = instructions.load(Path(str(files("cowstate.bench") / "instructions.json")))
    surveys = {name: read(path) for name, path in found.items()}
    return Runs(surveys, growth, stored, None if kept is None else read(kept))


def _order(path: Path) -> tuple[list[int], str]:
    return [int(part) for part in re.findall(r"\d+", path.stem)], path.stem


def rendered(text: str, runs: Runs, blocks: Mapping[str, Callable[[Runs], str]] = BLOCKS) -> str:
    """Return the *text* of a page with its tables made anew. Pure.

    Raises:
        ArgumentValueError: the page asks for a table that there is not.
    """
    return filled(text, {name: partial(make, runs) for name, make in blocks.items()})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or write the pages."""
    parser = argparse.ArgumentParser(prog="python -m cowstate.bench.page")
    parser.add_argument(
        "what", nargs="?", choices=("measure", "scale", "kept", "render"), default="render"
    )
    parser.add_argument("name", nargs="?", default=release(), help="of the file (this Python's)")
    parser.add_argument("--quick", action="store_true", help="seconds; no figures to quote")
    parser.add_argument("--repeats", type=int, default=7, metavar="N")
    parser.add_argument("--largest", type=int, default=10_000_000, metavar="N", help="of scale")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where the pages are")
    args = parser.parse_args(argv)
    settings = Settings.quickly() if args.quick else Settings(args.repeats)
    if args.what == "measure":
        run = survey(settings, _say)
        write(args.docs / _FILES / f"{args.name}.json", *run)
    elif args.what == "scale":
        run = grow(settings, args.largest, _say)
        write(args.docs / _FILES / f"{_GROWTH}.json", *run)
        if find_spec("matplotlib") is None:
            print("matplotlib is not installed: the plot stays as it was", file=sys.stderr)
        else:
            shown = [each for each in run.figures if each.quantity not in _NOT_DRAWN]
            plot(args.docs / _FILES / _PICTURE, run.conditions, shown)
    elif args.what == "kept":
        run = keep(settings, _say)
        write(args.docs / _FILES / f"{_KEPT}.json", *run)
    else:
        runs = load(args.docs)
        for name in PAGES:
            page = args.docs / name
            page.write_text(rendered(page.read_text(encoding="utf-8"), runs), encoding="utf-8")
    return 0


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
