"""What a type checker infers for the readers and writers of a ``Store[str, Slot]``.

Checked by mypy and pyright, and never run for its effects.
"""

from __future__ import annotations

from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal, assert_type

from cowstate import (
    MISSING,
    Aggregate,
    Change,
    ChangeSet,
    Codec,
    Commit,
    Draft,
    Index,
    Lagged,
    Measures,
    Observation,
    Record,
    Snapshot,
    Statistics,
    Store,
    Transaction,
    aio,
)
from cowstate.changes import Missing


class Slot(Record):
    price: Decimal
    order_id: int | None = None


def price_of(slot: Slot) -> Decimal:
    return slot.price


store = Store(
    {"50000": Slot(Decimal(50000))},
    indexes={"order_id": Index(lambda slot: slot.order_id, unique=True)},
)
assert_type(store, Store[str, Slot])


tutorial = Store(
    {"50000": Slot(Decimal(50000)), "50100": Slot(Decimal(50100))},
    indexes={"order_id": Index(attrgetter("order_id"), unique=True)},
    aggregates={"position": Aggregate.sum(attrgetter("price"))},
)
assert_type(tutorial, Store[str, Slot])
assert_type(tutorial.snapshot().find("order_id", 43), Slot | None)
indexes = {"order_id": Index[Slot](lambda slot: slot.order_id)}
assert_type(Store({"a": Slot(Decimal(1))}, indexes=indexes), Store[str, Slot])
assert_type(Store[str, Slot](indexes={"id": Index(attrgetter("order_id"))}), Store[str, Slot])


def codecs(store: Store[str, Slot]) -> None:
    codec = Codec(key=str, record=Slot)
    assert_type(codec, Codec[str, Slot])
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    assert_type(here, Snapshot[str, Slot])
    assert_type(codec.decode_changes("{}"), ChangeSet[str, Slot])
    assert_type(codec.decode_commit(b"", here), Commit[str, Slot])
    assert_type(codec.key.decode(b""), str)
    assert_type(codec.record.decode(b""), Slot)
    assert_type(Store(here), Store[str, Slot])
    either: Codec[str, Slot | int] = Codec(key=str, record=Slot | int)
    assert_type(either.decode_snapshot(b"")["a"], Slot | int)


def length_of(text: str) -> int:
    return len(text)


derived = Store(
    {"50000": Slot(Decimal(50000))},
    indexes={"price": Index(price_of, ordered=True)},
    aggregates={
        "prices": Aggregate.sum(price_of, by=price_of),
        "all": Aggregate.count(by=price_of),
        "least": Aggregate.min(price_of),
        "greatest": Aggregate.max(price_of, default=0, by=price_of),
    },
)
assert_type(derived, Store[str, Slot])
Aggregate.sum(price_of, by="price")  # type: ignore[call-overload]


def readers(store: Store[str, Slot]) -> None:
    now = store.snapshot()
    assert_type(now, Snapshot[str, Slot])
    assert_type(now["50000"], Slot)
    assert_type(now["50000"].order_id, int | None)
    assert_type(now.get("50000"), Slot | None)
    assert_type(now.get("50000", Slot(Decimal(0))), Slot)
    assert_type(now.get("50000", 0), Slot | int)
    assert_type(now.find("order_id", 42), Slot | None)
    assert_type(now.find_key("order_id", 42), str | None)
    assert_type(now.find_all("order_id", 42), dict[str, Slot])
    assert_type(now.range("price", 1, limit=2), dict[str, Slot])
    assert_type(now.first("price"), tuple[str, Slot] | None)
    assert_type(now.floor("price", 5), tuple[str, Slot] | None)
    assert_type(dict(now), dict[str, Slot])
    assert_type([*now.keys()], list[str])
    assert_type([*now.values()], list[Slot])
    for key, slot in now.items():
        assert_type(key, str)
        assert_type(slot, Slot)
    for key in now:
        assert_type(key, str)
    assert_type(now.diff(now), ChangeSet[str, Slot])
    assert_type(now.version, int)
    assert_type(now.total("position"), Any)
    assert_type(now.meta, Any)
    position: Decimal = now.total("position")
    mode: str | None = now.meta
    assert_type((position, mode), tuple[Decimal, str | None])
    assert_type(store.statistics(), Statistics)
    assert_type(store.statistics().measured, Measures | None)


def writers(store: Store[str, Slot]) -> None:
    commit = store.update("50000", lambda slot: slot.replace(order_id=42))
    assert_type(commit, Commit[str, Slot])
    assert_type(commit.after, Snapshot[str, Slot])
    assert_type(commit.changes, ChangeSet[str, Slot])
    change = commit.changes["50000"]
    assert_type(change, Change[Slot])
    assert_type(change.new, Slot | Literal[Missing.MISSING])
    if change.new is not MISSING:
        assert_type(change.new, Slot)
        assert_type(change.new.replace(order_id=1), Slot)
    assert_type(commit.changes.then(commit.changes.inverse()), ChangeSet[str, Slot])
    assert_type(commit.changes.apply(dict(commit.before)), dict[str, Slot])
    store.transact(commit.changes.apply)
    commit.changes.apply({1: "no slot"})  # type: ignore[dict-item]
    assert_type(store.set("50000", Slot(Decimal(1))), Commit[str, Slot])
    assert_type(store.delete("50000"), Commit[str, Slot])
    assert_type(store.update("1", lambda s: s, default=Slot(Decimal(1))), Commit[str, Slot])
    assert_type(store.update_all(["1", "2"], lambda s: s), Commit[str, Slot])
    assert_type(store.replace_all({"1": Slot(Decimal(1))}), Commit[str, Slot])
    assert_type(store.replace_all(store.snapshot()), Commit[str, Slot])
    store.update_all([1], lambda s: s)  # type: ignore[list-item]
    store.replace_all({"1": "no slot"})  # type: ignore[arg-type]
    assert_type(store.add_index("p", Index(price_of, ordered=True)), Commit[str, Slot])
    assert_type(store.add_aggregate("p", Aggregate.min(price_of)), Commit[str, Slot])
    assert_type(store.remove_index("p"), Commit[str, Slot])
    assert_type(store.remove_aggregate("p"), Commit[str, Slot])
    store.add_index("p", Index(length_of))  # type: ignore[arg-type]
    assert_type(store.set_meta("open"), Commit[str, Slot])
    assert_type(store.update_meta(lambda n: n + 1), Commit[str, Slot])
    store.update("1", lambda s: s, default="no slot")  # type: ignore[arg-type]
    assert_type(store.compare_and_set("50000", MISSING, Slot(Decimal(1))), Commit[str, Slot] | None)
    store.update("50000", lambda slot: "no slot")  # type: ignore[arg-type, return-value]
    store.set(50000, Slot(Decimal(1)))  # type: ignore[arg-type]
    store.set("50000", "no slot")  # type: ignore[arg-type]
    commit.after["50000"].order_id = 5  # type: ignore[misc]


def workspaces(store: Store[str, Slot]) -> None:
    with store.transaction() as tx:
        assert_type(tx, Transaction[str, Slot])
        assert_type(tx["50000"], Slot)
        assert_type(tx.get("50000"), Slot | None)
        assert_type(tx.get("50000", 0), Slot | int)
        assert_type(tx.find("order_id", 42), Slot | None)
        assert_type(tx.range("price"), dict[str, Slot])
        assert_type(tx.last("price"), tuple[str, Slot] | None)
        assert_type(tx.pop("50000"), Slot)
        assert_type(tx.base, Snapshot[str, Slot])
        tx["50000"] = "no slot"  # type: ignore[assignment]
    assert_type(tx.result, Commit[str, Slot])
    draft = store.draft(tx.result.before)
    assert_type(draft, Draft[str, Slot])
    assert_type(draft["50000"], Slot)
    assert_type(draft.commit(), Commit[str, Slot])
    assert_type(draft.commit(expected_version=3), Commit[str, Slot])
    assert_type(store.retry(lambda draft: draft["50000"]), Slot)
    assert_type(store.retry(lambda draft: draft).result, Commit[str, Slot])
    with store.draft() as block:
        assert_type(block, Draft[str, Slot])
    assert_type(block.result, Commit[str, Slot])


def observations(store: Store[str, Slot]) -> None:
    with store.observe() as window:
        assert_type(window, Observation[str, Slot])
    assert_type(window.stable, frozenset[str])
    assert_type(window.changes, ChangeSet[str, Slot])
    assert_type(window.draft(), Draft[str, Slot])


async def following_in_tasks(store: Store[str, Slot]) -> None:
    async with aio.feed(store, initial=True) as feed:
        assert_type(feed, aio.AsyncFeed[str, Slot])
        async for item in feed:
            assert_type(item, Commit[str, Slot] | Lagged[str, Slot])


def following(store: Store[str, Slot]) -> None:
    with store.subscribe(lambda commit: print(commit.after["50000"].price)) as subscription:
        assert_type(subscription.snapshot, Snapshot[str, Slot])
    store.subscribe(lambda commit: print(commit.changes["50000"]), keys=["50000"], initial=True)
    with store.feed("latest", keys=["50000"], initial=True) as feed:
        assert_type(feed.poll(), Commit[str, Slot] | Lagged[str, Slot] | None)
        assert_type(feed.get(timeout=1), Commit[str, Slot] | Lagged[str, Slot])
        for item in feed:
            if isinstance(item, Commit):
                assert_type(item.changes, ChangeSet[str, Slot])
            else:
                assert_type(item.snapshot, Snapshot[str, Slot])
            if not isinstance(item, Lagged):
                assert_type(item.after, Snapshot[str, Slot])
    assert_type(store.wait_for(lambda now: now["50000"].order_id == 1), Snapshot[str, Slot])
    assert_type(store.at(0), Snapshot[str, Slot])
    with store.pin() as pin:
        assert_type(pin.snapshot, Snapshot[str, Slot])
    assert_type(store.revert(0), Commit[str, Slot])
