"""A door: a place at which something is read that others made, and what has to hold there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from cowstate import CowstateError

__all__ = ["TAKEN", "Door", "Knock", "LawBrokenError", "bounded", "hushed", "outcome"]

Knock: TypeAlias = Callable[[Random], str]
"""Puts one input in, made of choices, and returns what came of it: `TAKEN`, or an error's name.

Whatever it raises is a broken law."""

TAKEN: Final = "taken"

LONGEST: Final = 2_000
"""How long what an error says may be, whatever went in."""

DIGITS: Final = 400
"""How long a number may become that was taken, when it is written out."""


class LawBrokenError(AssertionError):
    """What must not be, came of an input."""


class Door(NamedTuple):
    """One of them.

    Attributes:
        name: its name.
        what: what is read there, in words.
        opened: what makes it ready, and gives what knocks at it.
    """

    name: str
    what: str
    opened: Callable[[], AbstractContextManager[Knock]]


def outcome(read: Callable[[], Any], *refusals: type[BaseException]) -> tuple[str, Any]:
    """What came of *read*, and what it returned: taken, or refused by an error of ours."""
    try:
        found = read()
    except (CowstateError, *refusals) as error:
        said = str(error)
        if len(said) > LONGEST:
            raise LawBrokenError(
                f"{type(error).__name__} says {len(said):,} characters: {said[:200]!r}"
            ) from error
        return type(error).__name__, None
    return TAKEN, found


@contextmanager
def hushed() -> Generator[None]:
    """What is told in the log of each input is not shown."""
    log = logging.getLogger("cowstate")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def bounded(*numbers: Decimal | None) -> None:
    """Numbers that were taken can be written out, and reckoned with."""
    for number in numbers:
        if number is None:
            continue
        _, digits, exponent = number.as_tuple()
        if not isinstance(exponent, int) or max(len(digits), abs(exponent)) > DIGITS:
            raise LawBrokenError(f"a number was taken that is no amount of anything: {number!r}")
