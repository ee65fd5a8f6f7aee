"""The past: what is retained, what is pinned, and what it costs to keep."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    CompactedError,
    ConflictError,
    ForeignSnapshotError,
    History,
    Lagged,
    Store,
)
from tests.steps import steps_of


@given(versions=st.integers(1, 5), commits=st.integers(0, 12))
def test_exactly_the_named_number_of_versions_before_the_current_one_is_retained(
    versions: int, commits: int
) -> None:
    store = Store({"a": -1}, history=History(versions=versions))
    for n in range(commits):
        store.set("a", n)
    oldest = max(0, commits - versions)
    for version in range(commits + 1):
        if version >= oldest:
            assert store.at(version)["a"] == version - 1
        else:
            with pytest.raises(CompactedError) as caught:
                store.at(version)
            assert caught.value.oldest == oldest
    assert (store.statistics().oldest, store.statistics().retained) == (oldest, commits - oldest)


def test_a_version_is_let_go_when_it_was_superseded_too_long_ago() -> None:
    now = 0.0
    store = Store({"a": 0}, history=History(seconds=10, clock=lambda: now))
    feed = store.feed()
    released = weakref.ref(store.snapshot())
    for version in (1, 2):
        now += 6
        store.set("a", version)
    now += 4
    assert store.at(0)["a"] == 0
    now += 1
    with pytest.raises(CompactedError, match="the oldest is 1"):
        store.at(0)
    assert released() is not None
    # The next write lets it go; and a feed that still wanted it says so.
    store.set("a", 3)
    gc.collect()
    assert released() is None
    assert feed.poll() == Lagged(1, store.snapshot())
    now += 1000
    assert store.at(3)["a"] == 3


def test_a_write_costs_no_more_the_more_versions_have_been_let_go_by_age() -> None:
    now = 0.0
    store = Store({"a": 0}, history=History(versions=1000, seconds=10, clock=lambda: now))

    def write() -> None:
        store.set("a", store.snapshot().version + 1)

    costs: list[int] = []
    for _ in range(500):
        now += 1
        costs.append(steps_of(write))
    assert store.statistics().retained == 11
    assert sum(costs[300:]) < 1.1 * sum(costs[100:300])


def test_a_clock_that_fails_fails_the_write_and_nothing_else() -> None:
    now: Any = 0.0
    store = Store({"a": 0}, history=History(versions=3, seconds=10, clock=lambda: 1.0 * now))
    feed, seen = store.feed(), []
    store.subscribe(lambda commit: seen.append(commit.after["a"]))
    store.set("a", 1)
    now = "noon"
    with pytest.raises(TypeError):
        store.set("a", 2)
    now = 1.0
    assert store.snapshot()["a"] == 1
    assert store.set("a", 3).version == 2
    assert seen == [1, 3]
    assert (feed.poll(), feed.poll(), feed.poll()) == ({"a": (0, 1)}, {"a": (1, 3)}, None)


def test_a_pin_keeps_its_version_and_no_other() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    with store.pin(why="report") as pin, store.pin(0) as twin:
        for n in range(1, 10):
            store.set("a", n)
        assert pin.version == twin.version == 0
        assert store.at(0) is pin.snapshot
        assert store.statistics().pinned == ((0, "report"), (0, ""))
        assert repr(pin) == "<Pin of version 0, report>"
        assert repr(twin) == "<Pin of version 0>"
        with pytest.raises(CompactedError) as caught:
            store.at(1)
        assert caught.value.oldest == 7
        twin.close()
        twin.close()
        assert store.at(0)["a"] == 0
        with pytest.raises(ClosedError):
            store.unpin(twin)
    with pytest.raises(CompactedError):
        store.at(0)
    with pytest.raises(CompactedError):
        store.pin(0)


def test_a_pin_may_outlive_the_ring_by_the_snapshot_itself() -> None:
    store = Store({"a": 0}, history=History(versions=1))
    start = store.snapshot()
    for n in range(1, 5):
        store.set("a", n)
    pin = store.pin(start)
    assert store.at(0) is start
    store.unpin(pin)
    with pytest.raises(CompactedError):
        store.at(0)


def test_a_kept_commit_keeps_its_two_snapshots_and_no_later_version_alive() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    kept = store.set("a", 1)
    later = [weakref.ref(store.set("a", n).after) for n in range(2, 12)]
    gc.collect()
    assert [reference() is not None for reference in later] == [False] * 7 + [True] * 3
    assert (kept.before["a"], kept.after["a"]) == (0, 1)


def test_a_kept_commit_of_a_store_that_is_gone_keeps_no_later_version_alive() -> None:
    store = Store({"a": 0})
    kept = store.set("a", 1)
    later = [weakref.ref(store.set("a", n).after) for n in range(2, 12)]
    del store
    gc.collect()
    assert [reference() for reference in later] == [None] * 10
    assert (kept.before["a"], kept.after["a"]) == (0, 1)


def test_undo_takes_back_one_commit_and_revert_all_since_a_version() -> None:
    store = Store({"a": 0, "b": 0}, meta="old")
    first = store.set("a", 1)
    with store.transaction() as tx:
        tx["b"], tx["c"], tx.meta = 1, 1, "new"
        del tx["a"]
    undone = store.undo(tx.result)
    assert undone.changes == tx.result.changes.inverse()
    assert (dict(undone.after), undone.after.meta) == ({"a": 1, "b": 0}, "old")
    store.undo(first)
    reverted = store.revert(2)
    assert (dict(reverted.after), reverted.after.meta) == ({"b": 1, "c": 1}, "new")
    assert reverted.version == 5
    assert store.revert(reverted.after).version == 5


def test_undo_conflicts_with_what_was_changed_since_even_to_an_equal_record() -> None:
    store: Store[str, Any] = Store({"a": (0,), "b": (0,)})
    commit = store.set("a", (1,))
    store.set("b", (1,))
    store.set("a", (*[1],))
    with pytest.raises(ConflictError) as caught:
        store.undo(commit)
    assert caught.value.keys == ("a",)
    assert store.snapshot().version == 3


def test_undo_of_an_insert_deletes_and_of_a_deletion_restores() -> None:
    store = Store({"a": 0})
    inserted, deleted = store.set("b", 1), store.delete("a")
    assert store.undo(inserted).changes == {"b": (1, MISSING)}
    assert store.undo(deleted).changes == {"a": (MISSING, 0)}


def test_what_is_no_version_no_pin_and_no_history_is_refused() -> None:
    store = Store({"a": 0})
    for wrong in ("1", 1.0, True, None):
        with pytest.raises(ArgumentTypeError):
            store.at(wrong)  # type: ignore[arg-type]
    for wrong in (-1, 1):
        with pytest.raises(ArgumentValueError, match="from 0 to 0"):
            store.at(wrong)
    with pytest.raises(ForeignSnapshotError):
        store.pin(Store({"a": 0}).snapshot())
    with pytest.raises(ArgumentTypeError, match="unpin takes"):
        store.unpin(0)  # type: ignore[arg-type]
    with pytest.raises(ClosedError, match="another store"):
        store.unpin(Store({"a": 0}).pin())
    with pytest.raises(ArgumentTypeError, match="Commit"):
        store.undo(1)  # type: ignore[arg-type]
    for bad in ({"versions": 0}, {"seconds": 0}, {"seconds": -1}):
        with pytest.raises(ArgumentValueError):
            History(**bad)
    for bad in ({"versions": 1.5}, {"versions": True}):
        with pytest.raises(ArgumentTypeError):
            History(**bad)
    with pytest.raises(ArgumentTypeError, match="History"):
        Store(history=3)  # type: ignore[arg-type]
