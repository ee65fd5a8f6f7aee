"""Every schedule of what follows a store: feeds, waits, subscriptions that end, the past.

As in the tests of its write paths beside this file; the seeded bugs are put into the store itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import cowstate.store
from cowstate import ClosedError, CompactedError, History, Lagged, Store, WaitTimeoutError
from cowstate.errors import DeadlockError, ScheduleError
from cowstate.feeds import Feed, _Cell
from cowstate.ring import Ring
from cowstate.testing.schedules import Exploration, Program
from cowstate.waiters import ThreadWaiter
from cowstate.waits import Source
from tests.schedules import exploring
from tests.standing import changes_of


def exhaust(program: Program, preemptions: int = 2, **options: Any) -> Exploration:
    return exploring.exhaust(program, preemptions, [sys.modules[__name__]], **options)


# A ring that holds no more than the history, and one that keeps commits for subscribers besides.
either_ring = pytest.mark.parametrize("backlog", [1, 1024])


def set_backlog(monkeypatch: pytest.MonkeyPatch, backlog: int) -> None:
    monkeypatch.setattr(cowstate.store, "BACKLOG", backlog)


def bump(n: int) -> int:
    return n + 1


def feed_get_and_write() -> Any:
    store = Store({"n": 0})
    feed = store.feed()
    seen: list[Any] = []

    def reader() -> None:
        seen.append(changes_of(feed.get())["n"])

    def writer() -> None:
        store.update("n", bump)

    return [reader, writer], lambda: tuple(seen)


def feed_get_and_close() -> Any:
    store = Store({"n": 0})
    feed = store.feed()
    ends: list[str] = []

    def reader() -> None:
        try:
            feed.get()
        except ClosedError:
            ends.append("closed")

    return [reader, feed.close], lambda: tuple(ends)


def shared_feed() -> Any:
    store = Store({"n": 0})
    feed = store.feed()
    for _ in range(3):
        store.update("n", bump)
    seen: list[Any] = []

    def taker() -> None:
        seen.append(changes_of(feed.poll())["n"])

    def check() -> None:
        assert sorted(seen) == [(0, 1), (1, 2), (2, 3)]

    return [taker, taker, taker], check


def lagging_feed() -> Any:
    store = Store({"n": 0}, history=History(versions=1))
    feed = store.feed()
    seen: list[Any] = []

    def poll() -> bool:
        item = feed.poll()
        if isinstance(item, Lagged):
            seen.append(("lagged", item.missed_from, item.snapshot["n"]))
        elif item is not None:
            seen.append(("change", *item.changes["n"]))
        return item is not None

    def reader() -> None:
        poll()

    def writer() -> None:
        store.update("n", bump)
        store.update("n", bump)

    def check() -> Any:
        while poll():
            pass
        at = 0
        for kind, start, end in seen:
            assert start == (at if kind == "change" else at + 1)
            assert end > at
            at = end
        assert at == 2
        return any(kind == "lagged" for kind, _, _ in seen)

    return [reader, writer], check


def timed_wait() -> Any:
    store = Store({"n": 0})
    seen: list[str] = []

    def waiter() -> None:
        try:
            store.wait_for(lambda now: now["n"] == 1, timeout=3600)
            seen.append("came")
        except WaitTimeoutError:
            seen.append("late")

    def writer() -> None:
        store.update("n", bump)

    def check() -> Any:
        assert store.statistics().waiting == 0
        return tuple(seen)

    return [waiter, writer], check


def two_waiters() -> Any:
    store = Store({"n": 0})
    seen: list[int] = []

    def waiter() -> None:
        seen.append(store.wait_for(lambda now: now["n"]).version)

    def writer() -> None:
        store.update("n", bump)

    return [waiter, waiter, writer], lambda: tuple(seen)


def close_and_write() -> Any:
    store = Store({"n": 0})
    seen: list[int] = []
    closed: list[int] = []
    subscription = store.subscribe(lambda commit: seen.append(commit.version))

    def close() -> None:
        subscription.close()
        closed.append(len(seen))

    def writer() -> None:
        store.update("n", bump)

    def check() -> Any:
        assert seen in ([], [1])
        return len(seen) - closed[0]

    return [close, writer], check


def at_and_write() -> Any:
    store = Store({"n": 0}, history=History(versions=1))
    store.update("n", bump)
    seen: list[Any] = []

    def reader() -> None:
        try:
            old = store.at(0)
            assert (old.version, old["n"]) == (0, 0)
            seen.append(True)
        except CompactedError:
            seen.append(False)

    def writer() -> None:
        store.update("n", bump)

    return [reader, writer], lambda: seen[0]


def pin_and_write() -> Any:
    store = Store({"n": 0}, history=History(versions=1))
    pins: list[Any] = []

    def pinner() -> None:
        pins.append(store.pin())

    def writer() -> None:
        for _ in range(3):
            store.update("n", bump)

    def check() -> Any:
        version = pins[0].version
        assert store.at(version)["n"] == version
        return version

    return [pinner, writer], check


def diff_and_write() -> Any:
    store = Store({"a": 0, "b": 0}, history=History(versions=2))
    first = store.snapshot()
    second = store.set("a", 1).after
    third = store.set("b", 1).after

    def reader() -> None:
        assert third.diff(first) == {"a": (0, 1), "b": (0, 1)}
        assert second.diff(first) == {"a": (0, 1)}

    def writer() -> None:
        store.set("a", 2)
        store.set("b", 2)

    return [reader, writer], lambda: store.statistics().diff_scans


def test_who_waits_on_a_feed_is_woken_by_the_write() -> None:
    assert set(exhaust(feed_get_and_write).outcomes) == {((0, 1),)}


def test_who_waits_on_a_feed_is_woken_by_its_end() -> None:
    assert set(exhaust(feed_get_and_close).outcomes) == {("closed",)}


def test_threads_that_share_a_feed_get_each_item_once() -> None:
    exhaust(shared_feed, 1)


@either_ring
def test_a_feed_that_the_ring_passes_says_so_and_misses_nothing_in_silence(
    backlog: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_backlog(monkeypatch, backlog)
    assert set(exhaust(lagging_feed).outcomes) == {False, True}


def test_a_timeout_may_come_at_any_moment_and_leaves_nobody_behind() -> None:
    assert set(exhaust(timed_wait, 1, timeouts=True).outcomes) == {("came",), ("late",)}


def test_two_waiters_are_woken_by_one_write() -> None:
    assert set(exhaust(two_waiters, 1).outcomes) == {(1, 1)}


def test_after_a_subscription_is_closed_no_call_begins_but_one_that_was_on_its_way() -> None:
    assert set(exhaust(close_and_write).outcomes) == {0, 1}


@either_ring
def test_a_version_is_had_whole_or_reported_gone_while_the_ring_passes_it(
    backlog: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_backlog(monkeypatch, backlog)
    assert set(exhaust(at_and_write).outcomes) == {True, False}


@either_ring
def test_what_is_pinned_stays_within_reach_while_the_ring_passes_it(
    backlog: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_backlog(monkeypatch, backlog)
    assert set(exhaust(pin_and_write).outcomes) == {0, 1, 2, 3}


@either_ring
def test_a_diff_is_right_while_the_ring_passes_its_commits(
    backlog: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_backlog(monkeypatch, backlog)
    # From the ring, once by scanning since the ring has passed it, or twice.
    assert set(exhaust(diff_and_write).outcomes) == {0, 1, 2}


# The same programs with a bug in the store


def sleeps(source: Source[Any, Any], seen: Any, deadline: Any) -> None:
    waiter, parked = ThreadWaiter(), source.waiters.parked
    parked.add(waiter.number, waiter, None)
    if source.timeline.current is seen and not waiter.sleep(deadline):
        raise WaitTimeoutError
    parked.discard(waiter.number, None)


def looks_before_it_parks(source: Source[Any, Any], seen: Any, *_: Any, **__: Any) -> None:
    source.lock.pass_through(1.0)
    if source.timeline.current is seen:
        waiter, parked = ThreadWaiter(), source.waiters.parked
        parked.add(waiter.number, waiter, None)
        waiter.sleep(None)
        parked.discard(waiter.number, None)


def parks_and_sleeps_without_passing(source: Source[Any, Any], seen: Any, *_: Any) -> None:
    # A writer that found nobody asleep may be about to publish.
    sleeps(source, seen, None)


def waits_without_leaving(source: Source[Any, Any], seen: Any, deadline: Any, *_: Any) -> None:
    sleeps(source, seen, deadline)


def closes_without_waking(feed: Any) -> None:
    feed._closed = True


def takes_what_lies_there(ring: Ring[Any], version: int) -> Any:
    return ring.slots[version % ring.capacity]


def polls_without_a_claim(feed: Any) -> Any:
    item, version = feed._next_item(feed._cell.version)
    feed._cell = _Cell(version)
    return item


BUGS: list[tuple[Any, str, Callable[..., Any], Program, type[Exception]]] = [
    (Source, "await_change", looks_before_it_parks, feed_get_and_write, DeadlockError),
    (Source, "await_change", looks_before_it_parks, two_waiters, DeadlockError),
    (Source, "await_change", parks_and_sleeps_without_passing, feed_get_and_write, DeadlockError),
    (Source, "await_change", waits_without_leaving, timed_wait, AssertionError),
    (Feed, "close", closes_without_waking, feed_get_and_close, DeadlockError),
    (Feed, "poll", polls_without_a_claim, shared_feed, AssertionError),
    (Ring, "get", takes_what_lies_there, lagging_feed, AssertionError),
    (Ring, "get", takes_what_lies_there, at_and_write, AssertionError),
]


@pytest.mark.parametrize(
    ("place", "name", "wrong", "program", "error"),
    BUGS,
    ids=[f"{wrong.__name__}-{program.__name__}" for _, _, wrong, program, _ in BUGS],
)
def test_a_bug_put_into_the_store_is_found(
    monkeypatch: pytest.MonkeyPatch,
    place: Any,
    name: str,
    wrong: Callable[..., Any],
    program: Program,
    error: type[Exception],
) -> None:
    set_backlog(monkeypatch, 1)
    monkeypatch.setattr(place, name, wrong)
    with pytest.raises(ScheduleError) as caught:
        exhaust(program, timeouts=True)
    assert isinstance(caught.value.error, error), caught.value
