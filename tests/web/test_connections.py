"""Who asks nothing, or takes nothing of what it is told, holds no place for long."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Thread

import httpx
import pytest

from cowstate.web import app, connections
from tests.commanding import SECONDS, posix
from tests.journal.files import Slot, opened
from tests.web.serving import Served, browsing, client_of, served, served_apart

TOKEN = "a-token-that-nobody-guesses"
SOON = 0.5
EVENTS = b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "slots.db"
    with opened(path) as store:
        store.set("a", Slot(1, "ann"))
    return path


@pytest.fixture
def hasty(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server that has little patience."""
    monkeypatch.setattr(connections, "PATIENCE", SOON)
    monkeypatch.setattr(app, "PATIENCE", SOON)
    monkeypatch.setattr(app, "BEAT", SOON / 5)
    with served(file, every=0.02, token=TOKEN) as server:
        yield server


def connected(server: Served) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), SECONDS)


def rest(client: socket.socket) -> bytes:
    """Return what comes until it is closed."""
    found = b""
    with suppress(ConnectionError):
        while data := client.recv(65_536):
            found += data
    return found


@pytest.mark.parametrize(
    "begins",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n",
    ],
    ids=["nothing", "a part", "a part after a whole one", "a body"],
)
def test_who_asks_a_byte_at_a_time_is_let_go(hasty: Served, begins: bytes) -> None:
    with connected(hasty) as client:
        client.sendall(begins)
        over = Thread(target=rest, args=(client,))
        over.start()
        with suppress(OSError):
            while over.is_alive():
                client.sendall(b"x")
                over.join(SOON / 5)
        over.join(SECONDS)
        assert not over.is_alive()


def test_a_form_that_does_not_end_is_refused(hasty: Served) -> None:
    with connected(hasty) as client:
        client.sendall(
            b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\ntoken="
        )
        assert rest(client).startswith(b"HTTP/1.1 403 ")


def test_who_is_told_little_stays(hasty: Served) -> None:
    with connected(hasty) as client, client.makefile("rb") as told:
        client.sendall(EVENTS.replace(b"Host", f"Authorization: Bearer {TOKEN}\r\nHost".encode()))
        beats = 0
        while beats < 20:
            line = told.readline()
            assert line
            beats += line == b"event: beat\n"


def test_who_takes_nothing_of_what_it_is_told_is_let_go(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "PATIENCE", SOON)
    monkeypatch.setattr(app, "MOST", 1)
    with opened(file, sync="normal") as store, served(file, every=0.02) as server:
        client = socket.socket()
        with client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect(("127.0.0.1", server.port))
            client.sendall(EVENTS)
            client.recv(1)
            status, n = 503, 0
            while status == 503:
                n += 1
                store.replace_all({f"k{i}": Slot(n, "x" * 400) for i in range(500)})
                # On a machine that is busy this one may be too slow, too.
                with (
                    suppress(httpx.TransportError),
                    client_of(server.url) as other,
                    other.stream("GET", "/events") as answer,
                ):
                    status = answer.status_code
            assert status == 200


@posix
def test_who_takes_nothing_of_what_it_is_told_holds_no_end_up(file: Path) -> None:
    with (
        opened(file, sync="normal") as store,
        served_apart(file, "--every", "0.01") as server,
        socket.socket() as client,
        browsing(server.url) as messages,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(("127.0.0.1", server.port))
        client.sendall(EVENTS)
        client.recv(1)
        for n in range(20):  # as much as no system keeps for it
            store.replace_all({f"k{i}": Slot(n, "x" * 400) for i in range(1_000)})
            version = store.snapshot().version
            assert next(m for m in messages if m["version"] == version)
        assert server.end(signal.SIGTERM) == (0, "")


def test_of_too_many_those_go_that_ask_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 5)
    monkeypatch.setattr(connections, "PATIENCE", SECONDS)
    with (
        served(file, every=0.02) as server,
        browsing(server.url) as messages,
        ExitStack() as stack,
    ):
        next(messages)
        idle = [stack.enter_context(connected(server)) for _ in range(20)]
        with client_of(server.url) as client:
            assert client.get("/").status_code == 200
        assert [rest(each) for each in idle[:16]] == [b""] * 16
        with opened(file) as store:
            store.set("b", Slot(2))
        assert next(m for m in messages if m["put"])["records"] == 2
