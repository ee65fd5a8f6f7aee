"""Instruction counts of the hot paths: what CI compares, for seconds are not repeatable there.

    python -m cowstate.bench.instructions           compare with the stored counts
    python -m cowstate.bench.instructions --store   count and store, for this Python

Valgrind's callgrind counts one process that runs each path, and beside it a hand-written baseline
that does the same without what the store is for. Compared is the ratio of the two, so another
patch release or build of the interpreter changes little; a ratio that has grown by more than the
margin fails. The counts themselves are stored and shown for reading.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeGuard

from cowstate import History, Meter, Record, Store
from cowstate.maps import available_maps, map_kind

from .callgrind import available, count_operations, release, run_counted
from .measure import Operation
from .orders import manager_operations
from .report import print_table
from .rivals import Bare
from .variant import DEFAULT, LOCKED, UPDATE, Variant, ignore
from .variants import variants

__all__ = ["MARGIN", "Count", "Row", "compare", "count", "hot_paths", "main", "run_all"]

MARGIN = 0.05
"""By which part a ratio may grow before the check fails."""

_SIZE = 1_000
_STORED = "instructions.json"


class Count(NamedTuple):
    """Instructions for one operation, and for the baseline beside it."""

    path: float
    baseline: float

    @property
    def ratio(self) -> float:
        """How many times as many the path takes."""
        return self.path / self.baseline


class Row(NamedTuple):
    """One path: what it takes now, what was stored, and what to say of it."""

    name: str
    now: Count
    stored: Count | None
    verdict: str

    @property
    def grown(self) -> bool:
        """Whether the check fails for it."""
        return self.verdict.startswith("GROWN")


class _Numbered(Record):
    n: int
    name: str = ""


@dataclasses.dataclass(frozen=True)
class _NumberedDataclass:
    n: int
    name: str = ""


def hot_paths() -> dict[str, tuple[Operation, Operation]]:
    """Return each hot path and its baseline, in the order in which they are counted."""
    default, by_hand = _made(DEFAULT), _made(f"reference+lock/{map_kind().large}")
    write, write_ten = by_hand.operation("update"), by_hand.operation("update_all")
    locked = _made(LOCKED)
    managers = manager_operations("on_order_update", 100)
    found: dict[str, tuple[Operation | None, Operation | None]] = {
        "snapshot": (
            default.operation("snapshot"),
            Operation("snapshot()", {"snapshot": Bare().get}),
        ),
        "read": (default.operation("read"), by_hand.operation("read")),
        "iterate": (default.operation("iterate"), by_hand.operation("iterate")),
        "replace": (
            Operation("record.replace(n=1)", {"record": _Numbered(0)}),
            Operation(
                "replace(record, n=1)",
                {"record": _NumberedDataclass(0), "replace": dataclasses.replace},
            ),
        ),
        "diff": (default.operation("diff"), write),
        "set": (default.operation("set"), by_hand.operation("set")),
        "compare_and_set": (default.operation("conditional"), by_hand.operation("conditional")),
        "transact": (_transacting(default), write),
        "block": (_in_blocks(default), write),
        "draft": (default.operation("draft"), write),
        "update_all": (default.operation("update_all"), write_ten),
        "transact of ten": (default.operation("transact"), write_ten),
        "draft of ten": (default.operation("draft_of_ten"), write_ten),
        "delivery": (default.operation("delivery"), write),
        "delivery by key": (_followed_by_key(), write),
        "delivery to others": (_followed_elsewhere(), write),
        "update, measured": (_measured(), _made(DEFAULT).operation("update")),
        "update_indexed": (
            default.operation("update_indexed"),
            locked.operation("update_indexed"),
        ),
        "update beside what is derived": (default.operation("update_derived"), write),
        "update by the twin": (_made(DEFAULT).operation("update"), locked.operation("update")),
        "update, ring full": (_ring_full(), write),
        "on_order_update": (managers["cowstate"], managers[LOCKED]),
    }
    for maps in available_maps():
        store, beside = _made(f"cowstate/{maps}"), _made(f"reference+lock/{map_kind(maps).large}")
        for name in ("update", "transaction"):
            found[f"{name}/{maps}"] = (store.operation(name), beside.operation(name))
    return {name: pair for name, pair in found.items() if _whole(pair)}


def _transacting(variant: Variant) -> Operation:
    return _on(variant, "transact(lambda tx: tx.update({key: change(tx[key])}))", "transact")


def _in_blocks(variant: Variant) -> Operation:
    return _on(variant, "with transaction() as tx: tx[key] = change(tx[key])", "transaction")


def _on(variant: Variant, statement: str, method: str) -> Operation:
    """One record is changed by a *method* of the store; each of ten in turn."""
    return Operation(
        f"for key in keys:\n    {statement}",
        {
            "keys": variant.keys,
            "change": variant.change,
            method: getattr(variant.store, method),
        },
        per=len(variant.keys),
    )


def _followed_by_key() -> Operation:
    """One record is changed, and of a hundred subscribers the one that listens to it is called."""
    variant = _made(DEFAULT)
    for key in dict.fromkeys([*variant.keys, *variant.store.snapshot()][:110]):
        variant.store.subscribe(ignore, keys=[key])
    return _on(variant, "update(key, change)", "update")


def _followed_elsewhere() -> Operation:
    """One record is changed, and a hundred subscribers listen to others."""
    variant = _made(DEFAULT)
    store = variant.store
    elsewhere = [key for key in store.snapshot() if key not in variant.keys]
    for key in elsewhere[:100]:
        store.subscribe(print, keys=[key])
    return _on(variant, "update(key, change)", "update")


def _ring_full() -> Operation:
    """One record is changed, and the oldest version that the store kept is let go."""
    variant = _made(DEFAULT)
    key = variant.keys[0]
    for _ in range(History().versions):
        variant.store.update(key, variant.change)
    return _on(variant, "update(key, change)", "update")


def _measured() -> Operation:
    """The same update as of any other store, of one that measures itself."""
    variant = _made(DEFAULT)
    store = Store(variant.store.snapshot(), meter=Meter())
    return Operation(
        UPDATE,
        {"update": store.update, "keys": variant.keys, "change": variant.change},
        per=len(variant.keys),
    )


def _made(variant: str) -> Variant:
    return variants()[variant](_SIZE)


def _whole(
    pair: tuple[Operation | None, Operation | None],
) -> TypeGuard[tuple[Operation, Operation]]:
    return None not in pair


def run_all(names: Collection[str] | None = None) -> None:
    """Run the hot paths of these *names*, None for all, in the process that is counted."""
    run_counted(operation for pair in _chosen(names).values() for operation in pair)


def _chosen(names: Collection[str] | None) -> dict[str, tuple[Operation, Operation]]:
    return {name: pair for name, pair in hot_paths().items() if names is None or name in names}


def count(names: Collection[str] | None = None) -> dict[str, Count]:
    """Count the hot paths of these *names*, None for all; takes a minute or so.

    Raises:
        InstructionCountError: valgrind failed, or wrote something else than is known here.
    """
    paths = _chosen(names)
    # Sorted, so that a set of names makes the same process each time.
    wanted = "None" if names is None else repr(sorted(names))
    source = f"from cowstate.bench.instructions import run_all; run_all({wanted})"
    counted = count_operations(source, [each for pair in paths.values() for each in pair])
    return dict(zip(paths, map(Count, counted[::2], counted[1::2]), strict=True))


def compare(now: Mapping[str, Count], stored: Mapping[str, Count]) -> list[Row]:
    """Return what has become of each path. Pure.

    >>> [row.verdict for row in compare({"a": Count(107, 50)}, {"a": Count(100, 50)})]
    ['GROWN by 7.0 %']
    """
    rows = []
    for name, counted in now.items():
        before = stored.get(name)
        if before is None:
            rows.append(Row(name, counted, None, "not stored yet"))
            continue
        growth = counted.ratio / before.ratio - 1
        if growth > MARGIN:
            verdict = f"GROWN by {growth:.1%}".replace("%", " %")
        elif growth < -MARGIN:
            verdict = f"less by {-growth:.1%}: store it".replace("%", " %")
        else:
            verdict = "ok"
        rows.append(Row(name, counted, before, verdict))
    return rows


def load(path: Path) -> dict[str, dict[str, Count]]:
    """Return the stored counts by version of Python and path."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    return {
        version: {name: Count(*pair) for name, pair in counts.items()}
        for version, counts in content.items()
    }


def store(path: Path, version: str, counts: Mapping[str, Count]) -> None:
    """Store the *counts* for one version of Python, beside those for others."""
    content = {**load(path), version: counts}
    plain = {
        known: {name: [round(part, 1) for part in each[name]] for name in sorted(each)}
        for known, each in sorted(content.items())
    }
    path.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Compare or store; return 1 if a path has grown beyond the margin, else 0."""
    parser = argparse.ArgumentParser(prog="python -m cowstate.bench.instructions")
    parser.add_argument("--store", action="store_true", help="store the counts for this Python")
    parser.add_argument("--check", action="store_true", help="compare (what is done anyway)")
    parser.add_argument(
        "--file",
        type=Path,
        default=Path(str(files(__package__ or "cowstate.bench") / _STORED)),
        help="where the stored counts are (default: in the package)",
    )
    args = parser.parse_args(argv)
    if not available():
        print("skipped: instructions are counted by valgrind, which is not installed")
        return 0
    stored = load(args.file).get(release(), {})
    if not stored and not args.store:
        print(f"skipped: no counts are stored for Python {release()}; --store stores them")
        return 0
    counts = count()
    if args.store:
        store(args.file, release(), counts)
    rows = compare(counts, stored)
    columns = ("what", "instructions", "baseline", "ratio", "stored ratio", "verdict")
    print_table(f"Python {release()}", columns, [_cells(row) for row in rows], sys.stdout)
    if args.store:
        return 0
    grown = [row.name for row in rows if row.grown]
    print(
        f"grown by more than {MARGIN:.0%}: {', '.join(grown)}; if that is worth it, --store"
        if grown
        else "no hot path has grown"
    )
    return 1 if grown else 0


def _cells(row: Row) -> list[str]:
    before = "" if row.stored is None else f"{row.stored.ratio:.3f}"
    now = row.now
    return [
        row.name,
        f"{now.path:,.0f}",
        f"{now.baseline:,.0f}",
        f"{now.ratio:.3f}",
        before,
        row.verdict,
    ]


if __name__ == "__main__":
    sys.exit(main())
