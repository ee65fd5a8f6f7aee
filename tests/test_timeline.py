"""How much of its past a store keeps, by number, age and bytes; and undo."""

from __future__ import annotations

import gc
import itertools
import weakref
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    Commit,
    CompactedError,
    ConflictError,
    ForeignSnapshotError,
    History,
    Lagged,
    Store,
)
from cowstate.timeline import BACKLOG
from tests.loops import loop
from tests.standing import changes_of
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
    assert [changes_of(feed.poll()) for _ in range(2)] == [{"a": (0, 1)}, {"a": (1, 3)}]
    assert feed.poll() is None


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


def test_undo_leaves_a_meta_alone_that_the_commit_did_not_change() -> None:
    store = Store({"a": 0}, meta="old")
    commit = store.set("a", 1)
    store.set_meta("new")
    undone = store.undo(commit)
    assert (undone.after["a"], undone.after.meta) == (0, "new")


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


# Bounds


def sums_of(writes: list[str]) -> list[int]:
    """What all versions up to each one take together, by the estimate, of a store of those."""
    store: Store[str, str] = Store(history=History(versions=len(writes) + 1, bytes=10**12))
    sums = [store.statistics().retained_bytes or 0]
    for record in writes:
        store.set("a", record)
        sums.append(store.statistics().retained_bytes or 0)
    return sums


def check_bytes(store: Store[str, str], sums: list[int], limit: int, versions: int) -> None:
    last = store.snapshot().version
    expected = next(v for v in range(last + 1) if sums[last] - sums[v] <= limit or v + 1 >= last)
    expected = max(expected, last - versions)
    figures = store.statistics()
    assert figures.oldest == expected
    assert figures.retained_bytes == sums[last] - sums[expected]


@given(
    lengths=st.lists(st.integers(0, 2000), max_size=30),
    limit=st.integers(1, 20_000),
    versions=st.sampled_from([3, 1024]),
)
def test_as_many_versions_are_retained_as_may_take_the_bytes_together_and_the_newest_always(
    lengths: list[int], limit: int, versions: int
) -> None:
    writes = [f"{n:05}" + n * "x" for n in lengths]
    sums = sums_of(writes)
    assert all(now > before for before, now in itertools.pairwise(sums))
    store: Store[str, str] = Store(history=History(versions=versions, bytes=limit))
    for n, record in enumerate(writes):
        if n % 2:
            store.set("a", record)
        else:
            store.transact(lambda tx, record=record: tx.update(a=record))  # type: ignore[misc]
        check_bytes(store, sums, limit, versions)


def test_as_many_bytes_as_may_be_taken_may_be_taken() -> None:
    writes = [f"{n}" + 100 * n * "x" for n in range(6)]
    sums = sums_of(writes)
    for spare, oldest in ((0, 2), (1, 2), (-1, 3)):
        store: Store[str, str] = Store(history=History(bytes=sums[6] - sums[2] + spare))
        for record in writes:
            store.set("a", record)
        assert store.statistics().oldest == oldest


def test_the_bytes_of_what_was_retained_longer_ago_than_the_ring_are_not_counted() -> None:
    writes = [str(n) + (n % 7) * 100 * "x" for n in range(2 * BACKLOG + 50)]
    sums = sums_of(writes)
    small: Store[str, str] = Store(history=History(bytes=9_000))
    large: Store[str, str] = Store(history=History(bytes=10**9))
    for n, record in enumerate(writes):
        small.set("a", record)
        large.set("a", record)
        if n % 197 == 0 or n % BACKLOG < 3:
            check_bytes(small, sums, 9_000, BACKLOG)
            check_bytes(large, sums, 10**9, BACKLOG)


def test_what_was_let_go_since_the_oldest_was_looked_for_is_not_estimated_and_the_rest_is() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    for n in range(5):
        store.set("a", n)
    timeline = store.source.timeline
    retained = timeline.bytes_retained(timeline.oldest(), ask=True)
    assert retained
    assert timeline.bytes_retained(0, ask=True) == retained


def test_the_bytes_after_a_version_are_those_of_the_commits_after_it_alone() -> None:
    store: Store[str, str] = Store(history=History(versions=10))
    timeline = store.source.timeline
    after = [timeline.bytes_retained(0, ask=True)]
    for n in range(4):
        store.set("a", 100 * n * "x")
        after = [timeline.bytes_retained(version, ask=True) for version in range(n + 2)]
    assert after[4] == 0
    assert sorted(set(after), reverse=True) == after


def test_the_past_of_a_version_that_is_itself_past_is_counted_from_there() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    looks = [store.snapshot(), *(store.set("a", n).after for n in range(1, 6))]
    counted = [store.statistics(look) for look in looks]
    assert [(each.oldest, each.retained) for each in counted] == [
        *((0, 0), (1, 0), (2, 0)),
        *((3, 0), (3, 1), (3, 2)),
    ]


def test_by_default_a_thousand_and_twenty_four_versions_are_retained_for_any_time_and_size() -> (
    None
):
    assert History() == History(versions=1024, seconds=None, bytes=None)
    assert History().clock is monotonic
    store = Store({"a": 0})
    for n in range(1, 1100):
        store.set("a", n)
    figures = store.statistics()
    assert (figures.retained, figures.retained_bytes) == (1024, None)
    assert store.at(75)["a"] == 75
    with pytest.raises(CompactedError, match="the oldest is 75"):
        store.at(74)


@pytest.mark.parametrize("bound", [{"versions": 1}, {"bytes": 1}, {"seconds": 1}])
def test_what_subscribers_have_yet_to_be_given_is_kept_up_to_the_backlog(
    bound: dict[str, Any],
) -> None:
    assert BACKLOG == 1024
    now = 0.0
    store = Store({"a": 0}, history=History(**bound, clock=lambda: now))
    serving, seen, lags = loop(), list[int](), list[Any]()

    def note(commit: Commit[str, int]) -> None:
        seen.append(commit.version)

    store.subscribe(note, via=serving, on_lagged=lags.append)
    for n in range(1, BACKLOG + 1):
        now += 10
        store.set("a", n)
    serving.run()
    assert (seen, lags) == ([*range(1, BACKLOG + 1)], [])
    seen.clear()
    for n in range(BACKLOG + 1):
        now += 10
        store.set("a", n)
    serving.run()
    assert (seen, lags) == ([], [Lagged(BACKLOG + 1, store.snapshot())])
    # And no longer than that: nobody needs them any more.
    lags.clear()
    missed = weakref.ref(store.snapshot())
    for n in range(3):
        now += 10
        store.set("a", n)
        serving.run()
    gc.collect()
    assert missed() is None
    assert seen == [2 * BACKLOG + 2, 2 * BACKLOG + 3, 2 * BACKLOG + 4]


def test_a_version_that_is_kept_for_a_subscriber_is_out_of_bounds_all_the_same() -> None:
    now = 0.0
    bounds = [History(versions=2, clock=lambda: now), History(seconds=20, clock=lambda: now)]
    for history in bounds:
        store = Store({"a": 0}, history=history)
        store.subscribe(print, via=loop())
        for n in range(1, 6):
            now += 10
            store.set("a", n)
        now += 10 if history.seconds else 0
        with pytest.raises(CompactedError) as caught:
            store.at(2)
        assert caught.value.oldest == 3
        assert store.at(3)["a"] == 3


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"versions": None}, ArgumentTypeError, "versions"),
        ({"bytes": 1.5}, ArgumentTypeError, "bytes"),
        ({"bytes": True}, ArgumentTypeError, "bytes"),
        ({"bytes": 0}, ArgumentValueError, "at least 1"),
        ({"seconds": "1"}, ArgumentTypeError, "a number"),
        ({"seconds": 0.0}, ArgumentValueError, "above 0"),
        ({"seconds": float("nan")}, ArgumentValueError, "above 0"),
    ],
)
def test_a_bound_that_makes_no_sense_is_refused(
    wrong: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        History(**wrong)
    assert History(versions=1, seconds=0.5, bytes=1).seconds == 0.5
