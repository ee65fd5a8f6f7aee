"""What the operations of a store cost, on each Python and each install."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ..measure import Figure
from ..report import amount
from ..results import Results
from ..survey import SIZES
from .markdown import INSTALLS, NONE, Place, Runs, both, by_place, least, python_of, table

__all__ = ["conditions_table", "costs_table", "million_table", "minute_table", "pauses_table"]

MILLION: Final = 1_000_000


def conditions_table(runs: Runs) -> str:
    """Return what each file was measured with."""
    return _conditions([*runs.surveys.items(), ("scale", runs.growth)])


def kept_conditions_table(runs: Runs) -> str:
    """Return what the run of what is kept was measured with."""
    return _conditions([] if runs.kept is None else [("kept", runs.kept)])


def _conditions(measured: Iterable[tuple[str, Results]]) -> str:
    rows = []
    for name, run in measured:
        where = run.conditions
        packages = where.get("packages") or {}
        rows.append(
            [
                f"`{name}.json`",
                f"{where['python']}, GIL {where['gil']}",
                str(where["machine"]),
                ", ".join(f"{package} {version}" for package, version in packages.items()),
                str(where.get("repeats", NONE)) + (", quick" if where.get("quick") else ""),
                f"{_load(where.get('load'))} / {_load(where.get('load afterwards'))}",
                str(where.get("date", NONE)),
            ]
        )
    columns = ("file", "Python", "machine", "packages", "repeats", "load before / after", "day")
    return table(columns, rows)


def _load(load: object) -> str:
    return str(load[0]) if isinstance(load, list | tuple) and load else NONE


_MINUTE = {
    "`snapshot()`": "snapshot",
    "`snapshot()[key]`": "read",
    "`update(key, fn)`": "update",
    "ten by `update_all`": "update_all",
}


def minute_table(runs: Runs) -> str:
    """Return the least that a reader wants to know: the costs at a thousand and at 100,000."""
    rows = []
    for variant, install in INSTALLS.items():
        for run in runs.surveys.values():
            found = by_place(run)
            if ("update", variant, SIZES[0], "time") not in found:
                continue
            cells = [
                " / ".join(least(found.get((name, variant, size, "time"))) for size in SIZES)
                for name in _MINUTE.values()
            ]
            version = " / ".join(
                least(found.get(("memory", variant, size, "size"))) for size in SIZES
            )
            rows.append([python_of(run), install, *cells, version])
    made = table(("CPython", "install", *_MINUTE, "one more version kept"), rows)
    hasty = [name for name, run in runs.surveys.items() if run.conditions.get("quick")]
    if not hasty:
        return made
    return f"**Of quick runs, and no figures to quote: {', '.join(hasty)}.**\n\n{made}"


_COSTS: Final = {
    "`store.snapshot()`": "snapshot",
    "`store.snapshot()[key]`": "read",
    "add up a field of all records": "read_all",
    "`store.update(key, fn)`": "update",
    "`store.set(key, record)`": "set",
    "ten by `update_all`": "update_all",
    "ten by `transact(fn)`": "transact",
    "ten in a `transaction()` block": "transaction",
    "a draft of one, and its commit": "draft",
    "a draft of ten, and its commit": "draft_of_ten",
    "read, and `compare_and_set`": "conditional",
    "`update` beside one subscriber": "delivery",
    "`diff` of two versions": "diff",
    "`Store(records)`": "build",
    "one more version kept": "memory",
}


def costs_table(variant: str, size: int) -> Callable[[Runs], str]:
    """Return what makes the table of all operations of *variant* at *size*, on each Python."""

    def made(runs: Runs) -> str:
        having = {
            python_of(run): found
            for run in runs.surveys.values()
            if ("update", variant, size, "time") in (found := by_place(run))
        }
        rows = [
            [
                what,
                *(
                    both(found.get((name, variant, size, "size" if name == "memory" else "time")))
                    for found in having.values()
                ),
            ]
            for what, name in _COSTS.items()
        ]
        return table((f"{size:,} records", *having), rows)

    return made


# A million, and its pauses

_AT_MILLION = {
    "build all": ("build, a record", MILLION),
    "memory of the map": ("memory of the map, a record", MILLION),
    "`snapshot()`": ("snapshot", 1),
    "`snapshot()[key]`": ("read", 1),
    "`update(key, fn)`": ("update", 1),
    "ten by `transact(fn)`": ("transaction of ten", 1),
    "`update`, and `diff`": ("update and diff", 1),
    "one more version kept": ("memory of a version", 1),
}
_PAUSES = {
    "worst write": "worst write, collector on",
    "after `gc.freeze()`": "worst write, records frozen",
    "16 versions kept": "worst write, ring of 16",
    "no collector": "worst write, collector off",
    "a full collection": "a full collection",
    "the same after `gc.freeze()`": "a full collection, records frozen",
}


def _of_a_million(runs: Runs) -> Iterator[tuple[str, str, dict[Place, Figure]]]:
    for variant in INSTALLS:
        for run in runs.surveys.values():
            found = by_place(run)
            if ("scale", variant, MILLION, "update") in found:
                yield python_of(run), variant, found


def million_table(runs: Runs) -> str:
    """Return what a million records cost."""
    rows = [
        [
            python,
            INSTALLS[variant],
            *(
                NONE
                if (figure := found.get(("scale", variant, MILLION, quantity))) is None
                else amount(figure.least * times, figure.unit)
                for quantity, times in _AT_MILLION.values()
            ),
        ]
        for python, variant, found in _of_a_million(runs)
    ]
    return table(("CPython", "install", *_AT_MILLION), rows)


def pauses_table(runs: Runs) -> str:
    """Return the worst write among a million records, and what helps."""
    rows = [
        [
            python,
            INSTALLS[variant],
            *(
                least(found.get(("scale", variant, MILLION, quantity)))
                for quantity in _PAUSES.values()
            ),
        ]
        for python, variant, found in _of_a_million(runs)
    ]
    return table(("CPython", "install", *_PAUSES), rows)
