"""The base class of immutable records: `Record`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar, dataclass_transform

import msgspec

__all__ = ["Record"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)

if TYPE_CHECKING:

    class _Replaceable(Protocol[P, R_co]):
        def __replace__(self, *args: P.args, **changes: P.kwargs) -> R_co: ...

    class _Replace:
        """What type checkers see of `Record.replace`: the signature of ``__replace__``.

        They derive that from the fields, each with its type, for Python 3.13 and later.
        """

        def __get__(self, record: _Replaceable[P, R_co], owner: object) -> Callable[P, R_co]:
            """Return a copy with the named fields changed; the record itself stays as it is.

            Thread-safe; costs one allocation.

            Raises:
                TypeError: a name is not a field of the record.
            """
            raise NotImplementedError


# Said of the class, not of a metaclass: type checkers take the nearest such decorator among the
# bases, and msgspec has one on Struct, which says nothing of frozen.
@dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True):
    """Base class for immutable records: declare fields as annotations, get a frozen class.

    A record is a frozen ``msgspec.Struct``: slots, ``__init__``, ``__eq__``, ``__hash__`` and
    ``repr`` come from the annotations, creating one costs about as much as a tuple, and it can
    be pickled and, with msgspec, encoded. Field types are not checked when a record is made;
    a subclass that wants checks writes a ``__post_init__``, which `replace` runs too.
    ``replace(**changes)`` gives a copy with the named fields changed, and raises `TypeError` for
    a name that is no field. It is thread-safe and costs one allocation. On Python 3.13 and later
    mypy and pyright know the names and types of its arguments, and ``copy.replace`` does the same.

    >>> class Slot(Record):
    ...     price: int
    ...     order_id: int | None = None
    >>> free = Slot(50_000)
    >>> free.replace(order_id=42)
    Slot(price=50000, order_id=42)
    >>> free
    Slot(price=50000, order_id=None)
    """

    if TYPE_CHECKING:
        replace = _Replace()
    else:
        # msgspec's own method, in C, which says which field is not there. Around it, an error of
        # this package's would cost more than the copy does.
        replace = msgspec.Struct.__replace__
