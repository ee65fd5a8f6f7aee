"""Small inputs of `plan_facts`: a book of one slot, what is told of orders, and answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cowstate.positions import OrderStatus, OrderUpdate, Side
from cowstate.positions.book.findings import Findings
from cowstate.positions.book.ledger import Ledger, Tally
from cowstate.positions.book.orders import apply_order_update, open_order
from cowstate.positions.book.slots import InventorySlot
from cowstate.positions.book.store import Slots, new_book
from cowstate.positions.exchange.promises import VenuePromises
from cowstate.positions.reconcile.fates import Said
from cowstate.positions.reconcile.orderfacts import OrderFacts, plan_facts
from cowstate.positions.reconcile.queries import Asking, OrderAnswer, OrdersSeen, Query
from tests.positions.reconcile.ordering import CONFIG, LOT

__all__ = [
    "NAME",
    "NEW",
    "NO_FINDINGS",
    "OVER",
    "PARTLY",
    "answer",
    "book",
    "fact",
    "forgetful",
    "planned",
    "sent",
    "tally",
]

NAME = "grid-100-B1"
NO_FINDINGS = Findings()
NEW, PARTLY, OVER = OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELED


def fact(
    order_id: int | None = 1, name: str = NAME, filled: int = 0, **changes: Any
) -> OrderUpdate:
    """A purchase of three at 100, working, unless *changes* say otherwise."""
    status = PARTLY if filled else NEW
    price, done = Decimal(100), Decimal(filled)
    told = OrderUpdate("X", name, order_id, Side.BUY, price, LOT, status, done, done * price, 100)
    return told.replace(**changes)


def book(*updates: OrderUpdate) -> Slots:
    slot = InventorySlot(Decimal(100))
    for update in updates:
        slot = apply_order_update(slot, update)
    return new_book({"100": slot}).snapshot()


def sent() -> Slots:
    """A book with one order of which nothing was heard yet."""
    slot = open_order(InventorySlot(Decimal(100)), Side.BUY, Decimal(100), LOT, NAME, 100)
    return new_book({"100": slot}).snapshot()


def forgetful() -> Slots:
    """A book whose slot has forgotten its first order, of which it had counted two."""
    names = [f"grid-100-B{number}" for number in range(1, 10)]
    return book(*(fact(n, name, 2, status=OVER) for n, name in enumerate(names, 1)))


def tally(
    order_id: int | None = 1, name: str | None = NAME, traded: int = 1, **changes: Any
) -> Tally:
    amount = Decimal(traded)
    return Tally(order_id, name, amount, amount, amount * 100, 50, 60, True).replace(**changes)


def answer(
    why: Asking,
    told: OrderUpdate | None = None,
    said: Said | None = None,
    *,
    name: str | None = NAME,
    order_id: int | None = None,
    at: int = 1_000,
    acknowledged: bool = False,
) -> OrderAnswer:
    known_as = name or f"#{order_id}"
    query = Query(known_as, name, order_id, why, acknowledged)
    return OrderAnswer(query, at, said or Said.TOLD, told)


def planned(
    slots: Slots,
    *answers: OrderAnswer,
    listed: tuple[OrderUpdate, ...] | None = (),
    complete: bool = False,
    tallies: tuple[Tally, ...] = (),
    since_ms: int = 0,
    findings: Findings = NO_FINDINGS,
    **promises: Any,
) -> OrderFacts:
    seen = OrdersSeen(1_000, listed, 1_000, complete, answers)
    ledger = Ledger(tallies=tallies, since_ms=since_ms)
    return plan_facts(slots, seen, ledger, findings, CONFIG, VenuePromises.exact(**promises))
