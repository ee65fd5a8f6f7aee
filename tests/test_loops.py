"""Subscribers that an event loop serves: what it is told, when, and what becomes of it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any
from weakref import ref

import pytest

from cowstate import Commit, Store, delivery
from tests.loops import loop


def versions_into(seen: list[int]) -> Callable[[Commit[Any, Any]], object]:
    return lambda commit: seen.append(commit.version)


def test_a_loop_is_asked_once_for_as_many_commits_as_there_are() -> None:
    store: Store[str, int] = Store({"a": 0, "b": 0})
    serving, seen, of_a = loop(), list[int](), list[int]()
    store.subscribe(versions_into(seen), via=serving)
    for n in range(1, 4):
        store.set("a", n)
    assert (len(serving.told), seen) == (1, [])
    assert store.statistics().undelivered == 3
    serving.run()
    assert seen == [1, 2, 3]
    store.set("a", 9)
    assert len(serving.told) == 1
    serving.run()
    assert seen == [1, 2, 3, 4]
    # Of a commit that concerns nobody there, a loop hears nothing.
    quiet = loop()
    store.subscribe(versions_into(of_a), keys=["a"], via=quiet)
    store.set("b", 1)
    assert quiet.told == []
    assert len(serving.told) == 1
    # At most so many in one call, so that the loop gets on with other things.
    for n in range(20):
        store.set("a", n)
    calls = 0
    while quiet.told:
        before = len(of_a)
        quiet.told.pop(0)()
        calls += 1
        assert len(of_a) - before <= delivery.BOUND
    assert calls == 3
    assert of_a == list(range(6, 26))


@pytest.mark.parametrize("error", [RuntimeError("full"), KeyboardInterrupt()])
def test_a_loop_that_could_not_be_told_is_told_at_the_next_commit(error: BaseException) -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen = loop(), list[int]()
    subscription = store.subscribe(versions_into(seen), via=serving)
    serving.raises = error
    with pytest.raises(type(error)):
        store.set("a", 1)
    assert store.snapshot()["a"] == 1
    assert not subscription.closed
    store.set("a", 2)
    serving.run()
    assert seen == [1, 2]


def test_a_failed_write_tells_a_loop_what_it_could_not_be_told_before() -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen = loop(), list[int]()
    store.subscribe(versions_into(seen), via=serving)
    serving.raises = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        store.set("a", 1)
    with pytest.raises(KeyError):
        store.delete("b")
    serving.run()
    assert seen == [1]


def test_what_a_closed_loop_served_ends_and_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen = loop(), list[int]()
    subscriptions = [store.subscribe(versions_into(seen), via=serving) for _ in range(2)]
    store.set("a", 1)
    # Closed after it was told, and before it ran.
    serving.closed = True
    serving.told.clear()
    store.set("a", 2)
    assert all(subscription.closed for subscription in subscriptions)
    assert store.statistics().subscriptions == store.statistics().undelivered == 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    gone = ref(serving)
    del serving, subscriptions
    gc.collect()
    other = loop()
    store.subscribe(versions_into(seen), via=other)
    gc.collect()
    assert gone() is None
    store.set("a", 3)
    other.run()
    assert seen == [3]


def test_a_closed_loop_with_nobody_to_serve_is_forgotten_and_an_open_one_is_not() -> None:
    store: Store[str, int] = Store({"a": 0})
    seen: list[int] = []
    idle, closed, busy = loop(), loop(), loop()
    for each in (idle, closed):
        store.subscribe(versions_into(seen), via=each).close()
    store.subscribe(versions_into(seen), via=busy)
    groups = len(store._delivery.groups())
    closed.closed = True
    store.subscribe(versions_into(seen), via=idle)
    assert len(store._delivery.groups()) == groups - 1
    store.set("a", 1)
    idle.run()
    busy.run()
    assert seen == [1, 1]


def test_a_loop_that_runs_inside_a_write_delivers_after_it() -> None:
    store: Store[str, int] = Store({"a": 0})
    serving, seen = loop(), list[int]()
    store.subscribe(versions_into(seen), via=serving)
    store.set("a", 1)

    def run(n: int) -> int:
        serving.run()
        assert (seen, serving.told) == ([], [])
        return n + 1

    store.update("a", run)
    assert (len(serving.told), seen) == (1, [])
    serving.run()
    assert seen == [1, 2]
    assert not delivery.debts
