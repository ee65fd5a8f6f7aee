"""Where prices come from: `Market`, and tapes that are played in real time, `TapeMarket`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final, Protocol

from cowstate import ArgumentValueError

from ..simulation.tape import Trade
from .venue import PaperVenue, Seen

__all__ = ["Market", "TapeMarket", "skipped"]

_MOST_AT_ONCE: Final = 10_000
_SECOND: Final = 1_000


class Market(Protocol):
    """Where prices come from."""

    def advance(self) -> Decimal | None:
        """Let happen what has happened, and return the last price; None: there is no more.

        Raises:
            ExchangeError: it is not known now.
        """
        ...


class TapeMarket:
    """A tape of trades that is played to a paper account, as fast as time goes, or faster.

    For one thread. At most ten thousand trades happen at once; who cannot keep up is late.

    Args:
        trades: the tape.
        venue: whom it is played to.
        source: what it is called in the account.
        speed: how many times as fast as it was recorded.
        clock: seconds, from any moment on.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "grid.db-paper")
    >>> tape = iter([Trade(5, 1, Decimal(100), Decimal(1), True)])
    >>> with PaperVenue(path, "X", time_ms=lambda: 5) as venue:
    ...     market = TapeMarket(tape, venue, "tape", 1.0)
    ...     market.advance(), market.advance()
    (Decimal('100'), None)
    """

    def __init__(
        self,
        trades: Iterator[Trade],
        venue: PaperVenue,
        source: str,
        speed: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trades = trades
        self._venue = venue
        self._source = source
        self._speed = speed
        self._clock = clock
        self._began_s: float | None = None
        self._first_ms = 0
        self._coming: Trade | None = None

    def advance(self) -> Decimal | None:
        """See `Market.advance`."""
        if self._began_s is None:
            self._began_s = self._clock()
            self._coming = next(self._trades, None)
            self._first_ms = 0 if self._coming is None else self._coming.time_ms
        if self._coming is None:
            return None
        passed_ms = (self._clock() - self._began_s) * _SECOND * self._speed
        due: list[Trade] = []
        while (
            self._coming is not None
            and len(due) < _MOST_AT_ONCE
            and self._coming.time_ms - self._first_ms <= passed_ms
        ):
            due.append(self._coming)
            self._coming = next(self._trades, None)
        self._venue.happen(due, self._source)
        return self._venue.last_price


def skipped(trades: Iterator[Trade], seen: Seen, source: str) -> Iterator[Trade]:
    """Return what is left of a tape that has been played up to *seen*; all, if another one has.

    Raises:
        ArgumentValueError: it is another tape under the same name.

    >>> tape = [Trade(5, number, Decimal(100), Decimal(1), True) for number in (1, 2, 3)]
    >>> [each.trade_id for each in skipped(iter(tape), Seen("tape", 2, tape[1]), "tape")]
    [3]
    """
    if seen.source != source:
        return trades
    last = None
    for _ in range(seen.trades):
        last = next(trades, None)
        if last is None:
            break
    if last != seen.last:
        raise ArgumentValueError(
            f"trade {seen.trades:,} of this tape is not the one that the paper account had come "
            "to; give the tape that it was begun with, or another journal"
        )
    return trades
