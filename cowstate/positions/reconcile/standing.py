"""The book, held against the list of our trades: what is ahead of it, behind it, in dispute.

The venue's position is the sum of what its trades did. So it is compared not with the slots but
with what the book would be if it had heard of exactly the trades that were listed:
`Standing.listed`. Slots know of fills that the list cannot show yet, and the list of orders that
the slots do not know yet; neither is a divergence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from cowstate import Record

from ..book.learnt import FillHistory, Learnt
from ..book.ledger import Ledger, Tally
from ..book.model import EXACT, OrderId
from ..book.store import Slots
from ..exchange.promises import VenuePromises
from .looks import TradesReading, shows

__all__ = ["HeldOrder", "Overdue", "Standing", "due_of", "held_orders", "remembered", "standing_of"]

_ZERO = Decimal(0)


class HeldOrder(Record):
    """An order whose fills stand in the slots, as far as the comparison needs it.

    Attributes:
        client_oid: our id of it.
        order_id: the venue's id, None while it has told none.
        filled: what was filled so far, signed.
        due: how much of that was known so long ago that the trades which were read last must
            show it; signed, and no more than *filled*.
        due_ms: when the last part of *due* became known, by our clock.
        steps: what was known to be filled, one growth after the other, as far back as is kept;
            signed and cumulative.
    """

    client_oid: str
    order_id: OrderId | None
    filled: Decimal
    due: Decimal = _ZERO
    due_ms: int = 0
    steps: tuple[Decimal, ...] = ()


def due_of(
    history: Iterable[Learnt], reading: TradesReading | None, promises: VenuePromises
) -> tuple[Decimal, int]:
    """Return how much of an order's fills *reading* must show, and when that became known. Pure.

    *history* is in the order in which it was learnt. Nothing is due to a reading that was cut,
    or to none.

    >>> history = [Learnt(1_000, Decimal(1)), Learnt(5_000, Decimal(3))]
    >>> due_of(history, TradesReading(6_000, True), VenuePromises.exact(trades_lag_ms=2_000))
    (Decimal('1'), 1000)
    """
    due, due_ms = _ZERO, 0
    if reading is not None:
        for learnt in history:
            if shows(reading, learnt.learnt_ms, promises):
                due, due_ms = learnt.filled, learnt.learnt_ms
    return due, due_ms


class Overdue(Record):
    """A fill that the book holds and the list of trades should show by now, and does not.

    It stays in the book; but when it happened, if it did, nobody knows: not after *before_ms*.
    """

    client_oid: str
    order_id: OrderId | None
    quantity: Decimal
    before_ms: int


class Standing(Record):
    """The book as the list of trades would have it, and how it comes from what is held.

    ``listed`` is ``held - ahead + orphans + others``, where *held* is what the slots and the
    unattributed quantity hold.

    Attributes:
        held: all that is held, signed.
        ahead: fills in the slots that the list cannot show yet.
        awaited: the same by order: how much of it was known, one growth after the other; signed
            and cumulative.
        orphans: trades of orders of ours that stand in no slot.
        others: what moved the position and is not ours.
        overdue: fills in the slots that the list should show.
    """

    held: Decimal
    ahead: Decimal = _ZERO
    orphans: Decimal = _ZERO
    others: Decimal = _ZERO
    overdue: tuple[Overdue, ...] = ()
    awaited: tuple[tuple[Decimal, ...], ...] = ()

    @property
    def accounted(self) -> Decimal:
        """All that is known to be held, whoever moved it: what to trade on and to show."""
        return EXACT.add(EXACT.add(self.held, self.orphans), self.others)

    @property
    def listed(self) -> Decimal:
        """The book with exactly the trades that were listed."""
        return EXACT.subtract(self.accounted, self.ahead)


def standing_of(ledger: Ledger, slots_total: Decimal, orders: Iterable[HeldOrder]) -> Standing:
    """Hold the slots against the *ledger*. Pure; costs O(orders + tallies).

    *orders* are all whose fills stand in *slots_total* and whose trades may still be listed: those
    that slots remember, and those that they have forgotten before the list had passed them.
    An order without an id of the venue's is the one under its client id, if that is only one.

    >>> standing_of(Ledger(), Decimal(2), [HeldOrder("g-50-B1", 7, Decimal(2))]).listed
    Decimal('0')
    """
    by_id = {tally.order_id: tally for tally in ledger.tallies if tally.order_id is not None}
    by_client = _by_client(ledger.tallies)
    ahead, orphans = _ZERO, _ZERO
    overdue: list[Overdue] = []
    awaited: list[tuple[Decimal, ...]] = []
    counted: set[int] = set()
    for order in orders:
        tally = by_client.get(order.client_oid)
        if order.order_id is not None and (tally is None or tally.order_id is not None):
            tally = by_id.get(order.order_id)
        traded = _ZERO
        if tally is not None:
            traded = tally.traded
            counted.add(id(tally))
        gap = EXACT.subtract(order.filled, traded)
        if not _beyond(order.filled, traded):
            # The list tells more than the slot could take in, or of another side.
            orphans = EXACT.subtract(orphans, gap)
            continue
        late = _ZERO
        if _beyond(order.due, traded):
            late = EXACT.subtract(order.due, traded)
            overdue.append(Overdue(order.client_oid, order.order_id, late, order.due_ms))
        ahead = EXACT.add(ahead, EXACT.subtract(gap, late))
        listed = EXACT.add(traded, late)
        if order.filled != listed:
            steps = (each for each in (*order.steps, order.filled) if _beyond(each, listed))
            awaited.append(tuple(dict.fromkeys(EXACT.subtract(each, listed) for each in steps)))
    others = ledger.others_total
    for tally in ledger.tallies:
        if tally.ours is False and id(tally) in counted:
            # It is ours after all, and what was filled of it stands in its slot.
            others = EXACT.subtract(others, tally.traded)
        elif tally.ours is not False and id(tally) not in counted:
            orphans = EXACT.add(orphans, tally.traded)
    held = EXACT.add(slots_total, ledger.unattributed)
    overdue.sort(key=_client_oid)
    return Standing(held, ahead, orphans, others, tuple(overdue), tuple(sorted(awaited)))


def remembered(slots: Slots) -> Iterator[tuple[str, OrderId | None, Decimal]]:
    """Yield each order whose fills stand in *slots* and whose trades may still be listed.

    As our id, the venue's, and what was filled, signed; those that slots have forgotten before the
    list of trades had passed them are among them. O(orders).
    """
    for slot in slots.values():
        for order in slot.orders:
            yield order.client_oid, order.order_id, order.signed_filled
        for gone in slot.forgotten:
            yield gone.client_oid, gone.order_id, gone.filled


def held_orders(
    slots: Slots, history: FillHistory, reading: TradesReading | None, promises: VenuePromises
) -> tuple[HeldOrder, ...]:
    """Return the orders whose fills stand in *slots*, with what *reading* must show of each.

    *history* must be of the version of *slots*, or a later one. Pure; O(orders * growths).
    """
    return tuple(
        HeldOrder(
            client_oid,
            order_id,
            filled,
            *due_of(known, reading, promises),
            tuple(each.filled for each in known),
        )
        for client_oid, order_id, filled in remembered(slots)
        for known in [history.of(client_oid, filled)]
    )


def _by_client(tallies: Iterable[Tally]) -> dict[str, Tally]:
    found: dict[str, Tally] = {}
    doubled = set()
    for tally in tallies:
        if tally.client_oid is None:
            continue
        if tally.client_oid in found:
            doubled.add(tally.client_oid)
        found[tally.client_oid] = tally
    return {name: tally for name, tally in found.items() if name not in doubled}


def _beyond(one: Decimal, other: Decimal) -> bool:
    """Whether *one* is further from zero than *other*, on the same side of it."""
    if one > _ZERO:
        return one > other >= _ZERO
    return one < other <= _ZERO


def _client_oid(overdue: Overdue) -> str:
    return overdue.client_oid
