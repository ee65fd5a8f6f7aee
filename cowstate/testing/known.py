"""What is known of a value without running anything, and what its kind allows to be said of it."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Final, NamedTuple

__all__ = [
    "CONTAINERS",
    "FRESH",
    "ITEMS_AT_MOST",
    "MAPPINGS",
    "Method",
    "NotUnderstoodError",
    "PLAIN",
    "UNKNOWN",
    "Unknown",
    "VALUES",
    "in_class",
    "is_plain",
]


class NotUnderstoodError(Exception):
    """The line may touch anything."""


class Unknown:
    """A value that is not known; *plain* if it is known to be a built-in immutable one."""

    def __init__(self, plain: bool = False, fresh: bool = False) -> None:
        self.plain, self.fresh = plain, fresh


class Method(NamedTuple):
    """A method of a built-in container or value."""

    of: Any
    name: str


UNKNOWN: Final = Unknown()
PLAIN: Final = Unknown(plain=True)
FRESH: Final = Unknown(fresh=True)

VALUES: Final = (int, float, complex, bool, str, bytes, type(None), range, type(...))
MAPPINGS: Final = (dict, OrderedDict)
CONTAINERS: Final = (list, dict, set, deque, OrderedDict)
ITEMS_AT_MOST: Final = 64


def is_plain(value: Any) -> bool:
    """Whether *value* is a built-in immutable one, all of whose operators are built in."""
    if isinstance(value, Unknown):
        return value.plain
    if type(value) is tuple:
        return len(value) <= ITEMS_AT_MOST and all(map(is_plain, value))
    return type(value) in VALUES


def in_class(kind: type, name: str) -> Any:
    """Return what *kind* or the first of its bases that has it holds by *name*, or `UNKNOWN`."""
    for each in kind.__mro__:
        if name in vars(each):
            return vars(each)[name]
    return UNKNOWN
