"""Feeds and wait_for: no wake-up lost, no gap, memory bounded by the ring."""

from __future__ import annotations

import gc
import math
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    ClosedError,
    Commit,
    CompactedError,
    History,
    Lagged,
    ReentrantWriteError,
    Snapshot,
    Store,
    WaitTimeoutError,
)
from cowstate.waiters import ThreadWaiter
from cowstate.waits import NOTHING_CAME, Source
from tests.laws.calls import call_inside
from tests.parked import PATIENCE, Hooked
from tests.standing import changes_of
from tests.steps import steps_of


def sleep_until_notified(source: Any, deadline: float | None) -> None:
    waiter, parked = ThreadWaiter(), source.waiters.parked
    parked.add(waiter.number, waiter, None)
    try:
        if not waiter.sleep(deadline):
            raise WaitTimeoutError(NOTHING_CAME)
    finally:
        parked.discard(waiter.number, None)


def look_then_park(source: Any, seen: Any, deadline: float | None) -> None:
    """The seeded bug: `Source.await_change` with its two first steps exchanged."""
    if not source.has_changed(seen, None):
        sleep_until_notified(source, deadline)


def park_without_a_look(source: Any, seen: Any, deadline: float | None) -> None:
    """The other seeded bug: whatever came before the waiter was parked is slept through."""
    sleep_until_notified(source, deadline)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_around_the_parking_of_a_waiter_wakes_it(moment: str) -> None:
    store = Hooked({"a": 0})
    setattr(store.parked, moment, lambda: store.set("a", 1))
    # A deadline that has passed: whoever sleeps at all does not wake up in time.
    assert store.wait_for(lambda now: now["a"] == 1, timeout=0).version == 1
    assert store.statistics().waiting == 0


@pytest.mark.parametrize("broken", [look_then_park, park_without_a_look])
def test_the_same_schedule_finds_the_lost_wake_up_of_a_broken_twin(broken: Any) -> None:
    def schedule(wait: Any) -> None:
        store = Hooked({"a": 0})
        store.parked.before = lambda: store.set("a", 1)
        wait(store.source, store.snapshot(), 0.0)

    schedule(Source.await_change)
    with pytest.raises(WaitTimeoutError):
        schedule(broken)


def test_a_sleeper_is_woken_by_a_write_on_another_thread() -> None:
    store = Hooked({"a": 0})
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(store.wait_for, lambda now: now["a"] == 2, PATIENCE)
        getting = pool.submit(store.feed().get, PATIENCE)
        store.parked.wait_for(2)
        for n in (1, 2):
            store.set("a", n)
        assert waiting.result(PATIENCE).version == 2
        assert changes_of(getting.result(PATIENCE)) in ({"a": (0, 1)}, {"a": (1, 2)})


def test_a_waiter_with_keys_is_asked_again_only_after_they_changed() -> None:
    store = Hooked({"a": 0, "b": 0})
    steps = iter([("b", 1), ("a", 1), ("b", 2), ("b", 3), ("a", 2)])
    store.parked.before = lambda: [store.set(*step) for step in steps]
    asked: list[int] = []

    def asks(now: Snapshot[str, int]) -> bool:
        asked.append(now.version)
        return now["a"] == 2

    assert store.wait_for(asks, timeout=PATIENCE, keys=["a"]).version == 5
    assert asked == [0, 5]
    with pytest.raises(WaitTimeoutError):
        store.parked.after = lambda: store.set("b", 9)
        store.wait_for(lambda now: now["b"] == 9, timeout=0, keys=["a"])


def test_a_predicate_that_raises_raises_to_the_waiter_and_leaves_nothing_behind() -> None:
    store = Hooked({"a": 0})
    store.parked.before = lambda: store.delete("a")
    with pytest.raises(KeyError):
        store.wait_for(lambda now: now["a"], timeout=PATIENCE)
    with pytest.raises(StopIteration):
        store.wait_for(lambda now: next(iter(())), timeout=PATIENCE)
    assert store.statistics().waiting == 0


def test_a_timeout_is_a_timeout_error_of_ours() -> None:
    store: Store[str, int] = Store()
    for late in (0, -1, 0.001):
        with pytest.raises(TimeoutError, match="within the timeout"):
            store.wait_for(lambda now: False, timeout=late)
        with pytest.raises(WaitTimeoutError):
            store.feed().get(late)
    assert store.statistics().waiting == 0


@pytest.mark.parametrize("endless", [None, math.inf, 1e300, 10**400, 9e9])
def test_a_timeout_may_be_longer_than_a_clock_can_count(endless: float) -> None:
    store = Hooked({"a": 0})
    store.parked.before = lambda: store.set("a", 1)
    assert store.wait_for(lambda now: now["a"], endless).version == 1


def test_what_is_no_timeout_is_refused() -> None:
    feed = Store().feed()
    with pytest.raises(ArgumentTypeError, match="seconds"):
        feed.get("1")  # type: ignore[arg-type]
    with pytest.raises(ArgumentValueError, match="NaN"):
        feed.get(math.nan)


def test_waiting_inside_a_write_is_refused_and_polling_is_not() -> None:
    store = Store({"a": 0})
    feed = store.feed(since=0)
    with store.transaction() as tx:
        tx["a"] = 1
        with pytest.raises(ReentrantWriteError, match="wait outside"):
            store.wait_for(lambda now: now["a"] == 1)
        with pytest.raises(ReentrantWriteError):
            feed.get()
        assert feed.poll() is None
    with store.transaction():
        assert changes_of(feed.get()) == {"a": (0, 1)}


def test_close_wakes_whoever_is_blocked_on_the_feed() -> None:
    store = Hooked({"a": 0})
    feed = store.feed()
    with ThreadPoolExecutor(2) as pool:
        iterating, getting = pool.submit(list, feed), pool.submit(feed.get)
        store.parked.wait_for(2)
        feed.close()
        assert iterating.result(PATIENCE) == []
        assert isinstance(getting.exception(PATIENCE), ClosedError)
    assert feed.closed
    assert feed.poll() is None
    assert store.statistics().waiting == 0


def test_each_item_of_a_shared_feed_goes_to_one_thread() -> None:
    store = Store({"a": 0}, history=History(versions=2000))
    feed = store.feed()
    start, taken = threading.Barrier(4), threading.Semaphore(0)

    def take() -> list[int]:
        start.wait(PATIENCE)
        return [(changes_of(item)["a"].new, taken.release())[0] for item in feed]  # type: ignore[func-returns-value]

    with ThreadPoolExecutor(3) as pool:
        takers = [pool.submit(take) for _ in range(3)]
        start.wait(PATIENCE)
        for n in range(1, 1001):
            store.set("a", n)
        assert all(taken.acquire(timeout=PATIENCE) for _ in range(1000))
        feed.close()
        items = [n for taker in takers for n in taker.result(PATIENCE)]
    assert sorted(items) == list(range(1, 1001))


def test_each_item_is_had_once_by_whoever_is_called_in_the_middle_of_a_look() -> None:
    point, reached = 0, ""
    while isinstance(reached, str):
        point += 1
        store: Store[str, int] = Store({"a": 0, "b": 0})
        feed = store.feed(keys=["a"])
        for n, key in enumerate("bab", 1):
            store.set(key, n)
        got: list[Any] = []

        def look(feed: Any = feed, got: list[Any] = got) -> None:
            got.append(feed.poll())

        def write_and_look(store: Any = store, look: Any = look) -> None:
            look()
            store.set("a", 4)
            look()

        reached = call_inside(look, point, write_and_look)
        while (item := feed.poll()) is not None:
            got.append(item)
        versions = [2] if isinstance(reached, int) else [2, 4]
        assert sorted(item.version for item in got if item) == versions, reached
        assert feed.version == store.snapshot().version
    assert point > 50


def test_what_a_commit_takes_out_of_the_ring_is_reported_never_skipped() -> None:
    store = Store({"a": 0}, history=History(versions=2))
    every, latest = store.feed(), store.feed("latest")
    for n in (1, 2):
        store.set("a", n)
    assert every.snapshot.version == 0
    assert changes_of(latest.poll()) == {"a": (0, 2)}
    store.set("a", 3)
    with pytest.raises(CompactedError):
        every.snapshot
    lagged = every.poll()
    assert lagged == Lagged(1, store.snapshot())
    assert every.version == every.snapshot.version == 3
    assert every.poll() is None
    assert changes_of(latest.poll()) == {"a": (2, 3)}


def test_a_commit_of_meta_alone_is_an_item_and_concerns_no_key() -> None:
    store = Store({"a": 0})
    feed, of_a = store.feed(), store.feed(keys=["a"])
    with store.transaction() as tx:
        tx.meta = 1
    item = feed.poll()
    assert item is tx.result
    assert (changes_of(item), tx.result.after.meta) == ({}, 1)
    assert of_a.poll() is None
    assert of_a.version == 1


class Fickle(str):
    """A key that fails to be hashed when told to."""

    __slots__ = ()
    fails = False

    def __hash__(self) -> int:
        if Fickle.fails:
            raise RuntimeError("not now")
        return str.__hash__(self)


@pytest.mark.parametrize("mode", ["every", "latest"])
def test_an_item_that_could_not_be_made_is_not_lost(mode: Any) -> None:
    store: Store[str, int] = Store()
    feed = store.feed(mode, keys=["a"])
    store.set(Fickle("a"), 1)
    Fickle.fails = True
    try:
        with pytest.raises(RuntimeError, match="not now"):
            feed.poll()
    finally:
        Fickle.fails = False
    assert [*changes_of(feed.poll())] == ["a"]


def test_a_thousand_feeds_keep_no_version_alive() -> None:
    store = Store({"a": 0}, history=History(versions=3))
    feeds = [store.feed(mode) for mode in ("every", "latest") for _ in range(500)]
    versions = [weakref.ref(store.snapshot())]
    for n in range(1, 21):
        versions.append(weakref.ref(store.set("a", n).after))
    gc.collect()
    alive = [number for number, version in enumerate(versions) if version() is not None]
    assert alive == [17, 18, 19, 20]
    for feed in feeds:
        assert not [held for held in gc.get_referents(feed) if isinstance(held, Snapshot | Commit)]
    # And a writer does not know of them at all.
    assert store.statistics().waiting == store.statistics().subscriptions == 0


def test_a_feed_that_nobody_holds_is_gone() -> None:
    store = Store({"a": 0})
    feed = weakref.ref(store.feed())
    assert feed() is None


def test_a_waiter_notified_twice_hears_it_once_and_at_once() -> None:
    waiter = ThreadWaiter()
    waiter.notify()
    waiter.notify()
    assert waiter.sleep(None)
    assert not waiter.sleep(0.0)


def test_what_is_no_feed_is_refused() -> None:
    store = Store({"a": 0})
    for wrong in (1, -1, "0", 0.0, False):
        with pytest.raises(ArgumentValueError, match="since must be a version from 0 to 0"):
            store.feed(since=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentValueError, match="mode"):
        store.feed("all")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match=r"\['a'\]"):
        store.feed(keys="a")


@pytest.mark.parametrize("mode", ["every", "latest"])
def test_a_look_at_a_feed_costs_the_same_however_much_was_yielded_or_passed_over(mode: Any) -> None:
    store = Store({"a": 0, "b": 0})
    for feed in (store.feed(mode), store.feed(mode, keys=["b"])):
        costs: list[int] = []
        for n in range(100):
            store.set("a", store.snapshot().version + 1)
            costs.append(steps_of(feed.poll))
            assert n < 50 or costs[-1] < 1.2 * costs[10]
        assert feed.version == store.snapshot().version
        assert feed.poll() is None


def test_a_feed_that_is_closed_yields_nothing_of_what_it_could_have() -> None:
    store = Store({"a": 0})
    feed = store.feed()
    store.set("a", 1)
    feed.close()
    assert feed.closed
    assert feed.poll() is None
    assert list(feed) == []
    with pytest.raises(ClosedError):
        feed.get()
    assert "closed" in repr(feed)
    assert repr(store.feed()) == "<Feed of every, at version 1>"
    assert repr(store.feed("latest", since=0)) == "<Feed of latest, at version 0>"
