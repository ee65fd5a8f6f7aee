"""Who listens or sleeps by key is no burden to others, and others are none to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cowstate import (
    ReentrantWriteError,
    Store,
)
from cowstate.members import Members
from cowstate.waiters import ThreadWaiter
from tests.standing import changes_of, check_store, eventually, write_meta
from tests.worlds import bugs_of_delivery as bugs
from tests.worlds.staging import (
    AnyCommit,
    Party,
    calls_of,
    catches,
    logged,
)


@catches(bugs.the_index_by_key_is_dropped, "were asked")
def test_a_commit_of_other_keys_asks_no_keyed_subscriber_and_wakes_no_keyed_sleeper() -> None:
    store, calls, looks = Store({"a": 0, "b": 0}), list[AnyCommit](), list[int]()
    handles = [store.subscribe(calls.append, keys=[n]) for n in range(200)]
    handles.append(store.subscribe(calls.append, keys=["a", "c"]))

    def look(snapshot: Any) -> bool:
        looks.append(snapshot.version)
        return bool(snapshot["a"] == 5)

    with calls_of(ThreadWaiter, "notify") as woken, calls_of(Members, "concerned") as found:
        sleepers = [
            Party(partial(store.wait_for, look, keys=["a"])),
            Party(store.feed(keys=["a"]).get),
        ]
        eventually(lambda: store.statistics().waiting == 2, "two should sleep")
        for n in range(1, 51):
            store.set("b", n)
        with store.transaction() as tx:
            tx["b"], tx["x"], tx["y"] = 51, 1, 1
        asked = sum(len(members) for members in found)
        assert asked == 0, f"{asked} of others were asked"
        assert not woken, f"{len(woken)} sleepers of other keys were woken"
        assert not calls
        store.set("a", 5)
        for sleeper in sleepers:
            sleeper.result()
        assert len(woken) == 2
        assert looks == [0, store.snapshot().version]
        assert [commit.version for commit in calls] == [store.snapshot().version]
    for handle in handles:
        handle.close()
    check_store(store)


@catches(bugs.every_commit_wakes_everybody, "woken")
@catches(bugs.an_empty_change_concerns_all, "were woken")
def test_a_commit_of_meta_alone_concerns_those_who_listen_to_all_and_nobody_by_key() -> None:
    store, everything, keyed = Store({"a": 0}), list[AnyCommit](), list[AnyCommit]()
    store.subscribe(everything.append)
    store.subscribe(keyed.append, keys=["a"])
    feed, keyed_feed = store.feed(), store.feed(keys=["a"])
    sleeper = Party(partial(store.wait_for, lambda now: now.meta == "last"))
    eventually(lambda: store.statistics().waiting == 1, "one should sleep")
    keyed_sleeper = Party(partial(store.wait_for, lambda now: now["a"] == 1, keys=["a"]))
    eventually(lambda: store.statistics().waiting == 2, "two should sleep")
    with calls_of(ThreadWaiter, "notify") as woken:
        assert write_meta(store, "last").changes == {}
        assert sleeper.result().meta == "last"
        assert len(woken) == 1, f"{len(woken)} were woken"
    assert [commit.after.meta for commit in everything] == ["last"]
    assert not keyed, "a keyed subscriber was called"
    assert changes_of(item := feed.poll()) == {}
    assert item is everything[0]
    assert keyed_feed.poll() is None
    assert store.set("a", 1).version == 2
    assert keyed_sleeper.result().version == 2
    assert len(keyed) == 1
    assert len(everything) == 2
    assert feed.poll() is keyed_feed.poll() is keyed[0]
    assert keyed[0].changes == store.snapshot().diff(store.at(1))


class Rude:
    """A key that hashes like another one, and does something when it is compared with it."""

    def __init__(self, like: object, act: Callable[[], object]) -> None:
        self.like = like
        self.act = act

    def __hash__(self) -> int:
        return hash(self.like)

    def __eq__(self, other: object) -> bool:
        if self is not other:
            self.act()
        return self is other


def refuse() -> None:
    raise ValueError("rude")


@catches(bugs.keys_may_fail_their_writer, "rude")
def test_a_key_that_raises_when_it_is_compared_harms_neither_writers_nor_others() -> None:
    # "a" is added only later, or the sleeper would fail as it looks for its own key.
    store, calls, errors = Store({"b": 0}), list[AnyCommit](), list[Exception]()
    store.subscribe(
        calls.append, keys=[Rude("a", refuse)], on_error=lambda error, commit: errors.append(error)
    )
    store.subscribe(calls.append)
    rude = Party(partial(store.wait_for, lambda now: now["b"] == 9, keys=[Rude("a", refuse), "b"]))
    eventually(lambda: store.statistics().waiting == 1, "one should sleep")
    sleeper = Party(partial(store.wait_for, lambda now: now.get("a") == 9))
    eventually(lambda: store.statistics().waiting == 2, "two should sleep")
    for n in range(1, 10):
        assert store.set("a", n).version == n
    assert sleeper.result()["a"] == 9
    store.set("b", 9)
    # It gets its answer or its own error, and does not go on sleeping.
    rude.outcome()
    assert [commit.version for commit in calls] == list(range(1, 11))
    assert {str(error) for error in errors} == {"rude"}
    check_store(store, subscriptions=2)


@catches(bugs.keys_may_fail_their_writer, "rude")
def test_a_key_that_raises_when_it_is_compared_keeps_nobody_from_listening_to_another() -> None:
    store, keyed = Store({"a": 0}), list[AnyCommit]()
    with logged():
        rude = store.subscribe(lambda commit: None, keys=[Rude("a", refuse)])
        handle = store.subscribe(keyed.append, keys=["a"])
        assert store.set("a", 1).version == 1
        handle.close()
        rude.close()
    assert len(keyed) == 1
    check_store(store)


@catches(bugs.keys_may_fail_their_writer, "rude")
def test_a_key_that_raises_when_it_is_compared_keeps_nobody_from_sleeping() -> None:
    store = Store({"b": 0})
    rude = Party(partial(store.wait_for, lambda now: now["b"] == 1, keys=[Rude("a", refuse), "b"]))
    eventually(lambda: store.statistics().waiting == 1, "one should sleep")
    sleeper = Party(partial(store.wait_for, lambda now: now.get("a") == 1, keys=["a"]))
    eventually(lambda: sleeper.done or store.statistics().waiting == 2, "two should sleep")
    store.set("a", 1)
    assert sleeper.result()["a"] == 1
    store.set("b", 1)
    rude.outcome()
    check_store(store)


@catches(bugs.keys_may_fail_their_writer, "ReentrantWriteError|already writing")
def test_a_key_that_writes_when_it_is_compared_harms_nobody_else() -> None:
    store, calls, keyed = Store({"b": 0}), list[AnyCommit](), list[AnyCommit]()
    refused: list[Exception] = []

    def write() -> None:
        try:
            store.update("b", lambda n: n + 1)
        except ReentrantWriteError as error:
            refused.append(error)
            raise

    store.subscribe(calls.append)
    store.subscribe(calls.append, keys=[Rude("a", write)])
    store.subscribe(keyed.append, keys=["a"])
    rude = Party(partial(store.wait_for, lambda now: "c" in now, keys=[Rude("a", write), "c"]))
    eventually(lambda: rude.done or store.statistics().waiting == 1, "one should sleep")
    sleeper = Party(partial(store.wait_for, lambda now: now.get("a") == 9, keys=["a"]))
    eventually(lambda: store.statistics().waiting == 2, "two should sleep")
    for n in range(1, 10):
        store.set("a", n)
    assert sleeper.result()["a"] == 9
    store.set("c", 1)
    rude.outcome()
    assert refused, "it was compared inside a write, too"
    assert store.snapshot()["b"] > 0, "it was compared outside of one, too"
    assert [commit.version for commit in calls] == list(range(1, store.snapshot().version + 1))
    assert [commit.after["a"] for commit in keyed] == list(range(1, 10))
    check_store(store, subscriptions=3)
