"""What is noted in the slots, and on disk, before it goes out: orders and cancellations.

Nobody plans twice what is noted, and a process that dies knows afterwards what it may have sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

from cowstate import Draft, Store

from ..book.account import Account
from ..book.config import GridConfig
from ..book.kept import wait_on_disk
from ..book.model import (
    ActionKind,
    ActionOutcome,
    ActionResult,
    OrderAction,
    OrderStatus,
    OrderUpdate,
    Side,
)
from ..book.orders import noted_anew, open_order, request_cancel
from ..book.slots import InventorySlot
from ..book.store import Slots, SlotsDraft
from .grid import cancel_action

__all__ = ["Plan", "going_out", "implied_by", "noted", "noted_cancellations"]

Plan: TypeAlias = Callable[[Slots | SlotsDraft, Decimal, GridConfig], tuple[OrderAction, ...]]
"""What is wanted, at a price: `plan_within_holding`, `plan_flatten`."""


def noted(
    store: Store[str, InventorySlot, Account],
    plan: Plan,
    last_price: Decimal,
    config: GridConfig,
    time_ms: Callable[[], int],
) -> tuple[OrderAction, ...]:
    """Return what *plan* wants done, each noted in its slot: PENDING, or cancellation requested."""
    actions = plan(store.snapshot(), last_price, config)
    if not actions:
        return ()

    def note(draft: SlotsDraft) -> None:
        nonlocal actions
        # Each slot that is acted on is written below, so the draft conflicts if it has changed.
        actions = plan(draft, last_price, config)
        now = time_ms()
        for action in actions:
            slot = draft.get(action.slot) or InventorySlot(Decimal(action.slot))
            if action.kind is ActionKind.PLACE:
                slot = open_order(
                    slot, action.side, action.price, action.quantity, action.client_oid, now
                )
            else:
                slot = request_cancel(slot, action.client_oid)
            draft[action.slot] = slot

    store.retry(note)
    wait_on_disk(store)
    return actions


def noted_cancellations(
    store: Store[str, InventorySlot, Account], side: Side
) -> tuple[OrderAction, ...]:
    """Return a CANCEL for every order of *side* that has an exchange id, each noted."""
    actions: list[OrderAction] = []

    def note(draft: Draft[str, InventorySlot]) -> None:
        actions.clear()
        for key, slot in sorted(draft.base.items(), key=lambda item: item[1].price):
            for order in slot.orders:
                if order.side is not side or order.terminal or order.order_id is None:
                    continue
                actions.append(cancel_action(key, order))
                draft[key] = request_cancel(draft[key], order.client_oid)

    store.retry(note)
    wait_on_disk(store)
    return tuple(actions)


def going_out(
    store: Store[str, InventorySlot, Account], actions: Sequence[OrderAction], time_ms: int
) -> tuple[OrderAction, ...]:
    """Return those of the PLACE *actions* that are still wanted, noted anew as of *time_ms*.

    For how long a request may be on its way is counted from when it left. An order that was noted
    long before, because cancellations went first, might be given up while it is on its way; and
    one that has been given up already must not go out at all.
    """
    kept: list[OrderAction] = []

    def note(draft: Draft[str, InventorySlot]) -> None:
        kept.clear()
        for action in actions:
            slot = draft.get(action.slot)
            anew = None if slot is None else noted_anew(slot, action.client_oid, time_ms)
            if anew is not None:
                draft[action.slot] = anew
                kept.append(action)

    store.retry(note)
    wait_on_disk(store)
    return tuple(kept)


def implied_by(result: ActionResult, symbol: str, now_ms: int) -> OrderUpdate:
    """Return what the answer to a placed order says of it, where it came without an update."""
    action = result.action
    accepted = result.outcome is ActionOutcome.ACCEPTED
    return OrderUpdate(
        symbol,
        action.client_oid,
        None,
        action.side,
        action.price,
        action.quantity,
        OrderStatus.NEW if accepted else OrderStatus.REJECTED,
        time_ms=result.time_ms or now_ms,
        post_only_reject=result.post_only_reject,
    )
