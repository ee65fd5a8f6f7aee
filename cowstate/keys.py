"""What may be a key, and the value of an index entry."""

from __future__ import annotations

from .errors import ArgumentTypeError, ArgumentValueError, UnhashableKeyError
from .showing import article, shown

__all__ = [
    "HOLDERS",
    "PLAIN",
    "ensure_findable",
    "ensure_hashable",
    "ensure_value",
    "equals_itself",
]

PLAIN = frozenset((str, int, bool, bytes, type(None)))
"""Types whose very instances can be hashed, and equal themselves."""

HOLDERS = (tuple, frozenset)
"""Types that can be values and hold others; only of these does `equals_itself` look inside."""


def ensure_hashable(key: object) -> None:
    """Raise `UnhashableKeyError` if *key* cannot be a key; what its hash raises is the user's.

    >>> ensure_hashable(("a", 1))
    >>> ensure_hashable(["a"])
    Traceback (most recent call last):
        ...
    cowstate.errors.UnhashableKeyError: a list cannot be a key, because it cannot be hashed; ...
    """
    try:
        hash(key)
    except TypeError:
        raise UnhashableKeyError(key) from None


def ensure_findable(key: object) -> None:
    """Raise `ArgumentValueError` for a key that is not equal to itself.

    Maps disagree upon whether such a key can be found again: pyrsistent's cannot.
    """
    if key != key:  # noqa: PLR0124
        raise ArgumentValueError(
            f"{shown(key)} cannot be a key: it equals nothing, itself included"
        )


def equals_itself(value: object) -> bool:
    """Whether *value* equals another one that is made of the same: no NaN is in it.

    A tuple that holds one does equal itself, but by the identity of what it holds: not the next
    one that a function makes of the same record.

    >>> nan = float("nan")
    >>> (1, nan) == (1, nan), (1, nan) == (1, float("nan"))
    (True, False)
    >>> equals_itself((1, nan)), equals_itself((1, None))
    (False, True)
    """
    if value != value:  # noqa: PLR0124
        return False
    return not isinstance(value, HOLDERS) or all(map(equals_itself, value))


def ensure_value(index: str, value: object) -> None:
    """Raise `ArgumentTypeError` if *value* can be that of no record in *index*.

    >>> ensure_value("tag", [])
    Traceback (most recent call last):
        ...
    cowstate.errors.ArgumentTypeError: index 'tag' has no entry for a list, because it cannot ...
    """
    try:
        hash(value)
    except TypeError:
        raise ArgumentTypeError(
            f"index {shown(index)} has no entry for {article(type(value).__name__)}, because it "
            "cannot be hashed; ask for what the index function returns, such as a str or a tuple"
        ) from None
