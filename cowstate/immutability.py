"""What counts as immutable.

A store publishes references, not copies: whoever holds a snapshot holds the very records
that the store holds. That is sound only while nobody can change a record in place, so this
module answers one question, once for each type: *is a value of this type known to be mutable?*
"""

from __future__ import annotations

import dataclasses
import types
from collections import abc, deque

import msgspec

from .errors import MutableRecordError

__all__ = ["check_immutable", "why_mutable"]

# Types whose instances can be changed in place, with what to store instead. A subclass of one
# of these is refused for the same reason.
_MUTABLE_BASES: tuple[tuple[type, str], ...] = (
    (list, "a tuple"),
    (dict, "a Record, or an immutable mapping such as pyrsistent's pmap"),
    (set, "a frozenset"),
    (bytearray, "bytes"),
    (memoryview, "bytes"),
    (deque, "a tuple"),
    (types.SimpleNamespace, "a Record"),
    (abc.MutableSequence, "a tuple"),
    (abc.MutableMapping, "a Record, or an immutable mapping such as pyrsistent's pmap"),
    (abc.MutableSet, "a frozenset"),
)


def why_mutable(record_type: type) -> str | None:
    """Say why values of *record_type* are known to be mutable, or None if they are not.

    Known to be mutable are the built-in and abstract mutable containers, and dataclasses,
    attrs classes and msgspec Structs that are not frozen. A type about which nothing is known
    is trusted. The verdict is about the type alone: a frozen record that holds a list passes,
    and is as wrong as a tuple that holds one.

    >>> why_mutable(tuple) is None
    True
    >>> why_mutable(list)
    'a list can be changed in place; store a tuple'
    """
    name = record_type.__name__
    for base, instead in _MUTABLE_BASES:
        if issubclass(record_type, base):
            return f"a {name} can be changed in place; store {instead}"
    if issubclass(record_type, msgspec.Struct):
        if record_type.__struct_config__.frozen:
            return None
        return f"{name} is a msgspec Struct that is not frozen; declare it with frozen=True"
    if dataclasses.is_dataclass(record_type):
        if record_type.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            return None
        return f"{name} is a dataclass that is not frozen; declare it with @dataclass(frozen=True)"
    if hasattr(record_type, "__attrs_attrs__"):
        # attrs has no public predicate before 25.4; a frozen class is one whose __setattr__
        # is attrs' refusing one, whatever the version.
        if getattr(record_type.__setattr__, "__name__", "") == "_frozen_setattrs":
            return None
        return f"{name} is an attrs class that is not frozen; declare it with @attrs.frozen"
    return None


def check_immutable(value: object) -> None:
    """Raise `MutableRecordError` if the type of *value* is known to be mutable.

    >>> check_immutable(("a", 1))
    >>> check_immutable(["a", 1])
    Traceback (most recent call last):
        ...
    cowstate.errors.MutableRecordError: a list can be changed in place; store a tuple
    """
    reason = why_mutable(type(value))
    if reason is not None:
        raise MutableRecordError(type(value), reason)
