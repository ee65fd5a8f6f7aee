"""What type checkers must find: each line that is marked, and no other.

``# wrong`` is for both of them and every version of Python, ``# wrong from 3.13`` for those that
know ``__replace__``, ``# wrong for mypy`` for mypy alone. Never run.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from operator import attrgetter
from typing import Any

from cowstate import Aggregate, Codec, Commit, Index, Record, Snapshot, Store
from cowstate.journal import JournaledStore, open_store


class Slot(Record):
    price: Decimal
    order_id: int | None = None

    def freed(self) -> Slot:
        return self.replace(order_id=None)

    def lost(self) -> Slot:
        return self.replace(order=None)  # wrong from 3.13


class Other(Record):
    name: str


def by_anything(slot: Any) -> Any:
    return slot.order_id


# The store of the tutorial: its type must not be lost to what its indexes are made with.
tutorial = Store(
    {"50000": Slot(Decimal(50000)), "50100": Slot(Decimal(50100))},
    indexes={"order_id": Index(attrgetter("order_id"), unique=True), "any": Index(by_anything)},
    aggregates={"position": Aggregate.sum(attrgetter("price")), "count": Aggregate.count()},
)
by_lambda = Store(
    {"50000": Slot(Decimal(50000))},
    indexes={"order_id": Index(lambda slot: slot.order_id)},
    aggregates={"position": Aggregate.sum(lambda slot: slot.price)},
)
declared: Store[str, Slot] = Store(indexes={"order_id": Index(attrgetter("order_id"))})

by_untyped = Store({"50000": Slot(Decimal(50000))}, indexes={"any": Index(by_anything)})
by_total = Store(
    [("50000", Slot(Decimal(50000)))], aggregates={"position": Aggregate.sum(attrgetter("price"))}
)
tutorial.snapshot()["50000"].nothing  # wrong
by_lambda.snapshot()["50000"].nothing  # wrong
by_untyped.snapshot()["50000"].nothing  # wrong
by_total.snapshot()["50000"].nothing  # wrong
declared.snapshot()["50000"].nothing  # wrong


def written(store: Store[str, Slot]) -> None:
    store.snapshot()["50000"].nothing  # wrong
    store.snapshot()["50000"].price.nothing  # wrong
    store.set("50000", Other("a"))  # wrong
    store.set(50000, Slot(Decimal(1)))  # wrong
    store.update("50000", lambda slot: slot.nothing)  # wrong
    store.update("50000", lambda slot: Other("a"))  # wrong
    store.update("50000", lambda slot: slot.replace(order_id=1))
    store.update("50000", lambda slot: slot.replace(order=1))  # wrong from 3.13
    store.update("50000", lambda slot: slot.replace(order_id="1"))  # wrong from 3.13
    store.replace_all({"50000": Other("a")})  # wrong
    with store.transaction() as tx:
        tx["50000"] = Other("a")  # wrong
    store.nothing()  # wrong
    store["50000"]  # wrong
    position: Decimal = store.snapshot().total("position")
    position.nothing  # wrong
    mode: str = store.snapshot().meta
    mode.nothing  # wrong


wrong_lambda = Store(
    {"50000": Slot(Decimal(50000))},
    indexes={"order_id": Index(lambda slot: slot.nothing)},  # wrong
)


def name_of(other: Other) -> str:
    return other.name


# Pyright takes a function of another record, for the sake of `attrgetter`, which is one of any.
wrong_function = Store({"a": Slot(Decimal(1))}, indexes={"name": Index(name_of)})  # wrong for mypy

slot = Slot(Decimal(1))
slot.replace(price=Decimal(2), order_id=3).order_id
slot.replace(prize=Decimal(2))  # wrong from 3.13
slot.replace(price="2")  # wrong from 3.13
slot.replace(Decimal(2))  # wrong
slot.replace(price=Decimal(2)).nothing  # wrong
slot.price = Decimal(2)  # wrong
copy(slot).nothing  # wrong
Slot("1")  # wrong
Slot(Decimal(1), order=5)  # wrong

codec = Codec(key=str, record=Slot)
codec.decode_snapshot(b"")["a"].nothing  # wrong
codec.decode_snapshot(b"")[1]  # wrong
codec.encode(Store({1: Slot(Decimal(1))}).snapshot())  # wrong
codec.record.encode(Other("a"))  # wrong
codec.record.decode(b"").nothing  # wrong
several: Codec[str, Slot | Other] = Codec(key=str, record=Slot | Other)
several.decode_changes(b"")["a"].new.nothing  # wrong


class Mode(Record):
    open: bool = True


# `meta`: where the store says what it is.
moded = Store({"50000": Slot(Decimal(50000))}, meta=Mode())
moded.snapshot().meta.nothing  # wrong
moded.snapshot()["50000"].nothing  # wrong
moded.set_meta("open")  # wrong
moded.set_meta(None)  # wrong
moded.update_meta(lambda mode: mode.nothing)  # wrong
moded.update_meta(lambda mode: "open")  # wrong
told: Store[str, Slot, Mode] = Store(meta="open")  # wrong
Store[str, Slot, Mode](meta="open")  # wrong
wrong_index = Store(
    {"50000": Slot(Decimal(50000))},
    indexes={"order_id": Index(lambda slot: slot.nothing)},  # wrong
    meta=Mode(),
)


def on_text(commit: Commit[str, Slot, str]) -> None:
    print(commit.after.meta)


def of_meta(store: Store[str, Slot, Mode], text: Store[str, Slot, str]) -> None:
    store.set("50000", Slot(Decimal(1))).after.meta.nothing  # wrong
    store.wait_for(lambda now: now.meta.nothing)  # wrong
    store.subscribe(on_text)  # wrong
    other: Snapshot[str, Slot, str] = store.snapshot()  # wrong
    other.meta.upper()
    with store.transaction() as tx:
        tx.meta = "open"  # wrong
        tx.meta.nothing  # wrong
    with store.draft() as draft:
        draft.meta = None  # wrong
    draft.result.after.meta.nothing  # wrong
    for item in store.feed():
        if isinstance(item, Commit):
            item.after.meta.nothing  # wrong
    with store.observe() as window:
        window.before.meta.nothing  # wrong
    text.update_meta(lambda meta: Mode())  # wrong
    Codec(str, Slot, Mode).encode(text.snapshot())  # wrong
    Codec(str, Slot, Mode).meta.decode(b"").nothing  # wrong


# `total`: where it is asked for by the aggregate itself.
def price_of(slot: Slot) -> Decimal:
    return slot.price


POSITION = Aggregate.sum(price_of, Decimal(0))
LOOSE = Aggregate.sum(price_of)
LEAST = Aggregate.min(price_of)
BY_PRICE = Aggregate.count(by=price_of)


def of_totals(store: Store[str, Slot]) -> None:
    now = store.snapshot()
    now.total(POSITION).nothing  # wrong
    now.total(LOOSE).quantize(Decimal(1))  # wrong
    now.total(LEAST) + 1  # wrong
    now.total(BY_PRICE)["a"]  # wrong
    now.total(BY_PRICE, "a")  # wrong
    now.total(BY_PRICE, Decimal(1)).nothing  # wrong
    now.total(POSITION, "a")  # wrong
    now.total(5)  # wrong
    number: int = now.total(POSITION)  # wrong
    with store.transaction() as tx:
        tx.total(POSITION).nothing  # wrong
    with store.draft() as draft:
        draft.total(BY_PRICE, "a")  # wrong
    print(number)


Aggregate.sum(price_of, by="price")  # wrong
Aggregate.min("price")  # wrong
of_slots: Aggregate[Slot, int] = Aggregate.sum(price_of)  # wrong

by_lambdas = Store(
    {"50000": Slot(Decimal(50000))},
    aggregates={
        "sum": Aggregate.sum(lambda slot: slot.nothing),  # wrong
        "start": Aggregate.sum(lambda slot: slot.nothing, Decimal(0)),  # wrong
        "least": Aggregate.min(lambda slot: slot.nothing),  # wrong
        "count": Aggregate.count(lambda slot: slot.nothing),  # wrong
        "by": Aggregate.sum(lambda slot: slot.price, by=lambda slot: slot.nothing),  # wrong
    },
)
by_lambdas.add_aggregate("most", Aggregate.max(lambda slot: slot.nothing))  # wrong


def in_a_file(store: JournaledStore[str, Slot, Other | None]) -> None:
    opened = open_store("slots.db", key=str, record=Slot, meta=Other)
    opened.snapshot().meta.name  # wrong
    opened.set_meta("closed")  # wrong
    opened.snapshot()["50000"].nothing  # wrong
    store.at(0).meta = None  # wrong
    open_store("slots.db", key=str, record=Slot, met=Other)  # wrong
