"""The rules under test, behind one small interface: ours, and the one that it replaces.

A `Life` is one process that trades, from its start to its end; a `RuleMaker` begins one, from what
an earlier one saved. To try another rule, write these few methods around it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from ...book.account import Account, held
from ...book.config import GridConfig
from ...book.ids import parse_client_oid
from ...book.model import EXACT, OrderId
from ...book.reports import TradeReport
from ...book.slots import InventorySlot
from ...book.store import Slots
from ...exchange.promises import VenuePromises
from ...exchange.protocol import Exchange
from ...reconcile.policy import ReconcilePolicy
from ...reconcile.reconciler import Reconciler
from ...reconcile.report import PassReport
from ...reconcile.verdicts import VerdictKind
from ...trading.manager import PositionManager

__all__ = ["Claim", "Life", "Line", "PresentLife", "RuleMaker", "Said", "first_save", "said_of"]


class Claim(StrEnum):
    """What a pass says of the position.

    EXACT: it agrees. WITHIN: it agrees to within a width. DIVERGES: it does not. NONE: nothing.
    """

    EXACT = "EXACT"
    WITHIN = "WITHIN"
    DIVERGES = "DIVERGES"
    NONE = "NONE"


class Said(NamedTuple):
    """What one pass said: the claim, the width of what is possible, and why, in words."""

    claim: Claim
    width: Decimal = Decimal(0)
    why: str = ""


class Life(Protocol):
    """One process that trades by a rule."""

    manager: PositionManager
    bound: Decimal

    def may_trade(self) -> bool:
        """Whether the strategy may act now."""
        ...

    def reconcile(self) -> Said:
        """Make one pass; it may block on the exchange."""
        ...

    def halted(self) -> str:
        """Why trading is halted, empty if it is not."""
        ...

    def alarmed(self) -> bool:
        """Whether somebody is told that it has known nothing for too long."""
        ...

    def reset(self) -> None:
        """An operator has looked, found nothing, and lets trading go on."""
        ...

    def total(self, slots: Slots) -> Decimal:
        """The position that a version of the book says."""
        ...

    def unread(self, slots: Slots, entries: Sequence[TradeReport], /) -> Decimal | None:
        """What it has still to read of *entries*, all that there are; None: it never reads them.

        By what others moved, and by our fees; our fills are known by their orders.
        """
        ...

    def save(self) -> Any:
        """What is on disk, were the process to die now; immutable."""
        ...


class Line(Exchange, Protocol):
    """An exchange as one process sees it, which can let time pass."""

    def pause(self, seconds: float) -> None:
        """Return when *seconds* have passed."""
        ...


RuleMaker: TypeAlias = Callable[[Line, GridConfig, Callable[[], int], VenuePromises, Any], Life]
"""Makes a life: exchange, grid, our clock, what we hold the venue's promises to be, what was saved.

What was saved is what `Life.save` gave, or at the first start a list of `InventorySlot`."""


class PresentLife:
    """The `Reconciler` with its `PositionManager`, by its usual policy."""

    def __init__(
        self,
        exchange: Line,
        config: GridConfig,
        time_ms: Callable[[], int],
        _promises: VenuePromises,
        saved: Any,
    ) -> None:
        self.manager = PositionManager(config, history=0, time_ms=time_ms)
        self.manager.restore_state(saved)
        policy = ReconcilePolicy()
        self.bound = policy.small_part
        self._symbol = config.symbol
        self._exchange = exchange
        self._time_ms = time_ms
        self.reconciler = self.make(exchange, policy, time_ms)

    def make(
        self, exchange: Line, policy: ReconcilePolicy, time_ms: Callable[[], int]
    ) -> Reconciler:
        """Make the reconciler; for variants of it."""
        return Reconciler(
            self.manager, exchange, policy=policy, time_ms=time_ms, pause=exchange.pause
        )

    def may_trade(self) -> bool:
        """See `Life.may_trade`."""
        return self.reconciler.permit().trade

    def reconcile(self) -> Said:
        """See `Life.reconcile`."""
        return said_of(self.reconciler.reconcile())

    def halted(self) -> str:
        """See `Life.halted`."""
        state = self.reconciler.breaker.state(self._symbol)
        return state.reason if state.open else ""

    def alarmed(self) -> bool:
        """See `Life.alarmed`."""
        return bool(self.reconciler.status().alarms)

    def reset(self) -> None:
        """See `Life.reset`."""
        self.reconciler.resume(told=self.halted())

    def total(self, slots: Slots) -> Decimal:
        """See `Life.total`: what is held, and what others moved."""
        account: Account = slots.meta
        return EXACT.add(held(slots), account.ledger.others_total)

    def unread(self, slots: Slots, entries: Sequence[TradeReport], /) -> Decimal | None:
        """See `Life.unread`: what its ledger does not hold, from its cursor on.

        What may be an order of ours is neither read nor wrong before it is known whose it is: when
        its slot learns of it, the ledger gives back what it had counted.
        """
        account: Account = slots.meta
        ledger, ours = account.ledger, f"{self.manager.config.prefix}-"
        known: set[OrderId] | None = None
        total = Decimal(0)
        for entry in reversed(entries):
            if entry.time_ms < ledger.since_ms:
                break
            if known is None:
                known = {each.trade_id for each in ledger.entries}
            if entry.trade_id in known:
                continue
            total = EXACT.add(total, entry.moved)
            if (entry.client_oid or "").startswith(ours):
                total = EXACT.subtract(total, entry.filled)
        unsure = [tally for tally in ledger.tallies if tally.ours is not True]
        if unsure:
            names = {entry.order_id: entry.client_oid or "" for entry in entries}
            for tally in unsure:
                name = names.get(tally.order_id, "")
                learnt = self._can_be_learnt(slots, name, tally.order_id)
                if learnt and tally.ours is False:
                    total = EXACT.subtract(total, tally.traded)
                elif not learnt and tally.ours is None:
                    total = EXACT.add(total, tally.traded)
        return total

    def _can_be_learnt(self, slots: Slots, name: str, order_id: OrderId | None) -> bool:
        """Whether the book may still learn of that order, as the oracle understands it."""
        parts = parse_client_oid(name, self.manager.config.prefix)
        if parts is None:
            return False
        slot: InventorySlot | None = slots.get(parts.slot)
        if slot is None:
            return True
        known = slot.order(name)
        if known is not None:
            return known.order_id in (None, order_id)
        return parts.sequence > slot.retired_sequence

    def save(self) -> Any:
        """See `Life.save`: all that is known is in one version."""
        return self.manager.snapshot()


_CLAIMS = {
    VerdictKind.AGREES: Claim.EXACT,
    VerdictKind.WITHIN: Claim.WITHIN,
    VerdictKind.DIVERGES: Claim.DIVERGES,
    VerdictKind.CORRECT: Claim.DIVERGES,
    VerdictKind.BREAK: Claim.DIVERGES,
    VerdictKind.SILENT: Claim.NONE,
}


def said_of(report: PassReport) -> Said:
    """Return what a pass of the present reconciler said.

    What agreed exactly some time ago, and is said again, is not called exact.
    """
    verdict = report.verdict
    if verdict is None:
        return Said(Claim.NONE, why=report.summary)
    claim = _CLAIMS[verdict.kind]
    if claim is Claim.EXACT and not verdict.fresh:
        claim = Claim.WITHIN
    width = verdict.width if claim is Claim.WITHIN else None
    return Said(claim, width or Decimal(0), report.summary)


def first_save(price: Decimal, held: Decimal) -> list[InventorySlot]:
    """Return slots of which one, at *price*, holds *held*: what the first life begins with."""
    return [InventorySlot(price, held, EXACT.multiply(price, held).copy_negate())]
