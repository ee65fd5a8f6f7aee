"""Anything, in a message, in bounded length and time: `shown`; and a name with its article."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec

__all__ = ["article", "begun", "cut", "message_of", "printable", "shown", "some"]

_MESSAGE: Final = 600
_DEPTH: Final = 12
_CONTAINERS: Final[dict[type, tuple[str, str]]] = {
    tuple: ("(", ")"),
    list: ("[", "]"),
    dict: ("{", "}"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
}


def shown(thing: object, limit: int = 200) -> str:
    """Return the repr of *thing* for a message, cut in the middle if it is long.

    Of a large value only as much is looked at as is shown, and never deeper than 12 levels, so it
    takes no time either where a repr would take for ever. What a repr raises is told in its place.

    >>> shown("a" * 1000, 20)
    "'aaaaaa ... aaaaaa'"
    """
    pieces: list[str] = []
    length = 0
    for piece in _pieces(thing, _DEPTH, limit):
        pieces.append(piece)
        length += len(piece)
        if length > 2 * limit:
            break
    return cut("".join(pieces), limit)


def cut(text: str, limit: int = 200) -> str:
    """Return *text*, cut in the middle if it is longer than *limit*."""
    if len(text) <= limit:
        return text
    half = (limit - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def message_of(text: str) -> str:
    """Return *text* as the message of an error, which is of bounded length whatever went in."""
    return cut(text, _MESSAGE)


def printable(text: str) -> str:
    r"""Return *text* for a terminal: what would command it, or begin a line, is written out.

    >>> print(printable("a\x1b[2J\nb"))
    a\x1b[2J\nb
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def begun(text: str, limit: int = 80) -> str:
    """Return *text*, or as much of its beginning as *limit* allows, if it is longer."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def some(things: Iterable[object], limit: int = 5) -> str:
    """List the first few things for a message, so that it stays short at a million keys."""
    found = list(things)
    text = ", ".join(shown(thing, 80) for thing in found[:limit])
    return f"{text} and {len(found) - limit} more" if len(found) > limit else text


def article(name: str) -> str:
    """Return *name* with its article.

    >>> article("list"), article("array")
    ('a list', 'an array')
    """
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _pieces(thing: Any, depth: int, room: int) -> Iterator[str]:
    """Yield the repr of *thing* piece by piece; what is longer than *room*, not all of it."""
    kind = type(thing)
    if kind in _CONTAINERS:
        return _of_container(thing, kind, depth, room) if depth else iter(("...",))
    if kind in (str, bytes, bytearray) and len(thing) > room:
        # Where the two meet is cut out.
        return iter((repr(thing[:room]), repr(thing[-room:])))
    names = _field_names(kind)
    if names is not None:
        return _of_fields(thing, kind, names, depth, room) if depth else iter(("...",))
    return iter((_guarded(thing),))


def _of_container(thing: Any, kind: type, depth: int, room: int) -> Iterator[str]:
    if not thing and kind in (set, frozenset):
        yield f"{kind.__name__}()"
        return
    opening, closing = _CONTAINERS[kind]
    yield opening
    # A copy, for others may change it meanwhile.
    first = list(islice(thing.items() if kind is dict else thing, room))
    for place, each in enumerate(first):
        if place:
            yield ", "
        if kind is dict:
            yield from _pieces(each[0], depth - 1, room)
            yield ": "
            each = each[1]
        yield from _pieces(each, depth - 1, room)
    if kind is tuple and len(thing) == 1:
        yield ","
    yield closing


def _field_names(kind: Any) -> Iterable[str] | None:
    """Return the fields that the repr of *kind* shows, if it is the one made from the fields."""
    if issubclass(kind, msgspec.Struct):
        config = kind.__struct_config__
        made = kind.__repr__ is msgspec.Struct.__repr__ and not config.repr_omit_defaults
        return kind.__struct_fields__ if made else None
    if dataclasses.is_dataclass(kind) and hasattr(kind.__repr__, "__wrapped__"):
        return [field.name for field in dataclasses.fields(kind) if field.repr]
    return None


def _of_fields(
    thing: Any, kind: type, names: Iterable[str], depth: int, room: int
) -> Iterator[str]:
    yield f"{kind.__name__}("
    for place, name in enumerate(names):
        yield f"{', ' if place else ''}{name}="
        yield from _pieces(getattr(thing, name, "?"), depth - 1, room)
    yield ")"


def _guarded(thing: object) -> str:
    # A method of the user's, or of a class of which nothing is known: it takes what it takes.
    ask: Callable[[object], str] = repr
    try:
        return ask(thing)
    except Exception as error:
        return f"<{type(thing).__name__} whose repr raises {type(error).__name__}>"
