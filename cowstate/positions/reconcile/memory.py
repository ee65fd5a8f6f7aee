"""What one life of a reconciler remembers from pass to pass: `Memory`.

It is not saved. Looks that were not judged yet, and evidence, belong to the book of their moment;
a book that was restored is another one.
"""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

from ..book.account import Account
from ..book.ledger import Ledger
from .alarms import Watch
from .evidence import Evidence
from .looks import PositionLook
from .verdicts import Judgement

__all__ = ["Memory"]

_MOST_PENDING = 64


class Memory(Record):
    """What one life remembers.

    Attributes:
        watch: what was heard when.
        restored: of which restored state this is the life.
        evidence: what the looks have shown.
        pending: looks that wait for their trades, oldest first.
        agreements: how many looks in a row have agreed exactly, and since when.
        agreed_since_ms: when the first of those came.
        read_ms: when the trades were last read in full; None: never in this life.
        untraded: whether *evidence* holds looks that were judged without trades.
        ledger: the ledger as the last pass left it; None before the first.
        adjusted: how often slots had been changed by something else than fills.
    """

    watch: Watch
    restored: int = 0
    evidence: Evidence = Evidence()
    pending: tuple[PositionLook, ...] = ()
    agreements: int = 0
    agreed_since_ms: int = 0
    read_ms: int | None = None
    untraded: bool = False
    ledger: Ledger | None = None
    adjusted: int = 0

    def fitting(self, account: Account, adjusted: int, now_ms: int) -> Memory:
        """Return what of it holds for the book as it is now.

        A state that was restored begins a new life. What somebody corrected by hand changes what
        the evidence is about.
        """
        if account.restored != self.restored:
            return Memory(Watch(now_ms), account.restored, adjusted=adjusted)
        same = self.ledger is None or self.ledger is account.ledger
        if same and adjusted == self.adjusted:
            return self
        return self.replace(evidence=Evidence(), untraded=False, agreements=0, adjusted=adjusted)

    def judged(self, judgement: Judgement, *, untraded: bool) -> Memory:
        """Return the memory after the looks of a pass were judged."""
        seen = judgement.evidence.last
        memory = self.replace(
            evidence=judgement.evidence,
            pending=judgement.pending[-_MOST_PENDING:],
            watch=self.watch.looked(judgement.exact_ms, judgement.agreed_ms),
            untraded=untraded,
        )
        if not judgement.judged or seen is None:
            return memory
        if seen.exact != Decimal(0):
            return memory.replace(agreements=0)
        since_ms = self.agreed_since_ms if self.agreements else judgement.evidence.last_ms
        return memory.replace(agreements=self.agreements + 1, agreed_since_ms=since_ms)
