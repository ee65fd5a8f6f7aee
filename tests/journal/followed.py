"""Followers of files, for tests."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import enumerate as enumerate_threads
from typing import Any

from cowstate import Aggregate
from cowstate.journal import Follower, follow
from cowstate.journal.waking import Waking
from tests.journal.files import INDEXES, Slot
from tests.standing import eventually

SOON = 60.0
"""Longer than anything here takes, in seconds."""

QUANTITY = {"quantity": Aggregate.sum(lambda slot: slot.quantity)}


def following(path: Path, **options: Any) -> Follower[str, Slot]:
    options = {"indexes": INDEXES, "aggregates": QUANTITY, "every": 0.001, **options}
    return follow(path, key=str, record=Slot, meta=str, **options)


def at_rest(follower: Follower[str, Slot]) -> None:
    """Return when its thread has looked, and sleeps until it is time to look again, or it is rung.

    Give it a long time from one look to the next, and until then it has nothing to do with the
    file.
    """
    [thread] = [each for each in enumerate_threads() if each.name.endswith(follower.path)]

    def sleeps() -> bool:
        frame = sys._current_frames().get(thread.ident or 0)
        # It is in the system's call, or about to.
        while frame is not None and frame.f_code is not Waking.sleep.__code__:
            frame = frame.f_back
        return frame is not None

    eventually(sleeps, "it should have looked, and sleep", SOON)
