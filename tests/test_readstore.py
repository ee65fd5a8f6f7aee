"""What a store tells of itself, and what it refuses to those who read and follow it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentTypeError,
    ArgumentValueError,
    CompactedError,
    ForeignSnapshotError,
    History,
    Index,
    InvariantError,
    ReentrantWriteError,
    Store,
)
from tests.loops import loop
from tests.parked import PATIENCE, Hooked
from tests.standing import changes_of


def test_statistics_tell_all_of_a_store_that_is_in_use() -> None:
    store: Store[str, int] = Store(
        {"a": 1, "b": 1},
        indexes={"n": Index(lambda n: n), "half": Index(lambda n: n // 2)},
        aggregates={"sum": Aggregate.sum(lambda n: n)},
        history=History(versions=3, bytes=10**6),
    )
    figures = store.statistics()
    assert (figures.version, figures.records, figures.oldest, figures.retained) == (0, 2, 0, 0)
    assert figures.index_entries == (("n", 1), ("half", 1))
    assert (figures.retained_bytes, figures.pinned, figures.subscriptions) == (0, (), 0)
    assert (figures.undelivered, figures.waiting, figures.diff_scans) == (0, 0, 0)
    assert figures.open_transaction is None

    start, slow, fast = store.snapshot(), loop(), loop()
    pins = [store.pin(why="first"), store.pin(why="second")]
    subscriptions = [
        store.subscribe(print, via=slow),
        store.subscribe(lambda _: None, via=fast),
        store.subscribe(lambda _: None),
    ]
    for n in range(1, 6):
        store.set("a", n + 10)
        fast.run()
    figures = store.statistics()
    assert (figures.version, figures.records, figures.oldest, figures.retained) == (5, 2, 2, 3)
    assert figures.index_entries == (("n", 2), ("half", 2))
    assert figures.retained_bytes is not None
    assert 0 < figures.retained_bytes < 10**6
    assert figures.pinned == ((0, "first"), (0, "second"))
    assert (figures.subscriptions, figures.undelivered) == (3, 5)
    pins[0].close()
    subscriptions[0].close()
    figures = store.statistics()
    assert figures.pinned == ((0, "second"),)
    assert (figures.subscriptions, figures.undelivered) == (2, 0)
    assert store.snapshot().diff(start) == {"a": (1, 15)}
    scans = store.statistics().diff_scans
    assert scans <= 1
    with store.transaction():
        told = store.statistics().open_transaction
        assert told is not None
        assert __file__ in told
        assert threading.current_thread().name in told
    assert store.statistics().open_transaction is None


def test_statistics_of_a_version_that_was_are_of_that_version() -> None:
    store = Store({"a": 1}, indexes={"n": Index(lambda n: n)})
    commit = store.set("b", 2)
    store.set("c", 3)
    for view in (commit.before, commit.after, store.snapshot()):
        figures = store.statistics(view)
        assert (figures.version, figures.records) == (view.version, len(view))
        assert figures.index_entries == (("n", len(view)),)
    with pytest.raises(ForeignSnapshotError):
        store.statistics(Store({"a": 1}).snapshot())


def test_a_subscription_whose_with_was_lost_is_not_counted() -> None:
    store = Store({"a": 1})
    subscription = store.subscribe(print)
    leave = subscription.__exit__
    subscription.__enter__()
    assert store.statistics().subscriptions == 1
    del leave
    assert store.statistics().subscriptions == 0


def test_statistics_count_who_sleeps() -> None:
    store = Hooked({"a": 0})
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(store.wait_for, lambda now: now["a"] == 1, PATIENCE)
        getting = pool.submit(store.feed().get, PATIENCE)
        store.parked.wait_for(2)
        assert store.statistics().waiting == 2
        store.set("a", 1)
        waiting.result(PATIENCE)
        getting.result(PATIENCE)
    assert store.statistics().waiting == 0


def test_a_store_says_how_far_it_is() -> None:
    store = Store({"a": 1, "b": 1})
    store.delete("a")
    assert repr(store) == "<Store version=1 records=1>"


def test_flush_is_refused_inside_any_write_and_any_callback_of_the_store() -> None:
    store, other = Store({"a": 0}), Store({"a": 0})

    def refused(_: object = None) -> int:
        calls.append(1)
        with pytest.raises(ReentrantWriteError, match="flush"):
            store.flush(0)
        return len(calls)

    calls: list[int] = []
    serving = loop()
    store.update("a", refused)
    other.update("a", refused)
    with other.transaction():
        refused()
    store.subscribe(refused)
    store.subscribe(refused, via=serving)
    store.set("a", 5)
    serving.run()
    assert len(calls) == 5
    assert store.flush(0)
    # Inside a callback of another store it is not.
    free = Store({"a": 0})
    flushed: list[bool] = []
    other.subscribe(lambda _: flushed.append(free.flush(0)))
    other.set("a", 9)
    assert flushed == [True]


def test_who_follows_is_told_what_makes_no_sense() -> None:
    store = Store({"a": 0})
    for options in ({"on_lagged": 5}, {"on_lagged": "log"}):
        with pytest.raises(ArgumentTypeError, match="on_lagged"):
            store.subscribe(print, **options)  # type: ignore[arg-type]
    for via in ("Writer", None, 5, object(), Store):
        with pytest.raises(ArgumentValueError, match="via must be"):
            store.subscribe(print, via=via)  # type: ignore[arg-type]
    for error in (None, 0, ""):
        with pytest.raises(ArgumentValueError, match="on_error"):
            store.subscribe(print, on_error=error)  # type: ignore[arg-type]
    assert store.statistics().subscriptions == 0
    for good in ("log", "stop", lambda error, commit: None):
        store.subscribe(print, on_error=good).close()  # type: ignore[arg-type]
    with pytest.raises(ForeignSnapshotError):
        store.feed(since=Store({"a": 0}).snapshot())
    for wrong in (True, None):
        with pytest.raises(ArgumentValueError, match="mode"):
            store.feed(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.wait_for(lambda now: False, "1")  # type: ignore[arg-type]


def test_a_feed_starts_where_it_is_told_to() -> None:
    store = Store({"a": 0})
    snapshots = [store.snapshot(), *(store.set("a", n).after for n in (1, 2, 3))]
    for start in range(4):
        for since in (start, snapshots[start]):
            assert store.feed(since=since).version == start
            assert store.feed("latest", since=since).snapshot is snapshots[start]
    assert store.feed().version == 3
    assert store.feed(since=3).poll() is None
    with pytest.raises(ArgumentValueError, match="from 0 to 3"):
        store.feed(since=4)


def test_a_pin_is_of_the_version_that_was_asked_for() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    start = store.snapshot()
    for n in range(1, 5):
        store.set("a", n)
    assert [store.pin().version, store.pin(3).version, store.pin(start).version] == [4, 3, 0]
    assert store.pin(3).snapshot is store.at(3)
    with pytest.raises(CompactedError):
        store.pin(1)
    with pytest.raises(ArgumentValueError):
        store.pin(5)
    assert sorted(version for version, _ in store.statistics().pinned) == [0, 3, 3, 4]


def test_a_subscription_that_could_not_be_admitted_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store: Store[str, Any] = Store({"a": 0})
    seen: list[Any] = []

    def fail(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._delivery.by_writer, "admit", fail)
        with pytest.raises(KeyboardInterrupt):
            store.subscribe(seen.append)
    store.set("a", 1)
    assert seen == []
    assert store.statistics().subscriptions == 0


def test_a_vetoed_write_is_followed_by_nobody() -> None:
    store = Store({"a": 0}, invariants={"small": lambda now, _: now["a"] < 5})
    seen: list[int] = []
    feed = store.feed()
    store.subscribe(lambda commit: seen.append(commit.after["a"]))
    with pytest.raises(InvariantError):
        store.set("a", 7)
    assert (seen, feed.poll()) == ([], None)
    store.set("a", 2)
    assert (seen, changes_of(feed.poll())) == ([2], {"a": (0, 2)})
