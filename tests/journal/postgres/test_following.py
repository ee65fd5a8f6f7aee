"""Followers of a store on a server: each commit once, whole, in order, soon."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest

from cowstate import Commit, Lagged
from cowstate.journal import Follower, JournalClosedError, JournalFileError
from cowstate.journal.chase import Chase
from tests.journal.files import Slot
from tests.journal.postgres.servers import SOON, Cluster, following, opened

NEVER = 1e6
"""How often, in seconds, one looks of its own accord that is to be woken."""


def test_a_follower_is_woken_by_each_commit_and_has_its_own_indexes(
    cluster: Cluster, name: str
) -> None:
    seen: list[Commit[str, Slot]] = []
    with opened(cluster, name) as store:
        store.set("a", Slot(1, "ann"))
        with following(cluster, name, every=NEVER) as follower:
            assert (follower.synced, follower.snapshot()["a"]) == (True, Slot(1, "ann"))
            follower.subscribe(seen.append)
            for n in range(2, 30):
                with store.transaction() as tx:
                    tx["a"], tx["b"], tx.meta = Slot(n, "ann"), Slot(n), str(n)
                now = follower.wait_for(version=n, timeout=SOON)
                assert (now["b"], now.meta) == (Slot(n), str(n))
                assert now.find_all("owner", "ann") == {"a": Slot(n, "ann")}
            assert [commit.version for commit in seen] == [*range(2, 30)]
            assert all(commit.after["a"].quantity == commit.version for commit in seen)
            assert all(len(commit.changes) == 2 for commit in seen)
            assert [each.version for each in _taken(follower.feed(since=0), 29)] == [*range(1, 30)]
            assert follower.at(0) == {}


def _taken(feed: Any, count: int) -> list[Any]:
    return [feed.get(SOON) for _ in range(count)]


def test_one_is_not_asleep_who_was_told_in_the_middle_of_a_look(
    cluster: Cluster, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = Event(), Event()
    read = Chase._read

    def halted(chase: Any, view: Any) -> bool:
        result = read(chase, view)
        reading.set()
        go_on.wait(SOON)
        return result

    with opened(cluster, name) as store, following(cluster, name, every=NEVER) as follower:
        monkeypatch.setattr(Chase, "_read", halted)
        store.set("a", Slot(1))
        assert reading.wait(SOON)
        store.set("a", Slot(2))
        go_on.set()
        assert follower.wait_for(version=2, timeout=SOON)["a"] == Slot(2)


def test_what_was_compacted_before_it_was_read_is_one_lagged(cluster: Cluster, name: str) -> None:
    held, go_on = Event(), Event()

    def hold(commit: object) -> None:
        held.set()
        go_on.wait(SOON)

    with opened(cluster, name) as store, following(cluster, name, every=NEVER) as follower:
        feed = follower.feed()
        follower.subscribe(hold, on_lagged=bool)
        store.set("a", Slot(1))
        assert held.wait(SOON)
        for n in range(2, 20):
            store.set("a", Slot(n))
        store.journal.compact(versions=3)
        go_on.set()
        follower.wait_for(version=19, timeout=SOON)
        first, lagged = feed.get(SOON), feed.get(SOON)
        assert first.version == 1
        assert isinstance(lagged, Lagged)
        assert (lagged.missed_from, lagged.snapshot["a"]) == (2, Slot(16))
        assert [each.version for each in _taken(feed, 3)] == [17, 18, 19]
        assert feed.poll() is None


def test_the_schema_is_deleted_and_it_ends_with_a_word(cluster: Cluster, name: str) -> None:
    store = opened(cluster, name)
    follower = following(cluster, name)
    store.close()
    with cluster.connect() as connection:
        connection.execute(f"DROP SCHEMA cowstate_{name} CASCADE")
    follower.look_soon()
    with pytest.raises(JournalFileError, match="deleted"):
        follower.wait_for(version=1, timeout=SOON)
    assert isinstance(follower.failure, JournalFileError)


def test_closed_it_ends_and_dropped_too(cluster: Cluster, name: str) -> None:
    with opened(cluster, name):
        follower = following(cluster, name, every=NEVER)
        waits = Thread(target=_raises_closed, args=(follower,))
        waits.start()
        follower.close()
        waits.join(SOON)
        assert not waits.is_alive()
        dropped = following(cluster, name, every=0.01)
        thread, known = dropped.__dict__["_thread"], weakref.ref(dropped)
        del dropped
        gc.collect()
        thread.join(SOON)
        assert (known(), thread.is_alive()) == (None, False)


def _raises_closed(follower: Follower[str, Slot]) -> None:
    with pytest.raises(JournalClosedError):
        follower.wait_for(version=99, timeout=SOON)


def _until(true: Callable[[], bool]) -> None:
    deadline = monotonic() + SOON
    while not true():
        assert monotonic() < deadline


def test_the_server_is_started_anew_and_nothing_is_missed(own: Cluster, name: str) -> None:
    with opened(own, name) as store, following(own, name, every=0.05) as follower:
        feed = follower.feed()
        store.set("a", Slot(1))
        assert feed.get(SOON).version == 1
        own.stop()
        _until(lambda: follower.failure is not None)  # it notices by itself
        assert not follower.synced
        own.start()
        for n in range(2, 5):
            store.set("a", Slot(n))
        assert [each.version for each in _taken(feed, 3)] == [2, 3, 4]
        _until(lambda: follower.failure is None)  # at the end of that look
