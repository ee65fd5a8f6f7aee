"""Many browsers beside a writer, and slow ones among them: each ends with what there is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from cowstate.web import app
from cowstate.web.app import Streams
from cowstate.web.watcher import VERSIONS, Watcher, show
from tests.commanding import SECONDS
from tests.journal.files import Slot, Slots, opened
from tests.web.serving import Browser, browsing, client_of, served, served_apart, texts_of

BROWSERS = 50
COMMITS = 1_000


async def browse(client: httpx.AsyncClient, begun: asyncio.Semaphore, wait: Any) -> Browser:
    """Show what comes, after what *wait* waits for, until the last version is there."""
    browser = Browser()
    async with client.stream("GET", "/events") as answer:
        async for line in answer.aiter_lines():
            if not line.startswith('data: {"kind'):
                continue
            browser.take(json.loads(line.removeprefix("data: ")))
            if browser.told == {"state": 1, "change": 0}:
                begun.release()
                await wait
            if browser.head["version"] >= COMMITS:
                return browser
    raise AssertionError("it ended before the last version came")


def write(store: Slots) -> None:
    for n in range(1, COMMITS + 1):
        store.set(f"k{n % 40}", Slot(n, "x" * 300))


async def all_of_them(url: str, store: Slots) -> list[Browser]:
    begun, written = asyncio.Semaphore(0), asyncio.Event()
    limits = httpx.Limits(max_connections=None)
    client = httpx.AsyncClient(
        base_url=url, timeout=SECONDS, trust_env=False, limits=limits, verify=False
    )
    async with client, asyncio.TaskGroup() as group:
        # Every tenth reads nothing while it is written.
        tasks = [
            group.create_task(browse(client, begun, written.wait() if n % 10 == 0 else no_wait()))
            for n in range(BROWSERS)
        ]
        for _ in tasks:
            await begun.acquire()
        await asyncio.to_thread(write, store)
        written.set()
    return [task.result() for task in tasks]


async def no_wait() -> None:
    pass


def test_fifty_browsers_beside_a_writer_end_with_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with (
        opened(path, sync="normal") as store,
        served_apart(path, "--every", "0.05") as server,
    ):
        browsers = asyncio.run(all_of_them(server.url, store))
    stored = texts_of(path)
    for browser in browsers:
        assert browser.shown() == stored
        assert browser.head["records"] == len(stored) == 40


def told_of(stream: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.removeprefix(b"data: "))
    return found


def watched(path: Path) -> Watcher:
    return Watcher(str(path), [], 60.0, bool)


def moved(watcher: Watcher, seen: Any, n: int) -> Any:
    """Have the board show another moment."""
    seen = seen._replace(head=seen.head.replace(version=n))
    show(watcher.board, seen)
    return seen


@pytest.mark.parametrize(("missed", "kind"), [(10, "change"), (2_000, "state")])
def test_who_is_slow_is_told_all_that_it_missed_at_once(
    tmp_path: Path, missed: int, kind: str
) -> None:
    path = tmp_path / "slots.db"
    opened(path).close()
    watcher = watched(path)
    first = watcher.seen

    async def look() -> list[dict[str, Any]]:
        streams = Streams(watcher)
        feed = streams.opened()
        assert feed is not None
        events = streams.events(feed)
        await anext(events)  # how soon to connect again
        told = [told_of(await anext(events))]
        seen = first
        for n in range(1, missed + 1):
            seen = moved(watcher, seen, n)
        told.append(told_of(await anext(events)))
        streams.end()
        assert [each async for each in events] == []
        assert streams.opened() is None
        return told

    try:
        before, after = asyncio.run(look())
    finally:
        watcher.close()
    assert (before["kind"], before["to"], before["version"]) == ("state", 0, 0)
    assert (after["kind"], after["to"], after["version"]) == (kind, missed, missed)
    assert VERSIONS < 2_000


def test_there_are_only_so_many_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MOST", 1)
    path = tmp_path / "slots.db"
    opened(path).close()
    with served(path) as server:
        with browsing(server.url) as messages:
            next(messages)
            with client_of(server.url) as client:
                answer = client.get("/events")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        status = 503
        while status == 503:  # until it is noticed that the first one has gone
            with (
                client_of(server.url) as client,
                client.stream("GET", "/events") as answer,
            ):
                status = answer.status_code
        assert status == 200
