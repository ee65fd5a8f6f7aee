"""What is done about what the venue's list tells and no order of ours explains: `plan_others`.

It is known to the digit, so it is no divergence: it is accounted for as soon as it is listed.
Whether it becomes ours is another question. To take it at sight would do harm where somebody has
undone it already in a way that no list tells; so it waits for a look of a later moment that agrees
exactly.
"""

from __future__ import annotations

from cowstate import Record

from ..book.ledger import Ledger
from ..book.reports import TradeKind
from .policy import ReconcilePolicy, Remedy

__all__ = ["OthersPlan", "plan_others"]


class OthersPlan(Record):
    """What is done about each kind.

    Attributes:
        adopt: kinds that become part of what is held, now.
        waiting: kinds that will, when a later look agrees.
        stops: why trading is to stop, by kind, with what is to be done then.
        told: what is only told, by kind.
    """

    adopt: tuple[TradeKind, ...] = ()
    waiting: tuple[TradeKind, ...] = ()
    stops: tuple[tuple[Remedy, str], ...] = ()
    told: tuple[str, ...] = ()


def plan_others(ledger: Ledger, agreed_from_ms: int | None, policy: ReconcilePolicy) -> OthersPlan:
    """Return what is done about the others' entries in *ledger*. Pure.

    Args:
        ledger: what the venue's list has told.
        agreed_from_ms: the first moment, by the venue's clock, of the newest look of this pass
            that agreed exactly with all that is accounted for; None if none did.
        policy: what is done about each kind.

    >>> from decimal import Decimal
    >>> funding = Ledger(settled_others=((TradeKind.FUNDING, Decimal(-1)),), others_ms=5_000)
    >>> plan_others(funding, 5_000, ReconcilePolicy()).waiting
    (<TradeKind.FUNDING: 'FUNDING'>,)
    >>> plan_others(funding, 5_001, ReconcilePolicy()).adopt
    (<TradeKind.FUNDING: 'FUNDING'>,)
    """
    adopt: list[TradeKind] = []
    waiting: list[TradeKind] = []
    stops: list[tuple[Remedy, str]] = []
    told: list[str] = []
    sure = agreed_from_ms is not None and agreed_from_ms > ledger.others_ms
    for kind, moved in sorted(ledger.others.items()):
        if not moved:
            continue
        remedy = policy.remedy_of(kind)
        why = f"{kind.value} moved the position by {moved}, and is of no order of ours"
        if remedy is Remedy.ADOPT:
            (adopt if sure else waiting).append(kind)
        elif remedy is Remedy.REPORT:
            told.append(why)
        else:
            stops.append((remedy, why))
    return OthersPlan(tuple(adopt), tuple(waiting), tuple(stops), tuple(told))
