"""To wait for what a follower brings: not for long, and not where it cannot come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

import pytest

from cowstate import Commit, ReentrantWriteError, aio
from cowstate.journal import Follower
from tests.journal.files import Slot, Slots, opened
from tests.journal.followed import SOON, following

Followed = Follower[str, Slot]

WAITS: dict[str, Callable[[Followed], object]] = {
    "for a version": lambda follower: follower.wait_for(version=9),
    "for what is true": lambda follower: follower.wait_for(lambda now: now.version == 9),
    "for a feed": lambda follower: follower.feed().get(),
    "with a timeout": lambda follower: follower.wait_for(version=9, timeout=SOON),
    "in a task": lambda follower: asyncio.run(aio.wait_for(follower, lambda now: len(now) == 9)),
}


@pytest.mark.parametrize("name", WAITS)
def test_in_a_subscriber_of_its_own_it_is_refused(name: str, both: tuple[Slots, Followed]) -> None:
    store, follower = both
    told: SimpleQueue[BaseException | None] = SimpleQueue()

    def wait(_: object) -> None:
        try:
            WAITS[name](follower)
        except BaseException as error:
            told.put(error)
        else:
            told.put(None)

    follower.subscribe(wait)
    store.set("a", Slot(2))
    error = told.get(timeout=SOON)
    assert isinstance(error, ReentrantWriteError)
    assert "via='thread'" in str(error)
    # What is there already need not be waited for.
    follower.subscribe(lambda commit: told.put(follower.wait_for(version=commit.version) and None))
    store.set("a", Slot(3))
    assert [told.get(timeout=SOON) for _ in range(2)].count(None) == 1
    assert follower.failure is None


def test_in_a_thread_beside_it_is_well(both: tuple[Slots, Followed]) -> None:
    store, follower = both
    told: SimpleQueue[int] = SimpleQueue()

    def wait(commit: Commit[str, Slot]) -> None:
        told.put(follower.wait_for(version=3, timeout=SOON).version)

    follower.subscribe(wait, via="thread")
    store.set("a", Slot(2))
    store.set("a", Slot(3))
    assert told.get(timeout=SOON) == 3


def test_for_a_version_that_was_written_it_looks_at_once(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path, sync="normal") as store, following(path, every=100 * SOON) as follower:
        for n in range(20):
            commit = store.set("a", Slot(n))
            assert follower.wait_for(version=commit.version, timeout=SOON)["a"] == Slot(n)
