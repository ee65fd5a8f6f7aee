"""How long who waits waits: timeouts as they are given, and the way through the lock in slices."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from threading import TIMEOUT_MAX, Event
from typing import Any

import pytest

from cowstate import (
    ArgumentTypeError,
    ArgumentValueError,
    ReentrantWriteError,
    Store,
    WaitTimeoutError,
    waiters,
    waits,
)
from cowstate.waiters import ThreadWaiter
from cowstate.waits import Source, checked_keys, checked_timeout, deadline_of
from tests.parked import PATIENCE, Hooked


def test_a_timeout_is_a_number_of_seconds_from_now_on() -> None:
    for seconds in (0, 0.0, 0.25, 3, 4e6, TIMEOUT_MAX, True):
        assert checked_timeout(seconds) == seconds
        assert deadline_of(seconds, lambda: 100.0) == 100.0 + seconds
    for past in (-0.1, -5, -math.inf):
        assert checked_timeout(past) == 0
        assert deadline_of(past, lambda: 100.0) == 100.0
    for endless in (None, math.inf, math.nextafter(TIMEOUT_MAX, math.inf), 1e10, 10**400):
        assert checked_timeout(endless) is None
        assert deadline_of(endless) is None
    for wrong in ("1", [], object()):
        with pytest.raises(ArgumentTypeError, match="seconds"):
            checked_timeout(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentValueError, match="NaN"):
        checked_timeout(math.nan)
    over = Event()
    over.set()
    for long in (TIMEOUT_MAX, 9.5e9):
        assert over.wait(checked_timeout(long))  # whatever waits, takes it


def test_keys_are_a_set_and_none_are_all() -> None:
    assert checked_keys(None) is None
    assert checked_keys([]) == frozenset()
    assert checked_keys(iter("ab")) == {"a", "b"}
    for wrong in ("ab", b"ab"):
        with pytest.raises(ArgumentTypeError, match="for one write"):
            checked_keys(wrong)
    for wrong_too in (5, [[]]):
        with pytest.raises(ArgumentTypeError, match="hashable"):
            checked_keys(wrong_too)  # type: ignore[arg-type]


class Taken:
    """A lock that somebody else has, on a clock of its own that only waiting moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        self.waited: list[float] = []
        monkeypatch.setattr(waits, "monotonic", lambda: self.now)

    def pass_through(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.now += seconds
        return False

    def holder(self) -> None: ...

    def owned(self) -> bool:
        return False


def source_of(store: Store[str, int], lock: Any) -> Source[str, int]:
    return Source(store.source.timeline, store.source.waiters, lock)


@pytest.mark.parametrize(
    ("timeout", "slices"),
    [(0, [0.0]), (0.5, [0.5]), (1.0, [1.0]), (2.5, [1.0, 1.0, 0.5]), (3, [1.0] * 3)],
)
def test_who_waits_behind_a_write_does_so_in_slices_and_no_longer_than_it_may(
    monkeypatch: pytest.MonkeyPatch, timeout: float, slices: list[float]
) -> None:
    store, lock = Store({"a": 0}), Taken(monkeypatch)
    source = source_of(store, lock)
    with pytest.raises(WaitTimeoutError):
        source.await_change(store.snapshot(), 100.0 + timeout)
    assert lock.waited == slices
    # Published before the write has ended: then it need not wait for that.
    seen = store.snapshot()
    store.set("a", 1)
    source.await_change(seen, 100.0)
    with pytest.raises(WaitTimeoutError):
        source.await_change(seen, 100.0, ["b"])
    source.await_change(seen, 100.0, ["b", "a"])
    assert store.statistics().waiting == 0


def test_who_waits_behind_a_write_hears_of_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    store, lock = Store({"a": 0}), Taken(monkeypatch)
    source = source_of(store, lock)
    taken = lock.pass_through

    def end_in_the_third(seconds: float) -> bool:
        if len(lock.waited) == 2:
            source.ended = True
            source.waiters.notify_all()
        return taken(seconds)

    lock.pass_through = end_in_the_third  # type: ignore[method-assign]
    source.await_change(store.snapshot(), None)
    assert lock.waited == [1.0] * 3


def test_a_sleep_may_be_longer_than_a_lock_can_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 2.0**-10
    looks: list[float] = []

    def clock() -> float:
        looks.append(len(looks) * longest)
        return looks[-1]

    monkeypatch.setattr(waiters, "TIMEOUT_MAX", longest)
    monkeypatch.setattr(waiters, "monotonic", clock)
    for times, expected in ((0.0, 1), (0.5, 1), (1.0, 1), (2.5, 3), (4.0, 4)):
        looks.clear()
        assert not ThreadWaiter().sleep(times * longest)
        assert len(looks) == expected
    waiter = ThreadWaiter()
    waiter.notify()
    assert waiter.sleep(5 * longest)


def test_who_waits_when_the_main_thread_ends_ends_with_it() -> None:
    store = Hooked({"a": 0})
    feed = store.feed()
    with ThreadPoolExecutor(3) as pool:
        waiting = pool.submit(store.wait_for, lambda now: now["a"] == 1)
        getting, iterating = pool.submit(feed.get), pool.submit(list, feed)
        store.parked.wait_for(3)
        store._end_waits()
        for ended in (waiting, getting):
            assert isinstance(ended.exception(PATIENCE), SystemExit)
        assert iterating.result(PATIENCE) == []
    assert feed.closed
    assert store.statistics().waiting == 0
    with pytest.raises(SystemExit):
        store.wait_for(lambda now: now["a"] == 1)
    # What is so already is told all the same.
    assert store.wait_for(lambda now: now["a"] == 0).version == 0


def test_only_who_is_inside_a_write_to_the_store_is_refused_to_wait() -> None:
    store, other = Hooked({"a": 0}), Store({"a": 0})

    def refused(n: int) -> int:
        with pytest.raises(ReentrantWriteError, match="outside the transaction"):
            store.wait_for(lambda now: now["a"] == 9, timeout=0)
        return n + 1

    store.update("a", refused)
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as tx:
            refused(0)
            # Another thread may wait, and what it waits for may be the end of this.
            waiting = pool.submit(store.wait_for, lambda now: now["a"] == 3, PATIENCE)
            store.parked.wait_for(1)
            tx["a"] = 3
        assert waiting.result(PATIENCE)["a"] == 3
    with other.transaction(), pytest.raises(WaitTimeoutError):
        store.wait_for(lambda now: now["a"] == 9, timeout=0)


def test_what_is_no_predicate_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match="predicate"):
        Store({"a": 0}).wait_for(5)  # type: ignore[arg-type]


def test_who_is_struck_as_it_gets_up_sleeps_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store({"a": 0})

    def strike(*_: object) -> None:
        raise KeyboardInterrupt

    for keys in (None, ["a"]):
        with monkeypatch.context() as patch:
            patch.setattr(store.source.waiters.parked, "discard", strike)
            with pytest.raises(KeyboardInterrupt):
                store.wait_for(lambda now: False, timeout=0, keys=keys)
        assert store.statistics().waiting == 0
        store.set("a", store.snapshot().version + 1)
