"""An HTTP server of one's own, and what can go wrong at its socket, one request at a time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit

__all__ = [
    "Answered",
    "App",
    "Asked",
    "DropError",
    "Fault",
    "Served",
    "elsewhere",
    "held_at",
    "serving",
]

PATIENCE = 30


class Asked(NamedTuple):
    """One request."""

    method: str
    path: str
    params: dict[str, str]
    headers: Mapping[str, str]
    body: str
    query: str


class Answered(NamedTuple):
    """One answer. *stamp_ms* is for the Date header, None for none."""

    status: int
    body: str
    headers: Mapping[str, str] = {}
    stamp_ms: int | None = None


class DropError(Exception):
    """No answer: the connection is closed without one."""


class App(Protocol):
    """What answers."""

    def answer(self, asked: Asked) -> Answered:
        """Answer, or raise `DropError`."""
        ...


class Fault(NamedTuple):
    """What goes wrong with the next request that fits.

    *done* says whether it is carried out. *kind*: ``drop`` closes the connection, ``half`` sends
    half of the body under its full length, ``short`` half of it with no length, ``hang`` sends
    nothing, and *status* other than 0 answers that instead.
    """

    kind: str = ""
    method: str = ""
    path: str = ""
    done: bool = True
    status: int = 0
    body: str = ""
    headers: Mapping[str, str] = {}

    def fits(self, asked: Asked) -> bool:
        return self.method in ("", asked.method) and self.path in asked.path


class Served:
    """A server at work: where it is, what it was asked, and what will go wrong."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self.ended = threading.Event()
        self.address = ""

    def fail(self, kind: str = "", **named: Any) -> None:
        self.faults.append(Fault(kind, **named))

    def take(self, asked: Asked) -> Fault:
        for place, fault in enumerate(self.faults):
            if fault.fits(asked):
                return self.faults.pop(place)
        return Fault()

    def count(self, method: str, path: str) -> int:
        return sum(each.method == method and path in each.path for each in self.asked)


def _handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: Any) -> None:
            pass

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length).decode()
            parts = urlsplit(self.path)
            params = dict(parse_qsl(parts.query))
            if "json" not in self.headers.get("Content-Type", ""):
                params |= dict(parse_qsl(body))
            asked = Asked(
                self.command, parts.path, params, dict(self.headers.items()), body, parts.query
            )
            served.asked.append(asked)
            fault = served.take(asked)
            try:
                answered = served.app.answer(asked) if fault.done else Answered(200, "{}")
            except DropError:
                fault, answered = Fault("drop"), Answered(200, "{}")
            if fault.status:
                stamp = answered.stamp_ms
                answered = Answered(fault.status, fault.body, fault.headers, stamp)
            self.send(answered, fault.kind)

        do_GET = handle_one  # noqa: N815 -- the name that is called
        do_POST = handle_one  # noqa: N815
        do_DELETE = handle_one  # noqa: N815

        def send(self, answered: Answered, kind: str) -> None:
            if kind == "hang":
                served.ended.wait(PATIENCE)
            if kind in ("drop", "hang"):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = answered.body.encode()
            self.send_response_only(answered.status)
            if answered.stamp_ms is not None:
                self.send_header("Date", formatdate(answered.stamp_ms // 1000, usegmt=True))
            self.send_header("Content-Type", "application/json")
            for name, value in answered.headers.items():
                self.send_header(name, value)
            if kind == "short":
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if kind in ("half", "short") else body)
            if kind in ("half", "short"):
                self.close_connection = True

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    handle_error: Callable[..., None]

    def handle_error(self, *args: Any) -> None:  # type: ignore[no-redef]
        """Whoever hung up has done so on purpose."""


def held_at(app: Any, method: str, path: str) -> tuple[threading.Event, threading.Event]:
    """Have the next such request wait at the server; return when it came, and what lets it go."""
    came, goes = threading.Event(), threading.Event()
    answer = app.answer

    def answering(asked: Asked) -> Any:
        if asked.method == method and path in asked.path and not came.is_set():
            came.set()
            assert goes.wait(PATIENCE)
        return answer(asked)

    app.answer = answering
    return came, goes


@contextmanager
def elsewhere() -> Iterator[tuple[str, Callable[[], bool]]]:
    """Yield the address of somebody else, and what tells whether anybody connected there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)

        def came() -> bool:
            try:
                taken, _ = listening.accept()
            except BlockingIOError:
                return False
            taken.close()
            return True

        yield f"http://127.0.0.1:{listening.getsockname()[1]}", came


@contextmanager
def serving(app: App) -> Iterator[Served]:
    """Serve *app* on a port of its own."""
    served = Served(app)
    server = _Server(("127.0.0.1", 0), _handler(served))
    served.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="server")
    thread.start()
    try:
        yield served
    finally:
        served.ended.set()
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def in_a_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found
