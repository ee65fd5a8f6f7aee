"""Stores with one seeded bug each: one part of the store is another class than it should be."""

from __future__ import annotations

from types import MethodType
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


def bind_anew(owner: Any, part: Any) -> None:
    """Have *owner* call the methods that *part* has now, where it keeps some of them."""
    for name, value in list(getattr(owner, "__dict__", {}).items()):
        if isinstance(value, MethodType) and value.__self__ is part:
            setattr(owner, name, getattr(part, value.__name__))


def seeded(wrong: type[Any]) -> type[Store[Any, Any]]:
    """Return a kind of store in which *wrong* stands in for the class that it derives from."""

    class Seeded(Store[Any, Any]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            (part,) = [part for part in parts_of(self) if type(part) in wrong.__bases__]
            part.__class__ = wrong
            for owner in (self, *parts_of(self)):
                bind_anew(owner, part)

    Seeded.__name__ = wrong.__name__
    return Seeded
