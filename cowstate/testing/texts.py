"""A schedule as a line of text, to be pasted into a test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..errors import ArgumentValueError

__all__ = ["plan_of", "text_of"]

_TURN: Final = re.compile(r"([A-Z]+)(?:([1-9][0-9]*)(\.?))?")


def text_of(switches: Sequence[tuple[int, int]], preempting: Sequence[bool]) -> str:
    """Return the schedule of these switches as text: one word for each turn of a thread.

    ``A3`` means that the first thread passes three switch points and is left at the third;
    ``B7.`` that the second passes seven, the last where it waits for another or ends; the last
    turn has no number. A number alone, at the start, stands for what came before the threads.

    >>> text_of([(0, 0), (3, 1), (10, 0)], [False, True, False])
    'A3 B7. A'
    """
    words = [str(switches[0][0])] if switches and switches[0][0] else []
    for place, (at, number) in enumerate(switches):
        word = _letters(number)
        if place + 1 < len(switches):
            word += str(switches[place + 1][0] - at) + ("" if preempting[place + 1] else ".")
        words.append(word)
    return " ".join(words)


def plan_of(text: str) -> tuple[tuple[tuple[int, int], ...], tuple[bool, ...]]:
    """Return the switches of a schedule, and for each whether it leaves one that could go on.

    Raises:
        ArgumentValueError: *text* is no schedule.

    >>> plan_of("A3 B7. A")
    (((0, 0), (3, 1), (10, 0)), (False, True, False))
    """
    words = text.split()
    at = int(words.pop(0)) if words and words[0].isascii() and words[0].isdigit() else 0
    switches, preempting = [], [False]
    for place, word in enumerate(words):
        found = _TURN.fullmatch(word)
        last = place + 1 == len(words)
        if found is None or (found[2] is None) != last:
            raise ArgumentValueError(
                f"{word!r} is no turn of a thread: a schedule looks like 'A3 B7. A', a letter for "
                "the thread and the number of points that it passes, which the last turn lacks"
            )
        switches.append((at, _number(found[1])))
        if not last:
            at += int(found[2])
            preempting.append(not found[3])
    if not switches:
        raise ArgumentValueError("the schedule has no turn; it looks like 'A3 B7. A'")
    return tuple(switches), tuple(preempting)


def _letters(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
