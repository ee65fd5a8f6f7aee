"""A feed goes back into the log, and loses, doubles and tears nothing on the way to what is new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from cowstate import Commit, History, Lagged, aio
from cowstate.journal import following, open_store
from tests.journal.files import Slot, Slots, opened

SHORT = History(versions=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with 3,000 versions: more than the ring has places."""
    path = tmp_path / "slots.db"
    with opened(path, sync="interval", interval=1e9) as store:
        for n in range(1, 2_999):
            store.transact(lambda tx, n=n: tx.update({"a": Slot(n), f"k{n % 3}": Slot(n)}))
        store.set_meta("open")
        store.delete("k1")
    return path


def keep(copy: dict[str, Slot], item: Any) -> None:
    assert isinstance(item, Commit), item
    item.changes.apply(copy)


def test_every_commit_since_the_beginning_and_on_to_what_is_new(path: Path) -> None:
    with opened(path) as store:
        feed = store.feed(since=0)
        copy: dict[str, Slot] = {}
        for version in range(1, 3_001):
            item = feed.poll()
            assert item is not None
            keep(copy, item)
            assert item.version == version
            if version % 500 == 0 or version > 2_998:
                assert dict(item.after) == copy == dict(store.at(version))
                assert item.after.find_all("owner", "") == copy
            if version == 2_500:
                store.set("new", Slot(1))  # what comes meanwhile is not missed
        assert item is not None
        assert (item.after.meta, item.before.meta) == ("open", "open")
        new = feed.poll()
        assert isinstance(new, Commit)
        assert new.after is store.snapshot()
        keep(copy, new)
        assert copy == dict(store.snapshot())
        assert feed.poll() is None


def test_some_keys_and_the_latest(path: Path) -> None:
    with opened(path) as store:
        keyed = store.feed(since=2_000, keys=["k1"])
        found = [keyed.poll() for _ in range(3)]
        assert [list(item.changes) for item in found if isinstance(item, Commit)] == [["k1"]] * 3
        assert [item.version for item in found if item is not None] == [2_002, 2_005, 2_008]
        latest = store.feed("latest", since=10)
        item = latest.poll()
        assert isinstance(item, Commit)
        assert (item.before.version, item.version) == (10, 3_000)
        assert item.changes.apply(dict(item.before)) == dict(store.snapshot())
        assert latest.poll() is None
        assert store.feed(initial=True).poll().version == 3_000  # type: ignore[union-attr]


def test_what_the_log_has_not_got_is_told(path: Path) -> None:
    with opened(path) as store:
        feed = store.feed(since=5)
        assert feed.poll().version == 6  # type: ignore[union-attr]
        late = store.feed(since=5)
        store.journal.compact(versions=100)
        lagged = late.poll()
        assert isinstance(lagged, Lagged)
        assert (lagged.missed_from, lagged.snapshot.version) == (6, 2_900)
        assert lagged.snapshot == store.at(2_900)
        rest = list(iter(late.poll, None))
        assert [item.version for item in rest if isinstance(item, Commit)] == [*range(2_901, 3_001)]
        latest = store.feed("latest", since=5).poll()
        assert isinstance(latest, Lagged)
        assert latest.snapshot is store.snapshot()
        # One that has read ahead goes on for as long as that lasts, and then it is told.
        items: list[Any] = list(iter(feed.poll, None))
        ahead, told, left = items[: following.AHEAD - 1], items[following.AHEAD - 1], items[-100:]
        assert [item.version for item in ahead] == list(range(7, 6 + following.AHEAD))
        assert isinstance(told, Lagged)
        assert (told.missed_from, told.snapshot.version) == (6 + following.AHEAD, 2_900)
        assert items == [*ahead, told, *left]
        assert [item.version for item in left] == list(range(2_901, 3_001))


def test_threads_that_share_a_feed_get_each_item_once(path: Path) -> None:
    with opened(path) as store:
        feed = store.feed(since=1_000)
        taken: list[list[int]] = [[], []]

        def take(mine: list[int]) -> Callable[[], None]:
            def run() -> None:
                while (item := feed.poll()) is not None:
                    assert isinstance(item, Commit)
                    mine.append(item.version)

            return run

        threads = [Thread(target=take(mine)) for mine in taken]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken[0] + taken[1]) == list(range(1_001, 3_001))
        assert taken[0] == sorted(taken[0])


def test_a_task_goes_back_too(tmp_path: Path) -> None:
    import asyncio

    path = tmp_path / "counts.db"
    with open_store(path, key=str, record=int) as counts:
        for n in range(5):
            counts.set("a", n)
    with open_store(path, key=str, record=int) as counts:

        async def main() -> list[int]:
            found = []
            async with aio.feed(counts, since=2) as feed:
                async for item in feed:
                    found.append(item.version)  # type: ignore[union-attr]
                    if len(found) == 3:
                        break
            return found

        assert asyncio.run(main()) == [3, 4, 5]


def test_a_slow_feed_of_a_store_that_is_open_falls_back_on_the_log(tmp_path: Path) -> None:
    with opened(tmp_path / "slots.db", sync="interval", interval=1e-9, history=SHORT) as store:
        slots: Slots = store
        feed = slots.feed()
        for n in range(1_500):
            slots.set("a", Slot(n))
        versions = []
        while (item := feed.poll()) is not None:
            assert isinstance(item, Commit)
            versions.append(item.version)
        assert versions == list(range(1, 1_501))
