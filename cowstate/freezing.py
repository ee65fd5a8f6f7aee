"""Plain nested data into immutable values, and back: `freeze` and `thaw`."""

from __future__ import annotations

from typing import Any

import pyrsistent

from .errors import ArgumentValueError

__all__ = ["freeze", "thaw"]

_TOO_DEEP = "it is nested too deeply to be {}, or holds itself"


def freeze(value: Any) -> Any:
    """Return *value* with all dicts, lists and sets in it as immutable ones. O(values in it).

    A dict becomes pyrsistent's ``pmap``, a list a ``pvector``, a set a ``pset``, a tuple a tuple,
    down to any value that is none of these, which stays as it is: also a dict or list of a class
    of its own. What comes out compares equal to a dict or list that is, can be hashed if all in
    it can, and can be stored. Changes nothing; the result shares nothing that can be changed
    with *value*.

    Raises:
        ArgumentValueError: *value* holds itself, or is nested more deeply than Python can follow.

    >>> frozen = freeze({"name": "pod-1", "ports": [80, 443]})
    >>> frozen["ports"][0], frozen.set("name", "pod-2")["name"]
    (80, 'pod-2')
    >>> thaw(frozen) == {"name": "pod-1", "ports": [80, 443]}
    True
    """
    try:
        return pyrsistent.freeze(value)
    except RecursionError:
        raise ArgumentValueError(_TOO_DEEP.format("frozen")) from None


def thaw(value: Any) -> Any:
    """Return *value* with all of pyrsistent's containers in it as dicts, lists and sets.

    The opposite of `freeze`: ``thaw(freeze(value)) == value``. What comes out is new down to the
    last container, so it may be changed, and given to ``json``. O(values in it).

    Raises:
        ArgumentValueError: *value* is nested more deeply than Python can follow.

    >>> plain = thaw(freeze({"ports": [80]}))
    >>> plain["ports"].append(443)
    >>> plain
    {'ports': [80, 443]}
    """
    try:
        return pyrsistent.thaw(value)
    except RecursionError:
        raise ArgumentValueError(_TOO_DEEP.format("thawed")) from None
