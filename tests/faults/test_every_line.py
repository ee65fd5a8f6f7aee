"""An exception at every line of every write: the store is as before or as after, and goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from types import CodeType
from typing import Any

import pytest
from msgspec import structs

from cowstate import (
    MISSING,
    Aggregate,
    Commit,
    CowstateError,
    History,
    Index,
    Record,
    Store,
    WaitTimeoutError,
)
from tests.faults.injection import (
    InjectedError,
    Place,
    check_whole,
    in_another_thread,
    in_package,
    interrupt_at_opcode,
    raise_at_line,
)


class Slot(Record):
    order_id: int | None = None
    tags: tuple[str, ...] = ()
    quantity: Decimal = Decimal(0)


START = {
    "a": Slot(1, ("x",), Decimal(5)),
    "b": Slot(2, ("x", "y"), Decimal(7)),
    "c": Slot(None, (), Decimal(1)),
}
NEW = Slot(9, ("y", "z"), Decimal("0.5"))
OTHER = Slot(8, ("z",), Decimal(3))
PROBE = Slot(77, ("probe",), Decimal(1))

AnyStore = Store[Any, Any]
Build = Callable[[Any], AnyStore]


def bare(records: Any, kind: type[AnyStore] = Store) -> AnyStore:
    return kind(records)


def derived(records: Any, kind: type[AnyStore] = Store) -> AnyStore:
    return kind(
        records,
        indexes={
            "order_id": Index(lambda slot: slot.order_id, unique=True),
            "tags": Index(lambda slot: slot.tags, many=True),
        },
        aggregates={
            "quantity": Aggregate.sum(lambda slot: slot.quantity),
            "count": Aggregate.count(),
        },
        invariants={"positive": lambda snapshot, changes: snapshot.total("quantity") >= 0},
        meta="start",
    )


def aging(records: Any, kind: type[AnyStore] = Store) -> AnyStore:
    return kind(records, history=History(versions=8, seconds=3600, clock=lambda: 0.0))


BUILDS = {"bare": bare, "derived": derived, "aging": aging}


def transact(store: AnyStore) -> None:
    with store.transaction() as tx:
        tx["a"] = tx["a"].replace(order_id=None)
        tx["b"] = tx["b"].replace(order_id=1)
        del tx["c"]
        tx["d"] = NEW
        tx.meta = "done"


def repair(store: AnyStore) -> None:
    with store.transaction() as tx:
        tx["a"] = START["b"]
        tx["b"] = START["a"]


def draft(store: AnyStore) -> None:
    work = store.draft()
    list(work)
    work["a"] = NEW
    del work["b"]
    work["d"] = work["c"].replace(quantity=Decimal(4))
    work.meta = "drafted"
    work.commit()


def draft_over_the_past(store: AnyStore) -> None:
    work = store.draft(store.at(0))
    store.set("z", OTHER)
    work["a"] = NEW
    work.commit()


def conflict(store: AnyStore) -> None:
    work = store.draft()
    work["a"] = NEW
    store.set("a", OTHER)
    with contextlib.suppress(CowstateError):
        work.commit()


def retry(store: AnyStore) -> None:
    clashes = [OTHER]

    def fn(work: Any) -> None:
        work["a"] = NEW
        if clashes:
            store.set("a", clashes.pop())

    store.retry(fn, attempts=2)


def refused(store: AnyStore) -> None:
    for record in ([], MISSING):
        with contextlib.suppress(CowstateError):
            store.set("a", record)
    with contextlib.suppress(CowstateError):
        store.delete("nowhere")


def wait(store: AnyStore) -> None:
    with contextlib.suppress(WaitTimeoutError):
        store.wait_for(lambda snapshot: False, timeout=0)


def pin(store: AnyStore) -> None:
    with store.pin(why="a reason"):
        store.set("d", NEW)


def subscribe(store: AnyStore) -> None:
    with store.subscribe(lambda commit: None, keys=["a"]):
        store.set("d", NEW)


def feed(store: AnyStore) -> None:
    with store.feed() as changes:
        store.set("d", store.snapshot().get("d", NEW).replace())
        next(changes)


def observe(store: AnyStore) -> None:
    with store.observe() as window:
        store.set("d", NEW)
    draft = window.draft()
    draft["a"] = NEW
    draft.commit()


OTHERS: dict[str, Callable[[AnyStore], object]] = {
    "wait_for": wait,
    "pin": pin,
    "subscribe": subscribe,
    "feed": feed,
    "observe": observe,
    "statistics": lambda store: store.statistics(),
    "diff by a scan": lambda store: store._lineage.difference(
        store.snapshot(), structs.replace(store.snapshot(), _map={})
    ),
}

WRITES: dict[str, Callable[[AnyStore], object]] = {
    "set a new key": lambda store: store.set("d", NEW),
    "set a known key": lambda store: store.set("a", NEW),
    "set the same": lambda store: store.set("a", START["a"]),
    "update": lambda store: store.update("a", lambda slot: slot.replace(quantity=Decimal(6))),
    "delete": lambda store: store.delete("b"),
    "compare and set": lambda store: store.compare_and_set("a", START["a"], NEW),
    "compare and delete": lambda store: store.compare_and_set("a", START["a"], MISSING),
    "compare in vain": lambda store: store.compare_and_set("a", OTHER, NEW),
    "transaction": transact,
    "transaction that repairs": repair,
    "draft": draft,
    "draft over the past": draft_over_the_past,
    "conflict": conflict,
    "retry": retry,
    "refused": refused,
    "undo": lambda store: store.undo(store.set("a", NEW)),
    "revert": lambda store: (store.set("a", NEW), store.delete("b"), store.revert(0)),
}


class Follower:
    """A subscriber that keeps what it is given; the first time, it writes."""

    def __init__(self, store: AnyStore, writes: bool = True) -> None:
        self.store = store
        self.given: list[Commit[Any, Any]] = []
        # Of a callback in Python, which can be interrupted before its first line, nobody could
        # say whether it was given the commit; of one in C, one can.
        callback = self if writes else self.given.append
        # An ordinary error at the call is the callback's, for all that the store can know.
        self.failed: list[Commit[Any, Any]] = []
        store.subscribe(callback, on_error=lambda _, commit: self.failed.append(commit))

    def __call__(self, commit: Commit[Any, Any]) -> None:
        self.given.append(commit)
        if len(self.given) == 1:
            self.store.set("follow", OTHER.replace(order_id=100))

    def check(self) -> None:
        told = [commit.version for commit in self.given]
        assert told == sorted(told)
        told += [commit.version for commit in self.failed]
        assert sorted(told) == list(range(1, self.store.snapshot().version + 1))
        for commit in self.given:
            assert commit.after is self.store.at(commit.version)
        assert self.store.statistics().undelivered == 0


def alone(store: AnyStore) -> list[Follower]:
    return []


def followed(store: AnyStore) -> list[Follower]:
    return [Follower(store, writes=False), Follower(store, writes=False)]


def followed_by_a_writer(store: AnyStore) -> list[Follower]:
    return [Follower(store), Follower(store, writes=False)]


Follow = Callable[[AnyStore], list[Follower]]


def outcomes(build: Build, write: Callable[[AnyStore], object], follow: Follow) -> list[Any]:
    """Every version that the write, undisturbed, passes through."""
    store = build(START)
    follow(store)
    write(store)
    return [store.at(version) for version in range(store.snapshot().version + 1)]


def check_after(
    store: AnyStore, build: Build, expected: list[Any], followers: list[Follower]
) -> None:
    """What must be true whatever was raised wherever."""
    now = store.snapshot()
    assert now == expected[now.version]
    assert now.meta == expected[now.version].meta
    in_another_thread(lambda: store.set("probe", PROBE))
    assert store.snapshot()["probe"] is PROBE
    store.delete("probe")
    for follower in followers:
        follower.check()
    check_whole(store, build)


def everywhere(
    build: Build,
    write: Callable[[AnyStore], object],
    inject: Callable[..., Place | None] = raise_at_line,
    follow: Follow = alone,
    where: Callable[[CodeType], bool] = in_package,
    also: Callable[[AnyStore], None] = lambda store: None,
) -> int:
    """Raise at the first point, the second ... of *write*; return at how many places."""
    expected = outcomes(build, write, follow)
    number = 0
    places: list[Place] = []
    while True:
        number += 1
        store = build(START)
        followers = follow(store)
        place = inject(partial(write, store), number, where=where)
        if place is None:
            return len(places)
        if not places or place != places[-1]:
            places.append(place)
            check_after(store, build, expected, followers)
            also(store)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("build", BUILDS)
def test_an_exception_at_any_line_leaves_the_old_version_or_the_new(build: str, write: str) -> None:
    assert everywhere(BUILDS[build], WRITES[write]) > 5


@pytest.mark.parametrize("other", OTHERS)
def test_an_exception_at_any_line_of_what_follows_or_looks_back_leaves_no_lock_behind(
    other: str,
) -> None:
    def check_again(store: AnyStore) -> None:
        in_another_thread(partial(OTHERS[other], store))

    assert everywhere(bare, OTHERS[other], follow=followed, also=check_again) > 3


@pytest.mark.parametrize("write", ["update", "transaction", "draft", "retry"])
def test_an_exception_at_any_line_loses_and_doubles_no_commit_for_subscribers(write: str) -> None:
    assert everywhere(derived, WRITES[write], follow=followed_by_a_writer) > 50


@pytest.mark.parametrize("write", ["update", "transaction"])
def test_an_error_that_a_subscriber_might_have_raised_loses_no_commit(write: str) -> None:
    inject = partial(raise_at_line, error=InjectedError)
    assert everywhere(derived, WRITES[write], inject, followed) > 50


def or_contextlib(code: CodeType) -> bool:
    return in_package(code) or code.co_filename == contextlib.__file__


@pytest.mark.parametrize(
    ("build", "write"),
    [
        (derived, "update"),
        (derived, "transaction that repairs"),
        (bare, "delete"),
        (bare, "draft over the past"),
    ],
)
def test_an_asynchronous_exception_at_any_opcode_leaves_the_old_version_or_the_new(
    build: Build, write: str
) -> None:
    count = everywhere(build, WRITES[write], interrupt_at_opcode, followed, or_contextlib)
    assert count > 30


# Twins with one seeded bug each: the harness catches every one.


class PublishesInTwoSteps(Store[Any, Any]):
    def _publish(self, before: Any, records: Any, meta: Any, delta: Any) -> Any:
        self._current = structs.replace(before, version=before.version + 1, _map=records)
        self._current = before
        return super()._publish(before, records, meta, delta)


class KeepsAFlag(Store[Any, Any]):
    writing = False

    def set(self, key: Any, record: Any) -> Any:
        assert not self.writing
        self.writing = True
        commit = super().set(key, record)
        self.writing = False
        return commit


class GivesTheLockBackByHand(Store[Any, Any]):
    def delete(self, key: Any) -> Any:
        self._lock.acquire()
        commit = self._delete(key)
        self._lock.release()
        return commit


class NotesTheCommitAfterwards(Store[Any, Any]):
    def _publish(self, before: Any, records: Any, meta: Any, delta: Any) -> Any:
        place = (before.version + 1) % self._ring.capacity
        commit = super()._publish(before, records, meta, delta)
        self._ring.slots[place] = None
        self._ring.slots[place] = commit
        return commit


class HandsOverBeforeItMarks(Store[Any, Any]):
    def set(self, key: Any, record: Any) -> Any:
        commit = super().set(key, record)
        for subscription in self._audience.subscriptions:
            subscription._callback(commit)
        return commit


@pytest.mark.parametrize(
    ("broken", "write"),
    [
        (PublishesInTwoSteps, "set a new key"),
        (KeepsAFlag, "set a new key"),
        (GivesTheLockBackByHand, "delete"),
        (NotesTheCommitAfterwards, "set a new key"),
        (HandsOverBeforeItMarks, "set a new key"),
    ],
)
def test_the_harness_catches_the_seeded_bug(
    broken: type[AnyStore], write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.faults.injection.PATIENCE", 0.05)

    def build(records: Any) -> AnyStore:
        return derived(records, broken)

    def where(code: CodeType) -> bool:
        return in_package(code) or code.co_qualname.startswith(broken.__name__)

    with pytest.raises(AssertionError):
        everywhere(build, WRITES[write], follow=followed, where=where)
