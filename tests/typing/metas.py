"""What a type checker knows of ``meta``: by the third parameter of a store, or nothing.

Checked by mypy and pyright, and never run for its effects.
"""

from __future__ import annotations

from decimal import Decimal
from operator import attrgetter
from typing import Any, assert_type

from cowstate import (
    Aggregate,
    ChangeSet,
    Codec,
    Commit,
    Draft,
    Feed,
    Index,
    Lagged,
    Observation,
    Pin,
    Record,
    Snapshot,
    Store,
    Subscription,
    Transaction,
    aio,
)


class Slot(Record):
    price: Decimal
    order_id: int | None = None


class Mode(Record):
    open: bool = True


RECORDS = {"50000": Slot(Decimal(50000))}

# What a store is made with tells its type.
assert_type(Store(RECORDS), Store[str, Slot])
assert_type(Store(RECORDS), Store[str, Slot, Any])
assert_type(Store(RECORDS, meta=None), Store[str, Slot, Any])
assert_type(Store(RECORDS, meta=Mode()), Store[str, Slot, Mode])
assert_type(Store({"a": Slot(Decimal(1))}, meta="open"), Store[str, Slot, str])
full = Store(
    RECORDS,
    indexes={"order_id": Index(attrgetter("order_id"), unique=True)},
    aggregates={"position": Aggregate.sum(attrgetter("price"))},
    invariants={"open": lambda now, changes: now.meta is not None},
    meta=Mode(),
    same="equality",
)
assert_type(full, Store[str, Slot, Mode])
by_lambda = Store(
    RECORDS,
    indexes={"order_id": Index(lambda slot: slot.order_id)},
    aggregates={"position": Aggregate.sum(lambda slot: slot.price)},
    meta=Mode(),
)
assert_type(by_lambda, Store[str, Slot, Mode])

# Or it is said.
empty: Store[str, Slot, Mode] = Store(meta=Mode())
assert_type(empty.snapshot().meta, Mode)
unknown: Store[str, Slot] = Store(meta=Mode())
untold: Store[str, Slot] = Store()
later: Store[str, Slot, Mode | None] = Store()
assert_type(later.snapshot(), Snapshot[str, Slot, Mode | None])
none_yet: Store[str, Slot, Mode | None] = Store(meta=None)
assert_type(none_yet.set_meta(Mode()), Commit[str, Slot, Mode | None])
assert_type(Store[str, Slot, Mode](meta=Mode()), Store[str, Slot, Mode])
assert_type(Store[str, Slot](), Store[str, Slot])


def whatever(store: Store[str, Slot], now: Snapshot[str, Slot], commit: Commit[str, Slot]) -> None:
    """Who says nothing of ``meta`` takes any, and is taken for any."""
    assert_type(now.meta, Any)
    assert_type(commit.after.meta, Any)
    mode: Mode = now.meta
    text: str = now.meta
    known: Store[str, Slot, Mode] = store
    print(mode, text, known)


def known(store: Store[str, Slot, Mode], past: Snapshot[str, Slot, Mode]) -> None:
    whatever(store, store.snapshot(), store.delete("a"))
    assert_type(store.snapshot(), Snapshot[str, Slot, Mode])
    assert_type(store.snapshot().meta, Mode)
    assert_type(store.at(3).meta, Mode)
    assert_type(store.wait_for(lambda now: now.meta.open).meta, Mode)
    assert_type(past.diff(store.snapshot()), ChangeSet[str, Slot])
    with store.pin() as pin:
        assert_type(pin, Pin[str, Slot, Mode])
        assert_type(pin.snapshot.meta, Mode)
    store.unpin(pin)


def writers(store: Store[str, Slot, Mode]) -> None:
    commit = store.set("a", Slot(Decimal(1)))
    assert_type(commit, Commit[str, Slot, Mode])
    assert_type((commit.before.meta, commit.after.meta), tuple[Mode, Mode])
    assert_type(store.update("a", lambda slot: slot.replace(order_id=1)), Commit[str, Slot, Mode])
    assert_type(
        store.compare_and_set("a", Slot(Decimal(1)), Slot(Decimal(2))),
        Commit[str, Slot, Mode] | None,
    )
    assert_type(store.set_meta(Mode(open=False)).after.meta, Mode)
    assert_type(store.update_meta(lambda mode: Mode(not mode.open)), Commit[str, Slot, Mode])
    assert_type(store.add_index("p", Index(lambda slot: slot.price)), Commit[str, Slot, Mode])
    assert_type(store.undo(commit), Commit[str, Slot, Mode])
    assert_type(store.revert(commit.before).after.meta, Mode)
    assert_type(store.transact(lambda tx: tx.meta), Mode)
    assert_type(store.retry(lambda draft: draft.meta.open), bool)


def workspaces(store: Store[str, Slot, Mode]) -> None:
    with store.transaction() as tx:
        assert_type(tx, Transaction[str, Slot, Mode])
        assert_type(tx.meta, Mode)
        tx.meta = Mode(open=False)
        assert_type(tx.base.meta, Mode)
    assert_type(tx.result, Commit[str, Slot, Mode])
    with store.draft() as draft:
        assert_type(draft, Draft[str, Slot, Mode])
        draft.meta = Mode(not draft.meta.open)
    assert_type(draft.commit().after.meta, Mode)
    with store.observe() as window:
        assert_type(window, Observation[str, Slot, Mode])
    assert_type((window.before.meta, window.after.meta), tuple[Mode, Mode])
    assert_type(window.draft(), Draft[str, Slot, Mode])


def closed(commit: Commit[str, Slot, Mode]) -> None:
    print(commit.after.meta.open)


def told(commit: Commit[str, Slot]) -> None:
    print(commit.after.meta)


def lagged(gap: Lagged[str, Slot, Mode]) -> None:
    print(gap.snapshot.meta.open)


def never_both(now: Snapshot[str, Slot, Mode], changes: ChangeSet[str, Slot]) -> bool:
    return now.meta.open or not changes


def followers(store: Store[str, Slot, Mode]) -> None:
    with store.subscribe(lambda commit: print(commit.after.meta.open)) as subscription:
        assert_type(subscription, Subscription[str, Slot, Mode])
        assert_type(subscription.snapshot.meta, Mode)
    store.subscribe(closed, on_lagged=lagged)
    store.subscribe(told)
    with store.feed() as feed:
        assert_type(feed, Feed[str, Slot, Mode])
        assert_type(feed.snapshot.meta, Mode)
        for item in feed:
            assert_type(item, Commit[str, Slot, Mode] | Lagged[str, Slot, Mode])
            if isinstance(item, Commit):
                assert_type(item.after.meta, Mode)
            else:
                assert_type(item.snapshot.meta, Mode)
    Store(RECORDS, invariants={"not both": never_both}, meta=Mode())


async def tasks(store: Store[str, Slot, Mode]) -> None:
    assert_type((await aio.wait_for(store, lambda now: now.meta.open)).meta, Mode)
    async with aio.feed(store) as feed:
        assert_type(feed, aio.AsyncFeed[str, Slot, Mode])
        async for item in feed:
            assert_type(item, Commit[str, Slot, Mode] | Lagged[str, Slot, Mode])


def wires(store: Store[str, Slot, Mode]) -> None:
    codec = Codec(str, Slot, Mode)
    assert_type(codec, Codec[str, Slot, Mode])
    assert_type(codec.meta.decode(b""), Mode)
    here = codec.decode_snapshot(codec.encode(store.snapshot()))
    assert_type(here, Snapshot[str, Slot, Mode])
    assert_type(codec.decode_commit(b"", here).after.meta, Mode)
    assert_type(Codec(key=str, record=Slot).decode_snapshot(b""), Snapshot[str, Slot])
    assert_type(Codec(key=str, record=Slot, meta=Mode | None), Codec[str, Slot])
    either: Codec[str, Slot, Mode | None] = Codec(key=str, record=Slot, meta=Mode | None)
    assert_type(either.decode_snapshot(b"").meta, Mode | None)


class Own(Store[str, Slot, Mode]):
    """A store of one's own."""

    def is_open(self) -> bool:
        return self.snapshot().meta.open


assert_type(Own(meta=Mode()).snapshot().meta, Mode)


class OfTwo(Store[str, Slot]):
    """As it was written before there was a third parameter."""


assert_type(OfTwo().snapshot().meta, Any)
