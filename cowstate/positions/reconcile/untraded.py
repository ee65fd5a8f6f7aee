"""Looks judged without own trades, where the list of them cannot be read: `judge_untraded`.

It says less: what moved is not known one by one. So it is the last resort, and what it has shown
is not held together with what trades show later.
"""

from __future__ import annotations

from decimal import Decimal

from ..book.learnt import FillHistory
from ..book.ledger import Ledger
from ..book.model import EXACT
from ..book.store import Slots
from ..exchange.promises import VenuePromises
from .differences import differences_without_trades
from .evidence import Evidence
from .fates import Said
from .looks import PositionLook
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
    possible = differences_without_trades(
        look,
        held,
        (*history.since(begins), *growths),
        _unseen(slots, seen, look, promises),
        promises.positions_lag_ms,
    )
    evidence = evidence.after(possible, look.came_ms)
    exact = look.came_ms if possible.exact is not None else None
    agreed = look.came_ms if possible.exact == _ZERO else None
    # By the venue's clock nothing is known of it, so nothing of others' is adopted by it.
    return Judgement(evidence, (), 1, exact, agreed)


def _unseen(
    slots: Slots, seen: OrdersSeen, look: PositionLook, promises: VenuePromises
) -> list[Decimal]:
    told = {
        answer.query.name
        for answer in seen.answers
        # That it was not found says nothing of what it has filled.
        if answer.said is Said.TOLD and answer.asked_ms - promises.order_lag_ms > look.came_ms
    }
    if seen.listed_ms - promises.open_orders_lag_ms >= look.came_ms:
        told |= {update.client_oid for update in seen.listed or ()}
        numbers = {update.order_id for update in seen.listed or ()}
    else:
        numbers = set()
    unseen = []
    for _, slot in sorted(slots.items()):
        for order in slot.orders:
            known = order.client_oid in told or (
                order.order_id is not None and order.order_id in numbers
            )
            if not order.terminal and not known:
                left = order.remaining
                unseen.append(left if order.side.sign > 0 else left.copy_negate())
    return unseen
