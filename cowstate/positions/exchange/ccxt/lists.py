"""Whether an answer is the list that was asked for: `Place`, `entries_in`, `token_in`. Pure.

A client of ccxt reads a list that is not there as a list of nothing, and leaves out of one what it
cannot place. Nothing open, nothing held and nothing traded are statements; so it is looked at
whether the venue made them.
"""

from __future__ import annotations

from typing import Any

from cowstate import ArgumentValueError, Record

__all__ = ["Place", "entries_in", "token_in"]


class Place(Record):
    """Where in the body of an answer a list stands.

    Attributes:
        path: the names that lead there.
        named: whether it is written as names with their entries.
    """

    path: tuple[str, ...] = ()
    named: bool = False


def entries_in(body: object, place: Place) -> int:
    """Return how many entries the list has that stands in *body* at *place*. Pure.

    Raises:
        ArgumentValueError: there is none.

    >>> entries_in([1, 2], Place()), entries_in({"data": [1]}, Place(("data",)))
    (2, 1)
    >>> entries_in({}, Place())
    Traceback (most recent call last):
        ...
    cowstate.errors.ArgumentValueError: the body of the answer is no list
    """
    found = body
    for name in place.path:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, dict if place.named else list):
        return len(found)
    where = f" at {'.'.join(place.path)}" if place.path else ""
    raise ArgumentValueError(f"the body of the answer is no list{where}")


def token_in(said: Any, key: str | None) -> str | None:
    """Return the cursor that ccxt has put into one of the entries of an answer. Pure.

    >>> token_in([{"info": {"nextPageCursor": "p:2"}}], "nextPageCursor")
    'p:2'
    """
    for entry in said:
        token = (entry.get("info") or {}).get(key) if key is not None else None
        if isinstance(token, str) and token:
            return token
    return None
