"""One answer that is a list: what is in it, whether that is all, and of which moment it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from cowstate import ArgumentTypeError, Record

__all__ = ["Listing"]

T = TypeVar("T")


class Listing(Record, Generic[T]):
    """What a venue listed, and what it said of the list. Iterates over its items.

    A list that was cut and a list of nothing are told apart by *complete*. An adapter that cannot
    know whether a page was cut says that it was: one more request settles it.

    Attributes:
        items: what was listed, in the venue's order.
        complete: whether nothing is left to be listed after these items.
        cursor: where the next page begins, in the venue's own words; None if it has none.
        answered_ms: when the venue gave this answer, by its own clock (the Date header, a server
            time); None if it does not say. Not the "update time" of what is listed.
        as_of_ms: the moment whose state the list shows, by the venue's clock, if the venue says
            that. Then it lags by nothing that is not known.

    Raises:
        ArgumentTypeError: a field is of the wrong type.

    >>> listing = Listing(("a", "b"), complete=False, cursor="from:2", answered_ms=1_000)
    >>> list(listing), len(listing), listing[0]
    (['a', 'b'], 2, 'a')
    """

    items: tuple[T, ...] = ()
    complete: bool = True
    cursor: str | None = None
    answered_ms: int | None = None
    as_of_ms: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.items, tuple):
            raise ArgumentTypeError(f"items is of type {type(self.items).__name__}, not tuple")
        if not isinstance(self.complete, bool):
            raise ArgumentTypeError(f"complete is {self.complete!r}; say True or False")
        if self.cursor is not None and not isinstance(self.cursor, str):
            raise ArgumentTypeError(f"cursor is of type {type(self.cursor).__name__}, not str")
        for name in ("answered_ms", "as_of_ms"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, not int")

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __getitem__(self, index: int) -> T:
        return self.items[index]
