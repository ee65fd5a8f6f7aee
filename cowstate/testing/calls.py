"""What is recorded of a call: who made it, when, with what, and what came of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, ItemsView, Iterator, KeysView, ValuesView
from inspect import isawaitable
from typing import Any, Final

from ..errors import ArgumentTypeError
from ..records import Record
from ..showing import begun, cut, shown

__all__ = ["Call", "NotKeptError", "Raised", "agree", "kept"]

_ATOMS: Final = frozenset([int, str, type(None), bool, float, bytes])
_DEPTH: Final = 12
_SHOWN: Final = 60


class NotKeptError(ArgumentTypeError):
    """Something cannot be recorded: an argument, a result, or the whole call."""


class Raised(Record):
    """Stands in the place of a result: the call raised an error of this kind.

    What a model expects, ``Raised(KeyError)``, agrees with any error of that class or of one below
    it, whatever it says.

    >>> Raised(KeyError)
    raises KeyError
    """

    kind: type[BaseException]
    text: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Raised:
        """Return what stands for *error*, and keeps nothing of it alive.

        >>> Raised.of(KeyError("a"))
        raises KeyError: 'a'
        """
        try:
            said = cut(str(error), 100)
        except Exception:
            # What came of the call is the error, not what its text raises.
            said = ""
        return cls(type(error), f"{type(error).__name__}: {said}" if said else "")

    def __repr__(self) -> str:
        return f"raises {self.text or self.kind.__name__}"


class Call(Record):
    """One call of an operation, from its beginning to its return.

    Times are numbers that grow; of two calls, one came before the other if its ``ended`` is less
    than the other's ``began``, and else they overlap.

    Attributes:
        client: who called; by default the name of the thread.
        operation: what was called.
        args: with what, by position.
        began: when.
        ended: when it returned or raised; None if it never did, or nobody knows what came of it:
            then it may have taken effect at any time after it began, or not at all.
        result: what it returned, or `Raised`; of no meaning where *ended* is None.

    >>> Call("reader", "get", ("a",), began=3, ended=5, result=None)
    Call(client='reader', operation='get', args=('a',), began=3, ended=5, result=None)
    >>> print(Call("reader", "get", ("a",), began=3, ended=5, result=None))
    get('a') -> None
    """

    client: str
    operation: str
    args: tuple[Any, ...]
    began: int
    ended: int | None = None
    result: Any = None

    def __str__(self) -> str:
        args = ", ".join(shown(arg, _SHOWN) for arg in self.args)
        called = f"{begun(self.operation, 40)}({cut(args, 2 * _SHOWN)})"
        came = "has not returned" if self.ended is None else f"-> {shown(self.result, _SHOWN)}"
        # A repr may be of several lines, and so may what an error says.
        return " ".join(f"{called} {came}".splitlines())


def agree(expected: object, result: object) -> bool:
    """Whether *result*, as it was recorded, is what a model *expected*."""
    if isinstance(expected, Raised):
        return isinstance(result, Raised) and issubclass(result.kind, expected.kind)
    return expected is result or (not isinstance(result, Raised) and bool(expected == result))


def kept(value: Any, what: str, depth: int = _DEPTH) -> Any:
    """Return *value* as it is now, whatever is done to it afterwards: a copy of what holds things.

    Lists, dicts, sets and tuples are copied, with what is in them, and so are the views of a dict,
    into lists. All else is taken as it is.

    Raises:
        NotKeptError: it is an iterator or a coroutine, of which nothing is known yet.
    """
    kind = type(value)
    if kind in _ATOMS or not depth:
        return value
    # First a copy in one call into C: other threads may change it while one walks over it. Without
    # the GIL that is what `list` promises; `tuple` looks at one element after the other.
    if kind in (list, tuple, set, frozenset):
        return kind([kept(each, what, depth - 1) for each in list(value)])
    if kind is dict:
        return {key: kept(each, what, depth - 1) for key, each in value.copy().items()}
    if isinstance(value, KeysView | ValuesView | ItemsView):
        return [kept(each, what, depth - 1) for each in list(value)]
    if isinstance(value, Iterator | AsyncIterator) or isawaitable(value):
        raise NotKeptError(
            f"{what} is of type {kind.__name__}, of which nobody knows yet what comes out of it: "
            "record a function that makes a list of it, or awaits it"
        )
    return value
