"""A sorted list that is never changed, in pure Python: `Sorted`, and `Span`, a part of one.

A tree whose leaves are lists of up to 64 values, in their order; a branch is a list of up to 64
nodes, and beside it a list of the least value in each. So a search is a few bisections in C, and
a write copies one leaf and the branches on the way to it: what is published is never changed, and
a reader needs no lock. What grows beyond 64 becomes two; what shrinks below 16 is joined with its
neighbour.

                   lows [ 10  50  90 ]
                        [  ·   ·   ·  ]
          put 42 copies   │
          this leaf:    [ 10 17 23 42 47 ]      and the branches above it

Why such a tree: two lists of lists of the square root of N are simpler, and copy twenty times as
many references for each write at a million. A balanced tree of single values copies fewer, but
one object for each of twenty levels, each made in Python.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, pairwise
from sys import getsizeof
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

import msgspec

from .errors import ArgumentTypeError, ArgumentValueError, CowstateError
from .paths import reached
from .showing import shown

__all__ = ["Sorted", "Span", "Refusing", "ensure_ordered"]

T = TypeVar("T")
V = TypeVar("V")

Leaf: TypeAlias = list[Any]
Branch: TypeAlias = tuple[list[Any], list[Any]]
"""The least value of each node below, and these nodes."""

_MOST: Final = 64
_LEAST: Final = 16
_FULL: Final = 48
"""How many values a leaf gets where it is made with others, so that the next writes find room."""


def ensure_ordered(value: object) -> None:
    """Raise if *value* can be in no order: NaN, also within a tuple, and sets.

    Raises:
        ArgumentValueError: it is NaN, which is neither below nor above any other.
        ArgumentTypeError: it is a set, of which two are mostly neither below nor above each other.
    """
    kind = type(value)
    if isinstance(value, tuple):
        for each in value:
            ensure_ordered(each)
    elif kind is frozenset or kind is set:
        raise ArgumentTypeError(
            f"{shown(value)} has no place in an order: of two sets neither may be below the other; "
            "return a sorted tuple"
        )
    try:
        is_nan = value != value  # noqa: PLR0124
    except ArithmeticError:  # a signaling NaN
        is_nan = True
    if is_nan:
        raise ArgumentValueError(
            f"{shown(value)} has no place in an order: it equals nothing, itself included; "
            "return None instead"
        )


class Span(NamedTuple):
    """Which values are wanted, and in which order.

    Attributes:
        low, high: the ends; None for no end.
        inclusive: whether the low end is wanted, and whether the high one is.
        reverse: whether the greatest comes first.
    """

    low: Any = None
    high: Any = None
    inclusive: tuple[bool, bool] = (True, True)
    reverse: bool = False

    def holds(self, value: Any) -> bool:
        """Whether *value* lies within the ends."""
        low, high = self.low, self.high
        try:
            above = low is None or low < value or (self.inclusive[0] and low == value)
            return above and (high is None or value < high or (self.inclusive[1] and value == high))
        except TypeError as error:
            raise _unordered(shown(value), error) from None

    def upto(self, value: Any) -> Span:
        """Return the part of it that ends with *value*, in its order."""
        if self.reverse:
            return self._replace(low=value, inclusive=(True, self.inclusive[1]))
        return self._replace(high=value, inclusive=(self.inclusive[0], True))


class Sorted(msgspec.Struct, Generic[V], frozen=True, eq=False):
    """A sorted list that is never changed: a write returns another one, which shares what it can.

    Any number of threads may read it at once, without a lock. Equal values may be in it several
    times. Values must have an order: of any two that are not equal one is below the other. One
    that has none with those that it comes beside is refused with `ArgumentTypeError`, and what a
    comparison raises itself comes through; nothing has changed then.

    >>> prices = Sorted.of([3, 1, 2])
    >>> list(prices.put(2)), list(prices.drop(3)), list(prices)
    ([1, 2, 2, 3], [1, 2], [1, 2, 3])
    >>> list(prices.between(Span(low=2, reverse=True)))
    [3, 2]
    """

    _top: Leaf | Branch
    _count: int

    @classmethod
    def of(cls, values: Iterable[V]) -> Sorted[V]:
        """Return a list of all *values*. O(N log N), and O(N) if they come in their order."""
        found = list(values)
        for value in found:
            ensure_ordered(value)
        try:
            found.sort()  # pyright: ignore[reportCallIssue]
        except TypeError as error:
            raise _unordered(f"the values {shown(found)}", error) from None
        for low, high in pairwise(found):
            _ensure_before(low, high)
        level: list[Any] = _shared_out(found)
        while len(level) > 1:
            level = [([*map(_low, part)], part) for part in _shared_out(level)]
        return cls(level[0] if level else [], len(found))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[V]:
        return self.between(Span())

    def first(self) -> V:
        """Return the least value; `IndexError` if there is none. O(log N)."""
        node = self._top
        while type(node) is not list:
            node = node[1][0]
        first: V = node[0]
        return first

    def last(self) -> V:
        """Return the greatest value; `IndexError` if there is none. O(log N)."""
        node = self._top
        while type(node) is not list:
            node = node[1][-1]
        last: V = node[-1]
        return last

    def put(self, value: V) -> Sorted[V]:
        """Return the list with *value* in its place. O(log N): copies one path."""
        ensure_ordered(value)
        try:
            parts = _put(self._top, value)
        except TypeError as error:
            if isinstance(error, ArgumentTypeError):
                raise
            raise _unordered(shown(value), error) from None
        return Sorted(_over(parts), self._count + 1)

    def drop(self, value: V) -> Sorted[V]:
        """Return the list with one *value* less; `KeyError` if there is none. O(log N)."""
        top = _drop(self._top, value)
        while type(top) is tuple and len(top[1]) == 1:
            top = top[1][0]
        return Sorted(top, self._count - 1)

    def between(self, span: Span) -> Iterator[V]:
        """Iterate over the values of *span*. O(log N + values)."""
        low_side = bisect_left if span.inclusive[0] else bisect_right
        high_side = bisect_right if span.inclusive[1] else bisect_left
        parts = _between(self._top, span, low_side, high_side)
        if span.low is not None or span.high is not None:
            parts = Refusing(parts, "an end of what is asked for")
        return chain.from_iterable(parts)

    def ensure_comparable(self, bound: object) -> None:
        """Raise if *bound* cannot be compared with what is here.

        Raises:
            ArgumentTypeError: it has no order with these values.
            ArgumentValueError: it is NaN.
        """
        ensure_ordered(bound)
        if not self._count:
            return
        first: Any = self.first()
        try:
            _ = bound < first
        except TypeError as error:
            raise _unordered(shown(bound), error) from None

    def trunk(self) -> tuple[object, ...]:
        """Return the objects that each read goes through, whatever the value."""
        top = self._top
        return (self, top, *top) if type(top) is tuple else (self, top)

    def path_bytes(self, writes: int) -> int:
        """Estimate the bytes that a list takes that differs from this one by so many *writes*."""
        size, node, nodes = float(getsizeof(self)), self._top, 1.0
        while type(node) is tuple:
            size += reached(nodes, writes) * sum(map(getsizeof, (node, *node)))
            nodes *= len(node[1])
            node = node[1][0]
        return int(size + reached(nodes, writes) * getsizeof(node))


def _unordered(what: str, error: TypeError) -> ArgumentTypeError:
    return ArgumentTypeError(f"{what} cannot be ordered among the others ({error})")


class Refusing(Iterator[T]):
    """What is *found*, one by one; `ArgumentTypeError` if *what* cannot be compared on the way.

    No generator: who lets go of one half way has its ``try`` run once more, wherever that is.
    """

    __slots__ = ("_found", "_what")

    def __init__(self, found: Iterator[T], what: str) -> None:
        self._found = found
        self._what = what

    def __next__(self) -> T:
        try:
            return next(self._found)
        except TypeError as error:
            if isinstance(error, CowstateError):
                raise
            raise _unordered(self._what, error) from None


def _ensure_before(low: Any, high: Any) -> None:
    if not (low < high or low == high):
        raise ArgumentTypeError(
            f"{shown(low)} and {shown(high)} have no order: they are not equal, and neither is "
            "below the other"
        )


def _shared_out(found: list[Any]) -> list[list[Any]]:
    """Return *found* in lists of about equal length, none too long and only a single one short."""
    count = -(-len(found) // _FULL)
    return [
        found[part * len(found) // count : (part + 1) * len(found) // count]
        for part in range(count)
    ]


def _low(node: Leaf | Branch) -> Any:
    return node[0] if type(node) is list else node[0][0]


def _over(nodes: list[Any]) -> Any:
    """Return a node over *nodes*: the only one itself, a branch over several."""
    return nodes[0] if len(nodes) == 1 else ([*map(_low, nodes)], nodes)


def _halved(node: Leaf | Branch) -> list[Any]:
    """Return *node*, or two of half the length, if it is too long."""
    if type(node) is list:
        if len(node) <= _MOST:
            return [node]
        half = len(node) // 2
        return [node[:half], node[half:]]
    lows, nodes = node
    if len(nodes) <= _MOST:
        return [node]
    half = len(nodes) // 2
    return [(lows[:half], nodes[:half]), (lows[half:], nodes[half:])]


def _put(node: Any, value: Any) -> list[Any]:
    """Return what is to be in the place of *node*: one node or two."""
    if type(node) is list:
        place = bisect_left(node, value)
        if place < len(node):
            _ensure_before(value, node[place])
        leaf = node.copy()
        leaf.insert(place, value)
        return _halved(leaf)
    lows, nodes = node
    place = max(bisect_right(lows, value) - 1, 0)
    return _halved(_with(lows, nodes, place, place + 1, _put(nodes[place], value)))


def _drop(node: Any, value: Any) -> Any:
    """Return what is to be in the place of *node*, however short."""
    if type(node) is list:
        place = bisect_left(node, value)
        if place == len(node) or not (node[place] is value or node[place] == value):
            raise KeyError(value)
        leaf = node.copy()
        del leaf[place]
        return leaf
    lows, nodes = node
    place = bisect_right(lows, value) - 1
    if place < 0:
        raise KeyError(value)
    child = _drop(nodes[place], value)
    if len(child if type(child) is list else child[1]) >= _LEAST:
        return _with(lows, nodes, place, place + 1, [child])
    first = max(place - 1, 0)
    pair = [*nodes[first : first + 2]]
    pair[place - first] = child
    return _with(lows, nodes, first, first + 2, _halved(_joined(*pair)))


def _joined(left: Any, right: Any) -> Any:
    if type(left) is list:
        return left + right
    return left[0] + right[0], left[1] + right[1]


def _with(lows: list[Any], nodes: list[Any], start: int, stop: int, parts: list[Any]) -> Branch:
    """Return the branch with *parts* in these places."""
    lows, nodes = lows.copy(), nodes.copy()
    lows[start:stop] = map(_low, parts)
    nodes[start:stop] = parts
    return lows, nodes


def _between(
    node: Any, span: Span, low_side: Callable[..., int], high_side: Callable[..., int]
) -> Iterator[list[Any]]:
    """Yield the values of *span* in lists."""
    low, high, _, reverse = span
    if type(node) is list:
        stop = len(node) if high is None else high_side(node, high)
        values = node[0 if low is None else low_side(node, low) : stop]
        if reverse:
            values.reverse()
        yield values
        return
    lows, nodes = node
    # In the node before the first whose least value is not below the end, there may be some.
    start = 0 if low is None else max(bisect_left(lows, low) - 1, 0)
    stop = len(nodes) if high is None else bisect_right(lows, high)
    found = nodes[start:stop]
    if reverse:
        found.reverse()
    for each in found:
        yield from _between(each, span, low_side, high_side)
