"""A look that fails after it published something is no sign that the file was put back."""

from __future__ import annotations

import sqlite3
from threading import Event

import pytest

from cowstate.journal import Follower
from cowstate.journal.chase import Chase
from tests.journal.files import Slot, Slots
from tests.journal.followed import SOON


def test_a_look_that_fails_at_its_end_is_made_again(
    both: tuple[Slots, Follower[str, Slot]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, follower = both
    note, failed = Chase.note, Event()

    def once(chase: object, view: object) -> None:
        if not failed.is_set():
            failed.set()
            raise sqlite3.OperationalError("database is locked")
        note(chase, view)  # type: ignore[arg-type]

    monkeypatch.setattr(Chase, "note", once)
    feed = follower.feed()
    store.set("a", Slot(2))
    assert failed.wait(SOON)
    version = store.set("a", Slot(3)).version
    assert follower.wait_for(version=version, timeout=SOON)["a"] == Slot(3)
    assert [feed.get(SOON).version, feed.get(SOON).version] == [version - 1, version]
