"""What is almost surely a slip, and would do nothing, or something else: refused with a word.

A coroutine where a plain function is wanted, a value stored under an attribute that nobody reads,
a store that is read like a dict.
"""

from __future__ import annotations

import inspect
from types import AsyncGeneratorType, CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from .errors import ArgumentTypeError, NotAMappingError, UnknownAttributeError
from .showing import shown

__all__ = ["NotAMapping", "Sealed", "ensure_flag", "ensure_function", "plain"]

R = TypeVar("R")


def ensure_flag(flag: object, name: str) -> None:
    """Raise if *flag* is not True or False: where one is meant, anything else is a slip."""
    if not isinstance(flag, bool):
        raise ArgumentTypeError(f"{name} must be True or False, not {shown(flag)}")


def ensure_function(fn: object, wanted: str) -> None:
    """Raise `ArgumentTypeError` if *fn* cannot be called, or is a coroutine function.

    >>> ensure_function(len, "a predicate is a function of a snapshot")
    >>> ensure_function(3, "a predicate is a function of a snapshot")
    Traceback (most recent call last):
        ...
    cowstate.errors.ArgumentTypeError: a predicate is a function of a snapshot, not 3
    """
    if not callable(fn):
        raise ArgumentTypeError(f"{wanted}, not {shown(fn)}")
    if _is_async(fn) or _is_async(getattr(type(fn), "__call__", None)):  # noqa: B004
        raise ArgumentTypeError(
            f"{wanted}, and a plain one, for nobody would await it: not the coroutine function "
            f"{shown(fn)}"
        )


def _is_async(fn: Any) -> bool:
    return inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)


def plain(answer: R, what: str) -> R:
    """Return the *answer* of a function; raise `ArgumentTypeError` if it is a coroutine.

    Of a coroutine nothing has run yet; it is closed, so that nobody is warned of it besides.
    """
    if isinstance(answer, CoroutineType):
        answer.close()
    elif not isinstance(answer, AsyncGeneratorType):
        return answer
    raise ArgumentTypeError(
        f"{what} takes a plain function: a coroutine would run when that is over, if at all. "
        "Await before, and call it then"
    )


class Sealed:
    """Base of what refuses attributes that its class does not have, if that is ``sealed``.

    A subclass is not, unless it says so: what it stores in itself, it reads. Names that begin
    with an underscore are its own business.
    """

    _sealed: ClassVar[bool]

    def __init_subclass__(cls, *, sealed: bool = False, **others: Any) -> None:
        super().__init_subclass__(**others)
        cls._sealed = sealed

    if not TYPE_CHECKING:  # a type checker knows without

        def __setattr__(self, name: str, value: object) -> None:
            if self._sealed and not name.startswith("_") and not _is_declared(type(self), name):
                raise UnknownAttributeError(type(self), name)
            super().__setattr__(name, value)


def _is_declared(kind: type, name: str) -> bool:
    return hasattr(kind, name) or any(
        name in getattr(one, "__annotations__", ()) for one in kind.__mro__
    )


class _Refused:
    """What Python looks up for ``store[key]``, and what then says what to do instead.

    A descriptor that raises, not a method: so `hasattr` says that a store has no such thing.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        raise NotAMappingError(self._instead)


class NotAMapping:
    """Base of what is easily taken for a mapping, and is none.

    ``in`` and ``for`` come to ``__getitem__`` where there is nothing else, so nothing else is here:
    the class must not pass for a container or an iterable, which it is not. ``len`` comes to
    ``__len__`` alone, so it does pass for a sized thing; and it is true, as what is none.
    """

    if not TYPE_CHECKING:
        __getitem__ = _Refused("read a snapshot, such as snapshot()[key] or key in snapshot()")
        __setitem__ = _Refused("use set(key, record), or transact for several")
        __delitem__ = _Refused("use delete(key), or transact for several")
        __len__ = _Refused("read a snapshot: len(snapshot())")

    def __bool__(self) -> bool:
        return True
