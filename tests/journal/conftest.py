"""What the tests of followers share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cowstate.journal import Follower
from tests.journal.files import Slot, Slots, opened
from tests.journal.followed import following


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Slots, Follower[str, Slot]]]:
    """A store with something in it, and who follows it."""
    with opened(tmp_path / "slots.db", sync="normal") as store:
        store.set("a", Slot(1, "me"))
        with following(tmp_path / "slots.db") as follower:
            yield store, follower
