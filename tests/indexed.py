"""A store with indexes, for the tests of what is derived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cowstate import Index, Record, Store

MakeStore = Callable[..., Store[Any, Any]]


class Slot(Record):
    order_id: Any = None
    tags: Any = ()


def by_order(make_store: MakeStore, records: Any) -> Store[Any, Any]:
    return make_store(
        records,
        indexes={
            "order": Index(lambda slot: slot.order_id, unique=True),
            "tag": Index(lambda slot: slot.tags, many=True),
        },
    )
