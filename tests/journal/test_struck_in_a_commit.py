"""Ctrl-C at any point of a commit to a real file: memory and disk agree, and it goes on."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cowstate.journal
from cowstate.journal import open_store
from cowstate.journal.reading import Reader
from cowstate.journal.verifying import faults_of
from tests.journal.files import on_disk
from tests.laws.interrupts import CAN_GO_ASTRAY, Strike, Struck
from tests.laws.points import count_points, spread
from tests.sweeps import at_least

PACKAGE = cowstate.journal.__path__[0]
PLACES = 12
"""At how many points, spread evenly; at more, or all, with ``COWSTATE_LAWS``, as for the laws."""

Counts = cowstate.journal.JournaledStore[str, int]


def in_journal(code: Any) -> bool:
    return bool(code.co_filename.startswith(PACKAGE))


def bump(n: int) -> int:
    return n + 1


def block(store: Counts) -> None:
    with store.transaction() as tx:
        tx["a"] += 1
        tx["c"] = 1


ACTS: dict[str, Callable[[Counts], object]] = {
    "update": lambda store: store.update("a", bump),
    "transaction": block,
    "draft": lambda store: store.retry(lambda draft: draft.update({"a": draft["a"] + 1})),
    "what is not there": lambda store: store.compare_and_set("a", 9, 9),
    "flush": lambda store: store.journal.flush(),
    "compact": lambda store: store.journal.compact(versions=1),
    "close": lambda store: store.close(),
}


# What is struck between the call that opens a file to read and the next instruction is let go of by
# whoever drops it, which Python warns of from 3.13 on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("sync", ["full", "interval"])
def test_ctrl_c_in_a_commit_leaves_memory_and_disk_in_agreement(
    name: str, sync: Any, tmp_path: Path
) -> None:
    act, tracer = ACTS[name], sys.gettrace()  # coverage, perhaps

    def begun(path: Path) -> Counts:
        store = open_store(path, key=str, record=int, sync=sync, interval=1e-9)
        for n in range(3):
            store.set("a", n)
        return store

    store = begun(tmp_path / "count.db")
    points = count_points(lambda: act(store), in_journal)
    store.close()
    came_up = 0
    for point in spread(points, PLACES):
        path = tmp_path / f"{point}.db"
        store = begun(path)
        strike = Strike(point, None, in_journal)
        before = store.snapshot()
        try:
            strike.run(lambda store=store: act(store))  # type: ignore[misc]
        except Struck:
            came_up += 1
        else:
            assert not strike.armed or (strike.astray and CAN_GO_ASTRAY)
        if not store.journal.closed:
            # Readers see nothing that is not on disk, before anybody writes again; or, if the disk
            # only follows, nothing that is not there when it is asked for.
            if sync == "full":
                assert store.snapshot().version in {0, *on_disk(path)[1]}
            store.journal.flush()
            assert store.snapshot().version >= before.version
            store.set("b", 5)
            store.journal.flush()
            records, versions = on_disk(path)
            now = store.snapshot()
            assert {key.strip('"'): int(value) for key, value in records.items()} == dict(now)
            assert versions[-1] == now.version
        store.close()
        reader = Reader(str(path))
        assert list(faults_of(reader)) == []
        reader.close()
        path.unlink()
    gc.collect()
    assert came_up >= at_least(6) or name == "flush"
    assert sys.gettrace() is tracer
