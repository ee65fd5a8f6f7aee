"""A log that is kept within its bounds by those who write it: exactly so far, and no further."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import ArgumentTypeError, ArgumentValueError, Codec, CompactedError, History
from cowstate.cli import main
from cowstate.journal import Bounds, JournaledStore, bounds
from cowstate.journal.encoded import Encoder
from cowstate.journal.sqlite import SqliteLog
from tests.journal.files import Slot, on_disk, opened, troubled


def bounded(path: Path, within: Bounds, clock: Any) -> JournaledStore[str, str]:
    log = SqliteLog(path, "json", "normal", bounds=within)
    encoder = Encoder(Codec[str, str](key=str, record=str, meta=str), str, True, clock)
    return JournaledStore(log, encoder, "normal", {"history": History(versions=1)})


def kept_of(times: list[float], sizes: list[int], within: Bounds) -> int:
    """The oldest version that should be left: what any bound lets go is gone, but for the last."""
    newest = len(times)
    oldest, size = 0, sum(sizes)
    for version in range(1, newest):
        if not (
            (within.versions is not None and newest - version >= within.versions)
            or (within.seconds is not None and times[-1] - times[version - 1] >= within.seconds)
            or (within.bytes is not None and size > within.bytes)
        ):
            break
        oldest, size = version, size - sizes[version - 1]
    return oldest


some = st.none() | st.integers(1, 12)


@given(
    versions=some,
    seconds=some,
    taken=st.none() | st.integers(1, 400),
    writes=st.lists(st.tuples(st.integers(0, 3), st.text("ab\u00e9", max_size=20)), max_size=30),
)
def test_after_each_write_it_is_within_them(
    tmp_path_factory: pytest.TempPathFactory,
    versions: int | None,
    seconds: int | None,
    taken: int | None,
    writes: list[tuple[int, str]],
) -> None:
    path = tmp_path_factory.mktemp("bounded") / "texts.db"
    within = Bounds(versions=versions, seconds=seconds, bytes=taken)
    now = [0.0]
    times: list[float] = []
    sizes: list[int] = []
    texts: list[str | None] = [None]
    oldest = 0
    with bounded(path, within, lambda: now[0]) as store:
        for later, text in writes:
            now[0] += later
            before = store.snapshot().get("a")
            if store.set("a", text).changes:
                old = 0 if before is None else len(f'"{before}"'.encode())
                times.append(now[0])
                sizes.append(len('"a"') + old + len(f'"{text}"'.encode()))
                texts.append(text)
            if times:
                oldest = min(kept_of(times, sizes, within), oldest + 2 + bounds.AT_ONCE)
                assert store.journal.oldest == oldest
                assert store.at(oldest).get("a") == texts[oldest]
    assert main(["verify", str(path)]) == 0


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """The file of a store whose log goes back a hundred versions."""
    with opened(tmp_path / "slots.db", sync="normal") as store:
        for n in range(1, 101):
            store.set("a", Slot(n))
    return tmp_path / "slots.db"


@pytest.mark.parametrize("within", [Bounds(versions=5), Bounds(bytes=300)], ids=str)
def test_a_long_log_comes_to_narrower_bounds_in_small_steps(within: Bounds, long: Path) -> None:
    with opened(long, sync="normal", bounds=within, history=History(versions=1)) as store:
        before = 0
        for n in range(101, 121):
            store.set("a", Slot(n))
            oldest = store.journal.oldest
            assert before <= oldest <= before + 2 + bounds.AT_ONCE
            before = oldest
        assert 110 <= oldest <= 115
        with pytest.raises(CompactedError):
            store.at(oldest - 1)
        assert store.at(oldest)["a"] == Slot(oldest)
        # And what is let go makes room for what comes.
        assert main(["verify", str(long)]) == 0


def test_what_could_not_be_written_lets_nothing_go(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    store, _ = troubled(path, bounds=Bounds(bytes=200))
    with store:
        for n in range(1, 50):
            if n % 7 == 0:
                # After the inserts and the deletions, before they are committed.
                blocker = sqlite3.connect(path, isolation_level=None)
                blocker.execute(
                    "CREATE TRIGGER no BEFORE DELETE ON commits "
                    "BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
                before = on_disk(path)
                with pytest.raises(OSError, match="no"):
                    store.set("a", Slot(n))
                assert on_disk(path) == before
                blocker.execute("DROP TRIGGER no")
                blocker.close()
            else:
                store.set("a", Slot(n))
    kept = on_disk(path)[1]
    connection = sqlite3.connect(path)
    [(size,)] = connection.execute(
        "SELECT sum(length(key) + length(old) + length(new)) FROM changes"
    )
    connection.close()
    assert 200 - size < size / len(kept)  # as many as may be, and not one more
    assert size <= 200
    assert main(["verify", str(path)]) == 0


def test_what_was_let_go_by_hand_counts_no_more(tmp_path: Path) -> None:
    with opened(tmp_path / "slots.db", bounds=Bounds(bytes=600)) as store:
        for n in range(8):
            store.set("a", Slot(n))
        assert store.journal.compact(versions=2) == 6
        for n in range(5):
            store.set("a", Slot(n))
        assert store.journal.oldest == 6


def test_what_is_no_bound_is_refused(tmp_path: Path) -> None:
    for wrong in ({"versions": 0}, {"bytes": -1}, {"seconds": 0}, {"seconds": float("nan")}):
        with pytest.raises(ArgumentValueError):
            Bounds(**wrong)  # type: ignore[arg-type]
    for wrong in ({"versions": 1.5}, {"bytes": True}, {"seconds": "1"}, {"seconds": True}):
        with pytest.raises(ArgumentTypeError):
            Bounds(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"must be Bounds\(versions="):
        opened(tmp_path / "slots.db", bounds=100)
    assert list(tmp_path.iterdir()) == []
