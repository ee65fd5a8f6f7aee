"""Work that may take for ever, beside an event loop: `beside`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

__all__ = ["beside"]

R = TypeVar("R")


async def beside(work: Callable[[], R]) -> R:
    """Return ``work()``, of a thread of its own that a process does not wait for when it ends.

    Who is cancelled leaves it alone. An executor's threads are waited for, and so are anyio's.

    >>> asyncio.run(beside(lambda: 1 + 1))
    2
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[R] = loop.create_future()

    def tell(how: Callable[[Any], None], what: Any) -> None:
        def told() -> None:
            if not answer.done():
                how(what)

        with suppress(RuntimeError):  # the loop is over, and nobody asks any more
            loop.call_soon_threadsafe(told)

    def run() -> None:
        try:
            found = work()
        except Exception as error:
            tell(answer.set_exception, error)
        else:
            tell(answer.set_result, found)

    Thread(target=run, daemon=True).start()
    return await answer
