"""What a type checker infers for stores in files.

Checked by mypy and pyright, and never run for its effects.
"""

from __future__ import annotations

from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, assert_type

from cowstate import Commit, Feed, Index, Record, Snapshot
from cowstate.journal import Follower, Journal, JournaledStore, follow, open_store


class Slot(Record):
    quantity: int


class Mode(Record):
    open: bool = True


class One(Record, tag=True):
    n: int


class Other(Record, tag=True):
    name: str


def inferred() -> None:
    with open_store("slots.db", key=str, record=Slot) as store:
        assert_type(store, JournaledStore[str, Slot])
        assert_type(store, JournaledStore[str, Slot, Any])
        assert_type(store.set("a", Slot(1)), Commit[str, Slot])
        assert_type(store.at(0), Snapshot[str, Slot])
        assert_type(store.as_of(datetime.now(UTC)), Snapshot[str, Slot])
        assert_type(store.feed(since=0), Feed[str, Slot])
        assert_type(store.journal, Journal[str, Slot])
        assert_type(store.journal.durable, int)
    indexed = open_store(
        "slots.db",
        key=str,
        record=Slot,
        indexes={"by": Index(attrgetter("quantity"))},
        sync="interval",
        migrate={0: lambda old: Slot(old["n"])},
        schema=1,
    )
    assert_type(indexed, JournaledStore[str, Slot])
    url = "postgresql://reader@db.example/trading"
    served = open_store(url, name="slots", key=str, record=Slot, lease=2.0, wait=None, eager=True)
    assert_type(served, JournaledStore[str, Slot])
    assert_type(follow(url, name="slots", key=str, record=Slot), Follower[str, Slot])
    # Of several types, who opens it says which.
    several: JournaledStore[str, One | Other] = open_store("s.db", key=str, record=One | Other)
    assert_type(several.snapshot()["a"], One | Other)


def with_meta() -> None:
    # It is None until it is set, and None can be set again.
    with open_store("slots.db", key=str, record=Slot, meta=Mode) as store:
        assert_type(store, JournaledStore[str, Slot, Mode | None])
        assert_type(store.set_meta(Mode()), Commit[str, Slot, Mode | None])
        assert_type(store.snapshot().meta, Mode | None)
        assert_type(store.at(0), Snapshot[str, Slot, Mode | None])
        assert_type(store.as_of(0.0).meta, Mode | None)
        assert_type(store.feed(since=0), Feed[str, Slot, Mode | None])
    several: JournaledStore[str, One | Other, Mode | None] = open_store(
        "s.db", key=str, record=One | Other, meta=Mode
    )
    assert_type(several.snapshot().meta, Mode | None)


def followed() -> None:
    with follow("slots.db", key=str, record=Slot) as plain:
        assert_type(plain, Follower[str, Slot])
        assert_type(plain.wait_for(version=1), Snapshot[str, Slot])
        assert_type(plain.feed(since=0), Feed[str, Slot])
    with follow("slots.db", key=str, record=Slot, meta=Mode) as seen:
        assert_type(seen, Follower[str, Slot, Mode | None])
        assert_type(seen.at(1).meta, Mode | None)
        assert_type(seen.lag, float)
        assert_type(seen.failure, Exception | None)
