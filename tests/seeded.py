"""Stores with one seeded bug each: one part of the store is another class than it should be."""

from __future__ import annotations

from typing import Any

from cowstate import Store


def parts_of(store: Store[Any, Any]) -> list[Any]:
    """What a store is put together from."""
    return [
        store._committer,
        store._schema,
        store._timeline,
        store._timeline.ring,
        store._lock,
        store._delivery,
        store._delivery.by_writer,
        store._waiters,
        store._waiters.parked,
        store.source,
    ]


def seeded(wrong: type[Any]) -> type[Store[Any, Any]]:
    """Return a kind of store in which *wrong* stands in for the class that it derives from."""

    class Seeded(Store[Any, Any]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            (part,) = [part for part in parts_of(self) if type(part) in wrong.__bases__]
            part.__class__ = wrong

    Seeded.__name__ = wrong.__name__
    return Seeded
