"""What counts as immutable.

A store publishes references, not copies: whoever holds a snapshot holds the very records
that the store holds. That is sound only while nobody can change a record in place, so this
module answers one question: *is this value known to be mutable?* By its type alone, once for
each type, or, where that is asked for, by all that it holds.
"""

from __future__ import annotations

import dataclasses
import io
import queue
import threading
import types
from collections import abc, deque
from collections.abc import Iterable
from enum import Enum
from itertools import islice
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import msgspec

from .errors import MutableRecordError
from .showing import article, shown

__all__ = ["Immutability", "check_deeply", "check_immutable", "is_inert", "why_mutable"]

Immutability: TypeAlias = Literal["type", "deep", "trusted"]
"""How closely a store looks at what it is given; see `Store`."""

_MAPPING: Final = "a Record, or an immutable mapping such as pyrsistent's pmap"
_LOCK: Final = "it belongs beside the store, not into a record"
_PASSES: Final = "a tuple of what it yields"

# Types whose instances can be changed in place, with what to store instead. A subclass of one
# of these is refused for the same reason.
_MUTABLE_BASES: tuple[tuple[type, str], ...] = (
    (list, "a tuple"),
    (dict, _MAPPING),
    (set, "a frozenset"),
    (bytearray, "bytes"),
    (memoryview, "bytes"),
    (deque, "a tuple"),
    (types.SimpleNamespace, "a Record"),
    (abc.MutableSequence, "a tuple"),
    (abc.MutableMapping, _MAPPING),
    (abc.MutableSet, "a frozenset"),
)

# Likewise; but what changes is not what they hold, but what they are at.
_LIVE_BASES: tuple[tuple[type, str], ...] = (
    (types.CoroutineType, "await it, and store what it returns"),
    (abc.Coroutine, "await it, and store what it returns"),
    (types.AsyncGeneratorType, f"store {_PASSES}"),
    (io.IOBase, "store its name, or what was read from it"),
    (abc.AsyncIterator, f"store {_PASSES}"),
    (abc.Iterator, f"store {_PASSES}"),
    (queue.Queue, _LOCK),
    (queue.SimpleQueue, _LOCK),
    (type(threading.Lock()), _LOCK),
    (type(threading.RLock()), _LOCK),
    (threading.Condition, _LOCK),
    (threading.Semaphore, _LOCK),
    (threading.Event, _LOCK),
    (threading.Barrier, _LOCK),
    (threading.Thread, _LOCK),
    (threading.local, _LOCK),
)

# Classes of other people's, by the package that they come from and their name, so that it need
# not be imported, nor be there. A module is moved from release to release, a package is not.
_BY_NAME: dict[tuple[str, str], str] = {
    ("numpy", "ndarray"): "a tuple, bytes (array.tobytes()), or an array type that is immutable",
    ("pandas", "DataFrame"): "a tuple of records, or bytes in a format such as Arrow's",
    ("pandas", "Series"): "a tuple",
    ("polars", "DataFrame"): "a tuple of records, or bytes in a format such as Arrow's",
    ("polars", "Series"): "a tuple",
    ("xarray", "DataArray"): "a tuple",
    ("xarray", "Dataset"): "a tuple of records",
    ("torch", "Tensor"): "a tuple",
    ("asyncio", "Future"): _LOCK,
    ("_asyncio", "Future"): _LOCK,
    ("concurrent", "Future"): _LOCK,
    ("asyncio", "Lock"): _LOCK,
    ("asyncio", "Event"): _LOCK,
    ("asyncio", "Condition"): _LOCK,
    ("asyncio", "Semaphore"): _LOCK,
    ("asyncio", "Queue"): _LOCK,
    ("multiprocessing", "SemLock"): _LOCK,
    ("socket", "socket"): _LOCK,
}


def why_mutable(record_type: type) -> str | None:
    """Say why values of *record_type* are known to be mutable, or None if they are not.

    Known to be mutable are the built-in and abstract mutable containers; dataclasses, attrs
    classes, msgspec Structs and Pydantic models that are not frozen; numpy's arrays, pandas'
    frames and series and their like; and what is used up or changes by itself: iterators,
    generators, coroutines, futures, files, queues, locks and threads. A type about which nothing
    is known is trusted. The verdict is about the type alone: a frozen record that holds a list
    passes, and is as wrong as a tuple that holds one.

    >>> why_mutable(tuple) is None
    True
    >>> why_mutable(list)
    'a list can be changed in place; store a tuple'
    """
    name = article(record_type.__name__)
    for base, instead in _MUTABLE_BASES:
        if issubclass(record_type, base):
            return f"{name} can be changed in place; store {instead}"
    return _why_not_frozen(record_type) or _why_live(record_type, name)


def _why_live(record_type: type, name: str) -> str | None:
    for base, instead in _LIVE_BASES:
        if issubclass(record_type, base):
            return f"{name} does not stay as it is; {instead}"
    for one in record_type.__mro__:
        found = _BY_NAME.get((_package_of(one), one.__name__))
        if found is not None:
            if found is _LOCK:
                return f"{name} does not stay as it is; {found}"
            return (
                f"{name} can be changed in place; store {found}, or, if you know that nobody "
                'changes it, use Store(immutability="trusted")'
            )
    return None


def _package_of(record_type: type) -> str:
    module = record_type.__module__
    return module.partition(".")[0] if isinstance(module, str) else ""


def _why_not_frozen(record_type: type) -> str | None:
    name = record_type.__name__
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
    if is_pydantic(record_type) and not _is_frozen_model(record_type):
        return (
            f"{name} is a Pydantic model that is not frozen; declare it with "
            "model_config = ConfigDict(frozen=True)"
        )
    return None


def is_pydantic(record_type: type) -> bool:
    """Whether it is a Pydantic model, of whichever release; Pydantic is not imported for that."""
    return any(
        one.__name__ == "BaseModel" and _package_of(one) == "pydantic"
        for one in record_type.__mro__
    )


def _is_frozen_model(record_type: type) -> bool:
    config: Any = getattr(record_type, "model_config", None)
    if isinstance(config, abc.Mapping):
        return bool(config.get("frozen"))
    # Of release 1, and of `pydantic.v1`.
    old: Any = getattr(record_type, "__config__", None)
    return bool(getattr(old, "frozen", False)) or not getattr(old, "allow_mutation", True)


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


_MOST: Final = 100_000
"""How many values are looked at within one; so that what is made up on the way has an end, too."""

_INERT: Final = frozenset(
    {type(None), bool, int, float, complex, str, bytes, range, type, types.FunctionType}
)


def is_inert(record_type: type) -> bool:
    """Whether values of *record_type* hold nothing that could be looked into.

    >>> is_inert(int), is_inert(tuple)
    (True, False)
    """
    return record_type in _INERT or issubclass(record_type, Enum)


class _Place(NamedTuple):
    """A value, and how it was come by: the place of what holds it, and the step from there."""

    value: Any
    around: _Place | None
    step: str


def check_deeply(value: object, root: str) -> None:
    """Raise `MutableRecordError` if *value*, or anything that it holds, is known to be mutable.

    Looked into are tuples, frozensets, immutable mappings and sequences such as pyrsistent's, and
    the fields of frozen dataclasses, attrs classes, Structs and Pydantic models. What a class of
    which nothing is known holds is its own business. Each object is looked at once, so a cycle
    does no harm, and neither does any depth. Costs O(values within), up to 100,000 of them; more
    are refused.

    Args:
        value: what to look at.
        root: what to call it in the error.

    >>> check_deeply((1, ("a", frozenset({2}))), "meta")
    >>> try:
    ...     check_deeply((1, ("a", [2])), "meta")
    ... except MutableRecordError as error:
    ...     error.path, error.reason
    ('meta[1][1]', 'a list can be changed in place; store a tuple')
    """
    # What was seen is kept, not only its id: what an iteration makes up must not die, and leave
    # its id to the next one.
    seen: dict[int, Any] = {}
    todo = [_Place(value, None, root)]
    looked = 0
    while todo:
        place = todo.pop()
        held = place.value
        kind = type(held)
        if is_inert(kind) or id(held) in seen:
            continue
        seen[id(held)] = held
        reason = why_mutable(kind)
        if reason is not None:
            raise MutableRecordError(kind, reason, _path(place))
        parts = _parts(held, kind)
        looked += len(parts)
        if looked > _MOST:
            raise MutableRecordError(
                type(value), f"it holds more than {_MOST:,} values, too many to look at", root
            )
        # In reverse, for the last one is looked at first.
        todo += [_Place(part, place, step) for step, part in reversed(parts)]


def _path(place: _Place | None) -> str:
    steps: list[str] = []
    while place is not None:
        steps.append(place.step)
        place = place.around
    steps.reverse()
    # What is wrong is at the end, and whose it is at the beginning.
    return "".join(steps if len(steps) <= 12 else [*steps[:4], " ... ", *steps[-8:]])


def _parts(held: Any, kind: type) -> list[tuple[str, Any]]:
    """Return what *held* holds, each with the step that leads there; nothing if nobody knows."""
    names = _field_names(kind)
    if names is not None:
        return [(f".{name}", getattr(held, name)) for name in names if hasattr(held, name)]
    if isinstance(held, str | bytes | range):
        return []
    if isinstance(held, abc.Mapping):
        pairs = list(islice(held.items(), _MOST))
        return [
            *((f"[{shown(key, 60)}]", record) for key, record in pairs),
            *((f" key {shown(key, 60)}", key) for key, _ in pairs),
        ]
    if isinstance(held, abc.Set):
        return [(f" element {shown(each, 60)}", each) for each in islice(held, _MOST + 1)]
    if isinstance(held, abc.Sequence):
        return [(f"[{place}]", each) for place, each in enumerate(islice(held, _MOST + 1))]
    return []


def _field_names(kind: type) -> Iterable[str] | None:
    any_kind: Any = kind
    if issubclass(kind, msgspec.Struct) and not issubclass(kind, abc.Mapping):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if hasattr(kind, "__attrs_attrs__"):
        return [attribute.name for attribute in any_kind.__attrs_attrs__]
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return any_kind._fields  # type: ignore[no-any-return]
    if is_pydantic(kind):
        return getattr(kind, "model_fields", None) or getattr(kind, "__fields__", ())
    return None
