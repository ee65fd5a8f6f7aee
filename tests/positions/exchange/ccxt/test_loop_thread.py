"""A loop in a thread of its own: what runs on it ends, and what cannot be begun is told so."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

import pytest

from cowstate import ArgumentValueError
from cowstate.positions.errors import ExchangeError
from cowstate.positions.exchange.ccxt import LoopThread
from tests.positions.exchange.ccxt.serving import in_a_thread

PATIENCE = 30


def test_a_loop_is_not_closed_by_what_runs_on_it() -> None:
    async def close() -> None:
        loop.close()

    with LoopThread() as loop, pytest.raises(ArgumentValueError):
        loop.begin(close).outcome.result(PATIENCE)


def test_what_cannot_be_begun_says_so() -> None:
    def broken() -> Any:
        raise LookupError("no such work")

    with LoopThread() as loop:
        assert isinstance(loop.begin(broken).outcome.exception(PATIENCE), LookupError)


def test_what_runs_is_not_said_to_be_over() -> None:
    async def work() -> str:
        await goes.wait()
        return "done"

    goes = asyncio.Event()
    with LoopThread() as loop:
        running = loop.begin(work)
        assert not running.outcome.cancel()
        loop.loop.call_soon_threadsafe(goes.set)
        assert running.outcome.result(PATIENCE) == "done"


@pytest.mark.parametrize("when", ["while it closes", "when all has run"])
def test_what_was_begun_too_late_is_told_so(when: str) -> None:
    """The loop is closed between the look at that and the beginning."""
    came, goes, scheduled = threading.Event(), threading.Event(), threading.Event()

    async def work() -> None:
        raise AssertionError

    def meanwhile() -> None:
        # Nothing else runs on the loop.
        goes.set()
        assert scheduled.wait(PATIENCE)

    async def closer() -> None:
        meanwhile()

    def close() -> None:
        meanwhile()
        end()

    def late(*args: Any) -> Any:
        came.set()
        assert goes.wait(PATIENCE)
        try:
            return schedule(*args)
        finally:
            scheduled.set()

    loop = LoopThread()
    schedule, end = loop.loop.call_soon_threadsafe, loop.loop.close
    if when == "while it closes":
        loop.keep(closer)
    else:
        loop.loop.close = close  # type: ignore[method-assign]
    loop.loop.call_soon_threadsafe = late  # type: ignore[method-assign]
    thread, found = in_a_thread(lambda: loop.begin(work).outcome.result(PATIENCE))
    assert came.wait(PATIENCE)
    loop.loop.call_soon_threadsafe = schedule  # type: ignore[method-assign]
    loop.close()
    thread.join(PATIENCE)
    assert isinstance(found[0], CancelledError)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_whose_thread_has_ended_takes_nothing() -> None:
    async def work() -> None:
        raise SystemExit

    with LoopThread() as loop:
        with suppress(SystemExit):
            loop.begin(work).outcome.result(PATIENCE)
        loop._thread.join(PATIENCE)
        with pytest.raises(ExchangeError, match="nothing was sent"):
            loop.begin(work)
