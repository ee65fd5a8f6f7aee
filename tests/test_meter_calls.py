"""What a store measures of itself: the calls of its subscribers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from cowstate import History
from tests.metered import Clock, figures_of, measured


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("via", ["writer", "thread"])
def test_the_calls_of_subscribers_are_timed(clock: Clock, via: Any) -> None:
    store = measured(clock)

    def slow_callback(commit: Any) -> None:
        clock.passes(commit.version)

    seen = store.subscribe(slow_callback, via=via)
    keyed = store.subscribe(slow_callback, keys=["nowhere"], via=via)
    for n in (5, 6, 7):
        store.set("a", n)
    assert store.flush(30)
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total, callbacks.longest) == (3, 6, 3)
    assert "slow_callback" in callbacks.who
    seen.close()
    keyed.close()
    store.set("a", 8)
    assert figures_of(store).callbacks == callbacks


def test_so_are_those_that_an_event_loop_makes_and_that_raise(clock: Clock) -> None:
    store = measured(clock)

    def failing(_: Any) -> None:
        clock.passes(2)
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with store.subscribe(failing, via=loop, on_error=lambda *_: clock.passes(1)):
            store.set("a", 5)
            await asyncio.sleep(0)

    asyncio.run(main())
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (1, 3)


def test_what_is_there_first_is_a_call_like_others(clock: Clock) -> None:
    store = measured(clock)
    store.subscribe(lambda commit: clock.passes(3), initial=True)
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (1, 3)
    with store.transaction() as tx:
        store.subscribe(lambda commit: clock.passes(2), initial=True)
        assert figures_of(store).callbacks == callbacks
        tx["a"] = 7
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (3, 8)


def test_only_what_was_called_is_counted(clock: Clock) -> None:
    store = measured(clock)
    early = store.set("a", 5)
    seen = store.subscribe(lambda commit: None)
    assert seen.offer(early, early.after) is None  # it began after that
    assert figures_of(store).callbacks.count == 0
    commit = store.set("a", 6)
    assert seen.offer(commit, commit.after) is None  # it had that
    assert seen.tell_lagged(1, store.snapshot()) is None  # nothing was missed
    assert figures_of(store).callbacks.count == 1


def test_what_is_no_exception_reaches_the_writer_and_is_timed(clock: Clock) -> None:
    store = measured(clock)

    def interrupted(_: Any) -> None:
        clock.passes(2)
        raise KeyboardInterrupt

    store.subscribe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.set("a", 5)
    assert store.snapshot()["a"] == 5
    assert figures_of(store).callbacks.total == 2
    assert figures_of(store).refused == ()


def test_being_told_that_it_lagged_is_a_call_too(clock: Clock) -> None:
    store = measured(clock, history=History(versions=1))
    stop = threading.Event()
    told: list[Any] = []

    def on_lagged(lagged: Any) -> None:
        clock.passes(5)
        told.append(lagged)

    inside = threading.Event()

    def wait(_: Any) -> None:
        inside.set()
        stop.wait(300)

    with store.subscribe(wait, via="thread", on_lagged=on_lagged):
        for n in range(2000):
            store.set("a", n + 10)
            if not n:
                assert inside.wait(300)
        stop.set()
        assert store.flush(30)
    assert told
    assert figures_of(store).callbacks.longest == 5
    assert "wait" in figures_of(store).callbacks.who


def measured_at(clock: Clock, version: int) -> Any:
    """The snapshot of that version, of some store."""
    store = measured(clock)
    for n in range(version):
        store.set("a", n + 10)
    return store.snapshot()


def lagging(clock: Clock, tell: Any) -> tuple[Any, Any]:
    """A store, and a subscription of it that *tell* tells that commits are gone."""
    store = measured(clock)
    return store, store.subscribe(lambda commit: clock.passes(7), on_lagged=tell)


def test_the_time_of_being_told_is_that_of_the_call_alone(clock: Clock) -> None:
    clock.passes(100)
    store, seen = lagging(clock, lambda lagged: clock.passes(5))
    assert seen.tell_lagged(0, store.snapshot()) is None
    assert figures_of(store).callbacks.count == 0  # nothing was missed
    assert seen.tell_lagged(0, measured_at(clock, 1)) is None
    callbacks = figures_of(store).callbacks
    assert (callbacks.count, callbacks.total) == (1, 5)


def test_what_is_no_exception_of_who_is_told_is_handed_on(clock: Clock) -> None:
    interruption = KeyboardInterrupt()

    def interrupted(_: Any) -> None:
        raise interruption

    _, seen = lagging(clock, interrupted)
    assert seen.tell_lagged(0, measured_at(clock, 1)) is interruption


def test_who_is_still_to_begin_is_given_what_is_there_in_place_of_it(clock: Clock) -> None:
    store = measured(clock)
    told: list[Any] = []
    begun: list[Any] = []

    def begin(commit: Any) -> None:
        clock.passes(4)
        begun.append(commit.before.version)

    with store.transaction():
        # Inside a write, so it is not given what is there before the end.
        seen = store.subscribe(begin, initial=True, on_lagged=told.append)
        assert seen.tell_lagged(0, store.snapshot()) is None
        assert (begun, told) == ([-1], [])
        assert figures_of(store).callbacks.total == 4
    assert begun == [-1]
    assert figures_of(store).callbacks.count == 1


def test_a_long_name_of_who_took_longest_is_cut(clock: Clock) -> None:
    class Long:
        def __repr__(self) -> str:
            return "x" * 500

        def __call__(self, commit: Any) -> None:
            clock.passes(1)

    store = measured(clock)
    store.subscribe(Long())
    store.set("a", 5)
    assert 100 < len(figures_of(store).callbacks.who) <= 120
