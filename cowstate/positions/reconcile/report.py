"""What a reconciler tells of itself: corrections, reports of passes, its status."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from cowstate import Record

from ..book.account import QuantityCorrection
from ..book.findings import Dispute
from ..book.remembered import PastDivergence
from ..book.reports import TradeKind
from .alarms import Alarm
from .orderfacts import OrderFacts
from .standing import Standing
from .verdicts import Verdict, VerdictKind

__all__ = ["Correction", "CorrectionKind", "PassOutcome", "PassReport", "ReconcilerStatus"]


class CorrectionKind(StrEnum):
    """What a pass did about a difference.

    JOINED: a fact that the stream had not brought. ADOPTED: likewise, of an order that was
    PENDING. EXPIRED: an order that can neither come nor be found any more is given up. CANCELED:
    an order that should not exist. OTHERS: what others did in the account was taken for ours.
    POSITION: what is held was corrected. BREAKER: trading was halted. CLOSED: it goes on, for both
    sides are proven to agree. DROPPED: something that was not done, because what it was derived
    from had changed.
    """

    JOINED = "JOINED"
    ADOPTED = "ADOPTED"
    EXPIRED = "EXPIRED"
    CANCELED = "CANCELED"
    OTHERS = "OTHERS"
    POSITION = "POSITION"
    BREAKER = "BREAKER"
    CLOSED = "CLOSED"
    DROPPED = "DROPPED"


class Correction(Record):
    """One thing that a pass did: *what* names the order (its client id), a kind, or the symbol.

    *quantity* is what `Reconciler.undo` takes back, for POSITION.
    """

    kind: CorrectionKind
    what: str
    detail: str = ""
    quantity: QuantityCorrection | None = None


class PassOutcome(StrEnum):
    """What became of a pass.

    DONE. ABANDONED: nothing was written, because nothing was answered, or because what is held
    was replaced or corrected again and again meanwhile. BUSY: another pass was running.
    """

    DONE = "DONE"
    ABANDONED = "ABANDONED"
    BUSY = "BUSY"


class PassReport(Record):
    """What one pass saw and did.

    Attributes:
        outcome: what became of it.
        time_ms: when it began, by our clock.
        verdict: what it says of the position; None if it did not come to that.
        standing: what is held, and how the list of trades would have it.
        facts: what was done about orders.
        corrections: what it did; in a dry run, what it would have done.
        alarms: what somebody should look at.
        others: what others moved and what is not taken for ours yet, by kind, signed.
        queries: how many orders were asked for by name.
        requests: how many requests were made in all.
        errors: what the venue did not answer, in words.
        dry_run: whether nothing was written.
        why: what made it end early.
    """

    outcome: PassOutcome
    time_ms: int
    verdict: Verdict | None = None
    standing: Standing | None = None
    facts: OrderFacts = OrderFacts()
    corrections: tuple[Correction, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    others: tuple[tuple[TradeKind, Decimal], ...] = ()
    queries: int = 0
    requests: int = 0
    errors: tuple[str, ...] = ()
    dry_run: bool = False
    why: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it says, by a look of its own, that both sides agree exactly."""
        said = self.verdict
        return said is not None and said.kind is VerdictKind.AGREES and said.fresh

    @property
    def summary(self) -> str:
        """The pass in a sentence."""
        if self.verdict is None:
            return f"{self.outcome}: {self.why}"
        parts = [_said(self.verdict)]
        if self.outcome is not PassOutcome.DONE:
            parts.insert(0, f"{self.outcome} ({self.why})")
        if self.corrections:
            done = ", ".join(f"{each.kind} {each.what}" for each in self.corrections)
            parts.append(f"would do {done}" if self.dry_run else f"did {done}")
        parts += [f"ALARM: {alarm.why}" for alarm in self.alarms]
        parts.append(f"{self.requests} requests, {self.queries} orders asked for")
        return "; ".join(parts)


class ReconcilerStatus(Record):
    """How a reconciler is doing: read `summary` for one look, and `worry` for a lamp.

    Attributes:
        symbol: of what.
        time_ms: when this was asked, by our clock.
        running: whether its loop runs.
        passes: passes that were DONE.
        abandoned: passes that were not.
        failures: passes of the loop that raised; *last_error* is the latest such error.
        corrections: how many of each kind so far, those that occurred.
        verdict: what the last pass said of the position.
        held: all that is known to be held, signed.
        in_doubt_since_ms: since when nothing was known exactly; None while it is.
        agreed_ms: when both sides were last known to agree exactly, in this life or before.
        alarms: what somebody should look at, since when.
        halted: why trading is halted; empty if it is not.
        waits_for: what trading waits for; empty if it need not wait.
        disputes: facts that contradict what is held; see `Reconciler.settle`.
        divergences: the last that were proven and are over.
        last: the latest report.
    """

    symbol: str = ""
    time_ms: int = 0
    running: bool = False
    passes: int = 0
    abandoned: int = 0
    failures: int = 0
    corrections: tuple[tuple[CorrectionKind, int], ...] = ()
    verdict: Verdict | None = None
    held: Decimal | None = None
    in_doubt_since_ms: int | None = None
    agreed_ms: int | None = None
    alarms: tuple[Alarm, ...] = ()
    halted: str = ""
    waits_for: str = ""
    disputes: tuple[Dispute, ...] = ()
    divergences: tuple[PastDivergence, ...] = ()
    last: PassReport | None = None
    last_error: str = ""

    @property
    def worry(self) -> bool:
        """Whether somebody should look: trading is halted, an alarm is on, or a pass failed.

        A divergence that is proven is something to look at, even while it is being worked out.
        """
        proven = self.verdict is not None and self.verdict.kind in (
            VerdictKind.DIVERGES,
            VerdictKind.CORRECT,
            VerdictKind.BREAK,
        )
        return bool(self.halted or self.alarms or self.last_error or proven)

    @property
    def summary(self) -> str:
        """All that matters in a line: whether to worry, and the numbers."""
        parts = []
        if self.halted:
            parts.append(f"HALTED: {self.halted}")
        elif self.waits_for:
            parts.append(f"trading waits: {self.waits_for}")
        if self.verdict is None:
            parts.append("nothing was looked at yet")
        else:
            parts.append(_said(self.verdict))
        if self.held is not None:
            parts.append(f"{self.held} held")
        if self.in_doubt_since_ms is not None:
            parts.append(f"not known exactly for {self._ago(self.in_doubt_since_ms)}")
        if self.agreed_ms is None:
            parts.append("never agreed exactly")
        else:
            parts.append(f"last agreed exactly {self._ago(self.agreed_ms)} ago")
        parts += [f"ALARM: {alarm.why}" for alarm in self.alarms]
        if self.last is not None:
            parts.append(f"{self.last.queries} orders asked for in {self.last.requests} requests")
        if self.last_error:
            parts.append(f"the last pass failed: {self.last_error}")
        return f"{'WORRY' if self.worry else 'OK'} {self.symbol}: {'; '.join(parts)}"

    def _ago(self, moment_ms: int) -> str:
        return f"{max(self.time_ms - moment_ms, 0) / 1_000:.1f} s"

    def after(self, report: PassReport) -> ReconcilerStatus:
        """Return the status after one more pass."""
        counts = dict(self.corrections)
        if not report.dry_run:
            for correction in report.corrections:
                counts[correction.kind] = counts.get(correction.kind, 0) + 1
        done = report.outcome is PassOutcome.DONE
        standing = report.standing
        return self.replace(
            passes=self.passes + done,
            abandoned=self.abandoned + (not done),
            corrections=tuple(sorted(counts.items())),
            verdict=self.verdict if report.verdict is None else report.verdict,
            held=self.held if standing is None else standing.accounted,
            alarms=report.alarms,
            last=report,
            last_error="",
        )


def _said(verdict: Verdict) -> str:
    possible = verdict.possible
    if possible is None or possible.exact is not None:
        return verdict.why
    between = f"between {possible.lowest} and {possible.highest}"
    if not possible.whole and len(possible.values) <= 4:
        between = "one of " + ", ".join(f"{value}" for value in possible.values)
    return f"{verdict.why} (the difference is {between})"
