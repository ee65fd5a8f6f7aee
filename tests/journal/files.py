"""Stores in files, for tests: over the log as it is, or over one that can be held up and failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from cowstate import Codec, Index, Record
from cowstate.journal import Bounds, JournaledStore, open_store
from cowstate.journal.encoded import Encoder
from cowstate.journal.log import Outcome, Row
from cowstate.journal.sqlite import SqliteLog
from cowstate.journal.store import Sync
from tests.standing import check_store


class Slot(Record):
    quantity: int
    owner: str = ""


Slots = JournaledStore[str, Slot]
INDEXES = {"owner": Index[Slot](lambda slot: slot.owner)}


def opened(path: Path, **options: Any) -> Slots:
    return open_store(path, key=str, record=Slot, meta=str, indexes=INDEXES, **options)


class TroubledLog(SqliteLog):
    """The log as it is, but for what it is told.

    Attributes:
        gate: a write waits for it, once `arrived` is set.
        before: called before a write, and may raise.
        after: called when a write is on disk, and may raise.
        asked: called before the log is asked what it has, and may raise.
    """

    def __init__(self, path: Path, bounds: Bounds | None = None) -> None:
        self.gate, self.arrived = Event(), Event()
        self.gate.set()
        self.before: Callable[[], object] = bool
        self.after: Callable[[], object] = bool
        self.asked: Callable[[], object] = bool
        self.groups: list[int] = []
        super().__init__(path, "json", "full", bounds=bounds)

    def write(self, rows: Sequence[Row]) -> None:
        self.arrived.set()
        assert self.gate.wait(10)
        self.before()
        super().write(rows)
        self.groups.append(len(rows))
        self.after()

    def resolve(self, after: int) -> Outcome:
        self.asked()
        return super().resolve(after)


def troubled(
    path: Path,
    sync: Sync = "full",
    interval: float = 0.1,
    bounds: Bounds | None = None,
    **options: Any,
) -> tuple[Slots, TroubledLog]:
    log = TroubledLog(path, bounds)
    encoder = Encoder(Codec[str, Slot](key=str, record=Slot, meta=str), str, True)
    return JournaledStore(log, encoder, sync, {"indexes": INDEXES, **options}, interval), log


def check_slots(store: Slots, indexes: Any = INDEXES) -> None:
    """The store is as every store at rest must be; writes two versions more, as any check does."""
    check_store(
        store,
        indexes=indexes,
        subscriptions=None,
        probes=(lambda one: one.set("probe", Slot(-1)), lambda one: one.delete("probe")),
    )


def raising(error: BaseException, times: int = 1) -> Callable[[], None]:
    """A function that raises *error* the first *times* that it is called."""
    left = [times]

    def call() -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return call


def on_disk(path: Path) -> tuple[dict[str, str], list[int]]:
    """What another program sees in the file: the records, and the versions in the log."""
    connection = sqlite3.connect(path)
    try:
        records = dict(connection.execute("SELECT key, value FROM records"))
        versions = [version for (version,) in connection.execute("SELECT version FROM commits")]
        return records, versions
    finally:
        connection.close()
