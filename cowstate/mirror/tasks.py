"""A mirror that a task keeps: `AsyncMirror`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Iterator
from inspect import isawaitable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, final

from ..errors import ArgumentTypeError, ClosedError
from ..showing import shown
from ..snapshot import Snapshot
from ..store import Store
from ..waits import checked_timeout
from .backoff import Backoff
from .claims import claim, release
from .course import END, Effect, List, Next, Publish, Sleep, Watch, in_words
from .errors import OtherLoopError
from .keeper import Keeper
from .options import is_async
from .plan import Owns
from .source import AsyncSource, Source

if TYPE_CHECKING:
    from tenacity.wait import wait_base

__all__ = ["AsyncMirror"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_log = logging.getLogger("cowstate")


@final
class AsyncMirror(Keeper[K, V]):
    """A `Mirror` that a task keeps: what it promises, and its arguments, are the same.

    A source with ``async def list`` and an asynchronous ``watch`` is awaited on the loop. A plain
    one is asked in worker threads, so it may block; one that waits inside ``watch`` should have a
    ``stop()``, for a worker that does not come back keeps the process from ending. What is told is
    published on the loop: for a list of N records that is O(N).

    All of it belongs to one event loop, but for `synced` and `status`, which any thread may ask.
    Follow the store with `cowstate.aio`.

    Args:
        store, source, owns, resync, backoff, rewind, clock: as of `Mirror`.
        sleep: a coroutine function of seconds, in the place of `asyncio.sleep`. What it raises
            ends the mirror.

    Raises:
        ArgumentTypeError, ArgumentValueError, MissingExtraError: as of `Mirror`.

    >>> from cowstate import Store, aio
    >>> from cowstate.mirror import PollingSource
    >>> async def main():
    ...     store, remote = Store(), {"a": 1}
    ...     source = PollingSource(lambda: dict(remote), interval=0.001)
    ...     async with AsyncMirror(store, source) as mirror:
    ...         now = await mirror.wait_synced(timeout=10)
    ...         remote["b"] = 2
    ...         then = await aio.wait_for(store, lambda now: "b" in now, timeout=10)
    ...     return dict(now), then.version, mirror.status().state
    >>> asyncio.run(main())
    ({'a': 1}, 2, 'closed')
    """

    def __init__(
        self,
        store: Store[K, V, Any],
        source: Source[K, V] | AsyncSource[K, V],
        *,
        owns: Owns[K] = None,
        resync: float | None = None,
        backoff: Backoff | wait_base | None = None,
        rewind: float = 60.0,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        super().__init__(store, source, owns, resync, backoff, rewind, clock, for_task=True)
        if not callable(sleep):
            raise ArgumentTypeError(
                f"sleep is a coroutine function of seconds, as asyncio.sleep, not {shown(sleep)}"
            )
        self._sleep = sleep
        self._awaits = is_async(source)
        self._stream: Any = None
        self._left_behind = False  # a worker that may still be in the stream
        self._task: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()

    def _runs(self) -> bool:
        return self._task is not None and not self._task.done()

    def _has_ended(self) -> bool:
        return self._task is not None and self._task.done()

    def start(self) -> None:
        """Run in a task of the running loop, until `close`. Does nothing where it runs already.

        Raises:
            ClosedError: it was closed, or has ended.
            StoreMirroredError: another mirror keeps the same records of this store.

        >>> from cowstate import Store
        >>> from cowstate.mirror import PollingSource
        >>> async def main():
        ...     mirror = AsyncMirror(Store(), PollingSource(dict))
        ...     mirror.start()
        ...     await mirror.wait_synced(timeout=10)
        ...     await mirror.close()
        ...     return mirror.synced
        >>> asyncio.run(main())
        True
        """
        if self._over:
            raise ClosedError("the mirror was closed; make another one")
        if self._task is not None:
            if self._task.done():
                raise ClosedError("the mirror has ended; make another one")
            return
        loop = asyncio.get_running_loop()
        claim(self._store, self)
        try:
            self._task = loop.create_task(self._live(), name="mirror")
        except BaseException:
            release(self._store, self)
            raise
        self._task.add_done_callback(self._done)

    async def wait_synced(self, timeout: float | None = None) -> Snapshot[K, V, Any]:
        """Wait until the store holds all that the first list told; return a snapshot of then.

        Raises:
            WaitTimeoutError, ClosedError, ReentrantWriteError: as of `Mirror.wait_synced`.
            OtherLoopError: it runs on another event loop.

        >>> from cowstate import Store
        >>> from cowstate.mirror import PollingSource
        >>> async def main():
        ...     async with AsyncMirror(Store(), PollingSource(lambda: {"a": 1})) as mirror:
        ...         return dict(await mirror.wait_synced(timeout=10))
        >>> asyncio.run(main())
        {'a': 1}
        """
        limit = checked_timeout(timeout)
        if not self.synced:
            self._store.source.refuse_wait_in_vain()
            self._ensure_own_loop()
            if self._runs():
                try:
                    async with asyncio.timeout(limit):
                        await self._settled.wait()
                except TimeoutError:
                    pass
            if not self.synced:
                raise self._unsynced(timeout)
        return self._store.snapshot()

    def _ensure_own_loop(self) -> None:
        task = self._task
        if task is None or task.done():
            return
        if task.get_loop() is not asyncio.get_running_loop():
            raise OtherLoopError(self)

    async def close(self) -> None:
        """End it, and wait until it has ended. More than once, from any task of its loop.

        When it has returned, nothing more is published.

        Raises:
            OtherLoopError: it runs on another event loop.

        >>> from cowstate import Store
        >>> from cowstate.mirror import PollingSource
        >>> asyncio.run(AsyncMirror(Store(), PollingSource(dict)).close())
        """
        self._ensure_own_loop()
        self._over = True
        self._settled.set()
        task = self._task
        if task is None or task.done():  # and its loop may be closed by now
            return
        task.cancel()
        self._stop_source()
        if task is not asyncio.current_task():
            await asyncio.wait([task])

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # The task

    def _done(self, task: asyncio.Task[None]) -> None:
        release(self._store, self)
        self._settled.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error(
                "a mirror has ended: %s",
                in_words(error),
                extra={"cowstate_event": "mirror_ended"},
            )

    async def _live(self) -> None:
        try:
            await self._go()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._course.status = self._course.status.replace(last_error=in_words(error))
            raise
        finally:
            await self._leave()

    async def _go(self) -> None:
        steps = self._course.steps()
        effect = next(steps)
        while not self._over:
            try:
                answer = await self._do(effect)
            except asyncio.CancelledError as error:
                if _is_cancelled():
                    raise
                # Something that the source waited for was, and that is an error as others are.
                effect = steps.throw(_cancelled_by_source(error))
            except Exception as error:
                effect = steps.throw(error)
            else:
                effect = steps.send(answer)
            if self._course.status.synced:
                self._settled.set()

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case List():
                if self._awaits:
                    return await awaited(self._source.list(), "list() of an asynchronous source")
                return await worked(self._source.list)
            case Watch(revision):
                await self._let_go()
                watch = self._source.watch
                self._stream = (
                    aiter(watch(revision))
                    if self._awaits
                    else await worked(_begun, watch, revision)
                )
            case Next():
                if self._awaits:
                    return await anext(self._stream, END)
                return await self._next_of_plain()
            case Publish(news):
                # The other tasks of the loop have their turn, however much a watch tells.
                await asyncio.sleep(0)
                return self._publisher.publish(news)
            case Sleep(seconds):
                await awaited(self._sleep(seconds), "sleep(seconds)")
        return None

    async def _next_of_plain(self) -> Any:
        try:
            return await worked(next, self._stream, END)
        except asyncio.CancelledError:
            self._left_behind = True
            raise

    async def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        left_behind, self._left_behind = self._left_behind, False
        try:
            if hasattr(stream, "aclose"):
                await stream.aclose()
            elif hasattr(stream, "close"):
                await worked(stream.close)
        except ValueError:
            if not left_behind:
                raise  # the source's own; else it ends with what the worker waits for

    async def _leave(self) -> None:
        try:
            await self._let_go()
        except Exception:
            _log.exception(
                "the watch of a mirror raised when it was closed",
                extra={"cowstate_event": "mirror_source_failed"},
            )


async def worked(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what *function* returns, called in a worker thread."""
    return await asyncio.to_thread(_called, function, *arguments)


async def awaited(answer: Any, what: str) -> Any:
    """Return what *answer* comes to."""
    if not isawaitable(answer):
        raise ArgumentTypeError(f"{what} returns something to await, not {shown(answer)}")
    return await answer


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except StopIteration as error:
        # No future takes it, and who awaits that one would never be told.
        raise RuntimeError("the source raised StopIteration") from error


def _begun(watch: Callable[[Any], Iterable[Any]], revision: Any) -> Iterator[Any]:
    return iter(watch(revision))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _cancelled_by_source(error: asyncio.CancelledError) -> RuntimeError:
    found = RuntimeError("what the source waited for was cancelled")
    found.__cause__ = error
    return found
