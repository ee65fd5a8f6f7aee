"""Reads in the order of an index, of whatever holds records: `Ranges`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import nlargest, nsmallest
from typing import Any, Generic, TypeVar

from .errors import ArgumentTypeError, ArgumentValueError
from .ordered import Span
from .showing import shown

__all__ = ["Ranges"]

K = TypeVar("K")
V = TypeVar("V")


class Ranges(Generic[K, V]):
    """What a snapshot, a transaction and a draft answer by an index made with ``ordered=True``.

    The least value comes first, and None stands for no end. Records of one value stand beside each
    other, in the order of their keys where these can be compared, else in one that is not
    specified. Each read costs O(log N) and what it returns; where it returns some records of a
    value only, it goes through the keys of all that have it. A transaction and a draft see the
    changes made there, and go through these. A draft relies on all that it was told: that these
    values have the entries that they had, and that none lies between.

    All raise `UnknownIndexError` where there is no index of that name, or not an ordered one,
    `ArgumentTypeError` where an end cannot be compared with the values, and `ArgumentValueError`
    where it is NaN.

    >>> from cowstate import Index, Store
    >>> price = Index(lambda order: order[0], ordered=True)
    >>> orders = {"a": (101, 5), "b": (99, 2), "c": (103, 1)}
    >>> now = Store(orders, indexes={"price": price}).snapshot()
    >>> now.range("price", 100)
    {'a': (101, 5), 'c': (103, 1)}
    >>> now.first("price"), now.floor("price", 102)
    (('b', (99, 2)), ('a', (101, 5)))
    """

    __slots__ = ()

    def range(
        self,
        index: str,
        low: Any = None,
        high: Any = None,
        *,
        inclusive: tuple[bool, bool] = (True, True),
        reverse: bool = False,
        limit: int | None = None,
    ) -> dict[K, V]:
        """Return ``{key: record}`` of the values from *low* to *high*, in their order.

        The dict is new and the caller's own. A record that is in the index under several values
        stands where it comes first.

        Args:
            index: the name of an ordered index.
            low: the least value; None for no end.
            high: the greatest value; None for no end. Below *low*, there is nothing between.
            inclusive: whether *low* itself counts, and whether *high* does.
            reverse: the greatest value first; of records of one value, the last key.
            limit: how many records at the most; None for all.

        >>> from cowstate import Index, Store
        >>> square = Index(lambda n: n * n, ordered=True)
        >>> now = Store({n: n for n in range(-2, 4)}, indexes={"square": square}).snapshot()
        >>> list(now.range("square", 1, 4))
        [-1, 1, -2, 2]
        >>> list(now.range("square", 1, inclusive=(False, True), reverse=True, limit=2))
        [3, 2]
        """
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
            raise ArgumentTypeError(f"limit must be a whole number, or None, not {shown(limit)}")
        if limit is not None and limit < 0:
            raise ArgumentValueError(f"limit must not be below 0, but is {limit}")
        found: dict[K, V] = {}
        if limit == 0:
            self._entries_in(index, Span())  # refuses an index that is not ordered
            return found
        span = Span(low, high, _checked(inclusive), bool(reverse))
        for _, keys in self._entries_in(index, span):
            for key in _in_order(keys, span.reverse, limit):
                found[key] = self[key]
                if len(found) == limit:
                    return found
        return found

    def first(self, index: str) -> tuple[K, V] | None:
        """Return ``(key, record)`` of the least value in *index*, or None if there is none.

        >>> from cowstate import Index, Store
        >>> numbers = Store({"a": 7, "b": 3}, indexes={"n": Index(int, ordered=True)})
        >>> numbers.snapshot().first("n")
        ('b', 3)
        """
        return self._end(index, Span())

    def last(self, index: str) -> tuple[K, V] | None:
        """Return ``(key, record)`` of the greatest value in *index*, or None if there is none.

        >>> from cowstate import Index, Store
        >>> numbers = Store({"a": 7, "b": 3}, indexes={"n": Index(int, ordered=True)})
        >>> numbers.snapshot().last("n")
        ('a', 7)
        """
        return self._end(index, Span(reverse=True))

    def floor(self, index: str, value: Any) -> tuple[K, V] | None:
        """Return ``(key, record)`` of the greatest value at or below *value*, or None.

        >>> from cowstate import Index, Store
        >>> numbers = Store({"a": 7, "b": 3}, indexes={"n": Index(int, ordered=True)})
        >>> numbers.snapshot().floor("n", 6)
        ('b', 3)
        """
        return self._end(index, Span(high=_given(value), reverse=True))

    def ceiling(self, index: str, value: Any) -> tuple[K, V] | None:
        """Return ``(key, record)`` of the least value at or above *value*, or None.

        >>> from cowstate import Index, Store
        >>> numbers = Store({"a": 7, "b": 3}, indexes={"n": Index(int, ordered=True)})
        >>> numbers.snapshot().ceiling("n", 6)
        ('a', 7)
        """
        return self._end(index, Span(low=_given(value)))

    def _end(self, index: str, span: Span) -> tuple[K, V] | None:
        for _, keys in self._entries_in(index, span):
            for key in _in_order(keys, span.reverse, 1):
                return key, self[key]
        return None

    def _entries_in(self, index: str, span: Span) -> Iterator[tuple[Any, Iterable[K]]]:
        """Return the values of *span* in their order, each with the keys of the records."""
        raise NotImplementedError

    def __getitem__(self, key: K) -> V:
        raise NotImplementedError


def _checked(inclusive: Any) -> tuple[bool, bool]:
    if not isinstance(inclusive, tuple) or [type(each) for each in inclusive] != [bool, bool]:
        raise ArgumentTypeError(
            "inclusive says of the low end and of the high one whether it counts, such as "
            f"(True, False), and is not {shown(inclusive)}"
        )
    return inclusive


def _given(value: Any) -> Any:
    if value is None:
        raise ArgumentValueError("floor and ceiling need a value; for an end use first and last")
    return value


def _in_order(keys: Iterable[K], reverse: bool, most: int | None) -> Iterable[K]:
    """Return *keys* in their order, or the first of them, if no more than *most* are wanted."""
    found: list[Any] = list(keys)
    if len(found) > 1:
        with suppress(TypeError):
            if most is not None and most < len(found):
                return (nlargest if reverse else nsmallest)(most, found)
            return sorted(found, reverse=reverse)
    return found
