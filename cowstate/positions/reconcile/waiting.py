"""Looks that wait for their trades: what they allow by what is known so far. `allowed_so_far`.

A look is judged when the list of trades covers it, and a list that lags covers it some time later.
Until then it proves nothing, for a fill that nobody has told of may explain it. But it is newer
than all that was judged. A correction whose number does not fit it may be undoing what somebody has
put right meanwhile; so it waits until that look can be judged too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from ..book.learnt import Growth
from ..book.ledger import Entry, Ledger
from ..book.model import EXACT
from ..book.store import Slots
from ..exchange.promises import VenuePromises
from .differences import differences
from .looks import PositionLook, window_of
from .orderfacts import OrderFacts
from .possible import Possible
from .standing import Standing

__all__ = ["allowed_so_far", "gained", "unexplained"]

_ZERO = Decimal(0)
# So many numbers are told apart; of more of them only the ends are kept.
_MOST_APART = 256


def allowed_so_far(
    look: PositionLook,
    standing: Standing,
    entries: Sequence[Entry],
    growths: Iterable[Growth],
    promises: VenuePromises,
) -> Possible:
    """Return the divergences that *look* allows if nothing happened that is not known yet. Pure.

    As `differences`, and each fill that the book knows and the list does not show yet is in the
    answer or not, as far as it was known at any time. *growths* are those that this pass has
    learnt.

    >>> look = PositionLook(Decimal("2.05"), 9_000, 9_100, answered_ms=9_050)
    >>> heard = Standing(Decimal("2.05"), ahead=Decimal("0.05"), awaited=((Decimal("0.05"),),))
    >>> promises = VenuePromises.exact(trades_lag_ms=2_000)
    >>> [str(each) for each in allowed_so_far(look, heard, (), (), promises).values]
    ['0.00', '0.05']
    """
    window = window_of(look, promises)
    possible = differences(look, window, standing, entries, promises.positions_lag_ms)
    for steps in (*standing.awaited, *((each.quantity,) for each in growths)):
        several = possible
        for step in steps:
            several = several | possible.moved(EXACT.minus(step))
        if len(several.values) > _MOST_APART:
            several = Possible.between(several.lowest, several.highest)
        possible = several
    return possible


def unexplained(
    pending: Sequence[PositionLook],
    divergence: Decimal,
    standing: Standing,
    entries: Sequence[Entry],
    growths: Sequence[Growth],
    promises: VenuePromises,
) -> PositionLook | None:
    """Return the newest of the *pending* looks that *divergence* does not fit; None: it fits all.

    By what is known so far. It is no proof: what it waits for may explain it. Pure;
    O(looks * entries).

    >>> look = PositionLook(Decimal("2.00"), 9_000, 9_100, answered_ms=9_050)
    >>> promises = VenuePromises.exact(trades_lag_ms=2_000)
    >>> unexplained([look], Decimal("0.03"), Standing(Decimal(2)), (), (), promises) is look
    True
    """
    for look in reversed(pending):
        if divergence not in allowed_so_far(look, standing, entries, growths, promises):
            return look
    return None


def gained(
    slots: Slots, ledger: Ledger, facts: OrderFacts, now_ms: int
) -> tuple[Decimal, list[Growth]]:
    """Return what the *facts* of a pass add to what is held, beyond what trades told already."""
    most: dict[str, Decimal] = {}
    for update in facts.join:
        signed = update.filled if update.side.sign > 0 else update.filled.copy_negate()
        known = most.get(update.client_oid, _ZERO)
        most[update.client_oid] = max(known, signed, key=Decimal.copy_abs)
    traded = {tally.client_oid: tally.traded for tally in ledger.tallies}
    total = _ZERO
    growths: list[Growth] = []
    for name, filled in most.items():
        key = slots.find_key("client_oid", name)
        order = None if key is None else slots[key].order(name)
        known = _ZERO if order is None else order.signed_filled
        known = max(known, traded.get(name, _ZERO), key=Decimal.copy_abs)
        more = EXACT.subtract(filled, known)
        if filled.copy_abs() > known.copy_abs():
            total = EXACT.add(total, more)
            growths.append(Growth(now_ms, more, name, known))
    return total, growths
