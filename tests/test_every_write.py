"""Every way to write is heard: by who subscribed, by who sleeps, by who follows a feed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from types import CodeType
from typing import Any, NamedTuple, TypeAlias

import pytest

import cowstate
from cowstate import (
    MISSING,
    Commit,
    Draft,
    Index,
    MutableRecordError,
    Store,
    Transaction,
    committer,
)
from tests.standing import changes_of, versions_into
from tests.worlds.staging import Scene, tear

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


def in_the_work(code: CodeType) -> bool:
    """Whether it is done under the lock, and not by who takes it or delivers."""
    return code.co_filename == committer.__file__ and code.co_name not in AROUND_THE_WORK


AROUND_THE_WORK = {"write", "leave", "let_go", "deliver"}


@pytest.mark.parametrize("name", WRITES)
def test_who_is_interrupted_when_it_has_been_published_has_it_delivered(name: str) -> None:
    published = 0

    def set_up() -> Scene:
        store = Store({"a": 0, "b": 0})
        first = store.set("a", 1)
        heard: list[int] = []
        store.subscribe(versions_into(heard))

        def check() -> None:
            nonlocal published
            published += store.snapshot().version == 2
            assert heard == [*range(2, store.snapshot().version + 1)]

        return lambda: WRITES[name](store, first), check

    points = tear(set_up, in_the_work)
    # Of the last one, that nothing strikes, it is known anyway.
    assert 1 < published < points


def jointly(store: Numbers) -> Commit[str, int]:
    with cowstate.transaction(store, Store({"a": 1})) as (tx, other):
        tx["a"] = other["a"]
    return tx.result


def in_a_block(store: Numbers) -> Commit[str, int]:
    with store.transaction() as tx:
        tx["a"] = 1
    return tx.result


# Each gets a store in which "a" is 1, and changes nothing.
IDLE: dict[str, Callable[[Numbers], object]] = {
    "set": lambda store: store.set("a", 1),
    "update": lambda store: store.update("a", lambda n: n),
    "update_all": lambda store: store.update_all(["a", "b"], lambda n: n),
    "update_all of none": lambda store: store.update_all([], lambda n: n + 1),
    "replace_all": lambda store: store.replace_all(dict(store.snapshot())),
    "compare_and_set to what is there": lambda store: store.compare_and_set("a", 1, 1),
    "compare_and_set of what is not": lambda store: store.compare_and_set("a", 5, 6),
    "compare_and_set of none to none": lambda store: store.compare_and_set("c", MISSING, MISSING),
    "transact": lambda store: store.transact(lambda tx: None),
    "transaction": in_a_block,
    "transaction of several": jointly,
    "draft": lambda store: store.draft().commit(),
    "retry": lambda store: store.retry(lambda draft: None),
    "revert": lambda store: store.revert(store.snapshot()),
    "update_meta": lambda store: store.update_meta(lambda meta: "meta"),
}


@pytest.mark.parametrize("name", IDLE)
def test_what_changes_nothing_makes_no_version_and_takes_nothing_from_the_past(name: str) -> None:
    store = Store({"a": 0, "b": 0}, meta="meta")
    feed, heard = store.feed(), list[int]()
    first = store.set("a", 1)
    for keys in (None, ["a"]):
        store.subscribe(versions_into(heard), keys=keys)
        store.subscribe(versions_into(heard), keys=keys, via="thread")
    answer = IDLE[name](store)
    assert answer is None or (isinstance(answer, Commit) and answer.before is answer.after)
    if answer is None:
        assert name in {"transact", "retry", "compare_and_set of what is not"}
    assert store.snapshot() is first.after
    assert store.flush(PATIENCE)
    assert heard == []
    assert changes_of(feed.poll()) == first.changes == store.snapshot().diff(first.before)


def test_what_changes_what_is_derived_returns_its_commit() -> None:
    store = Store({"a": 1})
    for write in (
        lambda: store.add_index("odd", Index(lambda n: n % 2)),
        lambda: store.remove_index("odd"),
    ):
        assert write().after is store.snapshot()
    assert store.snapshot().version == 2


def assign(work: Any, record: Any) -> None:
    work["a"] = record


# Each gets a store in which "a" is there, and a record to put in its place.
PUTS: dict[str, Callable[[Store[str, Any], Any], object]] = {
    "set": lambda store, record: store.set("a", record),
    "set of a new one": lambda store, record: store.set("c", record),
    "update": lambda store, record: store.update("a", lambda _: record),
    "update with a default": lambda store, record: store.update("c", lambda _: record, default=0),
    "update_all": lambda store, record: store.update_all(["a"], lambda _: record),
    "replace_all": lambda store, record: store.replace_all({"a": record}),
    "compare_and_set": lambda store, record: store.compare_and_set("a", 1, record),
    "transact": lambda store, record: store.transact(lambda tx: assign(tx, record)),
    "retry": lambda store, record: store.retry(lambda draft: assign(draft, record)),
}


@pytest.mark.parametrize("name", PUTS)
def test_what_may_not_be_stored_is_refused(name: str) -> None:
    store: Store[str, Any] = Store({"a": 1})
    before = store.snapshot()
    for _ in range(2):  # also when one of its type was refused before
        with pytest.raises(MutableRecordError):
            PUTS[name](store, [])
    assert store.snapshot() is before
    PUTS[name](store, "text")  # of a type that was not there before
    assert "text" in store.snapshot().values()
