"""What the answers that were heard let an observer know, whoever it is: `Sight`.

An answer of a venue that lags shows the position of some moment of its lag, and not of which. So
two histories may give the same answers: where they do, nobody can tell them apart, however clever.
Here the truth is known, so the other histories can be worked out, and with them what was to be
known. Fills are no secret in them: they are in the list of trades of either history.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from ...book.model import EXACT
from ...exchange.promises import VenuePromises
from .histories import Era, Showing, could_end_otherwise
from .ledger import Ledger

__all__ = ["Look", "Sight"]

_ZERO = Decimal(0)
_EVER = float("inf")


class Look(NamedTuple):
    """An answer for the position: when it came, when it had left, which moment it shows."""

    came_ms: int
    left_ms: int
    as_of_ms: int


class Sight:
    """What one process could know of the position, by the answers that it has heard.

    All times are the venue's. Not thread-safe.

    Args:
        ledger: what was so.
        promises: what the venue keeps to, in truth.

    >>> from cowstate.positions import VenuePromises
    >>> ledger = Ledger("BTCUSDT", held=Decimal(2))
    >>> ledger.enter(None, Decimal(1), Decimal(0), now_ms=5_000)
    >>> sight = Sight(ledger, VenuePromises.exact(positions_lag_ms=3_000))
    >>> sight.hear(Look(7_010, 7_000, 4_500))
    >>> sight.is_same_without(4_999), sight.others()
    (True, None)
    >>> sight.hear(Look(9_010, 9_000, 6_000))
    >>> sight.is_same_without(4_999), sight.others()
    (False, frozenset({Decimal('0')}))
    """

    def __init__(self, ledger: Ledger, promises: VenuePromises) -> None:
        self._ledger = ledger
        self._promises = promises
        self._looks: list[Look] = []
        self._read_ms = _EVER

    def hear(self, look: Look) -> None:
        """Note an answer for the position."""
        self._looks.append(look)

    def has_heard_since(self, since_ms: float) -> bool:
        """Whether an answer for the position was heard that had left after *since_ms*."""
        return any(look.left_ms > since_ms for look in reversed(self._looks))

    def ask(self) -> None:
        """Note that the trades are asked for. Who never does so could have, and read them all."""
        if self._read_ms == _EVER:
            self._read_ms = -_EVER

    def read(self, sent_ms: int) -> None:
        """Note that the list of trades was read to its end; it was asked for at *sent_ms*."""
        lag = self._promises.trades_lag_ms
        # What came in that very millisecond came before it where nothing lags.
        self._read_ms = max(self._read_ms, sent_ms - lag - (lag > 0))

    def is_same_without(self, since_ms: int, told_ms: int | None = None) -> bool:
        """Whether each answer would be the same, had others moved nothing after *since_ms*.

        The fills are what they were. With *told_ms*, what the trades have told up to then was
        moved in either case. Costs O(answers since * moments of their windows).
        """
        ledger = self._ledger
        moved = ledger.outside_since(since_ms, told_ms)
        for look in self._since(since_ms):
            shown = ledger.position_at(look.as_of_ms)
            for began, value in self._window(look):
                left_out = _ZERO
                if began > since_ms:
                    left_out = EXACT.subtract(moved, ledger.outside_since(began, told_ms))
                if EXACT.subtract(value, left_out) == shown:
                    break
            else:
                return False
        return True

    def others(self, *, readable: bool = False, later: bool = False) -> frozenset[Decimal] | None:
        """Return by how much more others may have moved the position when they last did.

        Unseen by the trades, that is: each number is of a history in which all answers are the
        same. Zero is the truth, and zero alone means that the divergence could be known to the
        digit. None: no answer tells, so it may be any number.

        Args:
            readable: whether only those answers count that an observer can read by now, since
                the trades were read that say what the book was then.
            later: whether only those count that can show nothing from before that move. Who does
                not know when it was, nor how often others had traded until then, can conclude
                nothing from the rest: there is always a history in which they show that.
        """
        since_ms = self._ledger.untold_ms
        shown_ms = since_ms + self._promises.positions_lag_ms if later else since_ms
        allowed: frozenset[Decimal] | None = None
        for look in self._since(shown_ms):
            if readable and look.came_ms > self._read_ms:
                continue
            shown = self._ledger.position_at(look.as_of_ms)
            more: set[Decimal] = set()
            for began, value in self._window(look):
                if began >= since_ms:
                    more.add(EXACT.subtract(shown, value))
                elif value == shown:
                    break  # it may be of before, whatever happened then
            else:
                allowed = frozenset(more) if allowed is None else allowed & more
                if allowed == frozenset({_ZERO}):
                    break
        return allowed

    @property
    def heard(self) -> int:
        """How many answers for the position were heard."""
        return len(self._looks)

    def could_end_otherwise(self, heard: int) -> bool:
        """Whether the first so many answers allow a history that ends with another divergence.

        In which others did no more than they really did; see `histories`.
        """
        moved, divergence = self._ledger.untold_moves(), _ZERO
        looks = self._looks[:heard]
        latest_ms = max((look.left_ms for look in looks), default=-_EVER)
        eras = [Era(-_EVER, _ZERO)]
        for moment_ms, quantity in moved:
            divergence = EXACT.add(divergence, quantity)
            if moment_ms <= latest_ms:
                eras.append(Era(moment_ms, divergence))
        return could_end_otherwise([self._showings(look) for look in looks], eras)

    def _showings(self, look: Look) -> list[Showing]:
        shown = self._ledger.position_at(look.as_of_ms)
        moments = [moment for moment, _ in self._window(look)]
        lowest = look.left_ms - self._promises.positions_lag_ms
        told = self._ledger.told_within(lowest, look.left_ms)
        return [
            Showing(began, until, EXACT.subtract(shown, without))
            for began, until, without in zip(
                moments, [*moments[1:], look.left_ms], told, strict=True
            )
        ]

    def _since(self, since_ms: float) -> list[Look]:
        return [look for look in self._looks if look.left_ms > since_ms]

    def _window(self, look: Look) -> list[tuple[float, Decimal]]:
        """The positions that *look* might have shown, each with a moment at which it was so."""
        lowest = look.left_ms - self._promises.positions_lag_ms
        return self._ledger.positions_within(lowest, look.left_ms)
