"""A mirror in a task: the same, without a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cowstate import ClosedError, Store, WaitTimeoutError, aio
from cowstate.mirror import AsyncMirror, Changes, Listed, Pause, StoreMirroredError
from cowstate.mirror.errors import OtherLoopError, RevisionGoneError
from tests.mirror.test_threads import PATIENCE, Handed


class Queued:
    """A source for a loop, that tells what a test hands it."""

    def __init__(self, first: Any) -> None:
        self.first = first
        self.handed: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = self.lists = self.revision = 0

    async def list(self) -> Listed[str, int]:
        self.lists += 1
        await asyncio.sleep(0)
        if isinstance(self.first, Exception):
            raise self.first
        return Listed(dict(self.first), self.revision)

    async def watch(self, revision: Any, /) -> AsyncIterator[Any]:
        try:
            while True:
                news = await self.handed.get()
                if isinstance(news, BaseException):
                    raise news
                if news is None:
                    return
                yield news
        finally:
            self.closed += 1


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, PATIENCE))


def mirror_of(store: Any, source: Any, **options: Any) -> AsyncMirror[Any, Any]:
    options.setdefault("backoff", lambda failures: 0.0)
    return AsyncMirror(store, source, **options)


def test_what_is_told_is_there() -> None:
    async def main() -> Any:
        store: Store[str, int] = Store()
        source = Queued({"a": 1})
        async with mirror_of(store, source) as mirror:
            assert dict(await mirror.wait_synced(PATIENCE)) == {"a": 1}
            source.handed.put_nowait(Changes({"b": 2}, ["a"], 1))
            source.handed.put_nowait(None)  # it ends, and goes on from there
            source.handed.put_nowait(Pause(0))
            source.handed.put_nowait(OSError("cut"))
            source.handed.put_nowait(Changes({"c": 3}, revision=2))
            await aio.wait_for(store, lambda now: "c" in now, PATIENCE)
            source.first, source.revision = {"b": 2, "d": 4}, 3
            source.handed.put_nowait(RevisionGoneError(2))
            now = await aio.wait_for(store, lambda now: "d" in now, PATIENCE)
            assert dict(now) == source.first
            mirror.start()  # it runs already
        assert mirror.status().state == "closed"
        assert source.closed == source.lists + 2
        source.handed.put_nowait(Changes({"e": 5}))
        await asyncio.sleep(0)
        assert dict(store.snapshot()) == source.first
        return mirror.status()

    status = run(main())
    assert (status.lists, status.gone, status.published) == (2, 1, 4)
    assert dict(status.errors) == {"OSError": 1, "RevisionGoneError": 1}


def test_a_plain_source_is_asked_in_threads() -> None:
    async def main() -> None:
        store: Store[str, int] = Store()
        source = Handed({"a": 1})
        async with mirror_of(store, source) as mirror:
            await mirror.wait_synced(PATIENCE)
            source.handed.put(Changes({"b": 2}))
            await aio.wait_for(store, lambda now: "b" in now, PATIENCE)
        assert source.stopped == 1

    run(main())


def test_who_waits_is_told_of_the_end_and_of_errors() -> None:
    async def main() -> None:
        source = Queued(OSError("no route"))
        mirror = mirror_of(Store(), source, backoff=lambda n: 3600.0)
        with pytest.raises(ClosedError, match="start"):
            await mirror.wait_synced(PATIENCE)
        async with mirror:
            while mirror.status().state != "waiting":
                await asyncio.sleep(0)
            with pytest.raises(WaitTimeoutError, match="no route"):
                await mirror.wait_synced(0)
            waiting = asyncio.create_task(mirror.wait_synced(PATIENCE))
            await asyncio.sleep(0)
        with pytest.raises(ClosedError, match="no route"):
            await waiting
        with pytest.raises(ClosedError, match="make another"):
            mirror.start()

    run(main())


class Held(Queued):
    """It lists when it is let."""

    def __init__(self, first: Any) -> None:
        super().__init__(first)
        self.let = asyncio.Event()

    async def list(self) -> Listed[str, int]:
        await self.let.wait()
        return await super().list()


@pytest.mark.parametrize("awaited", ["close", "wait_synced"])
def test_on_another_loop_it_is_refused_and_goes_on(awaited: str) -> None:
    async def elsewhere(mirror: Any) -> None:
        with pytest.raises(OtherLoopError, match="run_coroutine_threadsafe"):
            await getattr(mirror, awaited)()

    async def main() -> None:
        store: Store[str, int] = Store()
        source = Held({"a": 1})
        mirror = mirror_of(store, source)
        mirror.start()
        await asyncio.to_thread(asyncio.run, elsewhere(mirror))
        source.let.set()
        source.handed.put_nowait(Changes({"b": 2}, revision=1))
        await aio.wait_for(store, lambda now: "b" in now, PATIENCE)
        assert await mirror.wait_synced(0)
        await mirror.close()

    run(main())


def test_it_may_be_closed_when_its_loop_is_gone() -> None:
    mirrors: list[Any] = []

    async def main() -> None:
        mirrors.append(mirror_of(Store(), Queued({})))
        mirrors[0].start()
        await mirrors[0].wait_synced(PATIENCE)

    run(main())
    assert mirrors[0].status().state == "stopped"
    run(mirrors[0].close())
    assert mirrors[0].status().state == "closed"


def test_two_of_one_store_need_keys_of_their_own() -> None:
    async def main() -> None:
        store: Store[str, int] = Store()
        async with mirror_of(store, Queued({})):
            with pytest.raises(StoreMirroredError):
                mirror_of(store, Queued({})).start()
        async with mirror_of(store, Queued({"a": 1})) as mirror:
            await mirror.wait_synced(PATIENCE)

    run(main())


def test_what_is_no_exception_ends_it() -> None:
    class Enough(BaseException):
        pass

    async def main() -> None:
        source = Queued({})
        mirror = mirror_of(Store(), source)
        mirror.start()
        await mirror.wait_synced(PATIENCE)
        source.handed.put_nowait(Enough("enough"))
        while mirror.status().state != "stopped":
            await asyncio.sleep(0)
        assert mirror.status().last_error == "Enough: enough"
        with pytest.raises(ClosedError, match="has ended"):
            mirror.start()
        await mirror.close()

    run(main())


def test_a_watch_that_never_pauses_leaves_the_loop_to_others() -> None:
    class Busy(Queued):
        async def watch(self, revision: Any, /) -> AsyncIterator[Any]:
            n = 0
            while True:
                n += 1
                yield Changes({"a": n})

    async def main() -> None:
        store: Store[str, int] = Store()
        async with mirror_of(store, Busy({})):
            for _ in range(10):
                await asyncio.sleep(0)
            assert store.snapshot().version > 0

    run(main())
