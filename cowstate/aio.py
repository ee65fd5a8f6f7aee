"""The asyncio front: wait for a store, and follow it, from any number of event loops.

Nothing here starts a thread or polls. Reading and writing need no front: ``store.snapshot()``
never blocks, and a write is a plain call of microseconds. Functions of this module take the
store's lock now and then, for an instant, as a write does; none holds it across an ``await``.

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
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Collection, Hashable, Iterable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, final
from weakref import WeakSet

from .audience import checked_keys
from .changes import ChangeSet
from .core import Core
from .errors import ClosedError, WaitTimeoutError
from .feeds import (
    CLOSED,
    NOTHING_CAME,
    Feed,
    FeedMode,
    Lagged,
    deadline_of,
    end_with_main_thread,
    has_changed,
    refuse_no_predicate,
    refuse_wait_inside_write,
)
from .snapshot import Snapshot
from .store import Store

__all__ = ["AsyncFeed", "feed", "wait_for"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


async def wait_for(
    store: Store[K, V],
    predicate: Callable[[Snapshot[K, V]], object],
    timeout: float | None = None,
    *,
    keys: Iterable[K] | None = None,
) -> Snapshot[K, V]:
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
    """
    refuse_no_predicate(predicate)
    wanted = checked_keys(keys)
    deadline = deadline_of(timeout, asyncio.get_running_loop().time)
    while not predicate(snapshot := store._current):
        _end_with_main_thread(store)
        await _change(store, snapshot, deadline, wanted)
    return snapshot


def feed(
    store: Store[K, V],
    mode: FeedMode = "every",
    *,
    keys: Iterable[K] | None = None,
    since: int | Snapshot[K, V] | None = None,
) -> AsyncFeed[K, V]:
    """Return an asynchronous iterator over what changes in *store*.

    The arguments are those of `Store.feed`.

    >>> store = Store({"a": 1})
    >>> async def main():
    ...     async with feed(store, since=0) as changes:
    ...         commit = store.set("a", 2)
    ...         async for change in changes:
    ...             return change
    >>> asyncio.run(main())
    ChangeSet({'a': Change(old=1, new=2)})
    """
    return AsyncFeed(store.feed(mode, keys=keys, since=since))


@final
class AsyncFeed(Generic[K, V]):
    """A `Feed` whose reader is a task: what it yields, costs and promises is the same.

    Made by `aio.feed`. Tasks may share one, on one event loop or on several: each item goes to
    one of them. An item is taken and returned in one step with no ``await`` in between, so a
    task that is cancelled while it waits has taken none.

    Each item gives the other tasks of the loop a turn first, so that a feed which always has
    one does not hold them up.
    """

    def __init__(self, source: Feed[K, V]) -> None:
        self._feed = source

    @property
    def version(self) -> int:
        """The version up to which everything has been yielded."""
        return self._feed.version

    @property
    def snapshot(self) -> Snapshot[K, V]:
        """The snapshot of that version: what the next item comes after.

        Raises:
            CompactedError: the ring has passed it; the next item will be a `Lagged`.
        """
        return self._feed.snapshot

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._feed.closed

    def poll(self) -> ChangeSet[K, V] | Lagged[K, V] | None:
        """Return the next item if there is one now, else None. Never waits."""
        return self._feed.poll()

    async def get(self, timeout: float | None = None) -> ChangeSet[K, V] | Lagged[K, V]:
        """Return the next item, waiting for it if need be.

        Raises:
            WaitTimeoutError: nothing came within *timeout* seconds.
            ClosedError: the feed was closed, here or elsewhere.
            ReentrantWriteError: it would have to wait, inside a write to this store.
            asyncio.CancelledError: the main thread has ended; see `wait_for`.
        """
        item = await self._next(deadline_of(timeout, asyncio.get_running_loop().time))
        if item is None:
            _end_with_main_thread(self._feed._core)
            raise ClosedError(CLOSED)
        return item

    def close(self) -> None:
        """End the feed, and wake whoever waits on it. May be called twice, from any thread."""
        self._feed.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ChangeSet[K, V] | Lagged[K, V]:
        item = await self._next(None)
        if item is None:
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

    async def _next(self, deadline: float | None) -> ChangeSet[K, V] | Lagged[K, V] | None:
        source = self._feed
        await asyncio.sleep(0)
        while not source.closed:
            seen = source._core._current
            item = source.poll()
            if item is not None:
                return item
            await _change(source._core, seen, deadline, ended=lambda: source._closed)
        return None

    def __repr__(self) -> str:
        return f"<Async{repr(self._feed)[1:]}"


async def _change(
    core: Core[K, V],
    seen: Snapshot[K, V],
    deadline: float | None,
    keys: Collection[K] | None = None,
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """Wait as `feeds.await_change` does, for the same reason without losing a wake-up."""
    refuse_wait_inside_write(core)
    with _LoopBell.hung(core, asyncio.get_running_loop()) as bell:
        while not (has_changed(core, seen, keys) or ended() or core.ended):
            if not await bell.heard(deadline):
                raise WaitTimeoutError(NOTHING_CAME)


class _LoopBell:
    """Wakes all tasks of one event loop that wait for one store; hangs while there are any.

    A writer makes at most one call into the loop, however many tasks wait on it and however
    many commits come before the loop gets round to it.
    """

    def __init__(self, core: Core[Any, Any], loop: AbstractEventLoop) -> None:
        self._core = core
        self._loop = loop
        self._rung = False
        # In the order of their arrival, which is the order in which they are woken.
        self._asleep: dict[Future[bool], None] = {}
        self.sleepers = 0

    @classmethod
    def hung(cls, core: Core[Any, Any], loop: AbstractEventLoop) -> _LoopBell:
        """Return the bell of *loop*, hung for one more."""
        bells = core._audience.bells
        bell = next((b for b in bells if isinstance(b, cls) and b._loop is loop), None)
        bell = bell or cls(core, loop)
        # Counted before the look at whether it hangs: from here on, nobody takes it down.
        bell.sleepers += 1
        if bell not in core._audience.bells:
            core.join(bell)
        return bell

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.sleepers -= 1
        if not self.sleepers:
            self._core.leave(self)

    def ring(self) -> None:
        """Have the tasks woken, by the loop. From any thread, under the store's lock."""
        if self._rung and not self._loop.is_closed():
            return
        try:
            # On one line: a bell that takes itself for rung, and is not, is never heard again.
            self._rung = True; self._loop.call_soon_threadsafe(self._wake)  # fmt: skip  # noqa: E702
        except RuntimeError:
            # The loop was closed under its tasks, which will never run again, nor take it down.
            self._core.leave(self)
        except BaseException:
            self._rung = False
            raise

    def _wake(self) -> None:
        # Before the looks that follow: a commit too late for them rings anew.
        self._rung = False
        for sleeper in self._asleep:
            _settle(sleeper, True)

    async def heard(self, deadline: float | None) -> bool:
        """Wait until rung; False if that took until *deadline* on the loop's clock.

        There is no ``await`` between the look at the store and here, so a ring after the look
        is passed on by the loop after this task has lain down.
        """
        sleeper: Future[bool] = self._loop.create_future()
        self._asleep[sleeper] = None
        if deadline is not None:
            alarm = self._loop.call_at(deadline, _settle, sleeper, False)
            sleeper.add_done_callback(lambda _: alarm.cancel())
        try:
            return await sleeper
        finally:
            del self._asleep[sleeper]


def _settle(sleeper: Future[bool], heard: bool) -> None:
    if not sleeper.done():
        sleeper.set_result(heard)


def _end_with_main_thread(core: Core[Any, Any]) -> None:
    """Stop this event loop and cancel this task, if the interpreter is going down.

    As `feeds.end_with_main_thread`, but the SystemExit comes out of a callback, before anybody
    is told of the task: raised in the task, it would be reported as never retrieved.
    """
    if core.ended:
        loop = asyncio.get_running_loop()
        # Once a loop, for a second one would come in the middle of its cleaning up.
        if loop not in _stopped:
            _stopped.add(loop)
            loop.call_soon(end_with_main_thread, core)
        raise asyncio.CancelledError


_stopped: WeakSet[AbstractEventLoop] = WeakSet()
