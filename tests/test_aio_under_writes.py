"""The asyncio front while a write is under way, beside loops that are gone, and at the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from cowstate import ArgumentTypeError, Store, WaitTimeoutError, aio
from tests.parked import PATIENCE, Hooked, Parked

FAR = 1000  # seconds, so that the timeout of a wait is told from that of the test
MAIN_ENDED = "the main thread has ended"


class WatchedLoop(asyncio.SelectorEventLoop):
    """An event loop that remembers for how long its tasks sleep, and its alarms."""

    def __init__(self) -> None:
        super().__init__()
        self.naps: list[float] = []
        self.napping: list[asyncio.TimerHandle] = []
        self.alarms: list[asyncio.TimerHandle] = []
        self.reported: list[Any] = []
        self.set_exception_handler(lambda _, context: self.reported.append(context))

    def call_later(self, delay: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        handle = super().call_later(delay, *args, **kwargs)
        if delay < PATIENCE:
            self.naps.append(delay)
            self.napping.append(handle)
        return handle

    def call_at(self, when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        handle = super().call_at(when, *args, **kwargs)
        if when - self.time() > PATIENCE:
            self.alarms.append(handle)
        return handle


def run(main: Callable[[WatchedLoop], Coroutine[Any, Any, None]]) -> WatchedLoop:
    """Run *main* on a loop of which nothing was reported, and return the loop."""
    with asyncio.Runner(loop_factory=WatchedLoop) as runner:
        loop: Any = runner.get_loop()
        runner.run(asyncio.wait_for(main(loop), PATIENCE))
    assert loop.reported == []
    return loop  # type: ignore[no-any-return]


async def asleep(store: Store[Any, Any], sleepers: int) -> None:
    """Let the other tasks run until *sleepers* of them wait."""
    while store.statistics().waiting != sleepers:
        await asyncio.sleep(0)


async def napped(loop: WatchedLoop, times: int) -> None:
    """Let the other tasks run until they have looked for the end of a write *times* times."""
    while len(loop.naps) < times:
        await asyncio.sleep(0)


async def some_turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def finished(what: Awaitable[Any]) -> Any:
    return await what


@contextmanager
def write_under_way(store: Store[str, int], key: str) -> Iterator[Callable[[], None]]:
    """A write on another thread that adds one to *key*, and goes on until what this yields is
    called."""
    begun, over = threading.Event(), threading.Event()

    def slowly(old: int) -> int:
        begun.set()
        assert over.wait(PATIENCE)
        return old + 1

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(store.update, key, slowly)
        assert begun.wait(PATIENCE)
        try:
            yield over.set
        finally:
            over.set()
        writing.result(PATIENCE)


def test_a_task_that_waits_for_a_write_looks_seldom_and_holds_nobody_up() -> None:
    store: Store[str, int] = Store({"a": 0})

    async def main(loop: WatchedLoop) -> None:
        began = loop.time()
        with write_under_way(store, "a") as let_it_end:
            waiting = asyncio.create_task(aio.wait_for(store, lambda now: now["a"] == 1))
            await napped(loop, 14)
            # A look that waited for the write would have stopped the loop for a second each time.
            assert loop.time() - began < 10
            let_it_end()
            assert (await waiting).version == 1

    milliseconds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10]
    assert run(main).naps[:14] == pytest.approx([n / 1000 for n in milliseconds])


def test_a_timeout_is_kept_although_a_write_goes_on() -> None:
    store: Store[str, int] = Store({"a": 0})

    async def main(_: WatchedLoop) -> None:
        with write_under_way(store, "a"):
            for late in (0, 0.001):
                with pytest.raises(WaitTimeoutError):
                    await aio.wait_for(store, lambda now: now["a"] == 1, late)
                with pytest.raises(WaitTimeoutError):
                    await aio.feed(store).get(late)

    run(main)


class Unpublished(Parked):
    """Holds up whoever writes: it has looked who sleeps, and has not published yet."""

    def __init__(self) -> None:
        super().__init__()
        self.looked, self.go_on = threading.Event(), threading.Event()

    def concerned(self, keys: Collection[str]) -> list[Any]:
        found = super().concerned(keys)
        self.looked.set()
        assert self.go_on.wait(PATIENCE)
        return found


@pytest.mark.parametrize("timeout", [None, FAR])
def test_a_commit_that_has_looked_for_sleepers_before_is_seen_once_it_is_published(
    timeout: float | None,
) -> None:
    store = Hooked({"a": 0})
    parked = store.source.waiters.parked = Unpublished()

    async def main(_: WatchedLoop) -> None:
        asyncio.create_task(aio.wait_for(store, lambda now: now["a"] == 1))  # noqa: RUF006
        await asleep(store, 1)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(store.set, "a", 1)
            assert parked.looked.wait(PATIENCE)
            late = asyncio.create_task(aio.wait_for(store, lambda now: now["a"] == 1, timeout))
            await asleep(store, 2)
            await some_turns()
            parked.go_on.set()
            assert (await late).version == 1

    run(main)


def test_a_feed_that_is_closed_while_its_reader_waits_for_a_write_ends() -> None:
    store: Store[str, int] = Store({"a": 0, "b": 0})

    async def main(loop: WatchedLoop) -> None:
        feed = aio.feed(store, keys=["a"])
        getting = asyncio.create_task(finished(anext(feed, None)))
        await asleep(store, 1)
        with write_under_way(store, "b"):
            store.source.waiters.notify_all()
            await napped(loop, 1)
            feed.close()
            await some_turns()
            assert not getting.done()
        assert await getting is None

    run(main)


def test_a_task_that_was_woken_for_nothing_while_it_waited_for_a_write_sleeps_on() -> None:
    store: Store[str, int] = Store({"a": 0, "b": 0})

    async def main(loop: WatchedLoop) -> None:
        getting = asyncio.create_task(aio.feed(store, keys=["a"]).get())
        await asleep(store, 1)
        with write_under_way(store, "b"):
            store.source.waiters.notify_all()
            await napped(loop, 1)
            store.source.waiters.notify_all()
            await some_turns()
        # Who has napped cancels the alarm of it.
        while not all(alarm.cancelled() for alarm in loop.napping):
            await asyncio.sleep(0)
        await some_turns()
        assert not getting.done()
        store.set("a", 1)
        assert (await getting).changes == {"a": (0, 1)}

    run(main)


def test_a_task_that_is_cancelled_as_it_is_woken_troubles_nobody() -> None:
    store: Store[str, int] = Store({"a": 0})

    async def main(_: WatchedLoop) -> None:
        waiting = asyncio.create_task(aio.wait_for(store, lambda now: now["a"] == 1))
        await asleep(store, 1)
        store.set("a", 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    run(main)
    assert store.statistics().waiting == 0


def test_the_alarm_of_a_wait_that_came_to_its_end_is_put_off() -> None:
    store: Store[str, int] = Store({"a": 0})

    async def main(loop: WatchedLoop) -> None:
        waits = [
            asyncio.create_task(aio.wait_for(store, lambda now: now["a"] == 1, FAR)),
            asyncio.create_task(aio.feed(store).get(FAR)),
        ]
        await asleep(store, 2)
        store.set("a", 1)
        await asyncio.gather(*waits)
        await some_turns()
        assert [alarm.cancelled() for alarm in loop.alarms] == [True, True]

    run(main)


def test_a_loop_that_was_closed_takes_no_other_sleeper_with_it() -> None:
    store = Hooked({"a": 0, "b": 0})
    gone = asyncio.new_event_loop()
    lost: Any = gone.create_task(aio.wait_for(store, lambda now: False, keys=["a"]))
    while store.statistics().waiting == 0:
        gone.call_soon(gone.stop)
        gone.run_forever()
    gone.close()
    seen: list[int] = []

    async def follow(_: WatchedLoop) -> None:
        seen.append((await aio.wait_for(store, lambda now: now["b"] == 1, keys=["b"])).version)

    with ThreadPoolExecutor(2) as pool:
        following = pool.submit(run, follow)
        waiting = pool.submit(store.wait_for, lambda now: now["b"] == 1, PATIENCE, keys=["b"])
        store.parked.wait_for(3)
        store.set("a", 1)
        assert store.statistics().waiting == 2
        store.set("b", 1)
        assert waiting.result(PATIENCE).version == 2
        following.result(PATIENCE)
    assert seen == [2]
    lost._log_destroy_pending = False


def test_what_is_no_predicate_is_refused_as_such() -> None:
    with pytest.raises(ArgumentTypeError, match="function of a snapshot"):
        asyncio.run(aio.wait_for(Store(), 5))  # type: ignore[arg-type]


# The main thread has ended: what `cowstate.process` sees to, done here while it still runs.


def end(store: Store[str, int]) -> None:
    store.source.ended = True
    store.source.waiters.notify_all()


WAITS: dict[str, Callable[[Store[str, int]], Coroutine[Any, Any, Any]]] = {
    "wait_for": lambda store: aio.wait_for(store, lambda now: False),
    "get": lambda store: aio.feed(store).get(),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("when", ["asleep", "behind a write", "before"])
def test_at_the_end_of_the_main_thread_tasks_are_cancelled_and_their_loop_stops_once(
    wait: Callable[[Store[str, int]], Coroutine[Any, Any, Any]], when: str
) -> None:
    store: Store[str, int] = Store({"a": 0})
    put_away: list[bool] = []

    async def waiter() -> None:
        try:
            await wait(store)
        finally:
            # Being stopped, the loop cancels them once more. Stopped twice, it would not go on.
            for _ in range(3):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
            put_away.append(True)

    async def main() -> None:
        if when == "before":
            end(store)
        tasks = [asyncio.create_task(waiter()) for _ in range(2)]
        if when == "asleep":
            await asleep(store, 2)
            end(store)
        elif when == "behind a write":
            with write_under_way(store, "a"):
                await asleep(store, 2)
                end(store)
                await asyncio.wait(tasks)
        await asyncio.wait(tasks)

    with pytest.raises(SystemExit, match=MAIN_ENDED):
        asyncio.run(asyncio.wait_for(main(), PATIENCE))
    assert put_away == [True, True]
    assert store.statistics().waiting == 0


def test_at_the_end_of_the_main_thread_an_iteration_is_over() -> None:
    store: Store[str, int] = Store({"a": 0})

    async def main(_: WatchedLoop) -> None:
        feed = aio.feed(store)
        following = asyncio.create_task(finished(anext(feed, None)))
        await asleep(store, 1)
        end(store)
        assert await following is None

    run(main)
