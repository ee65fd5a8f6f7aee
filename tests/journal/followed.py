"""Followers of files, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cowstate import Aggregate
from cowstate.journal import Follower, follow
from tests.journal.files import INDEXES, Slot

SOON = 60.0
"""Longer than anything here takes, in seconds."""

QUANTITY = {"quantity": Aggregate.sum(lambda slot: slot.quantity)}


def following(path: Path, **options: Any) -> Follower[str, Slot]:
    options = {"indexes": INDEXES, "aggregates": QUANTITY, "every": 0.001, **options}
    return follow(path, key=str, record=Slot, meta=str, **options)
