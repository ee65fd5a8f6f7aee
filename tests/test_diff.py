"""Differences between two versions: by identity, both ways, from the ring or by a scan."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest

from cowstate import (
    MISSING,
    ForeignSnapshotError,
    History,
    InvariantError,
    Record,
    Snapshot,
    Store,
)

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    order_id: int | None = None


@pytest.fixture
def store(make_store: MakeStore) -> Store[str, Slot]:
    return make_store({"a": Slot(1), "b": Slot()})


def test_a_diff_is_by_identity_and_goes_both_ways(store: Store[str, Slot]) -> None:
    before = store.snapshot()
    equal = before["a"].replace()
    store.set("a", equal)
    store.set("c", Slot(3))
    store.delete("b")
    now = store.snapshot()
    changes = now.diff(before)
    assert set(changes) == {"a", "b", "c"}
    assert changes["a"].old is before["a"]
    assert changes["a"].new is equal
    assert changes["c"].old is changes["b"].new is MISSING
    assert before.diff(now) == changes.inverse()
    assert not now.diff(now)
    assert store.statistics().diff_scans == 0


def test_versions_of_a_store_that_is_gone_can_be_compared(make_store: MakeStore) -> None:
    store = make_store({"a": 0})
    before, now = store.snapshot(), store.set("a", 1).after
    del store
    gc.collect()
    assert now.diff(before) == {"a": (0, 1)}


def test_what_comes_back_is_no_difference_unless_it_is_another_object(
    store: Store[str, Slot],
) -> None:
    before = store.snapshot()
    slot = before["a"]
    store.delete("a")
    store.set("a", slot)
    assert not store.snapshot().diff(before)
    store.set("a", slot.replace())
    assert set(store.snapshot().diff(before)) == {"a"}


def test_a_diff_beyond_the_ring_scans_says_so_and_is_the_same(make_store: MakeStore) -> None:
    store = make_store({"a": 0, "b": (1,), "gone": 1}, history=History(versions=5))
    start = store.snapshot()
    store.delete("gone")
    store.set("new", 1)
    versions = [store.set("a", number).after for number in range(1, 10)]
    assert store.statistics().diff_scans == 0
    changes = versions[-1].diff(start)
    assert store.statistics().diff_scans == 1
    assert dict(changes) == {"a": (0, 9), "gone": (1, MISSING), "new": (MISSING, 1)}
    assert start.diff(versions[-1]) == changes.inverse()
    assert store.statistics().diff_scans == 2
    assert set(versions[-1].diff(versions[-5])) == {"a"}
    assert store.statistics().diff_scans == 2


def test_a_diff_of_versions_with_the_same_records_looks_at_none_of_them(
    make_store: MakeStore,
) -> None:
    store = make_store({"a": 0}, history=History(versions=1))
    start = store.snapshot()
    for number in range(3):
        with store.transaction() as tx:
            tx.meta = number
    assert not start.diff(start)
    assert not store.snapshot().diff(start)
    assert store.statistics().diff_scans == 0


def test_a_diff_with_something_else_is_refused(store: Store[str, Slot]) -> None:
    other = Store({"a": Slot()})
    for thing in (other.snapshot(), {"a": Slot()}, None, 0):
        with pytest.raises(ForeignSnapshotError, match="one store"):
            store.snapshot().diff(thing)  # type: ignore[arg-type]


def test_a_version_that_was_vetoed_is_never_taken_for_the_one_in_its_place(
    make_store: MakeStore,
) -> None:
    """An invariant is shown the version that would be; whoever keeps it may still compare it."""
    shown: list[Snapshot[str, int]] = []

    def veto(snapshot: Snapshot[str, int], changes: Any) -> bool:
        shown.append(snapshot)
        return "vetoed" not in snapshot

    store = make_store({"a": 1}, invariants={"veto": veto})
    with pytest.raises(InvariantError):
        store.set("vetoed", 1)
    store.set("b", 1)
    vetoed, now = shown[1], store.snapshot()
    assert vetoed.version == now.version
    assert set(now.diff(vetoed)) == {"vetoed", "b"}
    assert set(vetoed.diff(shown[0])) == {"vetoed"}
    later = store.set("c", 1).after
    assert set(later.diff(vetoed)) == {"vetoed", "b", "c"}
    assert set(vetoed.diff(later)) == {"vetoed", "b", "c"}


def test_an_invariant_may_ask_for_the_difference_to_an_older_version(make_store: MakeStore) -> None:
    asked: list[set[str]] = []
    stores: list[Store[str, int]] = []

    def look(snapshot: Snapshot[str, int], changes: Any) -> None:
        if stores:
            asked.append(set(snapshot.diff(stores[0].at(0))))

    stores.append(make_store({"a": 1}, invariants={"look": look}))
    stores[0].set("b", 1)
    stores[0].set("a", 2)
    assert asked == [{"b"}, {"a", "b"}]


def test_what_a_draft_would_change_is_what_its_commit_changes(make_store: MakeStore) -> None:
    store = make_store({"a": 1, "b": 2, "same": 3})
    draft = store.draft()
    draft.update({"a": 10, "same": 3, "new": 4, "brief": 5})
    del draft["b"], draft["brief"]
    expected = {"a": (1, 10), "b": (2, MISSING), "new": (MISSING, 4)}
    assert draft.changes == expected
    commit = draft.commit()
    assert commit.changes == expected
    assert commit.after.diff(commit.before) == expected
