"""An asyncio loop in a thread of its own, for clients that are asynchronous: `LoopThread`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Set
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager
from threading import Thread, get_ident
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
        outcome: what came of it. It is set when nothing of it runs any more, and not before;
            that of what a loop left behind when it ended is that it was cancelled. It cannot be
            cancelled itself: see `end`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Work[T]) -> None:
        self.outcome: Future[T] = Future()
        # Who cancels that would be told that it is over while it runs on.
        self.outcome.set_running_or_notify_cancel()
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
        try:
            self._task = self._loop.create_task(self._work())
        except Exception as error:
            self.outcome.set_exception(error)
        else:
            self._task.add_done_callback(self._done)

    def abandon(self) -> None:
        """Note that it will not go on, if that is so. Called when the loop is over."""
        if not self.outcome.done():
            self.outcome.set_exception(CancelledError())

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
    ends does not wait for it. In a process that was forked off it is closed.

    >>> async def answer() -> int:
    ...     return 42
    >>> with LoopThread() as loop:
    ...     loop.begin(answer).outcome.result()
    42
    """

    def __init__(self) -> None:
        self._closers: list[Callable[[], Coroutine[Any, Any, object]]] = []
        self._begun: set[Running[Any]] = set()
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
            ExchangeError: it is closed, or its thread ended or is another process's; nothing was
                begun.
        """
        running = Running(self._loop, work)
        if self._closed:
            raise ExchangeError("the loop of this client is closed; nothing was sent")
        if not self._thread.is_alive():
            raise ExchangeError(
                "the loop of this client does not run: its thread has ended, or is that of the "
                "process from which this one was forked; nothing was sent; make a client and a "
                "LoopThread here"
            )
        self._begun.add(running)
        running.outcome.add_done_callback(lambda _: self._begun.discard(running))
        try:
            self._loop.call_soon_threadsafe(self._start, running)
        except RuntimeError:
            self._begun.discard(running)
            raise ExchangeError("the loop of this client is closed; nothing was sent") from None
        return running

    def ensure_elsewhere(self) -> None:
        """Refuse to wait for the loop on its own thread: that would be for ever.

        A finalizer may run there, whatever it belongs to.

        Raises:
            ExchangeError: that is where it was called.
        """
        if get_ident() == self._thread.ident:
            raise ExchangeError(
                "what runs on the loop of a client cannot wait for that client; nothing was sent"
            )

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
        if get_ident() == self._thread.ident:
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
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._live())
        finally:
            self._abandon()

    def _abandon(self) -> None:
        # What was begun too late for the loop to get to it.
        for running in [*self._begun]:
            running.abandon()

    def _start(self, running: Running[Any]) -> None:
        # What begins from here on would be ended by nobody before the clients are closed.
        if self._over.is_set():
            running.abandon()
        else:
            running.begin()

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
