"""Every kind of write, to several kinds of stores, and what must be true after a failure in one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from types import CodeType
from typing import Any

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
from tests import sweeps
from tests.faults.injection import (
    PATIENCE,
    Place,
    check_whole,
    in_another_thread,
    in_package,
    interrupt_at_opcode,
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
            "size": Index(lambda slot: slot.quantity, ordered=True),
        },
        aggregates={
            "quantity": Aggregate.sum(lambda slot: slot.quantity),
            "count": Aggregate.count(),
            "largest": Aggregate.max(lambda slot: slot.quantity, by=lambda slot: slot.tags),
        },
        invariants={"positive": lambda snapshot, changes: snapshot.total("quantity") >= 0},
        meta="start",
    )


def aging(records: Any, kind: type[AnyStore] = Store) -> AnyStore:
    return kind(records, history=History(versions=8, seconds=3600, clock=lambda: 0.0))


def thawing(records: Any, kind: type[AnyStore] = Store) -> AnyStore:
    return kind(records, maps="frozen+tree")


BUILDS = {"bare": bare, "derived": derived, "aging": aging}


def transact(store: AnyStore) -> None:
    with store.transaction() as tx:
        tx["a"] = tx["a"].replace(order_id=None)
        tx["b"] = tx["b"].replace(order_id=1)
        del tx["c"]
        tx["d"] = NEW
        tx.meta = "done"


def move(tx: Any) -> None:
    tx["a"] = NEW
    del tx["b"]


def repair(store: AnyStore) -> None:
    with store.transaction() as tx:
        tx["a"] = START["b"]
        tx["b"] = START["a"]


def draft(store: AnyStore) -> None:
    work = store.draft()
    list(work)
    if store.statistics().index_entries:
        work.range("size", 1, limit=1)
        work.total("largest", ("x",))
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


def draft_as_a_block(store: AnyStore) -> None:
    with store.draft() as work:
        work["a"] = NEW
        del work["b"]


def update_all_in_vain(store: AnyStore) -> None:
    with contextlib.suppress(CowstateError):
        store.update_all(["a", "nowhere"], lambda slot: slot.replace(quantity=Decimal(6)))
    with contextlib.suppress(CowstateError):
        store.update("a", lambda slot: None)


def derive(store: AnyStore) -> None:
    store.add_index("length", Index(lambda slot: len(slot.tags), ordered=True))
    store.add_aggregate("wide", Aggregate.count(lambda slot: slot.tags))
    store.remove_index("length")
    store.remove_aggregate("wide")


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


def subscribe_from_what_is_there(store: AnyStore) -> None:
    with store.subscribe(lambda commit: commit.changes, keys=["a"], initial=True):
        store.set("a", NEW)


def feed(store: AnyStore) -> None:
    with store.feed() as items:
        store.set("d", store.snapshot().get("d", NEW).replace())
        next(items)


def feed_from_what_is_there(store: AnyStore) -> None:
    with store.feed("latest", keys=["a"], initial=True) as items:
        next(items)
        store.set("a", NEW.replace())
        next(items)


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
    "subscribe from what is there": subscribe_from_what_is_there,
    "feed": feed,
    "feed from what is there": feed_from_what_is_there,
    "observe": observe,
    "statistics": lambda store: store.statistics(),
    "diff by a scan": lambda store: store.snapshot()._lineage.difference(
        store.snapshot(), structs.replace(store.snapshot(), _map={})
    ),
}

WRITES: dict[str, Callable[[AnyStore], object]] = {
    "set a new key": lambda store: store.set("d", NEW),
    "set a known key": lambda store: store.set("a", NEW),
    "set the same": lambda store: store.set("a", START["a"]),
    "update": lambda store: store.update("a", lambda slot: slot.replace(quantity=Decimal(6))),
    "update with a default": lambda store: store.update("d", lambda slot: NEW, default=OTHER),
    "update all": lambda store: store.update_all(
        ["a", "b"], lambda slot: slot.replace(quantity=Decimal(6))
    ),
    "update all in vain": update_all_in_vain,
    "replace all": lambda store: store.replace_all({"a": NEW, "b": START["b"], "d": OTHER}),
    "set meta": lambda store: store.set_meta("set"),
    "update meta": lambda store: store.update_meta(lambda meta: (meta, "updated")),
    "draft as a block": draft_as_a_block,
    "add and remove an index": derive,
    "delete": lambda store: store.delete("b"),
    "compare and set": lambda store: store.compare_and_set("a", START["a"], NEW),
    "compare and delete": lambda store: store.compare_and_set("a", START["a"], MISSING),
    "compare in vain": lambda store: store.compare_and_set("a", OTHER, NEW),
    "transaction": transact,
    "transaction of a function": lambda store: store.transact(move),
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
    """A subscriber that keeps what it is given.

    Of a callback in Python, which can be interrupted before its first line, nobody could say
    whether it was given the commit; of one in C, one can.
    """

    def __init__(self, store: AnyStore) -> None:
        self.store = store
        self.given: list[Commit[Any, Any]] = []
        # An ordinary error at the call is the callback's, for all that the store can know.
        self.failed: list[Commit[Any, Any]] = []
        store.subscribe(self.given.append, on_error=lambda _, commit: self.failed.append(commit))

    def check(self) -> None:
        assert self.store.flush(PATIENCE)
        told = [commit.version for commit in self.given]
        assert told == list(range(1, self.store.snapshot().version + 1))
        assert {*self.failed} <= {*self.given}
        for commit in self.given:
            assert commit.after is self.store.at(commit.version)
        assert self.store.statistics().undelivered == 0


def alone(store: AnyStore) -> list[Follower]:
    return []


def followed(store: AnyStore) -> list[Follower]:
    return [Follower(store), Follower(store)]


ECHO = "echo"
"""A key that only a callback writes."""


def followed_by_a_writer(store: AnyStore) -> list[Follower]:
    followers = [Follower(store)]

    def echo(_: object) -> None:
        if ECHO not in store.snapshot():
            store.set(ECHO, OTHER.replace(order_id=100))

    store.subscribe(echo)
    return [*followers, Follower(store)]


Follow = Callable[[AnyStore], list[Follower]]


def state_of(snapshot: Any) -> tuple[dict[Any, Any], Any]:
    return {key: record for key, record in snapshot.items() if key != ECHO}, snapshot.meta


def outcomes(build: Build, write: Callable[[AnyStore], object], follow: Follow) -> list[Any]:
    """The state before the write, undisturbed, and each that it passes through."""
    store = build(START)
    follow(store)
    write(store)
    return [state_of(store.at(version)) for version in range(store.snapshot().version + 1)]


def check_after(
    store: AnyStore, build: Build, expected: list[Any], followers: list[Follower]
) -> None:
    """What must be true whatever was raised wherever."""
    assert state_of(store.snapshot()) in expected
    assert store.statistics().open_transaction is None
    assert store.statistics().waiting == 0
    in_another_thread(lambda: store.set("probe", PROBE))
    assert store.snapshot()["probe"] is PROBE
    store.delete("probe")
    for follower in followers:
        follower.check()
    check_whole(store, build)


def everywhere(
    build: Build,
    write: Callable[[AnyStore], object],
    inject: Callable[..., Place | None],
    follow: Follow = alone,
    where: Callable[[CodeType], bool] = in_package,
    also: Callable[[AnyStore], None] = lambda store: None,
    every: int | None = None,
) -> int:
    """Raise at the first point, the second ... of *write*; return at how many places.

    Of the opcodes every fifth only, for one pending exception mostly comes up where the next one
    does; more or fewer as `tests.sweeps` says, or each *every*-th.
    """
    expected = outcomes(build, write, follow)
    step = every or sweeps.step(5 if inject is interrupt_at_opcode else 1)
    number = 1 - step
    places: list[Place] = []
    while True:
        number += step
        store = build(START)
        followers = follow(store)
        place = inject(partial(write, store), number, where=where)
        if place is None:
            return len(places)
        if not places or place != places[-1]:
            places.append(place)
            check_after(store, build, expected, followers)
            also(store)
