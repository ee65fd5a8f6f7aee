"""What type checkers must find: each line that is marked, and no other.

``# wrong`` is for both of them and every version of Python, ``# wrong from 3.13`` for those that
know ``__replace__``, ``# wrong for mypy`` for mypy alone. Never run.
"""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from operator import attrgetter
from typing import Any

from cowstate import Aggregate, Codec, Index, Record, Store


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
