"""An asyncio loop in a thread of its own, for clients that are asynchronous: `LoopThread`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Set
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager
from threading import Thread
from typing import Any, Final, Generic, TypeVar

from cowstate import ArgumentValueError

from ...errors import ExchangeError

__all__ = ["LoopThread", "Running"]

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]

_FAREWELL_S: Final = 5.0
_log = logging.getLogger(__name__)


class Running(Generic[T]):
    """What was begun on the loop. Any thread may wait for it, or have it end.

    Attributes:
        outcome: what came of it. It is set when nothing of it runs any more, and not before.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work[T]) -> None:
        self.outcome: Future[T] = Future()
        self._loop = loop
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._unwanted = False

    def end(self) -> None:
        """Have it end. What it waits for is not waited for any longer."""
        self._unwanted = True
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:  # the loop is closed, and all that ran on it is over
            pass

    # On the loop:

    def begin(self) -> None:
        """Begin. Called by the loop."""
        if self._unwanted:
            self.outcome.set_exception(CancelledError())
            return
        self._task = self._loop.create_task(self._work())
        self._task.add_done_callback(self._done)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _done(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.outcome.set_exception(CancelledError())
        elif (error := task.exception()) is not None:
            self.outcome.set_exception(error)
        else:
            self.outcome.set_result(task.result())


class LoopThread(AbstractContextManager["LoopThread", None]):
    """An event loop that runs until it is closed, in a thread of its own. Thread-safe.

    Asynchronous clients of ccxt live on it: give it to `CcxtExchange` and `OrderStream` along with
    them. When it is closed, they are closed, too. Use it in a ``with``, or close it; a process that
    ends does not wait for it.

    >>> async def answer() -> int:
    ...     return 42
    >>> with LoopThread() as loop:
    ...     loop.begin(answer).outcome.result()
    42
    """

    def __init__(self) -> None:
        self._closers: list[Callable[[], Coroutine[Any, Any, object]]] = []
        self._closed = False
        self._over = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        # What the default handler writes of a task that nobody waits for may hold a request.
        self._loop.set_exception_handler(_tell)
        self._thread = Thread(target=self._serve, name="cowstate-loop", daemon=True)
        try:
            self._thread.start()
        except BaseException:
            self._loop.close()
            raise

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself."""
        return self._loop

    def begin(self, work: Work[T]) -> Running[T]:
        """Begin ``work()``, a coroutine, on the loop, in the context of whoever calls.

        Raises:
            ExchangeError: it is closed; nothing was begun.
        """
        running = Running(self._loop, work)
        if self._closed:
            raise ExchangeError("the loop of this client is closed; nothing was sent")
        try:
            self._loop.call_soon_threadsafe(running.begin)
        except RuntimeError:
            raise ExchangeError("the loop of this client is closed; nothing was sent") from None
        return running

    def keep(self, closer: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have ``closer()``, a coroutine, run when all else on the loop has ended."""
        self._closers.append(closer)

    def close(self) -> None:
        """End what runs, close what was kept, and return when nothing of it is left.

        At most ten seconds later, if something will not end. May be called twice, but not by what
        runs on the loop.

        Raises:
            ArgumentValueError: it was called on the loop.
        """
        try:
            on_it = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            on_it = False
        if on_it:
            raise ArgumentValueError("a loop cannot wait for its own end; close it elsewhere")
        self._closed = True
        try:
            self._loop.call_soon_threadsafe(self._over.set)
        except RuntimeError:  # it is closed already
            pass
        self._thread.join(2 * _FAREWELL_S)

    def __exit__(self, *_: object) -> None:
        self.close()

    # In the thread:

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        await self._over.wait()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await _done(others)
        await _done({asyncio.ensure_future(each()) for each in self._closers})


async def _done(tasks: Set[asyncio.Task[Any]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=_FAREWELL_S)


def _tell(_: object, context: dict[str, Any]) -> None:
    # The class alone: its text may hold a request, as it was signed.
    error = type(context.get("exception")).__name__
    _log.debug(
        "something on the loop of a client ended by an error that nobody waited for: %s",
        error,
        extra={"cowstate_event": "loop_error"},
    )
