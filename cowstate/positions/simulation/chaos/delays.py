"""How many passes it takes to say that there is a divergence, and to heal: `Delays`."""

from __future__ import annotations

from decimal import Decimal

from ...book.model import EXACT
from .oracle import Gap
from .result import TO_HEAL, WorldResult
from .sight import Sight

__all__ = ["Delays"]

_ZERO = Decimal(0)
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
        """Whether a *gap* has not been known for as long as a rule has to heal it."""
        return not gap.orders and self._known_for < TO_HEAL
