"""What is delivered because somebody waits for it, or the main thread ends."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import count
from typing import Any
from weakref import ref

import pytest

from cowstate import Commit, History, ReentrantWriteError, Store, delivery
from tests.parked import PATIENCE
from tests.standing import versions_into


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What stores wanted a thread for; there is none."""
    wanted: list[object] = []
    monkeypatch.setattr(delivery, "start_new_thread", lambda fn, _: wanted.append(fn))
    return wanted


def owing(callback: Any, commits: int) -> Store[str, int]:
    """A store with so many commits that nobody has delivered."""
    store: Store[str, int] = Store({"a": 0})
    store.subscribe(callback, via="thread")
    for n in range(commits):
        store.set("a", n + 1)
    return store


@pytest.mark.usefixtures("started")
def test_without_a_limit_of_time_all_is_delivered() -> None:
    seen: list[int] = []
    store = owing(versions_into(seen), 20)
    assert store.flush()
    assert seen == [*range(1, 21)]


def test_a_flush_that_leaves_nothing_starts_no_thread(started: list[object]) -> None:
    store: Store[str, int] = Store({"a": 0})
    store.subscribe(str)
    assert store.flush(0)
    assert started == []


@pytest.mark.parametrize("via", ["writer", "thread"])
def test_a_callback_cannot_wait_for_callbacks(via: Any) -> None:
    store: Store[str, int] = Store({"a": 0})
    errors: list[type] = []
    store.subscribe(
        lambda _: store.flush(), via=via, on_error=lambda error, _: errors.append(type(error))
    )
    store.set("a", 1)
    assert store.flush(PATIENCE)
    assert errors == [ReentrantWriteError]


class Thing:
    """A record that may be looked for."""


@pytest.mark.parametrize("vias", [(), ("writer",), ("thread",)])
def test_what_nobody_waits_for_any_more_is_let_go(vias: tuple[Any, ...]) -> None:
    # Whoever has no subscribers waits for nothing.
    store = Store({"a": Thing()}, history=History(versions=1), deferred_refcount=False)
    for via in ("writer", "thread"):
        store.subscribe(str, via=via).close()
    handles = [store.subscribe(str, via=via) for via in vias]
    gone = ref(store.set("a", Thing()).after["a"])
    for _ in range(3):
        store.set("a", Thing())
    assert store.flush(PATIENCE)
    for _ in range(3):
        store.set("a", Thing())
    gc.collect()
    assert gone() is None
    assert len(handles) == len(vias)


def clock(monkeypatch: pytest.MonkeyPatch, *times: float) -> None:
    """Let the clock stand at each of *times* in turn, and then run a year at each look."""
    rest: Iterator[float] = count(4e7, 3e7)
    ahead = iter(times)
    monkeypatch.setattr(delivery, "monotonic", lambda: next(ahead, None) or next(rest))


def test_the_end_of_the_main_thread_delivers_what_there_is_and_then_goes_on(
    started: list[object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []

    def call(commit: Commit[str, int]) -> None:
        seen.append(commit.version)
        if commit.version == 3:
            raise KeyboardInterrupt

    store = owing(call, 20)
    monkeypatch.setattr(delivery, "monotonic", lambda: 1.0)
    store._delivery.flush_at_exit()
    assert seen == [*range(1, 21)]
    assert "at the end of the main thread" in caplog.text


@pytest.mark.usefixtures("started")
def test_the_end_of_the_main_thread_waits_for_nobody_who_goes_on_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    def again(commit: Commit[str, int]) -> None:
        seen.append(commit.version)
        if len(seen) < 10 * delivery.BOUND:
            store.set("b", len(seen))
            raise KeyboardInterrupt

    store = owing(again, 1)
    began = 1.0
    clock(monkeypatch, began, began + 0.5, began + delivery.FAREWELL)
    store._delivery.flush_at_exit()
    assert seen == [1]
