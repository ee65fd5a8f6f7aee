"""The rules under test, behind one small interface: ours, and the one that it replaces.

A `Life` is one process that trades, from its start to its end; a `RuleMaker` begins one, from what
an earlier one saved. To try another rule, write these few methods around it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from ...book.account import held
from ...book.config import GridConfig
from ...book.model import EXACT
from ...book.slots import InventorySlot
from ...book.store import Slots
from ...exchange.promises import VenuePromises
from ...exchange.protocol import Exchange
from ...reconcile.plan import PositionVerdict, ReconcilePolicy
from ...reconcile.reconciler import Reconciler
from ...reconcile.report import PassReport
from ...trading.manager import PositionManager

__all__ = ["Claim", "Life", "PresentLife", "RuleMaker", "Said", "first_save", "said_of"]


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

    def save(self) -> Any:
        """What is on disk, were the process to die now; immutable."""
        ...


RuleMaker: TypeAlias = Callable[[Exchange, GridConfig, Callable[[], int], VenuePromises, Any], Life]
"""Makes a life: exchange, grid, our clock, what we hold the venue's promises to be, what was saved.

What was saved is what `Life.save` gave, or at the first start a list of `InventorySlot`."""


class PresentLife:
    """The `Reconciler` with its `PositionManager`, and the policy that suits the promises."""

    def __init__(
        self,
        exchange: Exchange,
        config: GridConfig,
        time_ms: Callable[[], int],
        promises: VenuePromises,
        saved: Any,
    ) -> None:
        self.manager = PositionManager(config, history=0, time_ms=time_ms)
        self.manager.restore_state(saved)
        policy = ReconcilePolicy(request_lifetime_ms=promises.lifetime_ms)
        self.bound = policy.auto_correct_below
        self.reconciler = self.make(exchange, policy, time_ms)
        self._symbol = config.symbol
        self._exchange = exchange
        self._time_ms = time_ms

    def make(
        self, exchange: Exchange, policy: ReconcilePolicy, time_ms: Callable[[], int]
    ) -> Reconciler:
        """Make the reconciler; for variants of it."""
        return Reconciler(self.manager, exchange, policy=policy, time_ms=time_ms)

    def may_trade(self) -> bool:
        """See `Life.may_trade`."""
        return not self.reconciler.breaker.is_open(self._symbol)

    def reconcile(self) -> Said:
        """See `Life.reconcile`."""
        return said_of(self.reconciler.reconcile())

    def halted(self) -> str:
        """See `Life.halted`."""
        state = self.reconciler.breaker.state(self._symbol)
        return state.reason if state.open else ""

    def alarmed(self) -> bool:
        """See `Life.alarmed`: there are no alarms."""
        return False

    def reset(self) -> None:
        """See `Life.reset`."""
        self.reconciler.breaker.reset(self._symbol)

    def total(self, slots: Slots) -> Decimal:
        """See `Life.total`."""
        return held(slots)

    def save(self) -> Any:
        """See `Life.save`: the slots are all that is saved."""
        return self.manager.snapshot()


def said_of(report: PassReport) -> Said:
    """Return what a pass of the present reconciler said."""
    position = report.position
    if position is None or position.verdict is PositionVerdict.UNSETTLED:
        why = report.why or ", ".join(report.orders.unsettled)
        return Said(Claim.NONE, why=f"unsettled: {why}")
    if position.verdict is PositionVerdict.AGREES:
        return Said(Claim.EXACT)
    difference = EXACT.subtract(position.remote, position.local)
    return Said(Claim.DIVERGES, why=f"{position.verdict}: by {difference}")


def first_save(price: Decimal, held: Decimal) -> list[InventorySlot]:
    """Return slots of which one, at *price*, holds *held*: what the first life begins with."""
    return [InventorySlot(price, held, EXACT.multiply(price, held).copy_negate())]
