"""A follower that missed what is gone from the log: what its own bounds count from then on."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from cowstate import CompactedError, History
from cowstate.journal import Follower
from tests.journal.files import Slot, Slots, opened
from tests.journal.followed import SOON, following

WIDE = {"versions": {"versions": 1000}, "seconds": {"seconds": 1e6}, "bytes": {"bytes": 10**9}}


def caught_up(store: Slots, *followers: Follower[str, Slot]) -> None:
    for follower in followers:
        follower.wait_for(version=store.snapshot().version, timeout=SOON)


def write(store: Slots, times: int) -> None:
    for n in range(times):
        store.set("a", Slot(n, "me" * n))


def leap(store: Slots, follower: Follower[str, Slot]) -> None:
    """Write what *follower* will never see: its thread stands in a subscriber meanwhile."""
    stands, held = Event(), Event()

    def stand(_: object) -> None:
        stands.set()
        held.wait(SOON)

    subscription = follower.subscribe(stand)
    write(store, 1)
    assert stands.wait(SOON)
    subscription.close()
    write(store, 20)
    assert store.journal.compact(versions=2) > follower.snapshot().version + 1
    held.set()
    caught_up(store, follower)


@pytest.mark.parametrize("bounds", WIDE.values(), ids=WIDE)
def test_what_it_had_before_is_let_go_where_it_has_bounds(
    tmp_path: Path, bounds: dict[str, Any]
) -> None:
    path = tmp_path / "slots.db"
    with (
        opened(path, sync="normal") as store,
        following(path, history=History(**bounds)) as follower,
    ):
        write(store, 3)
        caught_up(store, follower)
        assert follower.at(1)["a"] == Slot(0)
        leap(store, follower)
        write(store, 3)
        caught_up(store, follower)
        last, oldest = follower.snapshot().version, follower.statistics().oldest
        assert 3 < oldest <= last - 3
        for version in range(last + 1):
            if version < oldest:
                with pytest.raises(CompactedError):
                    follower.at(version)
            else:
                assert follower.at(version) == store.at(version)


def test_without_bounds_what_it_had_stays_and_is_what_it_was(tmp_path: Path) -> None:
    path = tmp_path / "slots.db"
    with opened(path, sync="normal") as store, following(path) as follower:
        write(store, 3)
        caught_up(store, follower)
        before = [follower.at(version) for version in range(4)]
        leap(store, follower)
        assert all(follower.at(version) is was for version, was in enumerate(before))
        with pytest.raises(CompactedError):
            follower.at(store.journal.oldest - 1)


@pytest.mark.parametrize("bounds", [{"bytes": 5_000}, {"bytes": 10**9}, {"versions": 4}])
def test_it_counts_as_one_does_that_began_then(tmp_path: Path, bounds: dict[str, Any]) -> None:
    path = tmp_path / "slots.db"
    history = History(**bounds)
    with opened(path, sync="normal") as store, following(path, history=history) as follower:
        write(store, 30)
        caught_up(store, follower)
        leap(store, follower)
        with following(path, history=history) as other:
            before = follower.statistics().retained_bytes
            for _ in range(8):
                write(store, 5)
                caught_up(store, follower, other)
                figures, wanted = follower.statistics(), other.statistics()
                if history.bytes == 10**9:  # it has one or two commits more, from before
                    assert before is not None
                    assert (figures.retained_bytes or 0) - before == wanted.retained_bytes
                else:
                    assert figures.retained_bytes == wanted.retained_bytes
                    assert figures.oldest == wanted.oldest
