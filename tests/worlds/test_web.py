"""A store behind a web server: real requests, whose steps run in any thread that is free."""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from itertools import cycle, islice, repeat
from typing import Any, Generic, NamedTuple, TypeVar

import pytest

from cowstate import Store
from tests.standing import changes_of

pytest.importorskip("fastapi", reason="no web server for this Python: fastapi is not installed")
pytest.importorskip("uvicorn", reason="no web server for this Python: uvicorn is not installed")

from uvicorn import Config, Server

from tests.worlds.app import Gates, Hits, make_app

T = TypeVar("T")

PATIENCE = 300.0
"""After how many seconds something hangs."""


def all_stacks() -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return "\n".join(
        f"{names.get(ident, '?')} ({ident})\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()
    )


class Call(threading.Thread, Generic[T]):
    """A call in a thread of its own, whose result is waited for with patience and no longer."""

    def __init__(self, fn: Callable[..., T], *args: object) -> None:
        # The threads of the server's pool are daemons, too, if the one that makes them is. So what
        # hangs fails its test, and the run goes on and ends.
        super().__init__(name=getattr(fn, "__name__", "call"), daemon=True)
        self._call: Callable[[], T] = lambda: fn(*args)
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        self.join(PATIENCE)
        if self.is_alive() or isinstance(self._error, TimeoutError):
            pytest.fail(f"{self.name} hangs; all threads:\n\n{all_stacks()}", pytrace=False)
        if self._error is not None:
            raise self._error
        return self._result


def await_signal(signal: threading.Semaphore, what: str) -> None:
    if not signal.acquire(timeout=PATIENCE):
        pytest.fail(f"{what}: never; all threads:\n\n{all_stacks()}", pytrace=False)


class Answer(NamedTuple):
    status: int
    body: Any


class Client:
    """One connection, of one thread."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self.close = self._connection.close

    def post(self, path: str) -> Answer:
        self._connection.request("POST", path)
        response = self._connection.getresponse()
        body = response.read()
        is_json = response.getheader("Content-Type") == "application/json"
        return Answer(response.status, json.loads(body) if is_json else body.decode())


class Site:
    """The application, served on a port of this machine."""

    def __init__(self, store: Hits, port: int) -> None:
        self.store = store
        self.port = port
        self.gates = Gates()

    def post(self, path: str) -> Answer:
        """Make one request, on a connection of its own."""
        with closing(Client(self.port)) as client:
            return client.post(path)

    def posting(self, path: str) -> Call[Answer]:
        """Begin one request."""
        return Call(self.post, path)

    def request(self, path: str) -> socket.socket:
        """Send one request, and leave the answer to the caller."""
        caller = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        caller.sendall(f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n".encode())
        return caller

    def check_that_all_can_write(self) -> None:
        """Every kind of thread can: a new one, this one, one of the pool, and the event loop's."""
        for write in (self._write, self._write_in_a_block):
            before = self.store.snapshot()["hits"]
            Call(write).result()
            write()
            assert self.store.snapshot()["hits"] == before + 2
        for path in ("/update", "/pool", "/loop", "/loop/update"):
            assert self.posting(path).result() == (200, self.store.snapshot()["hits"])

    def _write(self) -> None:
        self.store.update("hits", lambda hits: hits + 1)

    def _write_in_a_block(self) -> None:
        with self.store.transaction() as tx:
            tx["hits"] += 1


@contextmanager
def serving(**options: Any) -> Iterator[Site]:
    """Serve the application from a thread of this process, on a port that is free."""
    # asyncio switches Nagle's algorithm off, which costs 40 ms a request, if the protocol is given.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        site = Site(Store({"hits": 0}, **options), listening.getsockname()[1])
        config = Config(
            make_app(site.store, site.gates),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        running = Call(server.run, [listening])
        try:
            yield site
        finally:
            site.gates.free.set()
            server.should_exit = True
        running.result()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def test_a_block_is_left_in_another_thread_of_the_pool_than_it_was_entered_in(site: Site) -> None:
    first = site.posting("/pool/waits")
    await_signal(site.gates.entered, "the request opens its transaction")
    # Now the thread that opened it is idle, and is the one that the pool gives work to.
    occupied = site.posting("/occupy")
    await_signal(site.gates.entered, "the other request has that thread")
    site.posting("/open").result()
    assert first.result() == (200, 1)
    entered, left = site.gates.threads
    assert entered != left
    assert site.store.snapshot() == {"hits": 1}
    site.gates.free.set()
    assert occupied.result().status == 200
    site.check_that_all_can_write()


@pytest.mark.parametrize(
    "paths",
    [
        ["/pool"],
        ["/loop"],
        ["/update"],
        ["/transact"],
        ["/loop/update", "/loop", "/loop/raises"],
        ["/pool", "/update", "/pool/raises", "/transact"],
    ],
    ids=" ".join,
)
def test_every_answered_hit_is_in_the_store_once_and_in_order(site: Site, paths: list[str]) -> None:
    feed = site.store.feed()

    def visit(number: int) -> list[Answer]:
        order = islice(cycle(paths), number, number + 50)
        with closing(Client(site.port)) as client:
            return [client.post(path) for path in order]

    visits = [Call(visit, number) for number in range(8)]
    answers = [answer for each in visits for answer in each.result()]
    assert len(answers) == 400
    hits = sorted(body for status, body in answers if status == 200)
    assert hits == [*range(1, len(hits) + 1)]
    assert {status for status, _ in answers} <= {200, 418}
    assert len(hits) == sum(answer.status == 200 for answer in answers) > 0
    now = site.store.snapshot()
    assert (now["hits"], now.version) == (len(hits), len(hits))
    changes = [changes_of(item) for item in iter(feed.poll, None)]
    assert [change["hits"] for change in changes] == [(hit - 1, hit) for hit in hits]
    site.check_that_all_can_write()


@pytest.mark.parametrize("path", ["/pool/raises", "/loop/raises"])
def test_a_request_that_raises_leaves_nothing(site: Site, path: str) -> None:
    before = site.store.snapshot()
    for _ in range(3):
        assert site.posting(path).result().status == 418
    assert site.store.snapshot() is before
    site.check_that_all_can_write()


def test_a_client_that_goes_away_takes_nothing_with_it(site: Site) -> None:
    with site.request("/pool/waits"):
        await_signal(site.gates.entered, "the request opens its transaction")
    site.posting("/open").result()
    await_signal(site.gates.left, "the request ends")
    now = site.store.snapshot()
    assert now["hits"] == now.version <= 1
    site.check_that_all_can_write()


@pytest.mark.parametrize("path", ["/pool/streams", "/loop/streams"])
def test_a_stream_that_nobody_reads_to_its_end_gives_its_transaction_up(
    site: Site, path: str
) -> None:
    before = site.store.snapshot()
    with site.request(path) as caller:
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")
        held = Call(site.store.update, "hits", lambda hits: hits + 1)
    # The server leaves a stream of the pool in a cycle with the error that ended it.
    for collect in repeat(gc.collect, int(PATIENCE / 0.05)):
        collect()
        if site.gates.left.acquire(timeout=0.05):
            break
    else:
        await_signal(site.gates.left, "the stream ends")
    assert held.result().before is before
    site.check_that_all_can_write()


@pytest.mark.parametrize("path", ["/loop/update", "/loop"])
def test_beside_a_block_that_awaits_a_write_on_the_same_loop_is_told_where(
    site: Site, path: str
) -> None:
    first = site.posting("/loop/waits")
    await_signal(site.gates.entered, "the request opens its transaction")
    status, body = site.posting(path).result()
    assert (status, body["error"]) == (409, "ReentrantWriteError")
    assert "app.py:" in body["message"]
    assert "await" in body["message"]
    # Who writes from elsewhere has only to wait.
    waiting = site.posting("/update")
    site.posting("/open").result()
    assert first.result() == (200, 1)
    assert waiting.result() == (200, 2)
    site.check_that_all_can_write()


def test_a_loop_that_waits_for_a_block_which_needs_the_loop_is_let_go_by_the_timeout() -> None:
    with serving(lock_timeout=0.2) as site:
        first = site.posting("/pool/waits")
        await_signal(site.gates.entered, "the request opens its transaction")
        status, body = site.posting("/loop/update").result()
        assert (status, body["error"]) == (409, "LockTimeoutError")
        assert "app.py:" in body["message"]
        site.posting("/open").result()
        assert first.result() == (200, 1)
        site.check_that_all_can_write()


def test_a_full_pool_that_waits_for_a_request_without_a_thread_is_let_go_by_the_timeout() -> None:
    with serving(lock_timeout=0.2) as site:
        site.posting("/pool-of-two").result()
        first = site.posting("/pool/waits-for-a-thread")
        await_signal(site.gates.entering, "the first request comes")
        await_signal(site.gates.entered, "it opens its transaction")
        others = [site.posting("/pool") for _ in range(2)]
        for _ in others:
            await_signal(site.gates.entering, "another one has a thread of the pool")
        site.posting("/open").result()
        assert first.result() == (200, 1)
        answers = [other.result() for other in others]
        refused = [body["error"] for status, body in answers if status != 200]
        assert refused in (["LockTimeoutError"], ["LockTimeoutError"] * 2)
        assert site.store.snapshot()["hits"] == 3 - len(refused)
        site.check_that_all_can_write()
