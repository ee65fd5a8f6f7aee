"""Every way to write is heard: by who subscribed, by who sleeps, by who follows a feed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

import pytest

from cowstate import MISSING, Commit, Draft, Store, Transaction
from tests.standing import changes_of

PATIENCE = 300  # seconds; only a test that fails waits for so long

MakeStore = Callable[..., Store[Any, Any]]
Numbers: TypeAlias = Store[str, int]


def in_a_transaction(store: Numbers, _: Commit[str, int]) -> None:
    with store.transaction() as tx:
        tx["a"] = 5


def by_transact(store: Numbers, _: Commit[str, int]) -> None:
    store.transact(set_to_five)


def by_a_draft(store: Numbers, _: Commit[str, int]) -> None:
    draft = store.draft()
    draft["a"] = 5
    draft.commit()


def set_to_five(work: Draft[str, int] | Transaction[str, int]) -> None:
    work["a"] = 5


def by_a_block_of_a_draft(store: Numbers, _: Commit[str, int]) -> None:
    with store.draft() as draft:
        draft["a"] = 5


def remove(store: Numbers, _: Commit[str, int]) -> None:
    store.compare_and_set("a", store.snapshot()["a"], MISSING)


# Each gets a store at version 1 and the commit that led there, and changes "a" and nothing else.
WRITES: dict[str, Callable[[Numbers, Commit[str, int]], object]] = {
    "set": lambda store, _: store.set("a", 5),
    "update": lambda store, _: store.update("a", lambda n: n + 4),
    "update with a default": lambda store, _: store.update("a", lambda n: n + 4, default=0),
    "update_all": lambda store, _: store.update_all(["a", "a"], lambda n: n + 4),
    "replace_all": lambda store, _: store.replace_all({"a": 5, "b": 0}),
    "delete": lambda store, _: store.delete("a"),
    "compare_and_set": lambda store, _: store.compare_and_set("a", store.snapshot()["a"], 5),
    "compare_and_set to none": remove,
    "transaction": in_a_transaction,
    "transact": by_transact,
    "draft.commit": by_a_draft,
    "draft as a block": by_a_block_of_a_draft,
    "retry": lambda store, _: store.retry(set_to_five),
    "the last attempt of retry": lambda store, _: store.retry(set_to_five, attempts=1),
    "undo": lambda store, first: store.undo(first),
    "revert": lambda store, _: store.revert(0),
}


class Case(NamedTuple):
    store: Numbers
    write: Callable[[], object]


@pytest.fixture(params=WRITES)
def case(request: pytest.FixtureRequest, make_store: MakeStore) -> Case:
    store = make_store({"a": 0, "b": 0})
    first = store.set("a", 1)
    return Case(store, lambda: WRITES[request.param](store, first))


def test_it_delivers_its_commit_once_to_each_subscriber_whom_it_concerns(case: Case) -> None:
    everything: list[Commit[str, int]] = []
    of_a: list[Commit[str, int]] = []
    of_b: list[Commit[str, int]] = []
    case.store.subscribe(everything.append)
    case.store.subscribe(of_a.append, keys=["a"])
    case.store.subscribe(of_b.append, keys=["b"])
    case.write()
    assert [commit.version for commit in everything] == [2]
    assert everything[0].after is case.store.snapshot()
    assert set(everything[0].changes) == {"a"}
    assert of_a == everything
    assert of_b == []
    assert case.store.statistics().undelivered == 0


def test_it_reaches_each_feed_that_it_concerns(case: Case) -> None:
    start = case.store.snapshot()
    feeds = [case.store.feed(), case.store.feed("latest"), case.store.feed(keys=["a"])]
    of_b = case.store.feed(keys=["b"])
    case.write()
    for feed in feeds:
        assert changes_of(feed.poll()) == case.store.snapshot().diff(start)
        assert feed.poll() is None
        assert feed.version == 2
    assert of_b.poll() is None


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what only another thread can bring, and nothing tells of."""
    deadline = monotonic() + PATIENCE
    while not is_so():
        assert monotonic() < deadline


@pytest.mark.parametrize("keys", [None, ["a"]], ids=["any key", "its key"])
def test_it_wakes_who_sleeps(case: Case, keys: list[str] | None) -> None:
    store = case.store
    with ThreadPoolExecutor(1) as pool:
        woken = pool.submit(store.wait_for, lambda now: now.version > 1, PATIENCE, keys=keys)
        wait_until(lambda: store.statistics().waiting == 1)
        case.write()
        assert woken.result(PATIENCE) is store.snapshot()
    assert store.statistics().waiting == 0


def test_it_wakes_who_sleeps_on_a_feed(case: Case) -> None:
    store = case.store
    feed = store.feed()
    with ThreadPoolExecutor(1) as pool:
        item = pool.submit(feed.get, PATIENCE)
        wait_until(lambda: store.statistics().waiting == 1)
        case.write()
        assert set(changes_of(item.result(PATIENCE))) == {"a"}


def test_its_commit_is_delivered_when_it_returns_whichever_thread_writes(case: Case) -> None:
    seen: list[int] = []
    case.store.subscribe(lambda commit: seen.append(commit.version))
    thread = threading.Thread(target=case.write)
    thread.start()
    thread.join(PATIENCE)
    assert seen == [2]
