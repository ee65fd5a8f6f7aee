"""The store beside what else one would write, or install."""

from __future__ import annotations

from ..report import crossovers
from ..survey import OURS, PLAIN, SIZES, SMALL
from ..variant import LOCKED
from .markdown import NONE, Runs, both, by_place, python_of, pythons, table

__all__ = ["compared_tables", "crossovers_table", "managers_table"]

_COMPARED = {
    "`snapshot()`": ("snapshot", "time"),
    "a record": ("read", "time"),
    "read everything": ("read_all", "time"),
    "`update`": ("update", "time"),
    "`set`": ("set", "time"),
    "ten at once": ("update_all", "time"),
    "if unchanged": ("conditional", "time"),
    "one subscriber": ("delivery", "time"),
    "diff": ("diff", "time"),
    "a version kept": ("memory", "size"),
}


def compared_tables(runs: Runs) -> str:
    """Return a table of all variants for each Python and size."""
    parts = []
    for run in runs.surveys.values():
        found = by_place(run)
        for size in SIZES:
            names = dict.fromkeys(of for name, of, at, _ in found if (name, at) == ("update", size))
            order = [
                *(name for name in OURS if name in names),
                *(n for n in names if n not in OURS),
            ]
            rows = [
                [
                    f"**{name}**" if name in OURS else name,
                    *(
                        both(found.get((work, name, size, kind)))
                        for work, kind in _COMPARED.values()
                    ),
                ]
                for name in order
            ]
            if rows:
                title = f"### {python_of(run)}, {size:,} records"
                parts.append(f"{title}\n\n{table(('variant', *_COMPARED), rows)}")
    return "\n\n".join(parts)


def crossovers_table(runs: Runs) -> str:
    """Return from which share of reads on a plain store costs less than each other way."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for run in runs.surveys.values():
        found = [figure for figure in run.figures if figure.size in (SMALL, *SIZES)]
        for size, variant, everything, few in crossovers(found, PLAIN):
            cells.setdefault((size, variant), {})[python_of(run)] = f"{everything} / {few}"
    rows = [
        [size, variant, *(by.get(python, NONE) for python in pythons(runs))]
        for (size, variant), by in cells.items()
    ]
    return table(("records", "variant", *pythons(runs)), rows)


_MANAGERS = {
    "an order update": "on_order_update",
    "with history": "on_order_update_history",
    "a reconcile pass": "reconcile",
}


def managers_table(runs: Runs) -> str:
    """Return what the position manager takes, and the one with locks."""
    rows = []
    for what, workload in _MANAGERS.items():
        for variant in ("cowstate", LOCKED):
            found = [
                by_place(run).get((workload, variant, SIZES[0], "time"))
                for run in runs.surveys.values()
            ]
            rows.append([what, variant, *map(both, found)])
    return table((f"{SIZES[0]:,} slots", "variant", *pythons(runs)), rows)
