"""What followers are given: commits, in part, several as one, and from nothing at all."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import Any

import pytest

from cowstate import (
    Aggregate,
    ArgumentValueError,
    Commit,
    Index,
    Store,
)
from tests.standing import added, changes_of
from tests.steps import steps_of

AnyCommit = Commit[Any, Any]


def test_nothing_at_all_is_an_empty_version_of_the_same_store() -> None:
    store = Store(
        {"a": 1, "b": 3},
        indexes={"odd": Index(lambda n: n % 2 == 1), "self": Index(lambda n: n, unique=True)},
        aggregates={"sum": Aggregate.sum(lambda n: n), "count": Aggregate.count()},
        meta="now",
    )
    seen: list[AnyCommit] = []
    store.subscribe(seen.append, initial=True)
    nothing, there = seen[0].before, store.snapshot()
    assert (nothing.version, nothing.meta, dict(nothing)) == (-1, None, {})
    assert (nothing.find_all("odd", True), nothing.find("self", 1)) == ({}, None)
    assert (nothing.total("sum"), nothing.total("count")) == (0, 0)
    assert there.diff(nothing) == seen[0].changes
    assert nothing.diff(there) == seen[0].changes.inverse()
    # It was never a version, but can be gone back to.
    with pytest.raises(ArgumentValueError):
        store.at(-1)
    with pytest.raises(ArgumentValueError):
        store.feed(since=nothing)
    store.undo(seen[0])
    assert (dict(store.snapshot()), store.snapshot().meta) == ({}, None)
    store.revert(there)
    store.revert(nothing)
    assert store.snapshot().total("count") == 0


def test_a_keyed_subscriber_gets_the_very_commit_if_it_is_of_its_keys_alone() -> None:
    store = Store({"a": 1, "b": 2, "c": 3})
    seen: list[AnyCommit] = []
    store.subscribe(seen.append, keys=["a", "b"])
    feed = store.feed(keys=["a", "b"])
    commits = [store.set("a", 5)]
    with store.transaction() as tx:
        tx["a"], tx["b"] = 6, 6
    commits.append(tx.result)
    for commit, got in zip(commits, seen, strict=True):
        assert got is feed.poll() is commit


def test_a_part_of_a_commit_costs_as_much_as_the_lesser_of_its_keys_and_those_asked_for() -> None:
    def cost_of(changed: int, keys: int) -> int:
        store = Store({n: n for n in range(1_000)})
        feed = store.feed(keys=range(keys))
        with store.transaction() as tx:
            for n in range(changed):
                tx[n] = -1
        return steps_of(feed.poll)

    few = cost_of(10, 11)
    assert cost_of(1_000, 10) < 2 * few
    assert cost_of(10, 1_000) < 2 * few


def test_the_changes_are_made_when_they_are_asked_for_and_once() -> None:
    stores = [Store({n: n for n in range(size)}) for size in (100, 10_000)]

    def subscribe(store: Store[int, int]) -> None:
        store.subscribe(lambda commit: None, initial=True)

    def poll(store: Store[int, int]) -> None:
        store.feed(initial=True).poll()

    for begin in (subscribe, poll):
        small, large = (steps_of(partial(begin, store)) for store in stores)
        assert large < 1.2 * small
    item = stores[0].feed(initial=True).poll()
    assert changes_of(item) == changes_of(item) == added(stores[0].snapshot())
    assert changes_of(item)._delta is changes_of(item)._delta


def test_what_it_is_given_can_be_pickled_and_shown() -> None:
    store = Store({"a": 1, "b": 2})
    for item in (store.feed(initial=True).poll(), store.feed(initial=True, keys=["a"]).poll()):
        assert isinstance(item, Commit)
        again = pickle.loads(pickle.dumps(item))
        assert (again.version, again.before.version) == (0, -1)
        assert again.changes == item.changes
        assert copy.deepcopy(item) is item
        assert repr(item).startswith("<Commit version=0 ChangeSet({'a': Change(old=MISSING, ")


@pytest.mark.parametrize("commits", [1, 2, 3, 5])
def test_several_in_one_go_from_before_the_first_to_after_the_last(commits: int) -> None:
    store = Store({"a": 0})
    feed = store.feed("latest")
    for n in range(commits):
        store.set("a", n + 1)
    item = feed.poll()
    assert isinstance(item, Commit)
    assert (item.before.version, item.after.version) == (0, commits)
    assert item.changes == {"a": (0, commits)}


@pytest.mark.parametrize(
    "keys", [["a"], ["a", "b"], ["a", "b", "c", "d"], ["d"], ["x", "y", "z", "w"]]
)
def test_of_several_keys_only_those_that_were_asked_for_and_changed(keys: list[str]) -> None:
    store = Store(dict.fromkeys("abcd", 0))
    feed = store.feed(keys=keys)
    with store.transaction() as tx:
        tx["a"] = tx["b"] = tx["c"] = 1
    item, wanted = feed.poll(), {key: (0, 1) for key in "abc" if key in keys}
    if wanted:
        assert isinstance(item, Commit)
        assert item.changes == wanted
    else:
        assert item is None
