"""What a pass writes, in one transaction: facts, endings, and what is known beside the slots."""

from __future__ import annotations

from cowstate import Draft, Transaction

from ..book.account import Account
from ..book.config import GridConfig
from ..book.facts import learn_in
from ..book.ids import parse_client_oid
from ..book.model import OrderUpdate
from ..book.orders import apply_order_update, drop_forgotten
from ..book.slots import InventorySlot
from ..errors import OrderMismatchError, RetiredOrderError
from .orderfacts import Ending
from .passes import PassPlan
from .report import Correction, CorrectionKind

__all__ = ["Book", "fits", "write_pass"]

Book = Transaction[str, InventorySlot] | Draft[str, InventorySlot]
"""What is written to: a transaction, or a draft that is never committed."""


def fits(base: Account, now: Account) -> bool:
    """Whether a pass that was planned on *base* may be written where the account is *now*.

    Nobody else has corrected, adopted or restored anything meanwhile; a dispute may have come.
    """
    return now is base or now.replace(findings=base.findings, breaker=base.breaker) == base


def write_pass(
    book: Book, plan: PassPlan, base: Account, config: GridConfig, now_ms: int
) -> list[Correction]:
    """Write *plan*, planned on *base*, into *book*; return what that came to.

    What the orders are may have changed since it was planned: facts are joined to what they are
    now, and an order is given up only if it is still the same object.
    """
    made: list[Correction] = []
    now: Account = book.meta
    findings = plan.account.findings
    for dispute in now.findings.disputes:
        if dispute not in base.findings.disputes:
            findings = findings.disputed(dispute)
    book.meta = plan.account.replace(findings=findings, breaker=now.breaker)
    for update in plan.facts.join:
        _join(book, plan, update, config, now_ms, made)
    for ending in plan.facts.endings:
        made.append(_end(book, ending, config))
    for key, names in plan.facts.dropped:
        if key in book:
            book[key] = drop_forgotten(book[key], names)
    for kind in plan.others.adopt:
        made.append(Correction(CorrectionKind.OTHERS, kind.value, "taken for ours"))
    if plan.correction is not None:
        held = plan.standing.accounted
        made.append(
            Correction(
                CorrectionKind.POSITION,
                config.symbol,
                f"by {plan.correction}, from {held}",
                plan.account.corrections[-1],
            )
        )
    return made


def _join(
    book: Book,
    plan: PassPlan,
    update: OrderUpdate,
    config: GridConfig,
    now_ms: int,
    made: list[Correction],
) -> None:
    parts = parse_client_oid(update.client_oid, config.prefix)
    if parts is None:
        return
    try:
        new = learn_in(book, parts.slot, update, now_ms)
    except (RetiredOrderError, OrderMismatchError) as error:
        # Forgotten since that was planned, say: its trades tell what it filled.
        made.append(Correction(CorrectionKind.DROPPED, update.client_oid, str(error)))
        return
    if new:
        adopted = update.client_oid in plan.facts.adopted
        kind = CorrectionKind.ADOPTED if adopted else CorrectionKind.JOINED
        made.append(Correction(kind, update.client_oid, update.status.value))


def _end(book: Book, ending: Ending, config: GridConfig) -> Correction:
    name = ending.order.client_oid
    parts = parse_client_oid(name, config.prefix)
    slot = None if parts is None else book.get(parts.slot)
    if parts is None or slot is None or slot.order(name) is not ending.order:
        why = "it was heard of meanwhile"
        return Correction(CorrectionKind.DROPPED, name, why)
    book[parts.slot] = apply_order_update(slot, ending.update)
    return Correction(CorrectionKind.EXPIRED, name, ending.update.status.value)
