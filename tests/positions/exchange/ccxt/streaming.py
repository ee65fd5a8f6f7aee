"""A server of streams of our orders, and what can go wrong with a connection: `Streams`."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Condition
from typing import Any, Protocol

import pytest

from cowstate.positions import OrderUpdate
from cowstate.positions.exchange.ccxt.loops import LoopThread

__all__ = ["PATIENCE", "Line", "Speech", "Streams", "streaming"]

PATIENCE = 30


class Speech(Protocol):
    """How a venue talks on its stream of orders."""

    def welcome(self, path: str, query: str) -> bool | None:
        """Whether who connects is subscribed at once; None: they are sent away."""
        ...

    def replies(self, said: Any) -> tuple[list[Any], bool]:
        """What is answered to a message, and whether it subscribes."""
        ...

    def event(self, update: OrderUpdate) -> Any:
        """How a change of an order is told."""
        ...


class Line:
    """One connection."""

    def __init__(self, ws: Any, transport: Any, subscribed: bool) -> None:
        self.ws, self.transport, self.subscribed = ws, transport, subscribed
        self.pongs = 0


class Streams:
    """A server at work: who listens, and what goes wrong. Told from the outside, by any thread.

    Attributes:
        sends_away: how many of the next that connect are answered by status 503.
        mute: nothing that happens is told, and the connections stay.
        lame: no ping is answered.
        silent: no message is answered.
        leads_to: where the next that connects is sent by a redirect.
        slow: until it is set, who connects gets no answer.
        lines: those that stand.
        came: how many ever stood.
    """

    def __init__(self, speech: Speech) -> None:
        self.speech = speech
        self.sends_away = 0
        self.mute = self.lame = self.silent = False
        self.leads_to = ""
        self.slow: asyncio.Event | None = None
        self.lines: list[Line] = []
        self.came = self.knocked = self.pings = 0
        self.changed = Condition()
        self.loop = LoopThread()
        self.address = ""
        self.port = 0
        self.runner: Any = None

    # From outside

    def until(self, what: Callable[[], bool]) -> None:
        """Wait until it is so."""
        with self.changed:
            assert self.changed.wait_for(what, PATIENCE), "it did not come to be so"

    def until_heard(self, lives: int = 1) -> None:
        """Wait until somebody is subscribed, by that many-th connection or a later one."""
        self.until(lambda: self.came >= lives and any(each.subscribed for each in self.lines))

    def tell(self, update: OrderUpdate) -> None:
        """Tell those who are subscribed of a change."""
        if not self.mute:
            self.say(json.dumps(self.speech.event(update)))

    def say(self, text: str) -> None:
        self._do(self._say, text)

    def cut(self, update: OrderUpdate) -> None:
        """Send half of the frame of an event, and go."""
        self._do(self._cut, json.dumps(self.speech.event(update)).encode())

    def drop(self) -> int:
        """Go without a word; return how many had come until then."""
        came: int = self._do(self._cut, b"")
        return came

    def until_taken(self) -> None:
        """Return when all that was sent so far was heard, by those who stand still."""
        if self.lame:
            return
        self._do(self._ping)
        self.until(lambda: all(each.pongs == self.pings for each in self.lines))

    def shut(self) -> None:
        """Go, and let nobody connect any more."""
        self._do(self._shut)

    def reopen(self) -> None:
        """Let them connect again, at the same place."""
        self._do(self.listen)

    def leave(self) -> None:
        """Close the connections as one should."""
        self._do(self._leave)

    def _do(self, work: Any, *args: Any) -> Any:
        return self.loop.begin(lambda: work(*args)).outcome.result(PATIENCE)

    # On the loop

    async def _ping(self) -> None:
        self.pings += 1
        for line in [*self.lines]:
            line.pongs = self.pings - 1
            with suppress(ConnectionError):
                await line.ws.ping(b"")

    async def _say(self, text: str) -> None:
        for line in [each for each in self.lines if each.subscribed]:
            with suppress(ConnectionError):
                await line.ws.send_str(text)

    async def _cut(self, body: bytes) -> int:
        for line in [*self.lines]:
            line.subscribed = False
            if body:
                # A frame of text of that length, of which half comes.
                head = b"\x81" + (
                    bytes([len(body)]) if len(body) < 126 else b"\x7e" + len(body).to_bytes(2)
                )
                line.transport.write(head + body[: len(body) // 2])
                line.transport.close()
            else:
                line.transport.abort()
        return self.came

    async def _shut(self) -> None:
        (site,) = self.runner.sites
        await site.stop()
        await self._cut(b"")

    async def _leave(self) -> None:
        for line in [*self.lines]:
            line.subscribed = False
            await line.ws.close()

    async def handle(self, request: Any) -> Any:
        from aiohttp import WSMsgType, web

        with self.changed:
            self.knocked += 1
            self.changed.notify_all()
        if self.slow is not None:
            await self.slow.wait()
        if self.leads_to:
            leads_to, self.leads_to = self.leads_to, ""
            return web.Response(status=307, headers={"Location": leads_to})
        subscribed = self.speech.welcome(request.path, request.query_string)
        if self.sends_away or subscribed is None:
            self.sends_away = max(self.sends_away - 1, 0)
            return web.Response(status=503)
        ws = web.WebSocketResponse(autoping=False, timeout=1.0)
        await ws.prepare(request)
        line = Line(ws, request.transport, subscribed)
        line.pongs = self.pings
        with self.changed:
            self.lines.append(line)
            self.came += 1
            self.changed.notify_all()
        try:
            async for message in ws:
                if message.type is WSMsgType.PONG:
                    with self.changed:
                        line.pongs += 1
                        self.changed.notify_all()
                elif message.type is WSMsgType.PING and not self.lame:
                    await ws.pong(message.data)
                elif message.type is WSMsgType.TEXT and not self.silent:
                    await self.reply(line, json.loads(message.data))
        finally:
            with self.changed:
                self.lines.remove(line)
                self.changed.notify_all()
        return ws

    async def reply(self, line: Line, said: Any) -> None:
        if self.lame and said.get("op") == "ping":
            return
        replies, subscribes = self.speech.replies(said)
        for each in replies:
            await line.ws.send_str(json.dumps(each))
        if subscribes:
            with self.changed:
                line.subscribed = True
                self.changed.notify_all()

    async def begin(self) -> None:
        from aiohttp import web

        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self.handle)
        self.runner = web.AppRunner(app, shutdown_timeout=1.0, access_log=None)
        await self.runner.setup()
        await self.listen()

    async def listen(self) -> None:
        from aiohttp import web

        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        (taken,) = [each for each in self.runner.addresses if each[0] == "127.0.0.1"]
        self.port = taken[1]
        self.address = f"http://127.0.0.1:{self.port}"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def streaming(speech: Speech) -> Iterator[Streams]:
    """Serve the streams of a venue on a port of its own."""
    pytest.importorskip("aiohttp", reason="the client is not installed here")
    served = Streams(speech)
    try:
        served.loop.begin(served.begin).outcome.result(PATIENCE)
        yield served
    finally:

        async def end() -> None:
            await served._cut(b"")
            await asyncio.wait_for(served.runner.cleanup(), PATIENCE)

        served.loop.begin(end).outcome.result(PATIENCE)
        served.loop.close()
