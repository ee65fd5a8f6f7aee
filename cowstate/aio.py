"""The asyncio front: wait for a store, and follow it, from any number of event loops.

Nothing here starts a thread or polls for changes. Reading and writing need no front:
``store.snapshot()`` never blocks, and a write is a plain call of microseconds. Functions of this
module pass through the store's lock now and then; while a write is under way they look again
every few milliseconds, instead of waiting for it, and none holds it across an ``await``.

>>> import asyncio
>>> from cowstate import Store, aio
>>> store = Store({"filled": 0})
>>> async def fill():
...     for n in (1, 2, 3):
...         store.set("filled", n)
>>> async def main():
...     filling = asyncio.create_task(fill())
...     snapshot = await aio.wait_for(store, lambda now: now["filled"] == 3, timeout=5)
...     return snapshot.version
>>> asyncio.run(main())
3
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable, Collection, Hashable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, final
from weakref import WeakSet

from .bells import TaskWaiter, bell_of
from .commit import Commit
from .errors import ClosedError, WaitTimeoutError
from .feeds import CLOSED, Feed, FeedMode
from .items import Lagged
from .meta import M, WithMeta
from .readstore import ReadStore
from .snapshot import Snapshot
from .waits import NOTHING_CAME, Source, asked, checked_keys, checked_predicate, deadline_of

__all__ = ["AsyncFeed", "feed", "wait_for"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


async def wait_for(
    store: ReadStore[K, V, M],
    predicate: Callable[[Snapshot[K, V, M]], object],
    timeout: float | None = None,
    *,
    keys: Iterable[K] | None = None,
) -> Snapshot[K, V, M]:
    """Wait until *predicate* is true of the current snapshot of *store*; return that snapshot.

    The same as `Store.wait_for`, but that the task waits, not the thread. A task that is
    cancelled leaves nothing behind. However many tasks of one event loop wait, a write calls
    into that loop once.

    Args:
        store: the store.
        predicate: a plain function of a `Snapshot`, called on the event loop.
        timeout: in seconds; None for ever.
        keys: ask again only if one of these keys has changed.

    Raises:
        WaitTimeoutError: it was not true in time (it is also a `TimeoutError`).
        ReentrantWriteError: awaited inside a write to this store.
        asyncio.CancelledError: the main thread has ended, so nobody is left to wait for; the
            event loop stops, as by ``sys.exit()``.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> async def main():
    ...     writing = asyncio.create_task(asyncio.to_thread(store.set, "a", 2))
    ...     now = await wait_for(store, lambda now: now["a"] == 2, timeout=5, keys=["a"])
    ...     await writing
    ...     return now.version
    >>> asyncio.run(main())
    1
    """
    checked_predicate(predicate)
    wanted = checked_keys(keys)
    deadline = deadline_of(timeout, asyncio.get_running_loop().time)
    source = store.source
    while not asked(predicate, snapshot := source.timeline.current):
        _refuse_what_is_over(source)
        await _change(source, snapshot, deadline, wanted)
    return snapshot


def feed(
    store: ReadStore[K, V, M],
    mode: FeedMode = "every",
    *,
    keys: Iterable[K] | None = None,
    since: int | Snapshot[K, V, M] | None = None,
    initial: bool = False,
) -> AsyncFeed[K, V, M]:
    """Return an asynchronous iterator over the commits of *store*.

    The arguments, and what is raised, are those of `Store.feed`.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> async def main():
    ...     async with feed(store, initial=True) as commits:
    ...         async for commit in commits:
    ...             print(commit.version, commit.changes)
    ...             if commit.version == 1:
    ...                 break
    ...             store.set("a", 2)
    >>> asyncio.run(main())
    0 ChangeSet({'a': Change(old=MISSING, new=1)})
    1 ChangeSet({'a': Change(old=1, new=2)})
    """
    return AsyncFeed(store.feed(mode, keys=keys, since=since, initial=initial))


@final
class AsyncFeed(WithMeta, Generic[K, V, M]):
    """A `Feed` whose reader is a task: what it yields, costs and promises is the same.

    Made by `aio.feed`. Tasks may share one, on one event loop or on several: each item goes to
    one of them. An item is taken and returned in one step with no ``await`` in between, so a
    task that is cancelled while it waits has taken none.

    Each item gives the other tasks of the loop a turn first, so that a feed which always has
    one does not hold them up.

    >>> from cowstate import Store
    >>> store = Store({"a": 1})
    >>> async def main():
    ...     async with feed(store) as changes:
    ...         commit = store.set("a", 2)
    ...         async for change in changes:
    ...             break
    ...         print(changes.version, changes.snapshot["a"], changes.poll())
    ...     print(changes.closed)
    >>> asyncio.run(main())
    1 2 None
    True
    """

    def __init__(self, source: Feed[K, V, M]) -> None:
        self._feed = source

    @property
    def version(self) -> int:
        """The version up to which everything has been yielded; -1 for nothing, not even that."""
        return self._feed.version

    @property
    def snapshot(self) -> Snapshot[K, V, M]:
        """The snapshot of that version: what the next item comes after.

        Raises:
            CompactedError: the ring has passed it; the next item will be a `Lagged`.
        """
        return self._feed.snapshot

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._feed.closed

    def poll(self) -> Commit[K, V, M] | Lagged[K, V, M] | None:
        """Return the next item if there is one now, else None. Never waits.

        >>> from cowstate import Store
        >>> feed(Store({"a": 1})).poll() is None
        True
        """
        return self._feed.poll()

    async def get(self, timeout: float | None = None) -> Commit[K, V, M] | Lagged[K, V, M]:
        """Return the next item, waiting for it if need be.

        Raises:
            WaitTimeoutError: nothing came within *timeout* seconds.
            ClosedError: the feed was closed, here or elsewhere.
            ReentrantWriteError: it would have to wait, inside a write to this store.
            asyncio.CancelledError: the main thread has ended; see `wait_for`.

        >>> from cowstate import Store, WaitTimeoutError
        >>> async def main():
        ...     try:
        ...         change = await feed(Store({"a": 1})).get(timeout=0)
        ...     except WaitTimeoutError:
        ...         print("nothing yet")
        >>> asyncio.run(main())
        nothing yet
        """
        item = await self._next(deadline_of(timeout, asyncio.get_running_loop().time))
        if item is None:
            if not self._feed.is_closed():
                _refuse_what_is_over(self._feed.source)
            raise ClosedError(CLOSED)
        return item

    def close(self) -> None:
        """End the feed, and wake whoever waits on it. May be called twice, from any thread.

        >>> from cowstate import Store
        >>> feed(Store({"a": 1})).close()
        """
        self._feed.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Commit[K, V, M] | Lagged[K, V, M]:
        item = await self._next(None)
        if item is None:
            if not self._feed.is_closed():
                self._feed.source.refuse_what_is_lost()
            raise StopAsyncIteration
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def _next(self, deadline: float | None) -> Commit[K, V, M] | Lagged[K, V, M] | None:
        feed = self._feed
        await asyncio.sleep(0)
        while not feed.closed:
            seen = feed.source.timeline.current
            item = feed.poll()
            if item is not None:
                return item
            await _change(feed.source, seen, deadline, feed.keys, feed.is_closed)
        return None

    def __repr__(self) -> str:
        return f"<Async{repr(self._feed)[1:]}"


async def _change(
    source: Source[K, V],
    seen: Snapshot[K, V],
    deadline: float | None,
    keys: Collection[K] | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Wait as `Source.await_change` does, for the same reason without losing a wake-up."""
    source.refuse_wait_in_vain()
    waiter = TaskWaiter(bell_of(source.waiters, asyncio.get_running_loop()), keys)
    parked = source.waiters.parked
    try:
        parked.add(waiter.number, waiter, keys)
        await _sleep(source, waiter, seen, deadline, keys, ended)
    finally:
        # The first step in C: whatever comes after it, the waiter is gone.
        parked.all.pop(waiter.number, None)
        parked.discard(waiter.number, keys)
        waiter.bell.retire()


async def _sleep(
    source: Source[K, V],
    waiter: TaskWaiter,
    seen: Snapshot[K, V],
    deadline: float | None,
    keys: Collection[K] | None,
    ended: Callable[[], bool],
) -> None:
    while not (ended() or source.ended):
        await _pass(source, deadline)
        if source.has_changed(seen, keys):
            return
        if not await waiter.sleep(deadline):
            raise WaitTimeoutError(NOTHING_CAME)


async def _pass(source: Source[Any, Any], deadline: float | None) -> None:
    """Pass through the lock as soon as no write is under way, without holding up the loop.

    That a write is over nobody tells; so this looks again and again, but only while one goes on
    that was found going on.
    """
    pause = 0.0
    while not (source.ended or source.lock.pass_through(0)):
        loop = asyncio.get_running_loop()
        if deadline is not None and loop.time() >= deadline:
            return
        await asyncio.sleep(pause)
        pause = min(0.01, pause + 0.001)


def _refuse_what_is_over(source: Source[Any, Any]) -> None:
    if source.ended:  # looked at once, as `Source.refuse_what_is_over` does
        if source.why is not None:
            raise source.why()
        _end_with_main_thread(source)


def _end_with_main_thread(source: Source[Any, Any]) -> None:
    """Stop this event loop and cancel this task: the interpreter is going down.

    As `Source.end_with_main_thread`, but the SystemExit comes out of a callback, before anybody
    is told of the task: raised in the task, it would be reported as never retrieved.
    """
    loop = asyncio.get_running_loop()
    # Once a loop, for a second one would come in the middle of its cleaning up.
    if loop not in _stopped:
        _stopped.add(loop)
        loop.call_soon(source.end_with_main_thread)
    raise asyncio.CancelledError


_stopped: WeakSet[AbstractEventLoop] = WeakSet()
