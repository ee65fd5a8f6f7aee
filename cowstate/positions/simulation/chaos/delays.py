"""How many passes it takes to say that there is a divergence, to heal, and to halt."""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from ...book.model import EXACT
from .oracle import Gap
from .result import TO_HEAL, WorldResult
from .sight import Sight

__all__ = ["Delays", "LongHalt"]

_ZERO = Decimal(0)
# Who asks for no position for so long could have.
_SILENCE_MS = 20_000
# For how many passes a halt that is needed may be missing.
_LONG = 10
_KNOWN = frozenset([_ZERO])


class Delays:
    """Counts the passes of one world; `WorldResult` says what each number is.

    A pass is *due* if by its end the answers that were heard, and the trades, left nothing else:
    to prove, if in no other history in which they are the same there would be no divergence; to
    heal one, if in none of them it would be another one. To heal an order each pass is due. What
    others do meanwhile begins the count anew.

    Args:
        result: where it is counted.

    >>> from cowstate.positions import VenuePromises
    >>> from cowstate.positions.simulation.chaos.ledger import Ledger
    >>> result, ledger = WorldResult(1, "scene", "it"), Ledger("BTCUSDT")
    >>> delays, sight = Delays(result), Sight(ledger, VenuePromises.exact())
    >>> for off in (["grid-50-B1"], []):
    ...     delays.pass_begins(Gap(behind=1, orders=frozenset(["grid-50-B1"])))
    ...     now = Gap(behind=len(off), orders=frozenset(off))
    ...     delays.pass_ends(now, False, False, sight, ledger.untold_ms)
    >>> result.heals, result.heals_due
    ([2], [2])
    """

    def __init__(self, result: WorldResult) -> None:
        self._result = result
        self._untold_ms: float | None = None
        self._off_for = 0
        self._orders: dict[str, int] = {}
        self._began = _ZERO
        self._differs = False
        self._heal_due = 0
        self._unproven: int | None = 0  # None: the divergence that is there has been told
        self._proof_due = 0
        self._known_for = 0
        # Who looked, and how many answers there were by the ends of the latest passes.
        self._heard: deque[tuple[Sight, int]] = deque(maxlen=TO_HEAL)

    def pass_begins(self, gap: Gap) -> None:
        """A pass begins, and this is between the two sides."""
        self._off_for += not gap.closed
        for client_oid in gap.orders:
            self._orders[client_oid] = self._orders.get(client_oid, 0) + 1
        self._began = gap.unexplained
        if gap.unexplained:
            self._differs = True
            if self._unproven is not None:
                self._unproven += 1

    def pass_ends(self, gap: Gap, told: bool, halted: bool, sight: Sight, untold_ms: float) -> None:
        """It has ended; *told* says whether it said that there is a divergence, or halted."""
        self._heard.append((sight, sight.heard))
        if untold_ms != self._untold_ms:
            self._untold_ms = untold_ms
            self._heal_due = self._proof_due = self._known_for = 0
        if self._began:
            allowed = sight.others(readable=True)
            is_proven = allowed is not None and EXACT.minus(self._began) not in allowed
            self._proof_due += is_proven
            self._heal_due += sight.others(readable=True, later=True) == _KNOWN
        if gap.unexplained and not gap.orders:
            self._known_for += sight.others(later=True) == _KNOWN
        self._record_proof(gap, told)
        self._record_heals(gap)
        if gap.closed or halted:
            # What is halted is for people to heal.
            self._off_for = self._heal_due = self._known_for = 0
            self._orders.clear()
            self._differs = False

    def _record_proof(self, gap: Gap, told: bool) -> None:
        if self._unproven and (told or not gap.unexplained):
            self._result.proofs.append(self._unproven)
            self._result.proofs_due.append(self._proof_due)
            self._unproven = None
        if not gap.unexplained:
            self._unproven = self._proof_due = 0

    def _record_heals(self, gap: Gap) -> None:
        result = self._result
        if gap.closed and self._off_for:
            result.heals.append(self._off_for)
        for client_oid in sorted(self._orders.keys() - gap.orders):
            result.heals_due.append(self._orders.pop(client_oid))
        if self._differs and not gap.unexplained:
            result.heals_due.append(self._heal_due)
            self._differs = False
            self._heal_due = 0

    def is_undecided(self, gap: Gap) -> bool:
        """Whether a *gap* has not been known for as long as a rule has to heal it.

        By who knows when others moved the position last; or who does not even know that.
        """
        if gap.orders:
            return False
        if self._known_for < TO_HEAL:
            return True
        sight, heard = self._heard[0]
        return sight.could_end_otherwise(heard)


class LongHalt:
    """Whether a halt that is needed has long been missing.

    A divergence that needs one must have been there for more than ten passes, for longer than the
    venue may take to show it, and for more than ten passes in which it could be known: by the end
    of each there was no other history, in which the answers that were heard are the same, and in
    which the divergence is smaller than a halt needs. Who has heard none that can show it, though
    the venue would have, could have known as well.

    Args:
        patience_ms: how long the venue may take to show what happens.
        lag_ms: how far the positions that it tells may lag.
        now_ms: when the watch begins.

    Attributes:
        passes: for how many passes the divergence has been there.

    >>> from cowstate.positions import VenuePromises
    >>> from cowstate.positions.simulation.chaos.ledger import Ledger
    >>> halt = LongHalt(0, 0, 0)
    >>> sight = Sight(Ledger("BTCUSDT"), VenuePromises.exact())
    >>> for now_ms in range(1, 12):
    ...     halt.pass_ends(Gap(unexplained=Decimal(1)), Decimal("0.1"), sight, 0, now_ms)
    >>> halt.passes, halt.is_missing(11)
    (11, True)
    """

    def __init__(self, patience_ms: int, lag_ms: int, now_ms: int) -> None:
        self._patience_ms = patience_ms
        self._lag_ms = lag_ms
        self._since_ms = now_ms
        self._due = 0
        self.passes = 0

    def begins_anew(self, now_ms: int) -> None:
        """There is no such divergence, or trading is halted."""
        self.passes = self._due = 0
        self._since_ms = now_ms

    def pass_ends(
        self, gap: Gap, bound: Decimal, sight: Sight, untold_ms: float, now_ms: int
    ) -> None:
        """A pass ends, the divergence is of at least *bound*, and trading is not halted."""
        self.passes += 1
        allowed = sight.others()
        could_be = (EXACT.add(gap.unexplained, more) for more in allowed or ())
        is_known = allowed is not None and all(each.copy_abs() >= bound for each in could_be)
        shown_ms = max(untold_ms + self._lag_ms, now_ms - self._patience_ms - _SILENCE_MS)
        is_shown = now_ms - untold_ms > self._patience_ms
        self._due += is_known or (is_shown and not sight.has_heard_since(shown_ms))

    def is_missing(self, now_ms: int, passes: int = _LONG) -> bool:
        """Whether it has been missing for more than so many *passes*."""
        is_old = now_ms - self._since_ms > self._patience_ms
        return is_old and min(self.passes, self._due) > passes
