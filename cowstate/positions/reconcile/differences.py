"""Which divergences an answer allows: the venue's position less each value that the book had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from cowstate import Record

from ..book.learnt import Growth
from ..book.ledger import Entry
from ..book.model import EXACT
from .looks import PositionLook, Window
from .possible import Possible
from .standing import Overdue, Standing

__all__ = ["Showing", "State", "differences", "differences_without_trades"]
__all__ += ["showings", "states_in"]

_ZERO = Decimal(0)
# Each overdue fill makes twice as many numbers; of more of them only the ends are kept.
_MOST_APART = 6


class State(Record):
    """A value that the book had, from *since_ms* to *until_ms* by the venue's clock.

    None where it began before, or lasted beyond, what was asked for.
    """

    total: Decimal
    since_ms: int | None
    until_ms: int | None


def states_in(window: Window, listed: Decimal, entries: Sequence[Entry]) -> tuple[State, ...]:
    """Return the values that the book had within *window*, oldest first.

    *listed* is the book with exactly *entries*, which are in the order in which they moved it.
    Going back from there, each entry from the window's first moment on is taken off, and then
    those up to its last one are put back one by one. An entry at either end may have come before
    or after the answer: a millisecond is long.

    >>> moves = [Entry(n, n, None, 10 * n, Decimal(n), Decimal(n), Decimal(0)) for n in (1, 2, 3)]
    >>> [str(state.total) for state in states_in(Window(15, 25), Decimal(6), moves)]
    ['1', '3']
    """
    total = listed
    within: list[Entry] = []
    since: int | None = None
    for entry in entries:
        if entry.time_ms < window.lowest:
            since = entry.time_ms
            continue
        total = EXACT.subtract(total, entry.moved)
        if entry.time_ms <= window.highest:
            within.append(entry)
    states: list[State] = []
    for entry in within:
        states.append(State(total, since, entry.time_ms))
        total, since = EXACT.add(total, entry.moved), entry.time_ms
    until = next((entry.time_ms for entry in entries if entry.time_ms > window.highest), None)
    states.append(State(total, since, until))
    return tuple(states)


class Showing(Record):
    """That a look tells of this *divergence* if it is of a moment from *since_ms* to *until_ms*.

    By the venue's clock; None: from before its window on, or until after it.
    """

    divergence: Decimal
    since_ms: int | None
    until_ms: int | None = None


def showings(
    look: PositionLook,
    window: Window,
    standing: Standing,
    entries: Sequence[Entry],
    lag_ms: int = 0,
) -> tuple[Showing, ...]:
    """Return what *look* tells if it is of which moment; nothing, if that is too much to say.

    The numbers are those of `differences`. Pure; costs O(entries).

    >>> look = PositionLook(Decimal(6), 20, 30, answered_ms=25)
    >>> moves = [Entry(n, n, None, 10 * n, Decimal(n), Decimal(n), Decimal(0)) for n in (1, 2)]
    >>> found = showings(look, Window(15, 25), Standing(Decimal(3)), moves)
    >>> [(str(each.divergence), each.since_ms) for each in found]
    [('5', 10), ('3', 20)]
    """
    unsure = _unsure(look, standing, lag_ms)
    if len(unsure) > _MOST_APART:
        return ()
    found = [
        Showing(EXACT.subtract(look.quantity, state.total), state.since_ms, state.until_ms)
        for state in states_in(window, standing.listed, entries)
    ]
    for each in unsure:
        found += [one.replace(divergence=EXACT.add(one.divergence, each.quantity)) for one in found]
    return tuple(found)


def differences(
    look: PositionLook,
    window: Window,
    standing: Standing,
    entries: Sequence[Entry],
    lag_ms: int = 0,
) -> Possible:
    """Return every divergence that *look* allows. Pure; costs O(entries).

    To be asked only once the entries cover the look (see `covers`) and reach back to its
    window. Then the divergence, the venue's position less all that is accounted for, is among the
    result, if it did not change within the window and the venue keeps its promises.

    A fill that is `Overdue` happened, if at all, before it became known. One that became known
    within the window may be in the answer or not, so each number occurs with and without it. By
    our own clock the window begins *lag_ms* (how far positions may lag) before the look was sent.
    """
    possible = Possible.of(
        EXACT.subtract(look.quantity, state.total)
        for state in states_in(window, standing.listed, entries)
    )
    return _with_and_without(possible, _unsure(look, standing, lag_ms))


def _unsure(look: PositionLook, standing: Standing, lag_ms: int) -> list[Overdue]:
    return [each for each in standing.overdue if each.before_ms >= look.sent_ms - lag_ms]


def _with_and_without(possible: Possible, unsure: Sequence[Overdue]) -> Possible:
    if len(unsure) > _MOST_APART:
        up, down = _up_and_down(each.quantity for each in unsure)
        lowest = EXACT.add(possible.lowest, down)
        return Possible.between(lowest, EXACT.add(possible.highest, up))
    for each in unsure:
        possible = possible | possible.moved(each.quantity)
    return possible


def differences_without_trades(
    look: PositionLook,
    held: Decimal,
    growths: Iterable[Growth],
    unseen: Iterable[Decimal],
    lag_ms: int,
) -> Possible:
    """Return every divergence that *look* allows where the trades cannot be read. Pure.

    To be asked once each order that was alive has been listed, or asked for, in answers whose
    moment is past that of the look, but for those in *unseen*. All is by our own clock.

    What the slots learnt before the window had happened by then, so it is in the answer. What
    they learnt since may be in it or not. And an order of which no answer tells may have been
    filled, unseen, by all that was left of it.

    Args:
        look: the answer.
        held: what is held now, by slots and unattributed.
        growths: fills that were learnt since the window began, or more of them.
        unseen: what is left of each order alive that no answer has told of, signed.
        lag_ms: how far positions may lag.

    >>> look = PositionLook(Decimal(2), 1_000, 1_100)
    >>> lately = [Growth(900, Decimal("0.5"))]
    >>> found = differences_without_trades(look, Decimal(2), lately, [Decimal("-0.1")], lag_ms=200)
    >>> found.lowest, found.highest
    (Decimal('0'), Decimal('0.6'))
    """
    begins = look.sent_ms - lag_ms
    up, down = _up_and_down(each.quantity for each in growths if each.learnt_ms >= begins)
    more, less = _up_and_down(unseen)
    lowest = EXACT.add(EXACT.subtract(held, up), less)
    highest = EXACT.add(EXACT.subtract(held, down), more)
    return Possible.between(
        EXACT.subtract(look.quantity, highest), EXACT.subtract(look.quantity, lowest)
    )


def _up_and_down(quantities: Iterable[Decimal]) -> tuple[Decimal, Decimal]:
    """Return the sum of what is above zero, and of what is below."""
    up = down = _ZERO
    for quantity in quantities:
        if quantity > _ZERO:
            up = EXACT.add(up, quantity)
        else:
            down = EXACT.add(down, quantity)
    return up, down
