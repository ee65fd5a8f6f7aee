"""As much of Binance as the depth cache asks: the whole book, by HTTP, and a stream of messages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

from aiohttp import web

from tests.adoptions.pinned import pinned

binance = pinned("python-binance", "binance")
streams = pinned("python-binance", "binance.ws.reconnecting_websocket")

SYMBOL = "BTCUSDT"


class Venue:
    """Answers with the *wholes*, one after the other, the last one again and again.

    To the first who listens it tells the *messages*; the others hear nothing.
    """

    def __init__(self, wholes: Iterable[Any], messages: Iterable[Any]) -> None:
        self.wholes, self.messages = list(wholes), list(messages)
        self.asked = 0
        self.port = 0

    async def depth(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response(self.wholes[min(self.asked, len(self.wholes)) - 1])

    async def stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        messages, self.messages = self.messages, []
        for message in messages:
            await socket.send_json(message)
        async for _ in socket:  # until it is closed by who listens
            pass
        return socket

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tuple[Any, Any]]:
        """The package's client and socket manager, for this venue."""
        client = binance.AsyncClient()
        client.API_URL = f"http://127.0.0.1:{self.port}/api"
        sockets = binance.BinanceSocketManager(client, max_queue_size=1_000_000)
        sockets.STREAM_URL = f"ws://127.0.0.1:{self.port}/"
        try:
            # Its stream ends when it has heard nothing for so long; usually ten seconds.
            with patch.object(streams.ReconnectingWebsocket, "TIMEOUT", 0.1):
                yield client, sockets
        finally:
            await client.close_connection()


@contextmanager
def serving(venue: Venue) -> Iterator[Venue]:
    """Have *venue* served, in a thread."""
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_get("/api/v3/depth", venue.depth)
    app.router.add_get("/ws/{stream}", venue.stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def begin() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        venue.port = runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(make: Callable[[], Any]) -> None:
        asyncio.run_coroutine_threadsafe(make(), loop).result(30)

    try:
        run(begin)
        yield venue
    finally:
        run(runner.cleanup)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
