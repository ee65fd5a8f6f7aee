"""The oracle: how far a book is from the truth, and whether a correction brought it nearer.

Pure functions of a book and of a `Truth`: what is so at the venue and everything that is under way.

A book is compared cause by cause, so that errors which cancel out are errors still:

- *wrong*: orders that it holds to be over and that work at the venue, or will as soon as the
  request that is under way arrives. No fact that comes later mends that by itself.
- *behind*: orders that work here and not there, or the other way round, once everything under way
  has been delivered.
- *missed*: fills that it would still not know then.
- *unexplained*: what would be between the two positions, signed (the venue's less ours), if the
  book knew all that can still be learnt of its orders. Only this is a divergence: a fill that is
  on its way, or that a query would tell, is none.

A write is **harmful** if it makes *wrong*, or the sum of *missed* and *unexplained*, greater; else
**needed** if it makes one of the four less; else **needless**. To join a fact that is true, however
old, is never harmful.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from ...book.ids import parse_client_oid
from ...book.model import EXACT, OrderStatus, OrderUpdate, Side
from ...book.slots import InventorySlot, Order

__all__ = ["Fact", "Gap", "HaltVerdict", "Judgement", "Truth", "VenueOrder", "gap_of", "judge"]
__all__ += ["judge_halt", "known_orders", "made_short", "venue_order"]

_ZERO = Decimal(0)
_ONE = Decimal(1)


class VenueOrder(NamedTuple):
    """An order of ours as it is at the venue; *slot* and *sequence* are what its id says."""

    client_oid: str
    order_id: int
    side: Side
    filled: Decimal
    alive: bool
    slot: str
    sequence: int


class Fact(NamedTuple):
    """The most that is under way about one order."""

    order_id: int | str | None
    filled: Decimal
    over: bool


class Truth(NamedTuple):
    """What is so at the venue at one moment, and what is under way.

    *coming* are client ids of orders whose requests will arrive, *ending* ids of orders whose
    cancellations will, *young* client ids of orders whose requests may still arrive or be found:
    nobody can know yet that they are not there. *fee* is the part of a purchase that is taken in
    the base asset.
    """

    position: Decimal
    orders: tuple[VenueOrder, ...] = ()
    facts: Mapping[str, Fact] = {}
    coming: frozenset[str] = frozenset()
    ending: frozenset[int] = frozenset()
    young: frozenset[str] = frozenset()
    fee: Decimal = _ZERO


class Gap(NamedTuple):
    """How far a book is from the truth; see the module.

    *fees* is what the fills that it knows have cost in the base asset: by that much it is off if
    it counts fills and no fees. *orders* are those that are wrong, behind, or missed fills of.
    """

    wrong: int = 0
    behind: int = 0
    missed: Decimal = _ZERO
    unexplained: Decimal = _ZERO
    fees: Decimal = _ZERO
    orders: frozenset[str] = frozenset()

    @property
    def error(self) -> Decimal:
        """What is missed and what is unexplained, as one quantity."""
        return EXACT.add(self.missed, self.unexplained.copy_abs())

    @property
    def closed(self) -> bool:
        """Whether there is none."""
        return not (self.wrong or self.behind or self.missed or self.unexplained)


class Judgement(StrEnum):
    """What a write was.

    UNAVOIDABLE: harmful by what others did after the last answer had left the venue. UNSEEN: by
    what they did before, had they not done it each answer might have been the same, and the write
    no harm. No observer can avoid either.
    """

    HARMFUL = "HARMFUL"
    UNAVOIDABLE = "UNAVOIDABLE"
    UNSEEN = "UNSEEN"
    NEEDED = "NEEDED"
    NEEDLESS = "NEEDLESS"


class HaltVerdict(StrEnum):
    """What an opening of the breaker was. SMALL: there is a divergence, below the bound."""

    RIGHT = "RIGHT"
    SMALL = "SMALL"
    WRONG = "WRONG"


def venue_order(order: OrderUpdate, prefix: str) -> VenueOrder | None:
    """Return *order* as the oracle sees it, None if it is not ours."""
    parts = parse_client_oid(order.client_oid, prefix)
    if parts is None or not isinstance(order.order_id, int):
        return None
    return VenueOrder(
        order.client_oid,
        order.order_id,
        order.side,
        order.filled,
        not order.status.terminal,
        parts.slot,
        parts.sequence,
    )


def known_orders(slots: Iterable[InventorySlot]) -> dict[str, Order]:
    """Return every order that the slots remember, by client id."""
    known: dict[str, Order] = {}
    for slot in slots:
        for order in slot.tail:
            known[order.client_oid] = order
        if slot.working is not None:
            known[slot.working.client_oid] = slot.working
    return known


def gap_of(
    slots: Mapping[str, InventorySlot], known: Mapping[str, Order], total: Decimal, truth: Truth
) -> Gap:
    """Return how far a book is from *truth*. Pure; O(orders).

    Args:
        slots: the book.
        known: its `known_orders`.
        total: the position that it says.
        truth: what is so.

    >>> bought = VenueOrder("g-50000-B1", 7, Side.BUY, Decimal("0.5"), False, "50000", 1)
    >>> gap = gap_of({}, {}, Decimal(0), Truth(Decimal("0.5"), (bought,)))
    >>> gap.missed, gap.unexplained
    (Decimal('0.5'), Decimal('0.0'))
    """
    counts = _Counts(EXACT.subtract(truth.position, total))
    found: set[str] = set()
    for order in truth.orders:
        local = known.get(order.client_oid)
        if local is None:
            slot = slots.get(order.slot)
            if slot is None or order.sequence > slot.retired_sequence:
                counts.compare(order, _ZERO, False, None, truth)
            else:
                # Forgotten: nothing of it can be learnt any more.
                if order.alive and order.order_id not in truth.ending:
                    counts.differ(order.client_oid, wrong=True)
                counts.pay(order, order.filled, truth.fee)
        elif local.order_id in (None, order.order_id):
            found.add(order.client_oid)
            here = not local.status.terminal
            counts.pay(order, local.filled, truth.fee)
            if here is not order.alive or local.filled != order.filled:
                counts.compare(order, local.filled, here, local, truth)
        # Another order under an id that was used twice: no fact of it can be joined.
        elif order.alive and order.order_id not in truth.ending:
            counts.differ(order.client_oid)
    for client_oid, local in known.items():
        if client_oid not in found:
            counts.here_only(local, truth)
    return Gap(
        counts.wrong,
        counts.behind,
        counts.missed,
        counts.unexplained,
        counts.fees,
        frozenset(counts.orders),
    )


class _Counts:
    """What a comparison has come to so far."""

    def __init__(self, unexplained: Decimal) -> None:
        self.wrong = 0
        self.behind = 0
        self.missed = _ZERO
        self.unexplained = unexplained
        self.fees = _ZERO
        self.orders: set[str] = set()

    def differ(self, client_oid: str, *, wrong: bool = False) -> None:
        """Count an order that works here and not there, or the other way round."""
        self.orders.add(client_oid)
        if wrong:
            self.wrong += 1
        else:
            self.behind += 1

    def compare(
        self, order: VenueOrder, counted: Decimal, here: bool, local: Order | None, truth: Truth
    ) -> None:
        """Count an order of the venue's of which *counted* is known here, which works *here*."""
        fact = truth.facts.get(order.client_oid)
        if fact is not None and fact.order_id not in (None, order.order_id):
            fact = None
        works = order.alive and order.order_id not in truth.ending
        if works or not (order.alive or _may_come(local, truth)):
            if fact is not None:
                here = (here or local is None) and not fact.over
            if here is not order.alive:
                wrong = order.alive and local is not None and local.status.terminal
                self.differ(order.client_oid, wrong=wrong)
        if order.filled != counted:
            heard = counted if fact is None else max(counted, fact.filled)
            self._miss(order.client_oid, EXACT.subtract(order.filled, heard))
            self._learn(EXACT.subtract(order.filled, counted), order.side, truth.fee)

    def pay(self, order: VenueOrder, counted: Decimal, fee: Decimal) -> None:
        """Count the fee of what is known of an order of the venue's."""
        if fee and order.side is Side.BUY:
            self.fees = EXACT.add(self.fees, EXACT.multiply(fee, counted))

    def here_only(self, local: Order, truth: Truth) -> None:
        """Count an order that is known here and is not at the venue."""
        if local.client_oid in truth.coming:
            if local.status.terminal:
                self.differ(local.client_oid, wrong=True)
        elif not local.status.terminal and local.client_oid not in truth.young:
            self.differ(local.client_oid)
        if local.filled:
            self._miss(local.client_oid, local.filled)
            self._learn(local.filled.copy_negate(), local.side, truth.fee)

    def _miss(self, client_oid: str, quantity: Decimal) -> None:
        if quantity:
            self.orders.add(client_oid)
        self.missed = EXACT.add(self.missed, quantity.copy_abs())

    def _learn(self, filled: Decimal, side: Side, fee: Decimal) -> None:
        self.unexplained = EXACT.subtract(self.unexplained, _net(filled, side, fee))


def _may_come(local: Order | None, truth: Truth) -> bool:
    """Whether *local* may still be on its way for all that is known, whoever had its id before."""
    if local is None or local.order_id is not None or local.status is not OrderStatus.PENDING:
        return False
    return local.client_oid in truth.young


def _net(filled: Decimal, side: Side, fee: Decimal) -> Decimal:
    if side is Side.SELL:
        return filled.copy_negate()
    return EXACT.multiply(filled, EXACT.subtract(_ONE, fee)) if fee else filled


def judge(before: Gap, after: Gap) -> Judgement:
    """Return what a write was that led from one gap to the other. Pure.

    >>> judge(Gap(unexplained=Decimal("0.1")), Gap()).value
    'NEEDED'
    >>> judge(Gap(), Gap(wrong=1)).value
    'HARMFUL'
    """
    # To learn of a purchase is no harm, though a book without fees is then off by one fee more.
    spared = max(_ZERO, EXACT.subtract(after.fees, before.fees))
    if after.wrong > before.wrong or after.error > EXACT.add(before.error, spared):
        return Judgement.HARMFUL
    if after.wrong < before.wrong or after.behind < before.behind or after.error < before.error:
        return Judgement.NEEDED
    return Judgement.NEEDLESS


def made_short(old: InventorySlot | None, new: InventorySlot) -> bool:
    """Whether a correction made a slot short: what its orders have filled is a fact, and is none.

    An order that was made larger by hand sells more than its slot holds, and of a sale the book may
    hear before it hears of the purchase. Pure.

    >>> held = InventorySlot(Decimal(50), Decimal(1))
    >>> made_short(held, held.replace(position_qty=Decimal(-1)))
    True
    """
    before = _ZERO if old is None else old.position_qty
    if not new.position_qty < _ZERO <= before:
        return False
    known = {} if old is None else _filled(old)
    learnt = _ZERO
    for name, filled in _filled(new).items():
        learnt = EXACT.add(learnt, EXACT.subtract(filled, known.get(name, _ZERO)))
    return EXACT.subtract(new.position_qty, before) < learnt


def _filled(slot: InventorySlot) -> dict[str, Decimal]:
    """Return what each order that a slot knows has filled, signed."""
    filled = {order.client_oid: order.filled for order in slot.forgotten}
    filled.update({order.client_oid: order.signed_filled for order in slot.orders})
    return filled


def judge_halt(gaps: Iterable[tuple[Gap, Decimal]], bound: Decimal) -> HaltVerdict:
    """Return whether a halt was right: a divergence was there, and as large as *bound* demands.

    Args:
        gaps: each gap with the larger of the two positions, at the moments of the pass.
        bound: the part of the position from which a divergence is not corrected.

    >>> judge_halt([(Gap(unexplained=Decimal("0.2")), Decimal(2))], Decimal("0.05")).value
    'RIGHT'
    """
    verdict = HaltVerdict.WRONG
    for gap, size in gaps:
        if gap.unexplained:
            if gap.unexplained.copy_abs() >= EXACT.multiply(bound, size):
                return HaltVerdict.RIGHT
            verdict = HaltVerdict.SMALL
    return verdict
