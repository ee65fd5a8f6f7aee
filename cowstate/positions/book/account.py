"""What is held and known beside the slots, in the same version: `Account`, the store's meta.

What a correction changes is here and not in the slots: fills do not change a divergence, so a
delta to what belongs to no order is right whatever fills arrive meanwhile, and no slot is bent.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from cowstate import Record

from .config import GridConfig
from .findings import Findings
from .ledger import Ledger
from .model import EXACT
from .remembered import BreakerState, PastDivergence, Sighting

if TYPE_CHECKING:
    from .store import Slots

__all__ = ["HOUR_MS", "Account", "QuantityCorrection", "held", "was_restored"]

HOUR_MS = 3_600_000
"""For so long a correction counts against the bound on what may be corrected."""

_DIVERGENCES = 32


class QuantityCorrection(Record):
    """By how much what is held was corrected, signed, and when by our clock."""

    time_ms: int
    quantity: Decimal


class Account(Record):
    """What is held and known beside the slots; published, saved and restored with them.

    `PositionManager.calculate_adjustments` sells no more than is held by it, and the `Reconciler`
    writes to it what it has read, found and corrected.

    Attributes:
        restored: how often the state was replaced by a saved one.
        ledger: what the venue's list of trades has told, and the unattributed quantity.
        findings: what is known of orders that is no fact yet.
        corrections: those of the last hour, oldest first.
        breaker: whether trading is halted, and why.
        sightings: how late answers of the venue were seen to be.
        divergences: the last 32 that were proven and are over, oldest first.
        agreed_ms: when both sides were last known to agree exactly, by our clock; None: never.
        grid: whose slots these are, where they are kept in a file; None in memory alone.

    >>> account = Account().corrected(Decimal("-0.05"), 1_000)
    >>> account.unattributed, account.corrected_lately(2_000)
    (Decimal('-0.05'), Decimal('0.05'))
    """

    restored: int = 0
    ledger: Ledger = Ledger()
    findings: Findings = Findings()
    corrections: tuple[QuantityCorrection, ...] = ()
    breaker: BreakerState = BreakerState()
    sightings: tuple[Sighting, ...] = ()
    divergences: tuple[PastDivergence, ...] = ()
    agreed_ms: int | None = None
    grid: GridConfig | None = None

    @property
    def unattributed(self) -> Decimal:
        """What is held and belongs to no slot: corrections, and fees taken in base. Signed."""
        return self.ledger.unattributed

    @property
    def beside_slots(self) -> Decimal:
        """What is there to be sold beside what slots hold, signed.

        What others have sold is gone, whoever it belonged to; what they have bought is theirs.
        """
        return EXACT.add(self.unattributed, min(self.ledger.others_total, Decimal(0)))

    def corrected(self, by: Decimal, now_ms: int) -> Account:
        """Return the account when *by* (signed) more is held than the slots tell."""
        lately = self._lately(now_ms)
        return self.replace(
            ledger=self.ledger.corrected(by),
            corrections=(*lately, QuantityCorrection(now_ms, by)),
        )

    def attributed(self) -> Account:
        """Return the account when all that is held stands in slots: nothing is unattributed.

        What was corrected is settled by that, and cannot be undone any more.
        """
        if not self.unattributed and not self.corrections:
            return self
        ledger = self.ledger.corrected(EXACT.minus(self.unattributed))
        return self.replace(ledger=ledger, corrections=())

    def undone(self, correction: QuantityCorrection) -> Account:
        """Return the account without *correction*; the same one if it is not there any more.

        One that is older than an hour is not: what it did is undone by `corrected`.
        """
        if correction not in self.corrections:
            return self
        # Only once: two of one millisecond may be equal.
        place = self.corrections.index(correction)
        rest = (*self.corrections[:place], *self.corrections[place + 1 :])
        back = EXACT.minus(correction.quantity)
        return self.replace(ledger=self.ledger.corrected(back), corrections=rest)

    def corrected_lately(self, now_ms: int) -> Decimal:
        """Return the sum of the sizes of the last hour's corrections: they do not cancel out."""
        total = Decimal(0)
        for correction in self._lately(now_ms):
            total = EXACT.add(total, correction.quantity.copy_abs())
        return total

    def ended(self, divergence: PastDivergence) -> Account:
        """Return the account when a divergence that had been proven is over."""
        return self.replace(divergences=(*self.divergences[1 - _DIVERGENCES :], divergence))

    def replaced_by(self, saved: object) -> Account:
        """Return the account that a restored state begins with; *saved* is the meta value of it.

        Of what was saved before there were accounts, or of slots alone, nothing is known.
        """
        account = saved if isinstance(saved, Account) else Account()
        return account.replace(restored=self.restored + 1, grid=self.grid)

    def _lately(self, now_ms: int) -> tuple[QuantityCorrection, ...]:
        return tuple(each for each in self.corrections if now_ms - each.time_ms < HOUR_MS)


def held(slots: Slots) -> Decimal:
    """Return all that is held: what the slots hold, and what belongs to none. O(1)."""
    total: Decimal = slots.total("position")
    return EXACT.add(total, slots.meta.unattributed)


def was_restored(before: object, after: object) -> bool:
    """Whether a commit whose meta values are these replaced the state by a saved one."""
    counts = [each.restored if isinstance(each, Account) else 0 for each in (before, after)]
    return counts[0] != counts[1]
