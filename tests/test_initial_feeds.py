"""What is there first, then what comes: feeds with `initial=True`."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cowstate import (
    MISSING,
    Commit,
    History,
    Store,
    aio,
)
from tests.parked import PATIENCE
from tests.standing import added, began, changes_of

AnyCommit = Commit[Any, Any]


@pytest.mark.parametrize("mode", ["every", "latest"])
def test_a_feed_yields_what_is_there_at_the_first_look_and_then_what_comes(mode: Any) -> None:
    store = Store({"a": 0}, history=History(versions=1), meta="now")
    feed = store.feed(mode, initial=True)
    assert (feed.version, feed.snapshot.version, dict(feed.snapshot)) == (-1, -1, {})
    assert repr(feed) == f"<Feed of {mode}, not begun>"
    for n in range(1, 5):
        store.set("a", n)
    first = feed.poll()
    assert isinstance(first, Commit)
    assert (began(first), first.after is store.snapshot()) == (True, True)
    assert (first.changes, first.after.meta) == (added(store.snapshot()), "now")
    assert (feed.version, feed.poll()) == (4, None)
    assert store.set("a", 5) is feed.poll()


def test_a_feed_begins_where_there_is_nothing_and_with_keys_that_are_not_there() -> None:
    store: Store[str, int] = Store()
    assert changes_of(store.feed(initial=True).get(0)) == {}
    store.set("b", 1)
    feed = store.feed(initial=True, keys=["a"])
    assert changes_of(feed.get(0)) == {}
    store.set("b", 2)
    commit = store.set("a", 2)
    assert feed.poll() is commit


def test_what_is_there_goes_to_one_of_those_who_share_a_feed() -> None:
    store = Store({"a": 0})
    feed = store.feed(initial=True)
    start = threading.Barrier(4)

    def take() -> Any:
        start.wait(PATIENCE)
        return feed.poll()

    with ThreadPoolExecutor(4) as pool:
        items = [taking.result(PATIENCE) for taking in [pool.submit(take) for _ in range(4)]]
    assert sum(item is not None for item in items) == 1


def test_a_feed_that_has_not_begun_keeps_no_version_alive() -> None:
    store = Store({"a": 0}, history=History(versions=1))
    first = weakref.ref(store.snapshot())
    feeds = [store.feed(initial=True) for _ in range(10)]
    for n in range(1, 5):
        store.set("a", n)
    gc.collect()
    assert first() is None
    assert {feed.version for feed in feeds} == {-1}


def test_a_task_follows_from_what_is_there() -> None:
    store = Store({"a": 1})

    async def main() -> list[Any]:
        items: list[Any] = []
        async with aio.feed(store, initial=True, keys=["a"]) as feed:
            assert (feed.version, dict(feed.snapshot)) == (-1, {})
            cancelled = asyncio.create_task(feed.get())
            cancelled.cancel()
            await asyncio.wait([cancelled])
            async for item in feed:
                items.append(item)
                if len(items) == 2:
                    return items
                store.set("a", 2)
        raise AssertionError

    first, second = asyncio.run(main())
    assert (began(first), dict(first.changes)) == (True, {"a": (MISSING, 1)})
    assert (second.before, dict(second.changes)) == (first.after, {"a": (1, 2)})
