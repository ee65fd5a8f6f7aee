"""What the venue's list of our trades has told: each entry once, and what it comes to.

A `Ledger` is immutable and of one position (one leg of one symbol). It belongs to one version of
the slots and is to be published, saved and restored with them: then an older state needs no
special care, for it has an older cursor, and what happened since is read again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TypeAlias

from cowstate import Record

from .model import EXACT, OrderId
from .reports import FeeAsset, Leg, TradeKind, TradeReport

__all__ = ["Entry", "Ledger", "Ours", "Tally", "entry_of"]

_ZERO = Decimal(0)
# How many orders that may turn out to be ours are remembered beyond their entries.
_NAMELESS = 64

Ours: TypeAlias = Callable[[TradeReport], bool | None]
"""Says of a trade whether its order is ours; None: nobody can tell before the order is known."""


class Entry(Record):
    """One entry of the list of our trades: *moved* is what it did to the position, signed.

    *filled* is what it added to the fill of its order, before any fee, likewise signed.
    """

    trade_id: OrderId
    order_id: OrderId | None
    client_oid: str | None
    time_ms: int
    filled: Decimal
    moved: Decimal
    cost: Decimal
    kind: TradeKind = TradeKind.TRADE

    @property
    def identity(self) -> tuple[OrderId, OrderId | None]:
        """What tells it from every other entry: both sides of one trade may be ours."""
        return self.trade_id, self.order_id


def entry_of(trade: TradeReport, fee_asset: FeeAsset, base_fee: Decimal) -> Entry:
    """Return *trade* as an entry; a fee that it does not tell is *base_fee*, if that is in BASE.

    >>> from cowstate.positions import Side
    >>> bought = TradeReport(9, 7, None, "X", Side.BUY, Decimal(50), Decimal(2))
    >>> entry = entry_of(bought, FeeAsset.BASE, Decimal("0.001"))
    >>> entry.filled, entry.moved
    (Decimal('2'), Decimal('1.998'))
    """
    moved = trade.moved
    if trade.fee is None and fee_asset is FeeAsset.BASE and trade.kind is TradeKind.TRADE:
        moved = EXACT.subtract(moved, EXACT.multiply(trade.quantity, base_fee))
    return Entry(
        trade.trade_id,
        trade.order_id,
        trade.client_oid,
        trade.time_ms,
        trade.filled,
        moved,
        EXACT.multiply(trade.price, trade.quantity),
        trade.kind,
    )


class Tally(Record):
    """What the entries of one order come to. An order is what the venue's id names.

    Under one client id there may have been several orders; to add up their trades would make a
    fill that never was.

    Attributes:
        order_id: the venue's id; None if entries name the order by our id alone.
        client_oid: our id of it, None where the venue does not repeat it.
        traded: the signed sum of what was filled, before fees.
        moved: the signed sum of what that did to the position, fees taken off.
        cost: the quote amount of that.
        first_ms: when the first entry happened.
        last_ms: when the last entry happened.
        ours: whether it is an order of ours; None: it has to be asked for.
        gone: the venue does not know the order any more, so nobody else will tell of it.
        adopted: how much of *moved* was taken for ours, into `Ledger.unattributed`, while the
            order was held to be somebody else's; signed.
    """

    order_id: OrderId | None
    client_oid: str | None
    traded: Decimal
    moved: Decimal
    cost: Decimal
    first_ms: int
    last_ms: int
    ours: bool | None
    gone: bool = False
    adopted: Decimal = _ZERO

    @property
    def is_nameless(self) -> bool:
        """Whether no list has told our id of the order, so that it may be ours all the same."""
        return self.client_oid is None and self.order_id is not None

    def grown(self, entry: Entry, ours: bool | None) -> Tally:
        """Return the tally with one more entry of the same order."""
        return Tally(
            self.order_id,
            self.client_oid if entry.client_oid is None else entry.client_oid,
            EXACT.add(self.traded, entry.filled),
            EXACT.add(self.moved, entry.moved),
            EXACT.add(self.cost, entry.cost),
            min(self.first_ms, entry.time_ms),
            max(self.last_ms, entry.time_ms),
            # What was claimed is changed by a claim alone.
            ours if self.ours is None else self.ours,
            self.gone,
            self.adopted,
        )


class Ledger(Record):
    """The entries of one position, and what they come to.

    Attributes:
        leg: the position that is meant; entries of others are passed over.
        unattributed: what is held and belongs to no order: corrections, and fees taken from the
            base quantity. Signed.
        entries: the recent ones, in the order in which they moved the position.
        tallies: what the trades of each order come to, in the order of their first entry.
        settled_others: what moved the position and is for sure none of our orders' doing, by
            kind, signed; as far as it has not been taken into *unattributed*.
        others_ms: when the latest of those happened.
        since_ms: from where the list is to be read on; what is older is known to be complete.
        cursor: a page to go on with, in the venue's words, where the last reading was cut.
        kept_ms: entries older than this may have been dropped.
        began_ms: what happened before this, by the venue's clock, was held already when the ledger
            began; entries of it are kept, and count for nothing. None: it has not begun.

    >>> from cowstate.positions import Side
    >>> trade = TradeReport(9, 7, "g-50000-B1", "X", Side.BUY, Decimal(50000), Decimal("0.5"), 100)
    >>> ledger, fresh = Ledger().absorbed([trade, trade], ours=lambda trade: True)
    >>> [str(tally.traded) for tally in ledger.tallies], len(fresh)
    (['0.5'], 1)
    """

    leg: Leg = Leg.NET
    unattributed: Decimal = _ZERO
    entries: tuple[Entry, ...] = ()
    tallies: tuple[Tally, ...] = ()
    settled_others: tuple[tuple[TradeKind, Decimal], ...] = ()
    others_ms: int = 0
    since_ms: int = 0
    cursor: str | None = None
    kept_ms: int = 0
    began_ms: int | None = None

    @property
    def others(self) -> dict[TradeKind, Decimal]:
        """All that moved the position and is not ours by all that is known, by kind, signed."""
        others = dict(self.settled_others)
        for tally in self.tallies:
            left = _not_adopted(tally)
            if tally.ours is False and left:
                before = others.get(TradeKind.TRADE, _ZERO)
                others[TradeKind.TRADE] = EXACT.add(before, left)
        return others

    @property
    def others_total(self) -> Decimal:
        """The signed sum of *others*."""
        total = _ZERO
        for moved in self.others.values():
            total = EXACT.add(total, moved)
        return total

    def absorbed(
        self,
        trades: Iterable[TradeReport],
        *,
        ours: Ours,
        fee_asset: FeeAsset = FeeAsset.QUOTE,
        base_fee: Decimal = _ZERO,
    ) -> tuple[Ledger, tuple[Entry, ...]]:
        """Return the ledger with *trades* in it, and the entries that are new.

        Each entry counts once, however often it is listed. A trade of an order of ours, or of
        one that may be, is added to its tally, and what its fee took to `unattributed`. All else
        is among `others`. Costs O(entries + trades).
        """
        known = {entry.identity for entry in self.entries}
        tallies = {_name(tally): tally for tally in self.tallies}
        others = dict(self.settled_others)
        others_ms = self.others_ms
        unattributed = self.unattributed
        fresh: list[Entry] = []
        for trade in trades:
            entry = entry_of(trade, fee_asset, base_fee)
            # What is older than that was read in full, and may have been dropped since.
            if trade.leg is not self.leg or entry.identity in known or trade.time_ms < self.kept_ms:
                continue
            known.add(entry.identity)
            fresh.append(entry)
            if self.began_ms is not None and entry.time_ms < self.began_ms:
                continue
            mine = ours(trade) if trade.kind is TradeKind.TRADE else False
            if mine is False:
                others[trade.kind] = EXACT.add(others.get(trade.kind, _ZERO), entry.moved)
                others_ms = max(others_ms, entry.time_ms)
                continue
            name = _name(entry)
            tally = tallies.get(name)
            if tally is None:
                when = entry.time_ms
                tally = Tally(
                    entry.order_id, entry.client_oid, _ZERO, _ZERO, _ZERO, when, when, mine
                )
            tally = tallies[name] = tally.grown(entry, mine)
            if tally.ours is False:
                others_ms = max(others_ms, entry.time_ms)
            else:
                fee = EXACT.subtract(entry.moved, entry.filled)
                unattributed = EXACT.add(unattributed, fee)
        if not fresh:
            return self, ()
        # Stable: entries of one millisecond stay in the order in which they were listed.
        entries = tuple(sorted((*self.entries, *fresh), key=_time))
        changed = self.replace(
            unattributed=unattributed,
            entries=entries,
            tallies=tuple(tallies.values()),
            settled_others=_sorted(others),
            others_ms=others_ms,
        )
        return changed, tuple(fresh)

    def begun(self, leg: Leg, began_ms: int, back_ms: int, counted: Iterable[Tally] = ()) -> Ledger:
        """Return the ledger of a book that holds all that happened before *began_ms*.

        The list is to be read from *back_ms* earlier on, so that answers which are so old can be
        judged. *counted* are orders of which the book has counted fills already.
        """
        since_ms = began_ms - back_ms
        return self.replace(
            leg=leg,
            began_ms=began_ms,
            since_ms=since_ms,
            kept_ms=since_ms,
            tallies=tuple(counted),
        )

    def read(self, since_ms: int, cursor: str | None = None) -> Ledger:
        """Return the ledger when everything before *since_ms* is in it. Never goes back."""
        return self.replace(since_ms=max(self.since_ms, since_ms), cursor=cursor)

    def forgotten(self, before_ms: int) -> Ledger:
        """Return the ledger without entries before *before_ms*; what they come to stays.

        Nothing is dropped that may be listed once more, that is, nothing from `since_ms` on. Of
        orders that were held to be somebody else's though no list has told our id of them, the
        latest 64 are kept: one of them may turn out to be ours, and is not to count twice.
        """
        kept_ms = min(before_ms, self.since_ms)
        if kept_ms <= self.kept_ms:
            return self
        entries = tuple(entry for entry in self.entries if entry.time_ms >= kept_ms)
        others = dict(self.settled_others)
        old = [each for each in self.tallies if each.ours is False and each.last_ms < kept_ms]
        nameless = sorted((each for each in old if each.is_nameless), key=_last)[-_NAMELESS:]
        settled = {_name(tally) for tally in old} - {_name(tally) for tally in nameless}
        tallies = []
        for tally in self.tallies:
            if _name(tally) in settled:
                before = others.get(TradeKind.TRADE, _ZERO)
                others[TradeKind.TRADE] = EXACT.add(before, _not_adopted(tally))
            else:
                tallies.append(tally)
        return self.replace(
            entries=entries,
            kept_ms=kept_ms,
            tallies=tuple(tallies),
            settled_others=_sorted(others),
        )

    def tally(self, order_id: OrderId | None, client_oid: str | None = None) -> Tally | None:
        """Return what is known of the trades of one order, None if there are none. O(tallies)."""
        name = (order_id, client_oid if order_id is None else None)
        return next((tally for tally in self.tallies if _name(tally) == name), None)

    def claimed(self, tally: Tally, ours: bool, client_oid: str | None = None) -> Ledger:
        """Return the ledger when it has turned out whose order *tally* is of.

        If it is not *ours*, for all that is known, its trades are among `others` from now on. The
        tally is kept, for a late event may tell that it is ours after all; then what was adopted
        of it is given back.
        """
        known = self.tally(tally.order_id, tally.client_oid)
        if known is None:
            return self
        fees = EXACT.subtract(known.moved, known.traded)
        unattributed, others_ms = self.unattributed, self.others_ms
        if not ours:
            others_ms = max(others_ms, known.last_ms)
            if known.ours is not False:
                unattributed = EXACT.subtract(unattributed, fees)
        elif known.ours is False:
            unattributed = EXACT.add(unattributed, EXACT.subtract(fees, known.adopted))
        adopted = _ZERO if ours else known.adopted
        name = client_oid or known.client_oid
        now = known.replace(ours=ours, client_oid=name, adopted=adopted)
        return self._with(known, now).replace(unattributed=unattributed, others_ms=others_ms)

    def given_up(self, tally: Tally) -> Ledger:
        """Return the ledger when the venue does not know the order of *tally* any more."""
        known = self.tally(tally.order_id, tally.client_oid)
        return self if known is None else self._with(known, known.replace(gone=True))

    def _with(self, old: Tally, new: Tally) -> Ledger:
        return self.replace(tallies=tuple(new if each is old else each for each in self.tallies))

    def folded(self, tally: Tally, counted: Decimal) -> Ledger:
        """Return the ledger without *tally*, of an order that no slot can take in any more.

        Of its trades, *counted* (signed) stands in the slots; the rest becomes unattributed. Its
        fees do as well, if it had been taken for somebody else's.
        """
        known = self.tally(tally.order_id, tally.client_oid)
        if known is None:
            return self
        ours = self.claimed(known, True)
        missing = EXACT.subtract(known.traded, counted)
        return ours.replace(
            tallies=tuple(each for each in ours.tallies if _name(each) != _name(known)),
            unattributed=EXACT.add(ours.unattributed, missing),
        )

    def adopted(self, kind: TradeKind) -> Ledger:
        """Return the ledger when what entries of *kind* moved is taken for ours.

        Whose orders that were is remembered, as far as one of them may turn out to be ours.
        """
        moved = self.others.get(kind, _ZERO)
        settled = {each: amount for each, amount in self.settled_others if each is not kind}
        tallies = self.tallies
        if kind is TradeKind.TRADE:
            tallies = tuple(
                tally.replace(adopted=tally.moved)
                if tally.ours is False and _not_adopted(tally)
                else tally
                for tally in tallies
            )
        if not moved and all(map(operator.is_, tallies, self.tallies)):
            return self
        return self.replace(
            unattributed=EXACT.add(self.unattributed, moved),
            settled_others=_sorted(settled),
            tallies=tallies,
        )

    def corrected(self, by: Decimal) -> Ledger:
        """Return the ledger when *by* (signed) more is held than any order tells.

        >>> Ledger().corrected(Decimal("-0.05")).unattributed
        Decimal('-0.05')
        """
        return self.replace(unattributed=EXACT.add(self.unattributed, by))


def _name(order: Entry | Tally) -> tuple[OrderId | None, str | None]:
    return order.order_id, order.client_oid if order.order_id is None else None


def _not_adopted(tally: Tally) -> Decimal:
    return EXACT.subtract(tally.moved, tally.adopted)


def _last(tally: Tally) -> int:
    return tally.last_ms


def _sorted(others: Mapping[TradeKind, Decimal]) -> tuple[tuple[TradeKind, Decimal], ...]:
    return tuple(sorted((kind, moved) for kind, moved in others.items() if moved))


def _time(entry: Entry) -> int:
    return entry.time_ms
