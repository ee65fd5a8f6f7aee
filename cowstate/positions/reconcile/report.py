"""What a reconciler tells of itself: corrections, reports of passes, its status."""

from __future__ import annotations

from enum import StrEnum

from cowstate import Record

from .plan import Divergence, OrderPlan, PositionPlan

__all__ = ["Correction", "CorrectionKind", "PassOutcome", "PassReport", "ReconcilerStatus"]


class CorrectionKind(StrEnum):
    """What a pass did about a difference.

    JOINED: a fact that the stream had not brought. ADOPTED: likewise, of an order that was
    PENDING. EXPIRED: an order that will never arrive is given up. CANCELED: an order that
    should not exist. POSITION: the total was corrected. BREAKER: trading was halted. DROPPED:
    a correction that was not made, because what it was derived from had changed.
    """

    JOINED = "JOINED"
    ADOPTED = "ADOPTED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    POSITION = "POSITION"
    BREAKER = "BREAKER"
    DROPPED = "DROPPED"


class Correction(Record):
    """One thing that a pass did: *what* names the order (its client id) or the symbol."""

    kind: CorrectionKind
    what: str
    detail: str = ""


class PassOutcome(StrEnum):
    """DONE; ABANDONED, because the exchange did not answer; BUSY: another pass was running."""

    DONE = "DONE"
    ABANDONED = "ABANDONED"
    BUSY = "BUSY"


class PassReport(Record):
    """What one pass saw and did; *why* says what made it end early."""

    outcome: PassOutcome
    time_ms: int
    orders: OrderPlan = OrderPlan()
    position: PositionPlan | None = None
    corrections: tuple[Correction, ...] = ()
    why: str = ""


class ReconcilerStatus(Record):
    """How a reconciler is doing.

    Attributes:
        running: whether its loop runs.
        passes: passes that were DONE.
        abandoned: passes that got no answer.
        failures: passes of the loop that raised; *last_error* is the latest such error.
        corrections: how many of each kind so far, those that occurred.
        divergence: the difference of position under watch, if any.
        denied: for each order that the exchange acknowledged and denies, in how many passes.
        last: the latest report.
    """

    running: bool = False
    passes: int = 0
    abandoned: int = 0
    failures: int = 0
    corrections: tuple[tuple[CorrectionKind, int], ...] = ()
    divergence: Divergence | None = None
    denied: tuple[tuple[str, int], ...] = ()
    last: PassReport | None = None
    last_error: str = ""

    def after(self, report: PassReport) -> ReconcilerStatus:
        """Return the status after one more pass."""
        if report.outcome is not PassOutcome.DONE:
            return self.replace(abandoned=self.abandoned + 1, last=report)
        counts = dict(self.corrections)
        for correction in report.corrections:
            counts[correction.kind] = counts.get(correction.kind, 0) + 1
        lasted = dict(self.denied)
        return self.replace(
            passes=self.passes + 1,
            corrections=tuple(counts.items()),
            divergence=None if report.position is None else report.position.divergence,
            denied=tuple((oid, lasted.get(oid, 0) + 1) for oid in report.orders.denied),
            last=report,
        )
