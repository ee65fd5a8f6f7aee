"""To look at a store again and again, while somebody writes it: `looks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal, InvalidOperation
from time import time
from typing import Any, Final, NamedTuple

import msgspec

from .reading import as_text
from .tails import tail_of
from .view import Tail, View

__all__ = ["EXACTLY", "Look", "amount_in", "drawn", "looks"]


MOST: Final = 1_000
"""Of how many digits before or after the point a number is left out of a total."""

EXACTLY: Final = Context(prec=4 * MOST)


class Look(NamedTuple):
    """What was found at one moment.

    Attributes:
        version: the version.
        records: how many records it has.
        oldest: the oldest version that the log goes back to.
        totals: of each field that was asked for, the sum over the records that have it.
        rate: how many versions there were a second since the look before; 0.0 at the first.
        lag: how many seconds after its commit the version was seen; None if there is no commit.
    """

    version: int
    records: int
    oldest: int
    totals: dict[str, str]
    rate: float
    lag: float | None


def looks(
    path: str,
    fields: Sequence[str],
    pause: Callable[[], object],
    clock: Callable[[], float] = time,
    name: str | None = None,
) -> Iterator[Look]:
    """Yield what is there, and again whenever there is another version; for ever.

    Each costs O(N), if *fields* are given. Nobody is held up between two looks.

    Args:
        path: the file, or the URL of a database on a server.
        fields: the names of fields to sum up.
        pause: called between two looks.
        clock: what time it is, in seconds since 1970.
        name: on a server, which of its stores.

    Raises:
        JournalFileError: it is no file of a store, or none any more.
        JournalError: the server cannot be had any more.
    """
    tail, _ = tail_of(path, name, None)
    try:
        yield from _looks(tail, fields, pause, clock)
    except Exception as error:
        refused = tail.refused(error)
        if refused is None:
            raise
        raise refused from error
    finally:
        tail.close()


def _looks(
    tail: Tail, fields: Sequence[str], pause: Callable[[], object], clock: Callable[[], float]
) -> Iterator[Look]:
    seen, when = None, clock()
    while True:
        view, found = tail.look(), None
        if view is not None:
            newest = view.reach().newest
            if newest != seen:
                now = clock()
                rate = 0.0 if seen is None else (newest - seen) / max(now - when, 1e-6)
                found = _look(view, fields, rate, now)
                seen, when = newest, now
            tail.done()
        if found is not None:
            yield found
        pause()


def _look(view: View, fields: Sequence[str], rate: float, now: float) -> Look:
    reach = view.reach()
    totals = dict.fromkeys(fields, Decimal(0))
    count = view.count()
    if fields:
        for _, value, _ in view.records():
            _add(totals, msgspec.json.decode(as_text(value)))
    last = next(view.commits(reach.newest - 1, reach.newest), None)
    when: Any = None if last is None else last.time  # whatever somebody else put there
    return Look(
        reach.newest,
        count,
        reach.oldest,
        {name: f"{total:f}" for name, total in totals.items()},
        rate,
        max(0.0, now - when) if isinstance(when, int | float) else None,
    )


def _add(totals: dict[str, Decimal], record: Any) -> None:
    if isinstance(record, dict):
        for name, total in totals.items():
            totals[name] = EXACTLY.add(total, amount_in(record.get(name)))


def amount_in(value: Any) -> Decimal:
    """Return the number that a field holds; 0 for what is none, or is too long to be added up.

    >>> amount_in("0.10"), amount_in(True), amount_in([1]), amount_in("0." + "1" * 1_000)
    (Decimal('0.10'), Decimal('0'), Decimal('0'), Decimal('0'))
    """
    if isinstance(value, bool):
        return Decimal(0)
    try:
        number = Decimal(str(value))  # a Decimal is written as a text
    except InvalidOperation:
        return Decimal(0)
    exponent = number.as_tuple().exponent
    known = isinstance(exponent, int) and exponent > -MOST and number.adjusted() < MOST
    return number if known else Decimal(0)


def drawn(look: Look, again: bool) -> str:
    """Return a table for a terminal; if *again*, over the one that was drawn before it.

    >>> print(drawn(Look(7, 3, 0, {"quantity": "12"}, 2.5, 0.25), False))
    version     7, back to 0
    records     3
    rate        2.5 a second
    lag         0.25 s
    quantity    12
    """
    rows = [
        ("version", f"{look.version}, back to {look.oldest}"),
        ("records", str(look.records)),
        ("rate", f"{look.rate:.1f} a second"),
        ("lag", "-" if look.lag is None else f"{look.lag:.2f} s"),
        *look.totals.items(),
    ]
    width = max(len(name) for name, _ in rows) + 4
    lines = [f"{name.ljust(width)}{value}" for name, value in rows]
    if not again:
        return "\n".join(lines)
    # Up by as many lines, and each cleared to its end.
    return f"\x1b[{len(lines)}A" + "\n".join(f"{line}\x1b[K" for line in lines)
