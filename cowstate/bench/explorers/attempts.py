"""What one explorer says of one program, and how that is kept."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Literal, NamedTuple, TypeVar

import msgspec

from .programs import Trial

__all__ = ["Attempt", "Explorer", "Verdict", "cannot", "timed"]

T = TypeVar("T")

Verdict = Literal["failed", "passed", "undecided", "hung", "cannot"]
"""It says that the program goes wrong; that it does not; that it does not know; nothing, within the
time that it was given; or it is not made for such programs."""

_SAID = 200


class Attempt(msgspec.Struct):
    """What one explorer said of one program.

    Attributes:
        verdict: see there.
        schedules: how many it ran; None if it does not say.
        seconds: how long it took, without what comes before and after; None if it did not end.
        complete: whether it says that these were all within its bound; None if it says nothing.
        replayed: whether what it found was found again from the text that it gives for that; None
            if it gives none, or found nothing.
        text: how long that text is, in characters.
        said: the rest, in words.
    """

    verdict: Verdict
    schedules: int | None = None
    seconds: float | None = None
    complete: bool | None = None
    replayed: bool | None = None
    text: int = 0
    said: str = ""

    def __post_init__(self) -> None:
        self.said = " ".join(self.said.split())[:_SAID]


class Explorer(NamedTuple):
    """One explorer, in one way of using it.

    Attributes:
        name: for the table, and to ask for it.
        package: on the package index; empty for ours.
        module: what is imported before its time begins.
        how: the call, in short.
        attempt: tries one program.
        limit_s: how long it may take after that, in seconds.
        started: what must stand before the command, to start Python as its documents say.
        same_again: whether it says the same each time.
    """

    name: str
    package: str
    module: str
    how: str
    attempt: Callable[[Trial], Attempt]
    limit_s: float = 120.0
    started: tuple[str, ...] = ()
    same_again: bool = True


def cannot(why: str) -> Attempt:
    """Return the attempt of an explorer that is not made for such a program.

    >>> cannot("threads").verdict
    'cannot'
    """
    return Attempt("cannot", said=why)


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Return what *call* returns, and how many seconds it took.

    >>> timed(lambda: 3)[0]
    3
    """
    began = perf_counter()
    value = call()
    return value, perf_counter() - began
