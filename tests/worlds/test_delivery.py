"""Delivery captures nobody: who calls the subscribers, how often, and what of those who lag."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import Event, get_ident
from typing import Any

import pytest

from cowstate import History, Lagged, LaggedError, Store, delivery
from cowstate.delivery import BOUND
from cowstate.timeline import BACKLOG
from tests.standing import check_store, eventually
from tests.worlds import bugs_of_delivery as bugs
from tests.worlds.staging import (
    AnyCommit,
    AnyStore,
    Held,
    Party,
    arrive,
    calls_of,
    catches,
    logged,
    no_thread_to_be_had,
    setting,
)


@contextmanager
def held_up(store: AnyStore, held: Held) -> Iterator[Party[Any]]:
    """Write in another thread, which stands in *held* meanwhile; it is let go at the end."""
    first = Party(partial(store.set, "n", 1))
    try:
        arrive(held.reached)
        yield first
    finally:
        held.go.set()
    first.result()


# The bound


@catches(bugs.a_write_delivers_all_there_is, "delivered 41")
@catches(bugs.a_write_delivers_one_too_many, "delivered 10")
def test_a_write_delivers_its_own_commit_and_at_most_eight_of_others() -> None:
    store, held = Store({"n": 0}), Held()
    store.subscribe(held)
    with no_thread_to_be_had():
        with held_up(store, held) as first:
            for n in range(2, 42):
                store.set("n", n)  # comes back at once: somebody else is delivering
            assert held.versions == [1]
        assert len(held.calls) == 1 + BOUND, f"a write delivered {len(held.calls)}"
        assert held.threads == {first.ident}
        for n in range(42, 60):
            before = len(held.calls)
            store.set("n", n)
            assert 0 < len(held.calls) - before <= 1 + BOUND
    assert held.versions == list(range(1, 60))
    assert store.statistics().undelivered == 0


@catches(bugs.the_rest_waits_for_the_next_write, "the rest should come", hangs=True)
@catches(bugs.the_store_s_thread_is_any_writer, "by a writer")
def test_the_rest_comes_by_the_store_s_thread_without_another_write() -> None:
    store, held = Store({"n": 0}), Held()
    store.subscribe(held)
    with held_up(store, held) as first:
        for n in range(2, 42):
            store.set("n", n)
    eventually(lambda: len(held.calls) == 41, "the rest should come")
    assert held.versions == list(range(1, 42))
    assert [ident for _, ident in held.calls[: 1 + BOUND]] == [first.ident] * (1 + BOUND)
    rest = {ident for _, ident in held.calls[1 + BOUND :]}
    assert rest.isdisjoint({first.ident, get_ident()}), "the rest was delivered by a writer"
    eventually(lambda: store.statistics().undelivered == 0, "nothing should be left")


@catches(bugs.what_callbacks_write_counts_like_what_others_do, "not all was delivered")
def test_what_callbacks_write_is_delivered_before_the_write_that_led_to_it_returns() -> None:
    store = Store({"n": 0})
    seen: list[tuple[int, int]] = []

    def go_on(commit: AnyCommit) -> None:
        if commit.after["n"] < 5 * BOUND:
            store.update("n", lambda n: n + 1)

    store.subscribe(go_on)
    store.subscribe(lambda commit: seen.append((commit.version, get_ident())))
    with no_thread_to_be_had():
        store.set("n", 1)
    expected = [(version, get_ident()) for version in range(1, 5 * BOUND + 1)]
    assert seen == expected, f"not all was delivered by the writer, but {len(seen)}"
    check_store(store, subscriptions=2)


# Who falls behind

Story = list[tuple[int, int]]


class Follower:
    """Somebody who keeps the account of what it was told: from which version to which."""

    def __init__(self) -> None:
        self.story: Story = []
        self.lags: list[Lagged[Any, Any]] = []

    def __call__(self, commit: AnyCommit) -> None:
        self.story.append((commit.version, commit.version))

    def lagged(self, lagged: Lagged[Any, Any]) -> None:
        self.lags.append(lagged)
        self.story.append((lagged.missed_from, lagged.snapshot.version))

    def follow(self, store: AnyStore, **choices: Any) -> Any:
        return store.subscribe(self, on_lagged=self.lagged, **choices)

    def has_no_gap(self, since: int, last: int) -> None:
        """Everything from *since* on was told of, once and in order."""
        for start, end in self.story:
            assert start == since + 1, f"{start} follows upon {since}: {self.story}"
            since = end
        assert since == last, f"the account ends at {since}, not {last}"


def fall_behind(history: History, via: Any, writes: int) -> None:
    """Followers of all kinds, that are held up while others write *writes* versions."""
    store, held = Store({"n": 0, "z": 0}, history=history), Held()
    first, after = Follower(), Follower()
    keyed, other = Follower(), Follower()
    first.follow(store, via=via)
    handle = store.subscribe(held, on_lagged=lambda lagged: None, via=via)
    after.follow(store, via=via)
    keyed.follow(store, keys=["n"], via=via)
    other.follow(store, keys=["z"], via=via)
    late = Follower()
    with setting(delivery, PRESSURE=0.0), held_up(store, held):
        for n in range(2, writes // 2 + 1):
            store.set("n", n)
        late.follow(store, via=via)
        for n in range(writes // 2 + 1, writes + 1):
            store.set("n", n)
    # By the thread that was held up, or by the store's.
    assert store.flush(30)
    store.set("n", 0)
    store.set("z", 1)
    assert store.flush(30)
    last = writes + 2
    missed = writes > BACKLOG + 1
    for follower, since in ((first, 0), (after, 0), (late, writes // 2)):
        follower.has_no_gap(since, last)
        assert len(follower.lags) == missed, f"told {len(follower.lags)} times"
        if missed:
            (lagged,) = follower.lags
            assert lagged.missed_from == max(2, since + 1), "another one's gap"
            assert lagged.snapshot["n"] == lagged.snapshot.version
    keyed.has_no_gap(0, last - 1)
    if missed:
        ((one, other_),) = (keyed.lags + other.lags,)
        assert one.missed_from == other_.missed_from == 2
    assert other.story[-1] == (last, last)
    assert len(other.story) == 1 + missed
    handle.close()
    with setting(delivery, PRESSURE=0.0):
        check_store(store, subscriptions=5)


@catches(bugs.a_gap_is_passed_over_in_silence, "follows upon|the account ends")
@catches(bugs.only_the_first_is_told_of_the_gap, "follows upon|the account ends")
@catches(bugs.a_gap_begins_where_the_group_stood, "another one's gap|follows upon")
@catches(bugs.what_lags_is_told_again, "told 2 times|follows upon")
def test_who_falls_behind_by_more_than_the_backlog_is_told_once_from_where_on() -> None:
    fall_behind(History(), "writer", BACKLOG + 300)


@catches(bugs.a_gap_is_passed_over_in_silence, "follows upon|the account ends")
def test_who_is_served_by_the_store_s_thread_is_told_too() -> None:
    fall_behind(History(), "thread", BACKLOG + 300)


@catches(bugs.a_gap_is_passed_over_in_silence, "follows upon|the account ends")
def test_the_shortest_history_makes_no_silent_gap() -> None:
    fall_behind(History(versions=1), "writer", BACKLOG + 300)


@catches(bugs.a_short_history_forgets_what_is_undelivered, "told 1 times")
def test_the_shortest_history_keeps_a_backlog_for_subscribers() -> None:
    fall_behind(History(versions=1), "writer", BACKLOG - 10)
    fall_behind(History(versions=1), "thread", BACKLOG - 10)


def lag(store: AnyStore, **choices: Any) -> tuple[Held, Any]:
    """Return a subscriber that has lagged, without having said what to do then."""
    held = Held()
    handle = store.subscribe(held, **choices)
    with setting(delivery, PRESSURE=0.0), held_up(store, held):
        for n in range(2, BACKLOG + 10):
            store.set("n", n)
    assert store.flush(30)
    return held, handle


@catches(bugs.a_gap_without_on_lagged_is_no_error, "no error")
def test_a_gap_that_nobody_asked_to_be_told_of_is_an_error_like_any_other() -> None:
    store, errors = Store({"n": 0}), list[tuple[Exception, AnyCommit]]()
    held, _ = lag(store, on_error=lambda error, commit: errors.append((error, commit)))
    assert len(errors) == 1, "it is no error"
    error, commit = errors[0]
    assert isinstance(error, LaggedError)
    assert error.missed_from == 2
    assert error.snapshot is store.snapshot() is commit.after
    last = store.set("n", 5).version
    assert held.versions == [1, last]

    store = Store({"n": 0})
    with logged() as records:
        held, handle = lag(store)
    assert [record.exc_info[0] for record in records if record.exc_info] == [LaggedError]
    assert store.set("n", 5).version == held.versions[-1]
    assert not handle.closed

    with logged() as records:
        held, handle = lag(Store({"n": 0}), on_error="stop")
    assert len(records) == 1
    assert handle.closed
    assert held.versions == [1]


# By whom


@catches(bugs.the_store_s_thread_is_any_writer, "held up", hangs=True)
def test_who_asks_for_the_store_s_thread_is_called_by_it_alone_and_holds_up_no_writer() -> None:
    store, held = Store({"n": 0}), Held()
    handle = store.subscribe(held, via="thread")

    def write() -> int:
        for n in range(1, 31):
            store.set("n", n)
        assert held.versions in ([], [1]), "the writer was held up"
        return get_ident()

    writer = Party(write)
    try:
        arrive(held.reached)
        assert writer.result() not in held.threads, "the writer was held up"
    finally:
        held.go.set()
    eventually(lambda: len(held.calls) == 30, "the rest should come")
    assert held.versions == list(range(1, 31))
    assert len(held.threads) == 1
    assert get_ident() not in held.threads
    handle.close()
    check_store(store)


@contextmanager
def busy_elsewhere(loop: asyncio.AbstractEventLoop) -> Iterator[Event]:
    """Keep *loop* busy until the event that is given is set, or the block is left."""
    busy, go = Event(), Event()
    loop.call_soon_threadsafe(lambda: (busy.set(), arrive(go)))
    arrive(busy)
    try:
        yield go
    finally:
        go.set()


@contextmanager
def loop_in_a_thread() -> Iterator[tuple[asyncio.AbstractEventLoop, Party[None]]]:
    loop = asyncio.new_event_loop()
    party = Party(loop.run_forever, "loop")
    try:
        yield loop, party
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)
            party.result()
            loop.close()


@catches(bugs.a_loop_s_subscribers_are_called_by_the_writer, "was asked 0 times")
def test_who_asks_for_a_loop_is_called_by_that_loop_in_order_a_few_at_a_time() -> None:
    store, turns = Store({"n": 0}), list[int]()
    calls: list[tuple[int, int | None]] = []
    with loop_in_a_thread() as (loop, party):

        def called(commit: AnyCommit) -> None:
            calls.append((commit.version, get_ident()))
            asyncio.get_running_loop().call_soon(turns.append, commit.version)

        handle = store.subscribe(called, via=loop)
        with busy_elsewhere(loop) as go, calls_of(loop, "call_soon_threadsafe") as asked:
            for n in range(1, 31):
                store.set("n", n)
            assert len(asked) == 1, f"the loop was asked {len(asked)} times"
            go.set()
            eventually(lambda: len(turns) == 30, "the loop should call")
        assert calls == [(n, party.ident) for n in range(1, 31)], "another thread than the loop's"
        # It does not keep the loop's other callbacks waiting for more than the bound.
        assert len(asked) >= 30 // BOUND
        handle.close()
        store.set("n", 5)
        done = Event()
        loop.call_soon_threadsafe(done.set)
        arrive(done)
        assert len(calls) == 30
    check_store(store)


@catches(bugs.a_closed_loop_is_not_noticed, "goes on")
def test_the_end_of_its_loop_is_the_end_of_a_subscription_and_no_error_of_the_writer() -> None:
    store, calls = Store({"n": 0}), list[AnyCommit]()
    with loop_in_a_thread() as (loop, _):
        handle = store.subscribe(calls.append, via=loop)
        store.set("n", 1)
        eventually(lambda: calls, "the loop should call")
    with logged() as records:
        assert store.set("n", 2).version == 2
        store.set("n", 3)
    assert handle.closed, "the subscription goes on"
    assert [record.levelname for record in records] == ["WARNING"]
    assert "loop" in records[0].getMessage()
    assert len(calls) == 1
    check_store(store)


def by_loop(follow: Callable[[AnyStore, Any], None]) -> AnyStore:
    store = Store({"n": 0})
    with loop_in_a_thread() as (loop, _):
        follow(store, loop)
    return store


@catches(bugs.a_gap_is_passed_over_in_silence, "follows upon|the account ends")
def test_who_is_served_by_a_loop_is_told_of_a_gap_too() -> None:
    follower = Follower()

    def follow(store: AnyStore, loop: asyncio.AbstractEventLoop) -> None:
        follower.follow(store, via=loop)
        with busy_elsewhere(loop):
            for n in range(1, BACKLOG + 100):
                store.set("n", n)
        eventually(lambda: store.statistics().undelivered == 0, "the loop should catch up")

    store = by_loop(follow)
    follower.has_no_gap(0, store.snapshot().version)
    (lagged,) = follower.lags
    assert lagged.missed_from == 1


def test_nobody_is_served_by_what_is_no_loop() -> None:
    store = Store({"n": 0})
    for via in ("writers", 7, None):
        with pytest.raises(ValueError, match="via must be"):
            store.subscribe(print, via=via)  # type: ignore[arg-type]
    assert store.statistics().subscriptions == 0
