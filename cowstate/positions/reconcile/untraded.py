"""Looks judged without own trades, where the list of them cannot be read: `judge_untraded`.

It says less: what moved is not known one by one. So it is the last resort, and what it has shown
is not held together with what trades show later.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ..book.learnt import FillHistory, Growth
from ..book.ledger import Ledger
from ..book.model import EXACT
from ..book.store import Slots
from ..exchange.promises import VenuePromises
from .differences import differences_without_trades
from .evidence import Evidence
from .fates import Said
from .looks import PositionLook, Window
from .orderfacts import OrderFacts
from .queries import OrdersSeen
from .standing import Standing
from .verdicts import Judgement
from .waiting import gained

__all__ = ["judge_untraded"]

_ZERO = Decimal(0)


def judge_untraded(
    look: PositionLook,
    slots: Slots,
    ledger: Ledger,
    standing: Standing,
    facts: OrderFacts,
    seen: OrdersSeen,
    history: FillHistory,
    evidence: Evidence,
    promises: VenuePromises,
) -> Judgement:
    """Judge *look* by the orders alone. Pure; O(orders + growths).

    What the *facts* of this pass add to the *slots* counts as learnt now. An order of which no
    answer past the look tells may have been filled by all that was left of it.
    """
    more, growths = gained(slots, ledger, facts, seen.now_ms)
    held = EXACT.add(standing.accounted, more)
    begins = look.sent_ms - promises.positions_lag_ms
    told = _told_after(slots, seen, look, promises)
    within: list[Growth] = []
    for growth in (*history.since(begins), *growths):
        shown = _shown(growth, told.get(growth.client_oid))
        within.append(shown)
        held = EXACT.subtract(held, EXACT.subtract(growth.quantity, shown.quantity))
    possible = differences_without_trades(
        look, held, within, _unseen(slots, told), promises.positions_lag_ms
    )
    evidence = evidence.after(possible, look.came_ms, Window(begins, look.came_ms))
    known = None if evidence.last is None else evidence.last.exact
    exact = look.came_ms if known is not None else None
    agreed = look.came_ms if known == _ZERO else None
    # By the venue's clock nothing is known of it, so nothing of others' is adopted by it.
    return Judgement(evidence, (), 1, exact, agreed)


def _told_after(
    slots: Slots, seen: OrdersSeen, look: PositionLook, promises: VenuePromises
) -> dict[str, Decimal]:
    """Return what was filled, signed, of each order of which an answer tells that is past *look*.

    That is the most that the look can show of it: what was filled only grows.
    """
    updates = [
        answer.update
        for answer in seen.answers
        # That it was not found says nothing of what it has filled.
        if answer.said is Said.TOLD and answer.asked_ms - promises.order_lag_ms > look.came_ms
    ]
    if seen.listed_ms - promises.open_orders_lag_ms >= look.came_ms:
        updates += seen.listed or ()
    names = {
        order.order_id: order.client_oid
        for slot in slots.values()
        for order in slot.orders
        if order.order_id is not None
    }
    told: dict[str, Decimal] = {}
    for update in updates:
        if update is not None:
            name = update.client_oid
            if update.order_id is not None:
                name = names.get(update.order_id, name)
            filled = update.filled if update.side.sign > 0 else update.filled.copy_negate()
            told[name] = min(told.get(name, filled), filled, key=Decimal.copy_abs)
    return told


def _shown(growth: Growth, most: Decimal | None) -> Growth:
    """Return what a look may show of *growth*, if no more than *most* was filled by then."""
    if most is None:
        return growth
    after = EXACT.add(growth.before, growth.quantity)
    shown = min(after, max(growth.before, most, key=Decimal.copy_abs), key=Decimal.copy_abs)
    return growth.replace(quantity=EXACT.subtract(shown, growth.before))


def _unseen(slots: Slots, told: Mapping[str, Decimal]) -> list[Decimal]:
    unseen = []
    for _, slot in sorted(slots.items()):
        for order in slot.orders:
            if not order.terminal and order.client_oid not in told:
                left = order.remaining
                unseen.append(left if order.side.sign > 0 else left.copy_negate())
    return unseen
