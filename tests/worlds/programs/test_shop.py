"""The shop, over real HTTP: what it answers always fits together, whoever asks and buys."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any, NamedTuple

import pytest

pytest.importorskip("fastapi", reason="no web server for this Python: fastapi is not installed")
pytest.importorskip("uvicorn", reason="no web server for this Python: uvicorn is not installed")

from uvicorn import Config, Server

from tests.worlds.programs.shop import Item, Shop, make_app, open_shop

PATIENCE = 300.0
"""After how many seconds something hangs."""


class Answer(NamedTuple):
    status: int
    body: Any
    tag: str | None


class Site:
    def __init__(self, shop: Shop, app: Any, port: int) -> None:
        self.shop, self.app, self.port = shop, app, port

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            text = None if body is None else json.dumps(body)
            sent = {"Content-Type": "application/json", **headers}
            connection.request(method, path, text, sent)
            response = connection.getresponse()
            return Answer(response.status, json.loads(response.read()), response.getheader("ETag"))

    def buy(self, customer: str, number: int = 1) -> Answer:
        return self.ask("POST", "/orders", {"customer": customer, "item": "tea", "number": number})


@contextmanager
def serving(shop: Shop) -> Iterator[Site]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        app = make_app(shop)
        config = Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        running = threading.Thread(target=server.run, args=([listening],), daemon=True)
        running.start()
        try:
            yield Site(shop, app, listening.getsockname()[1])
        finally:
            server.should_exit = True
            running.join(PATIENCE)
        assert not running.is_alive()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving(open_shop()) as site:
        offered = site.ask("PUT", "/items/tea", {"price": "2.50", "left": 50})
        assert offered[:2] == (200, {"version": 1})
        yield site


def test_no_more_is_sold_than_there_is_and_the_books_fit_at_every_moment(site: Site) -> None:
    answers: list[Answer] = []
    ended = threading.Event()
    looks: list[Any] = []

    def customer(name: str) -> None:
        answers.extend(site.buy(name, 1 + n % 2) for n in range(10))

    def auditor() -> None:
        while not ended.is_set():
            looks.append(site.ask("GET", "/books").body)

    auditing = threading.Thread(target=auditor, daemon=True)
    customers = [threading.Thread(target=customer, args=(f"c{n}",)) for n in range(6)]
    for thread in (auditing, *customers):
        thread.start()
    for thread in customers:
        thread.join(PATIENCE)
    ended.set()
    auditing.join(PATIENCE)

    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) == {201, 409}
    assert len(answers) == 60
    for look in [*looks, site.ask("GET", "/books").body]:
        assert look["earned"] == look["added up"]
        assert look["sold"] <= 50
    assert site.ask("GET", "/items/tea").body["left"] == 50 - look["sold"]
    assert site.shop.snapshot().version == 1 + statuses[201]
    orders = sum(len(site.ask("GET", f"/customers/c{n}").body["orders"]) for n in range(6))
    assert orders == statuses[201]


def test_of_two_that_change_what_they_both_saw_the_second_is_told(site: Site) -> None:
    seen = site.ask("GET", "/items/tea")
    assert seen.tag == '"1"'
    first = site.ask("PUT", "/items/tea", {"price": "3", "left": 50}, **{"If-Match": seen.tag})
    second = site.ask("PUT", "/items/tea", {"price": "2", "left": 50}, **{"If-Match": seen.tag})
    assert first.status == 200
    assert second[:2] == (409, {"detail": "changed meanwhile", "version": 2})
    assert site.ask("GET", "/items/tea").body["price"] == "3"


def test_who_saw_it_too_long_ago_is_told(site: Site) -> None:
    for n in range(1100):
        site.shop.set("tea", Item(Decimal(n), 50))
    late = site.ask("PUT", "/items/tea", {"price": "3", "left": 50}, **{"If-Match": '"1"'})
    assert late.status == 409
    assert late.body["oldest"] > 1


def test_a_price_that_was_asked_for_while_somebody_bought_is_not_set(site: Site) -> None:
    asked, answer = threading.Event(), threading.Event()

    async def ask_for_price(name: str) -> Decimal:
        asked.set()
        await asyncio.to_thread(answer.wait, PATIENCE)
        return Decimal(9)

    site.app.state.ask_for_price = ask_for_price
    answers: list[Answer] = []
    asking = threading.Thread(
        target=lambda: answers.append(site.ask("POST", "/items/tea/reprice")), daemon=True
    )
    asking.start()
    assert asked.wait(PATIENCE)
    assert site.buy("ann").status == 201  # nobody is held up
    answer.set()
    asking.join(PATIENCE)
    assert answers[0].status == 409
    assert site.ask("GET", "/items/tea").body == {"price": "2.50", "left": 49}
    assert site.ask("POST", "/items/tea/reprice").status == 200
    assert site.ask("GET", "/items/tea").body == {"price": "9", "left": 49}


def test_what_is_not_there_is_not_found(site: Site) -> None:
    missing = {"customer": "ann", "item": "cake"}
    assert site.ask("GET", "/items/cake").status == 404
    assert site.ask("POST", "/orders", missing).status == 404
    assert site.ask("POST", "/items/cake/reprice").status == 404
    assert site.shop.snapshot().version == 1


def test_a_stream_tells_of_each_version_in_order(site: Site) -> None:
    with closing(HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)) as connection:
        connection.request("GET", "/events?until=6")
        stream = connection.getresponse()
        events = [json.loads(read_event(stream))]
        for _ in range(5):
            site.buy("ann")
        events += [json.loads(read_event(stream)) for _ in range(5)]
        assert stream.read() == b""
    assert [event["at"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [Decimal(event["earned"]) for event in events] == [Decimal("2.5") * n for n in range(6)]


def read_event(stream: Any) -> str:
    line: str = stream.readline().decode()
    assert stream.readline() == b"\n"
    return line.removeprefix("data: ")


def test_a_client_that_leaves_a_stream_leaves_nothing_behind(site: Site) -> None:
    with socket.create_connection(("127.0.0.1", site.port), PATIENCE) as caller:
        caller.sendall(b"GET /events?until=9 HTTP/1.1\r\nHost: here\r\n\r\n")
        received = b""
        while b"data:" not in received:
            received += caller.recv(4096)
    waiting = site.shop.statistics().waiting
    for _ in range(1000):
        if not (waiting := site.shop.statistics().waiting):
            break
        site.ask("GET", "/books")
    assert waiting == 0


def test_who_cannot_write_in_time_is_asked_to_come_again() -> None:
    with serving(open_shop(lock_timeout=0.05)) as site:
        site.shop.set("tea", Item(Decimal(1), 5))
        with site.shop.transaction():
            busy = site.buy("ann")
            assert site.ask("GET", "/items/tea").status == 200
        assert busy.status == 503
        assert "transaction opened at" in busy.body["detail"]
        assert site.buy("ann").status == 201
