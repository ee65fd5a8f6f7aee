"""What is called a place: by it two steps see that they touch the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any

from .counters import Barrier
from .known import ITEMS_AT_MOST, MAPPINGS, NotUnderstoodError, Unknown, is_plain
from .primitives import Condition, Primitive
from .queues import PriorityQueue, Queue

__all__ = [
    "check_keys",
    "held_by_classes",
    "places_of",
    "places_of_attribute",
    "places_of_items",
]


def places_of(primitive: Primitive) -> tuple[Hashable, ...]:
    """Return the places that every use of *primitive* counts as a write of.

    Raises:
        NotUnderstoodError: a use of it runs code of somebody's: a lock, an action, a comparison.
    """
    own = ("primitive", id(primitive))
    match primitive:
        case Barrier() | PriorityQueue():
            raise NotUnderstoodError
        case Condition(lock=Primitive() as lock):
            return own, ("primitive", id(lock))
        case Condition():
            raise NotUnderstoodError
        case Queue(mutex=mutex, queue=items):
            return own, ("primitive", id(mutex)), ("items", id(items))
        case _:
            return (own,)


def places_of_attribute(owner: Any, name: str) -> Iterator[Hashable]:
    """Return the places that a use of an attribute of *owner* touches."""
    yield ("attribute", id(owner), name)
    held = getattr(owner, "__dict__", None)
    # Objects may share one, and it may be changed as a dictionary.
    if type(held) is dict:
        yield ("item", id(held), name)
    elif type(held) is OrderedDict:
        yield ("items", id(held))


def held_by_classes(name: str) -> Hashable:
    """Return the place of what classes hold by *name*.

    A property or a slot that a class is given, or loses, comes before what an object of it holds.
    """
    return ("item", 0, name)


def places_of_items(holder: Any, index: Any) -> Iterator[Hashable]:
    """Return the places that a use of an item of *holder* touches; of any, if *index* is unknown.

    Raises:
        NotUnderstoodError: they are the names of a module, or to look for one may run code.
    """
    yield ("items", id(holder))
    if type(holder) is not dict:
        return
    check_keys(holder)
    if "__builtins__" in holder:  # the names of a module
        raise NotUnderstoodError
    for key in list(holder) if isinstance(index, Unknown) else (index,):
        if type(key) is str:
            yield ("item", id(holder), key)


def check_keys(holder: Any) -> None:
    """Refuse a mapping in which to look for a key may run code.

    Raises:
        NotUnderstoodError: it may, or there are too many to look.
    """
    if type(holder) in MAPPINGS and not (
        len(holder) <= ITEMS_AT_MOST and all(map(is_plain, list(holder)))
    ):
        raise NotUnderstoodError
