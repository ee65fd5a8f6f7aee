"""A list that comes in pages, read with a bound on the requests: `read_pages`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from cowstate import ArgumentValueError, Record

from ..errors import ExchangeError
from .listing import Listing

__all__ = ["Pages", "read_pages"]

T = TypeVar("T")


class Pages(Record, Generic[T]):
    """What was read of a list.

    Attributes:
        items: those of all pages, in the venue's order.
        complete: whether the end of the list was reached.
        requests: how many pages were asked for.
        cursor: where to go on, if the list was cut; None if it is not known.
        as_of_ms: the earliest moment that a page says it is of; None if one does not say.
        error: what ended the reading early.
    """

    items: tuple[T, ...] = ()
    complete: bool = False
    requests: int = 0
    cursor: str | None = None
    as_of_ms: int | None = None
    error: ExchangeError | None = None


def read_pages(
    ask: Callable[[str | None], Listing[T]], budget: int, cursor: str | None = None
) -> Pages[T]:
    """Read a list page by page, with at most *budget* requests; the first is for *cursor*.

    What has come before a request fails is not lost: the result is a list that was cut. A page
    whose successor is itself is the end of what can be read, and not the end of the list: so it
    is where a venue pages by time, and one millisecond holds more than a page.

    Args:
        ask: asks for the page that a cursor names, the first one for None.
        budget: 1 or more.
        cursor: where to begin.

    Raises:
        ArgumentValueError: *budget* is below 1.

    >>> pages = {None: Listing((1, 2), complete=False, cursor="p2"), "p2": Listing((3,))}
    >>> found = read_pages(pages.__getitem__, budget=5)
    >>> found.items, found.complete, found.requests
    ((1, 2, 3), True, 2)
    >>> read_pages(pages.__getitem__, budget=1).cursor
    'p2'
    """
    if budget < 1:
        raise ArgumentValueError(f"budget is {budget}; a page takes 1 request")
    items: list[T] = []
    moments: list[int | None] = []
    for requests in range(1, budget + 1):
        try:
            page = ask(cursor)
        except ExchangeError as error:
            return Pages(tuple(items), False, requests, cursor, _earliest(moments), error)
        items += page.items
        moments.append(page.as_of_ms)
        if page.complete:
            return Pages(tuple(items), True, requests, None, _earliest(moments))
        if page.cursor is None or page.cursor == cursor:
            return Pages(tuple(items), False, requests, page.cursor, _earliest(moments))
        cursor = page.cursor
    return Pages(tuple(items), False, budget, cursor, _earliest(moments))


def _earliest(moments: list[int | None]) -> int | None:
    said = [moment for moment in moments if moment is not None]
    return min(said) if said and len(said) == len(moments) else None
