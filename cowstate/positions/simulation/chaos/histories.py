"""Other histories in which every answer is the same: could it have ended otherwise?

Others moved the position, of which nothing tells, and by that book and position are apart. Between
two such moves is an *era*, with one divergence. Of an answer it is known which divergence it shows
if it is of which moment. So a history, which is its eras, gives the same answers if each of them
may be of a moment of an era with that divergence. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

__all__ = ["Era", "Showing", "could_end_otherwise"]

_NEVER = float("inf")


class Showing(NamedTuple):
    """That an answer shows this *divergence* if it is of a moment from *from_ms* to *to_ms*."""

    from_ms: float
    to_ms: float
    divergence: Decimal


class Era(NamedTuple):
    """That the divergence is this one, from *since_ms* until the next era."""

    since_ms: float
    divergence: Decimal


def could_end_otherwise(answers: Sequence[Sequence[Showing]], truth: Sequence[Era]) -> bool:
    """Whether there is a history in which all is the same, with another divergence at the end.

    It is looked for where others have moved the position as seldom as all that was heard allows,
    so no more often than in truth. It begins as in truth, for some eras, of which the last may
    last longer; then there is another, or none; then the one that it ends with. There are histories
    of other kinds: if this finds none, nothing is proven.

    Args:
        answers: of each, what it shows if it is of which moment.
        truth: the eras as they were, oldest first.

    >>> zero, one = Decimal(0), Decimal(1)
    >>> truth = [Era(-1, zero), Era(50, one)]
    >>> early, late = Showing(0, 60, zero), Showing(60, 70, one)
    >>> could_end_otherwise([[early], [late]], truth)
    False
    >>> could_end_otherwise([[early], [late, Showing(70, 75, Decimal(2))]], truth)
    True
    """
    but = truth[-1].divergence
    for moves in range(len(truth)):
        as_it_was = False
        for end in _ends(answers, truth, moves):
            if end != but:
                return True
            as_it_was = True
        if as_it_was:
            return False
    return False


def _ends(
    answers: Sequence[Sequence[Showing]], truth: Sequence[Era], moves: int
) -> Iterator[Decimal]:
    """Yield what histories end with in which others have moved the position so often."""
    if all(_is_told(each, truth[: moves + 1], _NEVER) for each in answers):
        yield truth[moves].divergence
    if moves > 0:
        yield from _last_ones(answers, truth[:moves])
    if moves > 1:
        begun = truth[: moves - 1]
        begun_ms = begun[-1].since_ms
        others = [each for each in answers if not _is_told(each, begun, begun_ms)]
        for divergence in sorted({each.divergence for answer in others for each in answer}):
            for since_ms in _begins(others, divergence, begun_ms):
                yield from _last_ones(others, [*begun, Era(since_ms, divergence)])


def _last_ones(answers: Sequence[Sequence[Showing]], begun: Sequence[Era]) -> Iterator[Decimal]:
    """Yield what a history that has *begun* so may end with after one more move."""
    # Most answers are of an era that is over, whenever the last one ends.
    since_ms = begun[-1].since_ms
    others = [each for each in answers if not _is_told(each, begun, since_ms)]
    if not others:
        return
    for divergence in sorted({each.divergence for answer in others for each in answer}):
        for end in _begins(others, divergence, since_ms):
            history = (*begun, Era(end, divergence))
            if all(_is_told(each, history, _NEVER) for each in others):
                yield divergence
                break


def _begins(
    answers: Iterable[Sequence[Showing]], divergence: Decimal, since_ms: float
) -> Iterator[float]:
    """Yield moments after *since_ms* at which an era with that *divergence* may begin.

    The later it begins, the more the one before it tells; what counts is when it tells one less.
    """
    found = {each.to_ms for answer in answers for each in answer if each.divergence == divergence}
    yield from sorted(end for end in found if end > since_ms)


def _is_told(answer: Sequence[Showing], history: Sequence[Era], until_ms: float) -> bool:
    """Whether *answer* may be of a moment of *history*, which lasts until *until_ms*."""
    for number, era in enumerate(history):
        last = number + 1 == len(history)
        until = until_ms if last else history[number + 1].since_ms
        for each in answer:
            if each.divergence == era.divergence and (
                each.from_ms < until and each.to_ms >= era.since_ms
            ):
                return True
    return False
