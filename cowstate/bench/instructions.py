"""Instruction counts of the hot paths: what CI compares, for seconds are not repeatable there.

    python -m cowstate.bench.instructions           compare with the stored counts
    python -m cowstate.bench.instructions --store   count and store, for this Python

Valgrind's callgrind counts one process that runs each path, and beside it a hand-written baseline
that does the same without what the store is for. Compared is the ratio of the two, so another
patch release or build of the interpreter changes little; a ratio that has grown by more than the
margin fails. The counts themselves are stored and shown for reading.

The process calls ``getppid`` where a count begins and ends: callgrind writes down its count, and
begins a new one, at each call of that function. So start-up, set-up and warm-up do not count. What
an empty loop takes is subtracted.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from textwrap import indent
from timeit import Timer
from typing import NamedTuple, TypeGuard

from cowstate import Aggregate, Index, Meter, Record, Store
from cowstate.maps import available_maps, map_kind

from .errors import InstructionCountError
from .levels import add_one, records_of, ten_keys
from .measure import Operation
from .orders import manager_operations
from .report import print_table
from .rivals import Bare
from .variants import DEFAULT, LOCKED, Variant, variants

__all__ = ["MARGIN", "Count", "Row", "compare", "count", "hot_paths", "main", "run_all"]

MARGIN = 0.05
"""By which part a ratio may grow before the check fails."""

_RUNS = 60
_WARM_UP = 20
_SIZE = 1_000
_STORED = "instructions.json"
# One round of each changes one record, by another kind of write.
_WRITES = {
    "transact": "store.transact(lambda tx: tx.update({key: change(tx[key])}))",
    "block": "with store.transaction() as tx: tx[key] = change(tx[key])",
    "draft": "draft = store.draft()\ndraft[key] = change(draft[key])\ndraft.commit()",
}
_NOTHING = Operation("pass", {})
_SUMMARY = re.compile(r"^summary: (\d+)", re.MULTILINE)


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
    write = by_hand.operation("update")
    locked = _made(LOCKED)
    managers = manager_operations("on_order_update", 100)
    found: dict[str, tuple[Operation | None, Operation | None]] = {
        "snapshot": (
            default.operation("snapshot"),
            Operation("snapshot()", {"snapshot": Bare().get}),
        ),
        "iterate": (default.operation("iterate"), by_hand.operation("iterate")),
        "replace": (
            Operation("record.replace(n=1)", {"record": _Numbered(0)}),
            Operation(
                "replace(record, n=1)",
                {"record": _NumberedDataclass(0), "replace": dataclasses.replace},
            ),
        ),
        "diff": (default.operation("diff"), write),
        "set": (_setting(default), write),
        "compare_and_set": (default.operation("conditional"), by_hand.operation("conditional")),
        **{name: (_on(default, code), write) for name, code in _WRITES.items()},
        "delivery": (default.operation("delivery"), write),
        "delivery to others": (_followed_elsewhere(), write),
        "update, measured": (_measured(), _made(DEFAULT).operation("update")),
        "update_indexed": (
            default.operation("update_indexed"),
            locked.operation("update_indexed"),
        ),
        "update beside what is derived": (_deriving(), write),
        "on_order_update": (managers["cowstate"], managers[LOCKED]),
    }
    for maps in available_maps():
        store, beside = _made(f"cowstate/{maps}"), _made(f"reference+lock/{map_kind(maps).large}")
        for name in ("update", "transaction"):
            found[f"{name}/{maps}"] = (store.operation(name), beside.operation(name))
    return {name: pair for name, pair in found.items() if _whole(pair)}


def _on(variant: Variant, statement: str) -> Operation:
    store, keys = variant.store, variant.keys
    return Operation(
        f"for key in keys:\n{indent(statement, '    ')}",
        {"store": store, "keys": keys, "change": variant.change},
        per=len(keys),
    )


def _followed_elsewhere() -> Operation:
    """One record is changed, and a hundred subscribers listen to others."""
    variant = _made(DEFAULT)
    store = variant.store
    elsewhere = [key for key in store.snapshot() if key not in variant.keys]
    for key in elsewhere[:100]:
        store.subscribe(print, keys=[key])
    return _on(variant, "store.update(key, change)")


def _measured() -> Operation:
    """The same update as of any other store, of one that measures itself."""
    variant = _made(DEFAULT)
    store = Store(variant.store.snapshot(), meter=Meter())
    return Operation(
        "for key in keys: update(key, change)",
        {"update": store.update, "keys": variant.keys, "change": variant.change},
        per=len(variant.keys),
    )


def _deriving() -> Operation:
    """One record is changed; two indexes and three totals are asked, and none of them moves."""
    store = Store(
        records_of(_SIZE),
        indexes={
            "order_id": Index(attrgetter("order_id"), unique=True),
            "price": Index(attrgetter("price")),
        },
        aggregates={
            "prices": Aggregate.sum(attrgetter("price")),
            "ordered": Aggregate.count(attrgetter("order_id")),
            "levels": Aggregate.count(),
        },
    )
    return Operation(
        "for key in keys: update(key, change)",
        {"keys": ten_keys(_SIZE), "update": store.update, "change": add_one},
        per=10,
    )


def _made(variant: str) -> Variant:
    return variants()[variant](_SIZE)


def _whole(
    pair: tuple[Operation | None, Operation | None],
) -> TypeGuard[tuple[Operation, Operation]]:
    return None not in pair


def _setting(variant: Variant) -> Operation:
    snapshot = variant.store.snapshot()
    pairs = [
        {key: snapshot[key].replace(quantity=quantity) for key in variant.keys}
        for quantity in (1, 2)
    ]
    return Operation(
        "for records in pairs:\n    for key in records: put(key, records[key])",
        {"pairs": pairs, "put": variant.store.set},
        per=20,
    )


def run_all() -> None:
    """Run everything, in the process that is counted; first nothing, to know what that costs."""
    todo = [_NOTHING, *(operation for pair in hot_paths().values() for operation in pair)]
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


def _counted(directory: Path) -> Iterator[int]:
    # Three calls for each operation: of what lies between them, the last is what counts.
    place = 3
    while (path := directory / f"out.{place}").exists():
        found = _SUMMARY.search(path.read_text(encoding="utf-8"))
        if found is None:
            raise InstructionCountError(f"callgrind wrote no summary into {path.name}")
        yield int(found[1])
        place += 3


def count() -> dict[str, Count]:
    """Count every hot path of this interpreter; takes some tens of seconds.

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
                "from cowstate.bench.instructions import run_all; run_all()",
            ],
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise InstructionCountError(f"valgrind ended with {done.returncode}: {done.stderr}")
        counted = list(_counted(directory))
    paths = hot_paths()
    if len(counted) != 1 + 2 * len(paths):
        raise InstructionCountError(
            f"callgrind wrote {len(counted)} counts for {len(paths)} paths and as many baselines; "
            "does this interpreter call getppid of a shared C library?"
        )
    nothing = counted[0] / _RUNS
    result = {}
    for (name, pair), two in zip(
        paths.items(), zip(counted[1::2], counted[2::2], strict=True), strict=True
    ):
        result[name] = Count(
            *(_for_one(op, taken, nothing) for op, taken in zip(pair, two, strict=True))
        )
    return result


def _for_one(operation: Operation, taken: int, nothing: float) -> float:
    runs = _RUNS if operation.fresh is None else 1
    return (taken / runs - nothing) / operation.per


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


def _version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


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
    if shutil.which("valgrind") is None:
        print("skipped: instructions are counted by valgrind, which is not installed")
        return 0
    stored = load(args.file).get(_version(), {})
    if not stored and not args.store:
        print(f"skipped: no counts are stored for Python {_version()}; --store stores them")
        return 0
    counts = count()
    if args.store:
        store(args.file, _version(), counts)
    rows = compare(counts, stored)
    columns = ("what", "instructions", "baseline", "ratio", "stored ratio", "verdict")
    print_table(f"Python {_version()}", columns, [_cells(row) for row in rows], sys.stdout)
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
