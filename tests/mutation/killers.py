"""Which tests are asked to kill the mutants of a module, the quickest and nearest first."""

from __future__ import annotations

from pathlib import Path

# What is run beside the file of the module's own name.
NEAR = {
    "cowstate/blocks.py": ["test_transactions"],
    "cowstate/bulk.py": ["test_writestore", "test_every_write"],
    "cowstate/committer.py": ["test_store", "test_every_write", "test_timeline"],
    "cowstate/delivery.py": ["test_subscribers", "test_held", "test_every_write"],
    "cowstate/derived.py": ["test_transactions"],
    "cowstate/draft.py": ["test_transactions"],
    "cowstate/feeds.py": ["test_every_write", "test_blocks"],
    "cowstate/members.py": ["test_subscribers", "test_every_write"],
    "cowstate/readstore.py": ["test_every_write", "test_subscribers", "test_timeline"],
    "cowstate/reservation.py": ["test_transactions", "test_blocks", "test_held"],
    "cowstate/schema.py": [
        "test_store",
        "test_sameness",
        "test_slips",
        "test_derived",
        "test_invariants",
    ],
    "cowstate/snapshot.py": ["test_diff", "test_mapping_protocol"],
    "cowstate/store.py": ["test_every_write", "test_timeline"],
    "cowstate/subscribers.py": ["test_every_write", "test_blocks", "test_held"],
    "cowstate/timeline.py": ["test_blocks", "test_diff"],
    "cowstate/transactions.py": ["test_blocks", "test_every_write"],
    "cowstate/waiters.py": ["test_every_write", "test_feeds"],
    "cowstate/waits.py": ["test_every_write", "test_feeds"],
    "cowstate/workspace.py": ["test_transactions", "test_draft", "test_mapping_protocol"],
    "cowstate/writestore.py": ["test_bulk", "test_every_write"],
    "cowstate/writelock.py": ["test_transactions", "test_store", "test_blocks"],
    "cowstate/positions/orders.py": ["positions/test_slots", "positions/test_user_stream"],
    "cowstate/positions/reconcile.py": ["positions/test_reconciler"],
}
# They look at the text of the package, at other processes or at documents, not at what it does.
ASIDE = {"test_cli", "test_examples", "test_layering", "test_process", "test_typing"}
POSITIONS = [
    "slots",
    "orders",
    "manager",
    "reconcile",
    "reconciler",
    "user_stream",
    "sync",
    "races",
    "harm",
]


def stages_of(module: str, tests: Path, *, thorough: bool = False) -> list[list[str]]:
    """Return the stages of *module*, each a list of test files, relative to the project.

    Args:
        module: its path, relative to the project.
        tests: the folder of the tests.
        thorough: whether the tests that raise at every line and end processes come last.
    """
    name = Path(module).stem
    is_of_positions = "positions" in Path(module).parts
    own = f"positions/test_{name}" if is_of_positions else f"test_{name}"
    near = [own, *NEAR.get(module, [])]
    if is_of_positions:
        all_ = [f"positions/test_{name}" for name in POSITIONS]
        stages = [near, all_]
    else:
        all_ = sorted(file.stem for file in tests.glob("test_*.py") if file.stem not in ASIDE)
        stages = [near, all_, ["properties"]]
        if thorough:
            stages.append(["faults", "test_examples"])
    done: set[str] = set()
    result = []
    for stage in stages:
        paths = [_path(tests, name) for name in stage if name not in done]
        done.update(stage)
        result.append([f"tests/{path.relative_to(tests)}" for path in paths if path.exists()])
    return [stage for stage in result if stage]


def _path(tests: Path, name: str) -> Path:
    folder = tests / name
    return folder if folder.is_dir() else tests / f"{name}.py"
