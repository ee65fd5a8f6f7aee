"""Good files of stores, to begin with."""

from __future__ import annotations

import shutil
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from cowstate.journal import open_store
from cowstate.positions import GridConfig, synthetic_tape
from cowstate.positions.simulation.options import ReplayOptions
from cowstate.positions.simulation.replay import replay
from cowstate.positions.simulation.suspending import Suspension
from tests.journal.files import INDEXES, Slot

__all__ = ["GRID", "grid_file", "plain_files"]

GRID: Final = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 3, "grid")


def plain_files(folder: Path) -> list[Path]:
    """Files of plain records: in each form one that was closed, and one with its log beside it."""
    made = []
    forms: tuple[Any, ...] = ("json", "msgpack")
    for form in forms:
        path, logged = folder / f"{form}.db", folder / f"{form}-logged.db"
        with open_store(path, key=str, record=Slot, meta=str, indexes=INDEXES, form=form) as store:
            for number in range(12):
                store.set(f"k{number % 8}", Slot(number, "xyz"[number % 3]))
            store.delete("k3")
            with store.transaction() as tx:
                tx.meta = "a word"
                tx["k9"] = Slot(9)
            shutil.copy(path, logged)
            shutil.copy(f"{path}-wal", f"{logged}-wal")
        made += [path, logged]
    return made


def grid_file(folder: Path) -> Path:
    """The file of a position manager that has traded for a while."""
    path, options = folder / "grid.db", ReplayOptions(GRID)
    with Suspension(path, options) as suspension:
        replay(islice(synthetic_tape(seed=3), 300), options, suspension=suspension)
    return path
