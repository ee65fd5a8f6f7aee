"""Count the instructions of the first core, and store them in cowstate/bench/first_core.json.

    git archive 9f030e4 | tar -x -C OLD
    PYTHONPATH=. python docs/explanation/performance/first_core.py OLD

Needs valgrind. For each operation of that core it stores, for the Python that runs it, how many
instructions it takes and how many one hand-written update of today does. `cowstate.bench.counted`
tells what for.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cowstate.bench.callgrind import count_operations, release
from cowstate.bench.instructions import count
from cowstate.bench.measure import Operation
from cowstate.maps import available_maps

ROOT = Path(__file__).resolve().parents[3]
STORED = ROOT / "cowstate/bench/first_core.json"

# What runs in the process that is counted, on the modules of that core.
SOURCE = """
import sys
from cowstate.bench import instructions
from cowstate.bench.measure import Operation
from cowstate.bench.variants import variants

DRAFT = "draft = begin()\\nfor key in keys: draft[key] = change(draft[key])\\ndraft.commit()"

def operations(maps):
    variant = variants()[f"cowstate/{maps}"](1_000)
    names = {"change": variant.change, "begin": variant.store.draft}
    one = "for key in keys:\\n    draft = begin()\\n    draft[key] = change(draft[key])\\n    draft.commit()"
    return (
        variant.operation("update"),
        Operation(one, {**names, "keys": variant.keys}, per=10),
        Operation(DRAFT, {**names, "keys": variant.keys}),
        variant.operation("transaction"),
    )

todo = [each for maps in MAPS for each in operations(maps)]
instructions.hot_paths = lambda: {str(n): pair for n, pair in enumerate(zip(todo[::2], todo[1::2]))}
instructions._run_all()
"""  # noqa: E501
PER = {"update": 10, "draft": 10, "draft of ten": 1, "transaction": 1}


def main(old: str) -> None:
    """Count with the tree of the first core at *old*, and store."""
    maps = {"dict+pyrsistent": "dict+tree"}
    if "dict+immutables" in available_maps():
        maps["dict+immutables"] = "dict+immutables"
    names = [(name, each) for each in maps for name in PER]
    taken = count_operations(
        f"MAPS = {list(maps)!r}\n{SOURCE}",
        [Operation("", {}, PER[name]) for name, _ in names],
        {"PYTHONPATH": str(Path(old).resolve()), "PYTHONSAFEPATH": "1"},
    )
    today = count([f"update/{each}" for each in maps.values()])
    counts = {
        f"{name}/{each}": [round(path, 1), round(today[f"update/{maps[each]}"].baseline, 1)]
        for (name, each), path in zip(names, taken, strict=True)
    }
    content = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    content[release()] = counts
    STORED.write_text(json.dumps(dict(sorted(content.items())), indent=1) + "\n", encoding="utf-8")
    print(json.dumps(counts, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
