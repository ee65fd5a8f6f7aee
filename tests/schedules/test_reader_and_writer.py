"""A reader in the middle of a write sees the old version or the new one, whole.

The writer stops at named points, which are functions of the user's that a write calls; events
say when. Nothing depends on luck or on time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from cowstate import Aggregate, ConflictError, Index, InvariantError, Store
from cowstate.committer import Committer
from cowstate.schema import Schema
from tests.seeded import seeded

PATIENCE = 300


class Point:
    """A place where the writer waits until it is told to go on."""

    def __init__(self) -> None:
        self.armed = False
        self._reached = threading.Event()
        self._go_on = threading.Event()

    def pass_by(self) -> None:
        if self.armed:
            self._reached.set()
            assert self._go_on.wait(PATIENCE)

    def stop_here(self, write: Callable[[], object], look: Callable[[], None]) -> None:
        """Write in another thread, look while it stands here, and let it finish."""
        self.armed = True
        failed: list[BaseException] = []

        def run() -> None:
            try:
                write()
            except InvariantError:
                pass
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        assert self._reached.wait(PATIENCE)
        try:
            look()
        finally:
            self.armed = False
            self._go_on.set()
            thread.join(PATIENCE)
        assert not failed, failed[0]


class Points:
    def __init__(self) -> None:
        self.update, self.index, self.aggregate = Point(), Point(), Point()
        self.invariant, self.callback = Point(), Point()
        self.vetoes = False

    def index_of(self, value: int) -> int:
        self.index.pass_by()
        return value

    def amount_of(self, value: int) -> int:
        self.aggregate.pass_by()
        return value

    def ask(self, snapshot: Any, changes: Any) -> bool:
        self.invariant.pass_by()
        return not self.vetoes


def make_store(points: Points, kind: type[Store[str, int]] = Store) -> Store[str, int]:
    return kind(
        {"a": 1, "b": 2},
        indexes={"value": Index(points.index_of, unique=True)},
        aggregates={"sum": Aggregate.sum(points.amount_of)},
        invariants={"ask": points.ask},
        maps="dict+pyrsistent",
    )


def whole(store: Store[str, int]) -> bool:
    """Whether the index and the total of the current version belong to its records."""
    now = store.snapshot()
    records = dict(now)
    return (
        all(now.find_key("value", value) == key for key, value in records.items())
        and all(now.find_key("value", v) is None for v in range(9) if v not in records.values())
        and now.total("sum") == sum(records.values())
        and len(now) == len(records)
    )


def transact(store: Store[str, int], point: Point) -> None:
    with store.transaction() as tx:
        tx["a"] = 3
        tx["c"] = 4
        point.pass_by()
        del tx["b"]


def write_at(store: Store[str, int], points: Points, name: str) -> Callable[[], object]:
    if name == "update":
        return lambda: transact(store, points.update)
    return lambda: store.set("a", 3)


BEFORE = ["update", "index", "aggregate", "invariant"]


@pytest.mark.parametrize("name", BEFORE)
def test_before_the_publication_a_reader_sees_the_old_version_and_does_not_wait(name: str) -> None:
    points = Points()
    store = make_store(points)
    before = store.snapshot()

    def look() -> None:
        assert store.snapshot() is before
        assert whole(store)

    getattr(points, name).stop_here(write_at(store, points, name), look)
    assert store.snapshot().version == 1
    assert whole(store)


def test_when_subscribers_are_called_a_reader_sees_the_new_version_and_may_write() -> None:
    points = Points()
    store = make_store(points)
    store.subscribe(lambda commit: points.callback.pass_by())

    def look() -> None:
        assert store.snapshot() == {"a": 3, "b": 2}
        assert whole(store)
        points.callback.armed = False
        assert store.set("b", 5).version == 2

    points.callback.stop_here(lambda: store.set("a", 3), look)
    assert whole(store)


def test_a_version_that_is_going_to_be_vetoed_is_never_seen() -> None:
    points = Points()
    store = make_store(points)
    before = store.snapshot()
    points.vetoes = True

    def look() -> None:
        assert store.snapshot() is before

    points.invariant.stop_here(lambda: store.set("a", 3), look)
    assert store.snapshot() is before


def test_a_draft_that_was_made_during_a_write_conflicts_with_it() -> None:
    points = Points()
    store = make_store(points)
    drafts: list[Any] = []

    def look() -> None:
        draft = store.draft()
        draft["a"] = draft["a"] + 5
        drafts.append(draft)

    points.index.stop_here(lambda: store.set("a", 3), look)
    with pytest.raises(ConflictError) as caught:
        drafts[0].commit()
    assert caught.value.keys == ("a",)


class PublishesTheMapFirst(Committer[Any, Any]):
    """The seeded bug: the records, then what is derived from them."""

    def _store(self, before: Any, key: Any, old: Any, record: Any) -> Any:
        records = self._put(before._map, key, record)
        self.timeline.current = structs.replace(before, version=before.version + 1, _map=records)
        return super()._store(before, key, old, record)


class HandsOutOneLiveSnapshot(Schema[Any, Any]):
    """The seeded bug: readers share an object that writers change."""

    def advance_one(self, before: Any, key: Any, old: Any, new: Any) -> Any:
        before._map[key] = new
        return super().advance_one(before, key, old, new)


@pytest.mark.parametrize("twin", [PublishesTheMapFirst, HandsOutOneLiveSnapshot])
@pytest.mark.parametrize("name", ["index", "aggregate", "invariant"])
def test_the_same_schedules_tear_the_twins(twin: type[Any], name: str) -> None:
    points = Points()
    store = make_store(points, seeded(twin))
    torn: list[bool] = []

    def look() -> None:
        torn.append(not whole(store))

    getattr(points, name).stop_here(lambda: store.set("a", 3), look)
    assert torn == [True]
