"""The write-ahead log is copied into the file after a few MB, whatever is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cowstate.journal import JournaledStore, open_store
from cowstate.journal.store import Sync

Texts = JournaledStore[str, str, str]

MB = 1_000_000
ENOUGH = 9 * MB
"""Some 2,000 pages; what is written last comes on top."""


def small(store: Texts) -> int:
    """Each one a transaction of its own."""
    for number in range(3_000):
        store.set(f"{number % 200}", f"{number}")
    return 0


def large(store: Texts) -> int:
    """Each is written thrice: as the record, and as what two commits change."""
    for number in range(30):
        store.set("a", f"{number % 10}" * MB)
    return 3 * MB


def deleted(store: Texts) -> int:
    for number in range(30):
        store.set("a", f"{number % 10}" * MB)
        store.delete("a")
    return 4 * MB


def wide(store: Texts) -> int:
    """Of characters that take four bytes each."""
    for number in range(30):
        store.set("a", chr(0x1F600 + number) * (MB // 4))
    return 3 * MB


def keys(store: Texts) -> int:
    """With keys that are longer than what is under them."""
    for number in range(300):
        store.set(f"{number}" * 10_000, "")
    return MB


def meta(store: Texts) -> int:
    for number in range(30):
        store.set_meta(f"{number % 10}" * MB)
    return 3 * MB


def together(store: Texts) -> int:
    """Each on a page of its own, or nearly."""
    for number in range(8):
        with store.transaction() as tx:
            for place in range(2_000):
                tx[f"{(place * 7919 + number) % 50_000:05}"] = f"{number}" * 200
    return 16 * MB


def grown(path: Path) -> int:
    return os.path.getsize(f"{path}-wal")


def at_intervals(store: Texts) -> int:
    """As one who is behind the disk does it: a thousand commits in one transaction."""
    for number in range(30_000):
        store.set(f"{number % 200}", f"{number}")
        if not number % 1_000:
            store.journal.flush()
    return MB


@pytest.mark.parametrize("write", [small, large, deleted, wide, keys, meta, together, at_intervals])
def test_the_write_ahead_log_stays_short(write: Callable[[Texts], int], tmp_path: Path) -> None:
    path = tmp_path / "texts.db"
    sync: Sync = "interval" if write is at_intervals else "normal"
    with open_store(path, key=str, record=str, meta=str, sync=sync, interval=60) as store:
        last = write(store)
        assert MB // 2 < grown(path) < ENOUGH + last


def test_it_is_not_copied_after_every_write(tmp_path: Path) -> None:
    path = tmp_path / "texts.db"
    with open_store(path, key=str, record=str, meta=str, sync="normal") as store:
        before = os.stat(path).st_size
        for number in range(100):
            store.set("a", f"{number}")
        assert os.stat(path).st_size == before
