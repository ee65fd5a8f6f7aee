"""What tables are made of, and how a cell of one is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from cowstate.errors import ArgumentValueError

from ..instructions import Count
from ..measure import Figure
from ..report import amount
from ..results import Results
from ..survey import FAST, PLAIN

__all__ = [
    "INSTALLS",
    "NONE",
    "Place",
    "Runs",
    "both",
    "by_place",
    "filled",
    "least",
    "python_of",
    "pythons",
    "table",
]

NONE: Final = "-"
"""What stands where nothing was measured."""

INSTALLS: Final = {PLAIN: "plain", FAST: "`fast`"}

_BLOCK = re.compile(r"(<!-- table: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
_LEAST = 2
"""Columns: what is measured, and one that has measured it."""


class Runs(NamedTuple):
    """What the pages are made of.

    Attributes:
        surveys: a run of each Python, by the name of its file.
        growth: the run up to ten million records.
        instructions: the stored counts, by release and path.
        kept: the run of what is kept on disk and followed, if there was one.
    """

    surveys: Mapping[str, Results]
    growth: Results
    instructions: Mapping[str, Mapping[str, Count]]
    kept: Results | None = None


Place = tuple[str, str, int, str]


def by_place(run: Results) -> dict[Place, Figure]:
    """Return the figures of a run by workload, variant, size and quantity."""
    return {(each.workload, each.variant, each.size, each.quantity): each for each in run.figures}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, or a word where there is nothing to show."""
    rows = list(rows)
    if not rows or len(columns) < _LEAST:
        return "Not measured."
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, blocks: Mapping[str, Callable[[], str]]) -> str:
    """Return the *text* of a page with what stands between its marks made anew. Pure.

    Raises:
        ArgumentValueError: the page asks for a table that there is not.
    """

    def made(match: re.Match[str]) -> str:
        if match["name"] not in blocks:
            known = ", ".join(blocks)
            raise ArgumentValueError(f"there is no table {match['name']!r}; there are {known}")
        return f"{match[1]}\n{blocks[match['name']]()}\n\n{match[3]}"

    return _BLOCK.sub(made, text)


def python_of(run: Results) -> str:
    """Return the release that a run is of, in short."""
    name = str(run.conditions["python"]).removeprefix("CPython ")
    return name.replace(" free-threaded", "t")


def pythons(runs: Runs) -> list[str]:
    """Return the releases of all surveys, in their order."""
    return [python_of(run) for run in runs.surveys.values()]


def both(figure: Figure | None) -> str:
    """Return the least and, in brackets, the median."""
    if figure is None:
        return NONE
    return f"{amount(figure.least, figure.unit)} ({amount(figure.median, figure.unit)})"


def least(figure: Figure | None) -> str:
    """Return the least sample, for reading."""
    return NONE if figure is None else amount(figure.least, figure.unit)
