"""What is dropped from the log is gone, what is kept is whole, and nobody waits for it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    CompactedError,
    History,
    ReentrantWriteError,
    Store,
)
from cowstate.cli import main
from cowstate.journal import JournalClosedError, JournalError, group, open_store
from cowstate.journal.encoded import Encoder
from cowstate.journal.sqlite import SqliteLog
from tests.journal.files import Slot, check_slots, on_disk, opened


def test_what_is_kept_is_whole_and_what_is_dropped_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "STEP", 7)
    path = tmp_path / "slots.db"
    with opened(path, history=History(versions=1)) as store:
        for n in range(1, 51):
            store.transact(lambda tx, n=n: tx.update({"a": Slot(n), f"k{n % 5}": Slot(n)}))
        assert store.journal.compact(versions=20) == 30 == store.journal.oldest
        assert [store.at(n)["a"].quantity for n in range(30, 51)] == list(range(30, 51))
        with pytest.raises(CompactedError) as caught:
            store.at(29)
        assert caught.value.oldest == 30
        assert on_disk(path)[1] == list(range(31, 51))
        assert main(["verify", str(path)]) == 0
        assert store.journal.compact(versions=30) == 30  # what is gone does not come back
        assert store.journal.compact() == 49  # the newest commit stays: it is the version
        check_slots(store)
    with opened(path) as again:
        assert again.snapshot().version == 52
        assert again.snapshot()["a"] == Slot(50)


def test_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cowstate import Codec
    from cowstate.journal import JournaledStore
    from cowstate.journal import store as module

    moments = iter([float(n) for n in range(1, 11)])
    log = SqliteLog(tmp_path / "counts.db", "json", "full")
    encoder = Encoder(Codec[str, int](key=str, record=int), str, True, lambda: next(moments))
    monkeypatch.setattr(module, "time", lambda: 12.5)
    with JournaledStore(log, encoder, "full", {}) as counts:
        for n in range(1, 11):
            counts.set("a", n)
        # At 7.5 it was version 7: all that was written since can be gone back to.
        assert counts.journal.compact(seconds=5) == 7
        assert counts.journal.compact(seconds=5, versions=2) == 7
        assert counts.journal.compact(seconds=0.1, versions=2) == 8
        assert counts.journal.compact(seconds=1e6) == 8


def test_writers_go_on_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "counts.db"
    with open_store(path, key=str, record=int, sync="interval", interval=1e9) as counts:
        for n in range(5_000):
            counts.set(f"{n % 100}", n)
    with open_store(path, key=str, record=int) as counts:
        size = os.path.getsize(path)
        wrote = 0

        def between_two_steps(_: float) -> None:
            nonlocal wrote
            with ThreadPoolExecutor(1) as pool:
                pool.submit(counts.update, "0", lambda n: n + 1).result(30)
            wrote += 1

        monkeypatch.setattr(group, "sleep", between_two_steps)
        assert counts.journal.compact(versions=10) >= 4_990
        assert wrote > 2
        assert counts.snapshot()["0"] == 4_900 + wrote
    assert os.path.getsize(path) < size
    assert main(["verify", str(path)]) == 0


def test_what_is_no_bound_is_refused(tmp_path: Path) -> None:
    store = opened(tmp_path / "slots.db")
    for bad in ({"versions": -1}, {"seconds": -0.5}, {"seconds": float("nan")}):
        with pytest.raises(ArgumentValueError, match="must be at least 0"):
            store.journal.compact(**bad)  # type: ignore[arg-type]
    for bad in ({"versions": "all"}, {"versions": 1.5}, {"seconds": True}):
        with pytest.raises(ArgumentTypeError, match="number"):
            store.journal.compact(**bad)  # type: ignore[arg-type]
    assert store.journal.compact() == store.journal.compact(seconds=10**400, versions=10**40) == 0
    other: Store[str, int] = Store()
    with pytest.raises(ReentrantWriteError):
        other.transact(lambda tx: store.journal.compact())
    for n in range(5):
        store.set("a", Slot(n))
    store.close()
    with pytest.raises(JournalClosedError):
        store.journal.compact(versions=1)
    assert issubclass(JournalClosedError, JournalError)
