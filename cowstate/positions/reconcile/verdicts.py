"""What a pass says of the position, and what is to be done: `judge_looks`, `verdict_of`.

Every pass says something. It judges the looks of which the trades are complete by now, oldest
first; if there is none, it says what the last one said, with its age.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from cowstate import Record

from ..book.ledger import Ledger
from ..book.model import EXACT
from ..exchange.promises import VenuePromises
from .differences import Showing, differences, showings
from .evidence import Evidence
from .looks import PositionLook, TradesReading, covers, window_of
from .policy import ReconcilePolicy, Remedy
from .possible import Possible
from .standing import Standing

__all__ = ["Judgement", "Verdict", "VerdictKind", "judge_looks", "verdict_of"]

_ZERO = Decimal(0)


class VerdictKind(StrEnum):
    """What a pass says of the position.

    AGREES: the newest look leaves zero alone: exactly. WITHIN: zero is possible, and so is what
    lies within the width. DIVERGES: zero is not possible; it is not acted on yet. CORRECT: nor
    is it, and its size is known, small, and lasts. BREAK: nor is it, it lasts, and it is not
    small. SILENT: there is nothing to say; the last look is too old, or there was none.
    """

    AGREES = "AGREES"
    WITHIN = "WITHIN"
    DIVERGES = "DIVERGES"
    CORRECT = "CORRECT"
    BREAK = "BREAK"
    SILENT = "SILENT"


class Verdict(Record):
    """What is said of the position after a pass.

    Attributes:
        kind: what it comes to.
        possible: what the divergence may be: for AGREES and WITHIN by the newest look alone,
            else by all the evidence. Venue less all that is accounted for.
        age_ms: how long ago the newest look that was judged came.
        remedy: what the policy wants done about it.
        why: the same in words, for a person.
        fresh: whether this pass judged a look; else it repeats the one before.
    """

    kind: VerdictKind
    possible: Possible | None
    age_ms: int
    remedy: Remedy
    why: str
    fresh: bool

    @property
    def width(self) -> Decimal | None:
        """How far the possible divergences are apart; 0: it is exactly known."""
        return None if self.possible is None else self.possible.width


class Judgement(Record):
    """What came of the looks of a pass.

    Attributes:
        evidence: all that they and those before have shown.
        pending: looks that can be judged later, oldest first.
        judged: how many looks were judged now.
        exact_ms: when the newest look came that left one number; None if none did.
        agreed_ms: when the newest look came that left zero alone; None if none did.
        agreed_from_ms: the first moment of its window, by the venue's clock.
        dropped: looks that can never be judged, for the trades of their moments are gone.
    """

    evidence: Evidence
    pending: tuple[PositionLook, ...] = ()
    judged: int = 0
    exact_ms: int | None = None
    agreed_ms: int | None = None
    agreed_from_ms: int | None = None
    dropped: int = 0


def judge_looks(
    looks: Sequence[PositionLook],
    reading: TradesReading | None,
    ledger: Ledger,
    standing: Standing,
    evidence: Evidence,
    promises: VenuePromises,
) -> Judgement:
    """Judge each of *looks* that can be judged by now. Pure; O(looks * entries).

    A look waits until trades were read that are complete up to it. Where the list does not lag,
    that is the reading of the same pass, if it was asked for after the answer had come.

    Args:
        looks: those that were not judged yet, oldest first.
        reading: the last one of the trades, asked for after the last of *looks* had come; None if
            that failed. All of its entries are in *ledger*.
        ledger: the entries.
        standing: the book held against them.
        evidence: what was known before.
        promises: what the venue keeps to.
    """
    pending: list[PositionLook] = []
    judged = dropped = 0
    exact_ms = agreed_ms = agreed_from_ms = None
    for look in looks:
        if reading is None or not covers(reading, look, promises):
            pending.append(look)
            continue
        window = window_of(look, promises)
        if window.lowest < ledger.kept_ms:
            dropped += 1
            continue
        seen = differences(look, window, standing, ledger.entries, promises.positions_lag_ms)
        shows: tuple[Showing, ...] = ()
        if evidence.eras:
            shows = showings(look, window, standing, ledger.entries, promises.positions_lag_ms)
        evidence = evidence.after(seen, look.came_ms, window, shows)
        judged += 1
        known = None if evidence.last is None else evidence.last.exact
        if known is not None:
            exact_ms = look.came_ms
        if known == _ZERO:
            agreed_ms, agreed_from_ms = look.came_ms, window.lowest
    return Judgement(evidence, tuple(pending), judged, exact_ms, agreed_ms, agreed_from_ms, dropped)


def verdict_of(
    evidence: Evidence,
    *,
    now_ms: int,
    fresh: bool,
    accounted: Decimal,
    lot: Decimal,
    policy: ReconcilePolicy,
    corrected: Decimal = _ZERO,
) -> Verdict:
    """Return what *evidence* comes to under *policy*. Pure.

    Acted on is only what the newest look, too, proves: one that allows zero may be the first
    after somebody has put right what was wrong.

    Args:
        evidence: what the looks have shown.
        now_ms: our clock.
        fresh: whether this pass judged a look; nothing is acted on otherwise.
        accounted: what is held by all that is known, signed.
        lot: the quantity of one order.
        policy: what may be done.
        corrected: the sum of the sizes of the last hour's corrections.

    >>> seen = Evidence().after(Possible.of([Decimal("0.05")]), 1_000)
    >>> options = {"now_ms": 1_000, "fresh": True, "accounted": Decimal(2), "lot": Decimal("0.05")}
    >>> verdict_of(seen, policy=ReconcilePolicy(), **options).kind.value
    'DIVERGES'
    >>> verdict_of(seen, policy=ReconcilePolicy(looks=1, lasting_ms=0), **options).kind.value
    'CORRECT'
    """
    possible, last = evidence.possible, evidence.last
    if possible is None or last is None:
        return Verdict(VerdictKind.SILENT, None, 0, Remedy.REPORT, "nothing was judged yet", False)
    age = now_ms - evidence.last_ms

    def verdict(kind: VerdictKind, seen: Possible, why: str, remedy: Remedy) -> Verdict:
        if not fresh:
            why = f"{why}; that was {age} ms ago"
        return Verdict(kind, seen, age, remedy, why, fresh)

    if not fresh and age > policy.fresh_ms:
        why = f"the last look that could be judged came {age} ms ago"
        return Verdict(VerdictKind.SILENT, possible, age, Remedy.REPORT, why, False)
    if not evidence.proven:
        if last.exact == _ZERO:
            return verdict(VerdictKind.AGREES, last, "it agrees exactly", Remedy.REPORT)
        why = f"it agrees to within {last.width}"
        return verdict(VerdictKind.WITHIN, last, why, Remedy.REPORT)
    allowed = evidence.allowed
    if allowed is None or _ZERO in allowed:
        allowed = possible
    known = "it differs by " + (
        f"{allowed.exact}" if allowed.exact is not None else f"at least {allowed.least}"
    )
    lasts = evidence.proofs >= policy.looks and evidence.proven_for_ms >= policy.lasting_ms
    if possible.least.copy_abs() <= policy.dust:
        why = f"{known}, which is no more than dust ({policy.dust})"
        return verdict(VerdictKind.DIVERGES, allowed, why, Remedy.REPORT)
    if not (fresh and lasts and _ZERO not in last):
        why = f"{known}, proven in {evidence.proofs} looks over {evidence.proven_for_ms} ms"
        return verdict(VerdictKind.DIVERGES, allowed, why, Remedy.REPORT)
    size = _size(accounted, possible.least)
    for looked in (possible, evidence.together):
        # Whether trading is halted is no matter of the order of answers: it changes no number.
        if looked is not None and not policy.is_small(
            looked.least, _size(accounted, looked.least), lot
        ):
            amount = f"{looked.exact}" if looked.exact is not None else f"at least {looked.least}"
            why = f"it differs by {amount}, which is large in a position of {accounted}"
            return verdict(VerdictKind.BREAK, looked, why, policy.large)
    if possible.exact is None:
        why = f"{known}; it is small, and how large is not known yet"
        return verdict(VerdictKind.DIVERGES, allowed, why, Remedy.REQUERY)
    if not evidence.settled:
        why = f"{known}; which answers are of before is not known yet"
        return verdict(VerdictKind.DIVERGES, allowed, why, Remedy.REPORT)
    if evidence.looks < policy.looks or evidence.lasted_ms < policy.lasting_ms:
        why = f"{known}; that has not lasted yet"
        return verdict(VerdictKind.DIVERGES, allowed, why, Remedy.REPORT)
    together = EXACT.add(corrected, possible.least.copy_abs())
    if together >= EXACT.multiply(policy.hour_part, size):
        why = f"{known}, and with the corrections of the last hour it would be {together}"
        return verdict(VerdictKind.BREAK, possible, why, policy.large)
    return verdict(VerdictKind.CORRECT, possible, known, policy.small)


def _size(accounted: Decimal, divergence: Decimal) -> Decimal:
    """Return the larger of the two positions."""
    return max(accounted.copy_abs(), EXACT.add(accounted, divergence).copy_abs())
