"""Sources with a slip in them: the mirror counts it, lets go of what it held, and goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from cowstate import Store, WaitTimeoutError, aio
from cowstate.mirror import AsyncMirror, Changes, Listed, Mirror, Pause
from tests.mirror.test_tasks import mirror_of, run
from tests.mirror.test_threads import PATIENCE


class Slipping:
    """A plain source whose list and watch raise, once each, what nobody means to raise."""

    def __init__(self) -> None:
        self.lists = self.watches = 0
        self.threads: set[int] = set()

    def list(self) -> Any:
        self.lists += 1
        return Listed({"a": 1}, 1) if self.lists > 1 else next(iter(()))

    def watch(self, revision: Any, /) -> Iterator[Any]:
        self.watches += 1
        self.threads.add(threading.get_ident())
        if self.watches == 1:
            raise StopIteration
        return iter([Changes({"a": self.watches}, revision=self.watches), Pause(0.001)])


def test_a_stray_stop_iteration_in_a_worker_is_an_error_and_holds_up_nobody() -> None:
    async def main() -> Any:
        store: Store[str, int] = Store()
        async with mirror_of(store, Slipping()) as mirror:
            assert await mirror.wait_synced(PATIENCE)
            await aio.wait_for(store, lambda now: now["a"] > 1, PATIENCE)
        return mirror.status()

    assert dict(run(main()).errors) == {"RuntimeError": 2}


def test_a_plain_watch_is_begun_in_a_worker_for_it_may_block() -> None:
    async def main() -> None:
        source = Slipping()
        store: Store[str, int] = Store()
        async with mirror_of(store, source):
            await aio.wait_for(store, lambda now: now.get("a", 0) > 1, PATIENCE)
        assert source.threads
        assert threading.get_ident() not in source.threads

    run(main())


class Cancelled:
    """A source for a loop, where something that it waits for is cancelled by others."""

    def __init__(self) -> None:
        self.lists = self.watches = 0

    async def list(self) -> Listed[str, int]:
        self.lists += 1
        if self.lists == 1:
            task = asyncio.ensure_future(asyncio.sleep(PATIENCE))
            task.cancel()
            await task
        return Listed({"a": 1}, 1)

    async def watch(self, revision: Any, /) -> AsyncIterator[Any]:
        self.watches += 1
        if self.watches == 1:
            raise asyncio.CancelledError
        yield Changes({"a": 2}, revision=2)
        await asyncio.sleep(PATIENCE)


def test_what_is_cancelled_within_a_source_does_not_end_the_mirror() -> None:
    async def main() -> Any:
        store: Store[str, int] = Store()
        async with mirror_of(store, Cancelled()) as mirror:
            await aio.wait_for(store, lambda now: now.get("a") == 2, PATIENCE)
        return mirror.status()

    status = run(main())
    assert dict(status.errors) == {"RuntimeError": 2}
    assert "cancelled" in status.last_error


def test_who_cancels_the_task_ends_it_all_the_same() -> None:
    async def main() -> Any:
        mirror = AsyncMirror(Store(), Cancelled(), backoff=lambda failures: PATIENCE)
        async with mirror:
            while mirror.status().state != "waiting":
                await asyncio.sleep(0)
            (task,) = (each for each in asyncio.all_tasks() if each.get_name() == "mirror")
            task.cancel()
            await asyncio.wait([task])
            return mirror.status().state

    assert run(main()) == "stopped"


def test_a_sleep_that_cannot_be_awaited_is_named_and_ends_the_mirror(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> Any:
        source = Slipping()
        mirror = AsyncMirror(Store(), source, backoff=float, sleep=lambda seconds: None)
        mirror.start()
        while mirror.status().state != "stopped":
            await asyncio.sleep(0)
        await mirror.close()
        return mirror.status().last_error

    assert "sleep(seconds) returns something to await, not None" in run(main())
    assert "a mirror has ended" in caplog.text


class HalfAsync:
    """What cannot be told before: its list is plain, and nothing is taken from its watch."""

    def list(self) -> Any:
        return Listed({"a": 1}, 1)

    async def watch(self, revision: Any, /) -> AsyncIterator[Any]:
        yield Pause(0)


def test_a_list_that_cannot_be_awaited_is_named() -> None:
    async def main() -> None:
        async with mirror_of(Store(), HalfAsync(), backoff=lambda failures: PATIENCE) as mirror:
            while mirror.status().state != "waiting":
                await asyncio.sleep(0)
            with pytest.raises(WaitTimeoutError, match=r"list\(\) .* to await, not Listed"):
                await mirror.wait_synced(0)

    run(main())


class Lingering:
    """A plain source whose watch blocks when it is closed, until the loop has gone on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closing, self.turned = threading.Event(), threading.Event()
        self.error = error
        self.closed_by = 0

    def list(self) -> Any:
        return Listed({"a": 1}, 1)

    def watch(self, revision: Any, /) -> Iterator[Any]:
        try:
            yield Pause(PATIENCE)
        finally:
            self.closing.set()
            assert self.turned.wait(PATIENCE), "the loop stood still"
            self.closed_by = threading.get_ident()
            if self.error is not None:
                raise self.error


@pytest.mark.parametrize("error", [None, ValueError("the line cannot be closed")])
def test_a_plain_watch_is_closed_in_a_worker_and_what_it_raises_is_logged(
    caplog: pytest.LogCaptureFixture, error: Any
) -> None:
    async def main() -> None:
        source, pausing = Lingering(error), asyncio.Event()

        async def sleep(seconds: float) -> None:
            pausing.set()
            await asyncio.sleep(seconds)

        async with mirror_of(Store(), source, sleep=sleep) as mirror:
            await pausing.wait()
            closing = asyncio.create_task(mirror.close())
            while not source.closing.is_set():
                await asyncio.sleep(0)
            source.turned.set()
            await closing
        assert source.closed_by not in (0, threading.get_ident())

    run(main())
    assert ("the line cannot be closed" in caplog.text) == (error is not None)


class Clinging:
    """Its watch does not let itself be closed."""

    def __init__(self) -> None:
        self.mirror: Any = None
        self.left = 0

    def list(self) -> Any:
        return Listed({"a": 1}, 1)

    def watch(self, revision: Any, /) -> Iterator[Any]:
        try:
            yield Pause(0)
            yield self._last()
        finally:
            self.left += 1
            raise OSError("the line cannot be closed")

    def _last(self) -> Any:
        self.mirror.close()
        return Pause(0)


def test_a_watch_that_cannot_be_closed_is_logged_and_the_end_is_an_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Clinging()
    source.mirror = Mirror(Store(), source, backoff=lambda failures: 0.0)
    source.mirror.run()
    assert source.left == 1
    assert "the line cannot be closed" in caplog.text
    assert source.mirror.status().state == "closed"


def test_a_watch_is_let_go_of_when_the_run_is_interrupted() -> None:
    source = Clinging()
    source._last = lambda: Changes({"b": 2})  # type: ignore[method-assign]
    store: Store[str, int] = Store()
    mirror = Mirror(store, source, backoff=lambda failures: 0.0, sleep=lambda seconds: None)

    def interrupt(commit: Any) -> None:
        if "b" in commit.changes:
            raise KeyboardInterrupt

    store.subscribe(interrupt)
    with pytest.raises(KeyboardInterrupt):
        mirror.run()
    assert source.left == 1


def test_the_status_names_the_record_that_the_store_refuses() -> None:
    mirror: Any = None

    class Mutable(Clinging):
        def list(self) -> Any:
            return Listed({"good": 1, "bad": []}, 1)

    def wait(failures: int) -> float:
        mirror.close()
        return 0.0

    mirror = Mirror(Store(), Mutable(), backoff=wait)
    mirror.run()
    assert "'bad'" in mirror.status().last_error
