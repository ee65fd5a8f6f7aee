"""What became of the order updates that were handed to the manager: said, counted and logged."""

from __future__ import annotations

import logging
from collections import Counter
from enum import StrEnum

from ..book.model import OrderUpdate
from ..guard import Guard

__all__ = ["OutcomeCounts", "UpdateOutcome"]

_log = logging.getLogger(__name__)


class UpdateOutcome(StrEnum):
    """What became of an order update that was handed to the manager.

    APPLIED: it told something new. UNCHANGED: nothing new, so no version was made. OVERFILLED:
    as APPLIED, and more is filled than was ordered. CONTRADICTORY says something about an order
    that cannot be so: what is certain in it, the filled quantity, was learnt, and the rest is
    kept as a dispute. The others changed nothing: FOREIGN is of an order that is not ours, RETIRED
    of one that its slot has forgotten.
    """

    APPLIED = "APPLIED"
    UNCHANGED = "UNCHANGED"
    OVERFILLED = "OVERFILLED"
    FOREIGN = "FOREIGN"
    RETIRED = "RETIRED"
    CONTRADICTORY = "CONTRADICTORY"


class OutcomeCounts:
    """How many updates came to which outcome, of those that somebody may want to look at.

    Thread-safe; each costs O(1) and a line in the log.
    """

    def __init__(self) -> None:
        self._counts: Counter[UpdateOutcome] = Counter()
        self._guard = Guard()

    def count(self, outcome: UpdateOutcome, why: str, update: OrderUpdate) -> UpdateOutcome:
        """Count and log that *update* came to *outcome*; return that."""
        self._guard.run(self._add, outcome)
        # Whoever trades by hand in the same account is no reason for a warning at each event.
        level = logging.DEBUG if outcome is UpdateOutcome.FOREIGN else logging.WARNING
        _log.log(
            level,
            "%s order update: %s: %r",
            outcome.value,
            why,
            update,
            extra={"cowstate_event": "order_update", "cowstate_outcome": outcome.value},
        )
        return outcome

    def so_far(self) -> dict[UpdateOutcome, int]:
        """Return the counts."""
        return self._guard.run(self._copy)

    # With the lock held:

    def _add(self, outcome: UpdateOutcome) -> None:
        self._counts[outcome] += 1

    def _copy(self) -> dict[UpdateOutcome, int]:
        return dict(self._counts)
