"""To serve a page until somebody ends it: `serve`."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import current_thread, main_thread
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from .app import Door, Streams, application
from .connections import Connection
from .errors import ServeError
from .watcher import Watcher

__all__ = ["serve"]

BACKLOG = 128
SECONDS_TO_END = 2


class _Server(uvicorn.Server):
    """Ends the streams before it waits for them to end."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], object]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End it."""
        self._end()
        for each in tuple(self.server_state.connections):
            if isinstance(each, Connection):
                each.end()
        await super().shutdown(sockets)


def serve(
    path: str,
    door: Door,
    port: int,
    fields: Sequence[str] = (),
    every: float = 0.25,
    started: Callable[[str, str, Callable[[], object]], object] = lambda *_: None,
    name: str | None = None,
) -> None:
    """Serve the page over the store at *path*, until SIGINT or SIGTERM, or until it is ended.

    Args:
        path: the file, or the URL of a database on a server.
        door: where to listen, and who is let in.
        port: on which port; 0 for any that is free.
        fields: the names of fields to sum up.
        every: how long it is from one look at the store to the next, in seconds.
        started: called once it is listened there: with where the store is, without what is secret,
            with the URL of the page, and with what ends it, which any thread may call.
        name: on a server, which of its stores.

    Raises:
        ArgumentTypeError, ArgumentValueError: that names no store.
        JournalFileError: there is no such store, or none any more.
        JournalError: the server cannot be had.
        ServeError: nobody can listen there.
    """
    ends: list[_Server] = []

    def end(*_: object) -> None:
        for server in ends:
            server.should_exit = True

    watcher = Watcher(path, fields, every, end, name)
    with ExitStack() as stack:
        stack.callback(watcher.close)
        streams = Streams(watcher)
        server = _Server(_config(application(watcher, streams, door)), streams.end)
        ends.append(server)
        # Until all is closed, so that to be told twice is to be told once.
        stack.enter_context(_signals(end))
        stack.callback(watcher.close)
        listening = stack.enter_context(_listening(door.bound, port))
        watcher.start()
        started(watcher.path, _url(door.bound, listening.getsockname()[1]), end)
        server.run([listening])
    if watcher.failure is not None:
        raise watcher.failure


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=SECONDS_TO_END,
    )


def _listening(host: str, port: int) -> socket.socket:
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ServeError(
            f"{host!r} is no address to listen on: {error.strerror or error}"
        ) from error
    try:
        if sys.platform != "win32":  # where it lets another program listen on the same port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise ServeError(
            f"nobody can listen on port {port} of {host}: {error.strerror or error}; "
            "name another one with --port, or 0 for any that is free"
        ) from error
    return listening


def _url(host: str, port: int) -> str:
    # Where it is listened everywhere, this machine has a name of its own for it.
    name = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else host
    return f"http://{f'[{name}]' if ':' in name and name[0] != '[' else name}:{port}/"


def _signals(end: Callable[..., object]) -> ExitStack:
    """Have signals end it, also before uvicorn listens for them and when it raises them anew."""
    stack = ExitStack()
    if current_thread() is main_thread():
        for each in (signal.SIGINT, signal.SIGTERM):
            was: Any = signal.signal(each, end)
            stack.callback(signal.signal, each, was)
    return stack
