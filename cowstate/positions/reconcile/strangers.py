"""Orders that may be of a life that was lost: by which ids of ours to ask for them.

A process that starts again from an older state does not know what was sent since. Where the venue
repeats our ids, its lists tell. Where it repeats none, such an order looks like anybody's; but our
id of it is one of the next that its slot would give, and can be asked for. An answer that names
the very order that is listed, or of which trades tell, is proof; any other is none, and changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from cowstate import Record

from ..book.config import GridConfig
from ..book.ids import MAX_SEQUENCE, client_order_id, price_key
from ..book.ledger import Ledger, Tally
from ..book.model import EXACT, OrderId, OrderUpdate, Side
from ..book.slots import InventorySlot
from ..book.store import Slots
from ..errors import ClientIdError
from ..exchange.promises import VenuePromises
from .places import Place, place_of, place_of_tally

__all__ = ["Stranger", "guessed_ids", "is_among", "strangers_in"]

_ZERO = Decimal(0)
# How many ids ahead of the last one that its slot has given, and before it.
_AHEAD = 32
# So many fewer for each step by which a sale stands above where it belongs.
_FEWER = 4


class Stranger(Record):
    """An order that no slot knows, and that is somebody else's for all that is known.

    *price* is that of the grid at which it works, or was filled.
    """

    order_id: OrderId
    side: Side
    price: Decimal


def strangers_in(
    slots: Slots,
    listed: Iterable[OrderUpdate],
    ledger: Ledger,
    config: GridConfig,
    promises: VenuePromises,
) -> tuple[Stranger, ...]:
    """Return the orders that may be ours, of those that are *listed* or of which trades tell.

    None where trades name our ids, for then the lists do, too. What is at no price of the grid is
    somebody else's. Pure; O(listed + tallies).
    """
    if promises.trades_carry_client_ids:
        return ()
    found: dict[OrderId, Stranger] = {}
    for update in listed:
        place = place_of(slots, update, config).place
        if place is Place.FOREIGN and update.order_id is not None:
            found[update.order_id] = Stranger(update.order_id, update.side, update.price)
    for tally in ledger.tallies:
        price = _price_of(tally, config.price_step)
        if price is None or tally.order_id is None or tally.ours is True:
            continue
        if place_of_tally(slots, tally, config).place is Place.NAMELESS:
            side = Side.BUY if tally.traded > _ZERO else Side.SELL
            found.setdefault(tally.order_id, Stranger(tally.order_id, side, price))
    step = config.price_step
    return tuple(each for each in found.values() if not EXACT.remainder(each.price, step))


def _price_of(tally: Tally, step: Decimal) -> Decimal | None:
    """Return the price of the grid at which all of its trades were made, None if they were not."""
    lot = EXACT.multiply(tally.traded.copy_abs(), step)
    if not lot:
        return None
    steps = EXACT.divide_int(tally.cost, lot)
    exact = EXACT.multiply(steps, lot) == tally.cost
    return EXACT.multiply(steps, step) if exact else None


def guessed_ids(slots: Slots, strangers: Iterable[Stranger], config: GridConfig) -> tuple[str, ...]:
    """Return which ids of ours the *strangers* may have; those nearest to the last ones first.

    A purchase is of the slot at its price. A sale is of the one a step below, or of one further
    below: what was refused for it would have been filled at once is offered higher and higher.
    Pure; O(strangers).

    >>> from cowstate.positions import PositionManager
    >>> config = GridConfig("X", Decimal(10), Decimal(1), 2, "g")
    >>> slots = PositionManager(config).snapshot()
    >>> guessed_ids(slots, [Stranger(7, Side.SELL, Decimal(60))], config)[:2]
    ('g-50-S1', 'g-50-S2')
    """
    found: set[tuple[int, str]] = set()
    for stranger in strangers:
        for higher, slot in _slots_of(stranger, slots, config):
            for away, sequence in _free(slot, _AHEAD - higher):
                try:
                    name = client_order_id(config.prefix, slot.price, stranger.side, sequence)
                except ClientIdError:
                    break  # too long to have been given
                found.add((higher + away, name))
    return tuple(name for _, name in sorted(found))


def _slots_of(
    stranger: Stranger, slots: Slots, config: GridConfig
) -> Iterator[tuple[int, InventorySlot]]:
    """Yield the slots that may have sent it, with by how much each is less likely than the first.

    One that nobody knows has bought nothing, so it has nothing that it could offer higher.
    """
    price = stranger.price
    if stranger.side is Side.BUY:
        yield 0, slots.get(price_key(price)) or InventorySlot(price)
        return
    for higher in range(0, _AHEAD, _FEWER):
        price = EXACT.subtract(price, config.price_step)
        if price <= _ZERO:
            return
        slot: InventorySlot | None = slots.get(price_key(price))
        if slot is not None or not higher:
            yield higher, slot or InventorySlot(price)


def _free(slot: InventorySlot, ahead: int) -> Iterator[tuple[int, int]]:
    """Yield the sequences about the last that *slot* has given, of which it knows no order.

    With how far away from it each is. An earlier one may have been given in the life that was
    lost, if a later one of that life was found first.
    """
    known = {order.sequence for order in slot.orders}
    last = slot.last_sequence
    first = max(slot.retired_sequence, last - ahead) + 1
    for sequence in range(first, min(last + ahead, MAX_SEQUENCE) + 1):
        if sequence not in known:
            yield abs(sequence - last), sequence


def is_among(strangers: Iterable[Stranger], told: OrderUpdate | None) -> bool:
    """Whether what was *told* under an id of ours is of one of the *strangers*, and so ours."""
    return told is not None and any(each.order_id == told.order_id for each in strangers)
