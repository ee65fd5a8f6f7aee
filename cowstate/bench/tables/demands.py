"""What was demanded and what is reached, in time and in instructions."""

from __future__ import annotations

from ..counted import first_core
from ..verdicts import Verdict
from .markdown import NONE, Runs, python_of, pythons, table

__all__ = [
    "first_core_table",
    "instructions_table",
    "kept_table",
    "missed_list",
    "skipped_list",
    "targets_table",
]


def targets_table(runs: Runs) -> str:
    """Return all targets and what each Python reached; what is missed is bold."""
    by_python = [{each.target.what: each for each in run.verdicts} for run in runs.surveys.values()]
    names = list(dict.fromkeys(name for verdicts in by_python for name in verdicts))
    rows = []
    for name in names:
        found = [verdicts.get(name) for verdicts in by_python]
        known = next(each for each in found if each is not None)
        rows.append([name, _bound(known), *map(_reached, found)])
    return table(("what", "target", *pythons(runs)), rows)


def _bound(verdict: Verdict) -> str:
    bound = verdict.target.bound
    if bound is None:
        return ""
    return f"at {'least' if verdict.target.at_least else 'most'} {bound:,g}"


def _reached(verdict: Verdict | None) -> str:
    if verdict is None or verdict.reached is None:
        return NONE
    value = f"{verdict.reached.value:,.3g}"
    if verdict.reached.value >= 1_000:
        value = f"{verdict.reached.value:,.0f}"
    return value if verdict.ok else f"**{value}**"


def kept_table(runs: Runs) -> str:
    """Return what is demanded of what is kept, what was reached, and how far rounds lay apart."""
    if runs.kept is None:
        return table((), ())
    rows = []
    for verdict in runs.kept.verdicts:
        reached = verdict.reached
        apart = NONE if reached is None else f"{reached.low:,.3g} to {reached.high:,.3g}"
        rows.append([verdict.target.what, _bound(verdict), _reached(verdict), apart])
    return table(("what", "target", "reached", "half of the rounds"), rows)


def missed_list(runs: Runs) -> str:
    """Return what is missed, and by how much."""
    missed: dict[str, list[str]] = {}
    for run in runs.surveys.values():
        for verdict in run.verdicts:
            if not verdict.ok and verdict.reached is not None:
                said = f"{_reached(verdict).strip('*')} on {python_of(run)}"
                missed.setdefault(f"{verdict.target.what}, {_bound(verdict)}", []).append(said)
    if not missed:
        return "None is missed."
    return "\n".join(f"- {what}: {', '.join(each)}" for what, each in missed.items())


def skipped_list(runs: Runs) -> str:
    """Return why targets were skipped."""
    skipped: dict[str, dict[str, None]] = {}
    for run in runs.surveys.values():
        for verdict in run.verdicts:
            if verdict.reached is None:
                skipped.setdefault(f"{python_of(run)}: {verdict.skipped}", {})[
                    verdict.target.what
                ] = None
    return "\n".join(f"- {why} ({len(names)} targets)" for why, names in skipped.items())


def first_core_table(runs: Runs) -> str:
    """Return how many hand-written updates each operation of the first core takes."""
    del runs
    names = list(dict.fromkeys(name for counts in first_core().values() for name in counts))
    rows = [
        [
            name,
            *(
                f"{counts[name]:.2f}" if name in counts else NONE
                for counts in first_core().values()
            ),
        ]
        for name in names
    ]
    return table(("operation of the first core", *first_core()), rows)


# Instructions

_COUNTED = {
    "`snapshot()`": "snapshot",
    "`snapshot()[key]`": "read",
    "iterate 1,000": "iterate",
    "`set`, C map": "set",
    "`update`, C map": "update/immutables",
    "`update`, default over the C map": "update/dict+immutables",
    "`update`, default, once the ring is full": "update, ring full",
    "`update`, tree": "update/tree",
    "`update`, pyrsistent": "update/pyrsistent",
    "`update` (by the locked twin's)": "update by the twin",
    "`compare_and_set`": "compare_and_set",
    "`update`, index and total move (by the locked twin's)": "update_indexed",
    "`update` with 2 indexes and 3 totals, none moves": "update beside what is derived",
    "ten by `update_all`": "update_all",
    "ten by `transact(fn)`": "transact of ten",
    "ten in a block, C map": "transaction/immutables",
    "ten in a block, tree": "transaction/tree",
    "one by `transact(fn)`": "transact",
    "one in a block": "block",
    "a draft of one": "draft",
    "a draft of ten": "draft of ten",
    "`update` beside one subscriber": "delivery",
    "`update` beside a hundred subscribers, one of that key": "delivery by key",
    "`update` beside a hundred subscribers of other keys": "delivery to others",
    "`update` and `diff`": "diff",
    "`on_order_update` (by the locked manager's)": "on_order_update",
}


def instructions_table(runs: Runs) -> str:
    """Return the stored instruction counts."""
    versions = list(runs.instructions)
    columns = [f"{version}{what}" for version in versions for what in ("", ", baseline", ", ratio")]
    rows = []
    for what, name in _COUNTED.items():
        cells: list[str] = []
        for version in versions:
            counted = runs.instructions[version].get(name)
            cells += (
                [NONE] * 3
                if counted is None
                else [f"{counted.path:,.0f}", f"{counted.baseline:,.0f}", f"{counted.ratio:.2f}"]
            )
        rows.append([what, *cells])
    return table(("one operation at 1,000 records", *columns), rows)
