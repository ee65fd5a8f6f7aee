"""The records of the workloads: immutable for those that share them, mutable for locks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import msgspec

from cowstate import Record

from .locked import LockedStore

__all__ = [
    "Level",
    "MutableLevel",
    "add_one",
    "add_one_in_place",
    "locked_store",
    "mutable_records",
    "records_of",
    "set_order_id_in_place",
    "ten_keys",
]


class Level(Record):
    """The record of the workloads, where records are immutable."""

    price: int
    order_id: int | None = None
    quantity: int = 0


class MutableLevel(msgspec.Struct):
    """The same for locks: changed in place, and copied by C code."""

    price: int
    order_id: int | None = None
    quantity: int = 0


# Made by msgspec in C, and the cheapest copy there is: all fields are immutable, so it is deep.
_COPY: Callable[[MutableLevel], MutableLevel] = MutableLevel.__copy__  # type: ignore[attr-defined]


def add_one(level: Level) -> Level:
    """Return the record with one more, as a user of `Record` would write it."""
    return level.replace(quantity=level.quantity + 1)


def set_order_id_in_place(level: MutableLevel, order_id: int) -> MutableLevel:
    """Change the indexed field of the record itself."""
    level.order_id = order_id
    return level


def add_one_in_place(level: Any) -> Any:
    """Add one to the record itself."""
    level.quantity += 1
    return level


@cache
def records_of(size: int) -> Mapping[str, Level]:
    """Return *size* immutable records under string keys. Shared: not to be changed."""
    return {str(50_000 + number): Level(50_000 + number) for number in range(size)}


def mutable_records(size: int) -> dict[str, MutableLevel]:
    """Return the same records in their mutable form, new ones."""
    return {key: MutableLevel(level.price) for key, level in records_of(size).items()}


def locked_store(
    records: dict[str, MutableLevel], **derived: Any
) -> LockedStore[str, MutableLevel]:
    """Return the lock-based twin over *records*, which are its own from then on."""
    return LockedStore(records, copy=_COPY, **derived)


def ten_keys(size: int) -> tuple[str, ...]:
    """Return ten keys of `records_of`, spread over it."""
    keys = tuple(records_of(size))
    return tuple(keys[place * size // 10] for place in range(10))
