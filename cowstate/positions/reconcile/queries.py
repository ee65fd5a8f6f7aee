"""Which orders to ask for, and in which order, where not all can be asked for: `plan_queries`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from cowstate import Record

from ..book.config import GridConfig
from ..book.findings import Findings
from ..book.ledger import Ledger
from ..book.model import OrderId, OrderUpdate
from ..book.store import Slots
from ..exchange.promises import VenuePromises
from .fates import Said, can_be_asked, is_acknowledged
from .places import Place, place_of, place_of_tally
from .strangers import guessed_ids, strangers_in

__all__ = [
    "Asking",
    "OrderAnswer",
    "OrdersSeen",
    "Query",
    "ghosts_in",
    "name_of",
    "plan_queries",
]

# How many ids are tried in one pass for orders of nobody.
_GUESSES = 8


class Asking(IntEnum):
    """Why an order is asked for; the lower comes first.

    UNKNOWN: trades tell of it, and no slot knows it. GHOST: it is listed as working, and is
    over here. UNLISTED: it is alive here and not listed. STRANGER: an order that is nobody's
    may be it.
    """

    UNKNOWN = 1
    GHOST = 2
    UNLISTED = 3
    STRANGER = 4


class Query(Record):
    """One order to be asked for: by the venue's id, or by ours where that is None.

    *name* is what `Findings` know it by; *acknowledged* whether the venue has told of it.
    """

    name: str
    client_oid: str | None
    order_id: OrderId | None
    why: Asking
    acknowledged: bool = False


class OrderAnswer(Record):
    """What came of one query; *asked_ms* is when the request left, by our clock.

    Where nothing came at all there is no answer.
    """

    query: Query
    asked_ms: int
    said: Said
    update: OrderUpdate | None = None


class OrdersSeen(Record):
    """What the venue said of orders in one pass.

    Attributes:
        now_ms: our clock.
        listed: the open orders; None if they could not be listed.
        listed_ms: when the request for the list left, by our clock.
        complete: whether the list was read to its end.
        answers: to queries.
    """

    now_ms: int
    listed: tuple[OrderUpdate, ...] | None = None
    listed_ms: int = 0
    complete: bool = False
    answers: tuple[OrderAnswer, ...] = ()


def plan_queries(
    slots: Slots,
    seen: OrdersSeen,
    ledger: Ledger,
    findings: Findings,
    config: GridConfig,
    promises: VenuePromises,
    budget: int,
) -> tuple[Query, ...]:
    """Return which orders to ask for next, at most *budget* of them. Pure; O(slots + tallies).

    First those of which trades tell and that nobody knows, the oldest trade first; then those
    that are listed though they are over; then those that are alive and not listed, of these
    first who was asked for longest ago, then the oldest; at last, eight at once, those that
    orders of nobody may be. The same input gives the same output, in whatever order its
    mappings are.
    """
    answered = {answer.query.name for answer in seen.answers}
    asked = dict(findings.asked)
    found: list[tuple[tuple[int, int, int, str], Query]] = []

    def ask(query: Query, first: int, then: int) -> None:
        if query.name not in answered:
            found.append(((query.why, first, then, query.name), query))

    for tally in ledger.tallies:
        placed = place_of_tally(slots, tally, config)
        known = tally.gone or tally.ours is False
        if placed.place in (Place.NEW, Place.NAMELESS) and not known:
            client_oid = tally.client_oid if tally.order_id is None else None
            name = name_of(tally.order_id, client_oid)
            ask(Query(name, client_oid, tally.order_id, Asking.UNKNOWN), tally.first_ms, 0)
    since = {ghost.order_id: ghost.since_ms for ghost in findings.ghosts}
    for order_id in ghosts_in(slots, seen.listed or (), config):
        since.setdefault(order_id, seen.now_ms)
    for order_id, since_ms in since.items():
        ask(Query(name_of(order_id, None), None, order_id, Asking.GHOST), since_ms, 0)
    listed = {
        placed.client_oid
        for update in seen.listed or ()
        if (placed := place_of(slots, update, config)).place is Place.KNOWN
    }
    for slot in slots.values():
        for order in slot.orders:
            unlisted = not order.terminal and order.client_oid not in listed
            # What was noted after the list was asked for need not be in it.
            known = seen.listed is None or order.time_ms < seen.listed_ms
            if unlisted and known and can_be_asked(order, promises, seen.now_ms):
                query = Query(
                    order.client_oid,
                    order.client_oid,
                    order.order_id,
                    Asking.UNLISTED,
                    is_acknowledged(order),
                )
                ask(query, asked.get(query.name, -1), order.time_ms)
    guesses = []
    strangers = strangers_in(slots, seen.listed or (), ledger, config, promises)
    for place, name in enumerate(guessed_ids(slots, strangers, config)):
        if name not in answered:
            guess = Query(name, name, None, Asking.STRANGER)
            guesses.append(((guess.why, asked.get(name, -1), place, name), guess))
    made = sum(answer.query.why is Asking.STRANGER for answer in seen.answers)
    found += sorted(guesses, key=_rank)[: max(_GUESSES - made, 0)]
    return tuple(query for _, query in sorted(found, key=_rank)[:budget])


def ghosts_in(
    slots: Slots, listed: Iterable[OrderUpdate], config: GridConfig
) -> tuple[OrderId, ...]:
    """Return the venue's ids of those of *listed* that are ours and not at work here."""
    ids: list[OrderId] = []
    for update in listed:
        placed = place_of(slots, update, config)
        over = placed.order is not None and placed.order.terminal
        astray = placed.place in (Place.FORGOTTEN, Place.ANOTHER)
        if update.order_id is not None and (over or astray):
            ids.append(update.order_id)
    return tuple(ids)


def name_of(order_id: OrderId | None, client_oid: str | None) -> str:
    """Return what `Findings` know an order by that no slot remembers: the venue's id, or ours."""
    return f"#{order_id}" if order_id is not None else client_oid or ""


def _rank(found: tuple[tuple[int, int, int, str], Query]) -> tuple[int, int, int, str]:
    return found[0]
