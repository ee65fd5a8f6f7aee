"""The two stores behind one face, for the tests that hold them to one behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from cowstate import Aggregate, Index, Record, Store
from cowstate.bench import LockedStore


class Level(Record):
    price: int
    order_id: int | None = None
    quantity: int = 0


class MutableLevel(msgspec.Struct):
    price: int
    order_id: int | None = None
    quantity: int = 0


class Kit(NamedTuple):
    """How to make records and stores of one kind, and how a record is changed there."""

    name: str
    level: Callable[..., Any]
    store: Callable[..., Any]

    def changing(self, **fields: Any) -> Callable[[Any], Any]:
        def change(record: Any) -> Any:
            if self.name == "cowstate":
                return record.replace(**fields)
            for name, value in fields.items():
                setattr(record, name, value)
            return record

        return change

    def adding(self, amount: int) -> Callable[[Any], Any]:
        return lambda record: self.changing(quantity=record.quantity + amount)(record)


def _cow(records: Mapping[Any, Any], indexed: bool = False) -> Any:
    if not indexed:
        return Store(records)
    return Store(records, indexes=INDEXES, aggregates={"quantity": Aggregate.sum(QUANTITY)})


def _locked(records: Mapping[Any, Any], indexed: bool = False) -> Any:
    if not indexed:
        return LockedStore(records, copy=MutableLevel.__copy__)
    return LockedStore(
        records, indexes=INDEXES, totals={"quantity": QUANTITY}, copy=MutableLevel.__copy__
    )


QUANTITY = attrgetter("quantity")
INDEXES = {
    "order_id": Index(attrgetter("order_id"), unique=True),
    "sign": Index(lambda level: level.quantity > 0),
}

KITS = (Kit("cowstate", Level, _cow), Kit("locked", MutableLevel, _locked))


def plain(records: Mapping[Any, Any]) -> dict[Any, Any]:
    """What is in a snapshot of either kind, comparable with the other's."""
    return {key: (r.price, r.order_id, r.quantity) for key, r in records.items()}
