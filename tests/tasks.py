"""Tasks that wait for a store, on event loops that count the calls into them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from cowstate import Store
from tests.parked import PATIENCE


async def asleep(store: Store[Any, Any], sleepers: int) -> None:
    """Let the other tasks run until *sleepers* of them wait."""
    while store.statistics().waiting != sleepers:
        await asyncio.sleep(0)


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(main, PATIENCE))
