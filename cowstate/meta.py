"""The type of ``meta``, which is the last parameter of a class and need not be given: `M`.

``Store[str, Slot, Mode]`` says what ``meta`` is. ``Store[str, Slot]`` says nothing of it: Any.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Type checkers bring it along, so nobody has to install it.
    from typing_extensions import TypeVar
else:
    from typing import TypeVar

__all__ = ["M", "WithMeta", "with_default"]

if TYPE_CHECKING or sys.version_info >= (3, 13):
    M = TypeVar("M", default=Any)
else:
    M = TypeVar("M")


class WithMeta:
    """Base of the classes whose last type parameter is `M`: two arguments will do as well.

    Before 3.13 Python knows of no default, and takes as many arguments as there are parameters.
    Nothing of this is looked at but where somebody writes the brackets.

    >>> from cowstate import Store
    >>> Store[str, int] == Store[str, int, Any]
    True
    """

    __slots__ = ()

    if not TYPE_CHECKING and sys.version_info < (3, 13):

        def __class_getitem__(cls, given: Any) -> Any:
            return super().__class_getitem__(with_default(cls, given))


def with_default(cls: Any, given: Any) -> Any:
    """Return the type arguments *given* to *cls*, with Any for `M`, if that is what is missing.

    >>> with_default(type("Pair", (), {"__parameters__": (str, M)}), int) == (int, Any)
    True
    """
    wanted = cls.__parameters__
    found = given if isinstance(given, tuple) else (given,)
    if wanted and wanted[-1] is M and len(found) == len(wanted) - 1:
        return (*found, Any)
    return given
