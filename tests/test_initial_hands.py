"""Who brings what is there: a thread of the store's, an event loop, or whoever is delivering."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from cowstate import Commit, History, Lagged, Store, delivery
from tests.parked import PATIENCE
from tests.standing import began

AnyCommit = Commit[Any, Any]


@contextmanager
def delivering(store: Store[Any, Any]) -> Iterator[threading.Event]:
    """Another thread is inside a callback of *store*, until the event is set or the block ends."""
    entered, go_on = threading.Event(), threading.Event()

    def slow(commit: AnyCommit) -> None:
        entered.set()
        assert go_on.wait(PATIENCE)

    with store.subscribe(slow), ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.set, "busy", 1)
        assert entered.wait(PATIENCE)
        try:
            yield go_on
        finally:
            go_on.set()
            writing.result(PATIENCE)


def test_beside_somebody_who_delivers_nobody_waits_and_that_one_calls_it() -> None:
    store = Store({"a": 0})
    seen: list[tuple[int, int]] = []
    with delivering(store) as go_on:
        handle = store.subscribe(
            lambda commit: seen.append((commit.version, threading.get_ident())), initial=True
        )
        assert (seen, handle.delivered, store.statistics().undelivered) == ([], -1, 2)
        store.set("a", 1)
        assert (seen, store.statistics().undelivered) == ([], 3)
        go_on.set()
        assert store.flush(PATIENCE)
    # What was written before it began is in it.
    ((version, thread),) = seen
    assert version == 2
    assert thread != threading.get_ident()


def test_flush_waits_for_it() -> None:
    store = Store({"a": 0})
    seen: list[AnyCommit] = []
    with delivering(store):
        store.subscribe(seen.append, initial=True)
        assert not store.flush(0.01)
        assert seen == []
    assert store.flush(PATIENCE)
    assert len(seen) == 1
    # Nothing has been written since: only somebody who begins is to be served.
    store.subscribe(seen.append, initial=True, via="thread")
    assert store.flush(PATIENCE)
    assert len(seen) == 2


def test_the_ring_may_pass_before_it_comes_and_nothing_is_lagged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cowstate.store.BACKLOG", 1)
    monkeypatch.setattr(delivery, "start_new_thread", lambda *_: None)
    store = Store({"a": 0}, history=History(versions=1))
    seen: list[Any] = []
    store.subscribe(seen.append, initial=True, on_lagged=seen.append, via="thread")
    for n in range(1, 6):
        store.set("a", n)
    assert seen == []
    assert store.flush(PATIENCE)
    (first,) = seen
    assert (began(first), first.after is store.snapshot()) == (True, True)
    for n in range(1, 6):
        store.set("a", n)
    assert store.flush(PATIENCE)
    assert seen[1:] == [Lagged(6, store.snapshot())]


def test_by_a_thread_it_comes_from_there_without_a_write() -> None:
    store = Store({"a": 0})
    called, threads = threading.Semaphore(0), list[int]()

    def note(commit: AnyCommit) -> None:
        threads.append(threading.get_ident())
        called.release()

    with store.transaction():  # of this thread, not of that one
        store.subscribe(note, initial=True, via="thread")
        assert called.acquire(timeout=PATIENCE)
    assert threading.get_ident() not in threads


def test_by_a_loop_it_comes_from_there_and_not_at_once() -> None:
    store = Store({"a": 0})

    async def main() -> list[AnyCommit]:
        seen: list[AnyCommit] = []
        loop = asyncio.get_running_loop()
        store.subscribe(seen.append, initial=True, via=loop)
        assert seen == []
        store.set("a", 1)
        while len(seen) < 1:
            await asyncio.sleep(0)
        await asyncio.to_thread(store.set, "a", 2)
        while len(seen) < 2:
            await asyncio.sleep(0)
        return seen

    seen = asyncio.run(main())
    assert [(commit.version, began(commit)) for commit in seen] == [(1, True), (2, False)]


def test_a_loop_that_is_closed_ends_the_subscription(caplog: pytest.LogCaptureFixture) -> None:
    store, loop = Store({"a": 0}), asyncio.new_event_loop()
    loop.close()
    with caplog.at_level(logging.WARNING, "cowstate"):
        handle = store.subscribe(print, initial=True, via=loop)
    assert handle.closed
    assert "closed" in caplog.text
    assert store.statistics().undelivered == 0


def test_a_writer_calls_no_more_than_its_bound_of_those_who_begin() -> None:
    store = Store({"a": 0})
    threads: list[int] = []
    called = threading.Semaphore(0)

    def note(commit: AnyCommit) -> None:
        threads.append(threading.get_ident())
        called.release()

    with delivering(store) as go_on:
        for _ in range(30):
            store.subscribe(note, initial=True)
        go_on.set()
        for _ in range(30):
            assert called.acquire(timeout=PATIENCE)
    # Eight by the writer that was delivering its own commit; the rest by the store's thread.
    assert threads.count(threads[0]) == 8
    assert len(set(threads)) == 2
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("lagged", [False, True])
def test_who_is_found_by_who_delivers_before_it_is_known_to_begin_is_called_once(
    lagged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "start_new_thread", lambda *_: None)
    store, seen = Store({"a": 0}), list[Any]()
    commit = store.set("a", 1)
    there = store.set("a", 2).after
    handle = store.subscribe(seen.append, initial=True, on_lagged=seen.append, via="thread")
    # As if it had just been let in, by a thread that stands still.
    if lagged:
        handle.tell_lagged(0, there)
    else:
        handle.offer(commit, there)
    assert [(began(first), first.after) for first in seen] == [(True, there)]
    last = store.set("a", 3)
    assert store.flush(PATIENCE)
    assert seen[1:] == [last]


def test_whom_a_callback_lets_begin_its_own_thread_calls_however_many() -> None:
    store = Store({"a": 0})
    threads: list[int] = []

    def welcome(commit: AnyCommit) -> None:
        for _ in range(20):
            store.subscribe(lambda _: threads.append(threading.get_ident()), initial=True)

    with store.subscribe(welcome):
        store.set("a", 1)
    assert threads == [threading.get_ident()] * 20


def test_whom_one_lets_begin_who_begins_its_own_thread_calls_however_long_it_goes_on() -> None:
    store = Store({"a": 0})
    threads: list[int] = []

    def welcome(others: int, commit: AnyCommit) -> None:
        threads.append(threading.get_ident())
        if others:
            store.subscribe(partial(welcome, others - 1), initial=True)

    store.subscribe(partial(welcome, 20), initial=True)
    assert threads == [threading.get_ident()] * 21


def test_what_the_last_writes_whom_a_writer_calls_it_hands_over_too() -> None:
    store = Store({"a": 0})
    threads: list[int] = []

    def write(commit: AnyCommit) -> None:
        threads.append(threading.get_ident())
        if began(commit):
            store.set("a", 1)

    with delivering(store) as go_on:
        for _ in range(7):
            store.subscribe(str, initial=True)
        store.subscribe(write, initial=True)
        go_on.set()
    assert store.flush(PATIENCE)
    assert len(threads) == 2
    assert len(set(threads)) == 1


def test_at_the_end_of_the_main_thread_it_comes_if_nothing_was_written_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(delivery, "start_new_thread", lambda *_: None)
    store = Store({"a": 0})
    seen: list[AnyCommit] = []
    store.subscribe(seen.append, initial=True, via="thread")
    store._delivery.flush_at_exit()
    assert len(seen) == 1


def test_flush_waits_for_those_who_subscribed_before_it() -> None:
    store = Store({"a": 0})
    with store.transaction():
        handle = store.subscribe(print, initial=True, keys=["nowhere"], via="writer")
        group = store._delivery.by_writer
        assert not group.begins_before(handle.number)
        assert group.begins_before(handle.number + 1)
        handle.close()
        assert not group.begins_before(handle.number + 1)


def test_a_loop_that_was_closed_meanwhile_leaves_nobody_who_is_to_begin() -> None:
    store, loop = Store({"a": 0}), asyncio.new_event_loop()
    handle = store.subscribe(print, initial=True, via=loop)
    group = store._delivery.group_of(loop)
    # As if it had been closed by another thread while it was let in.
    group.members.discard(handle.number, None)
    loop.close()
    group.call()  # type: ignore[attr-defined]
    assert (handle.closed, group.beginners) == (True, {})
