"""What is to be done about orders, by all that any answer of a pass has said: `plan_facts`.

Facts are used in the pass that learnt them, whoever told them: a list that lags discards no
order's own answer, and the trades tell what was filled where nothing else does.
"""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

from ..book.config import GridConfig
from ..book.facts import certain, fact_of, is_another
from ..book.findings import Dispute, Findings
from ..book.ids import parse_client_oid
from ..book.ledger import Ledger, Tally
from ..book.model import OrderUpdate
from ..book.orders import apply_order_update, join_order
from ..book.slots import ForgottenOrder, InventorySlot, Order
from ..book.store import Slots
from ..exchange.promises import FOREVER, VenuePromises
from .fates import Said, given_up, is_acknowledged, is_alive_for_sure, is_gone, purged
from .places import Place, Placed, place_of, place_of_tally, places_of
from .queries import Asking, OrderAnswer, OrdersSeen, ghosts_in, name_of
from .strangers import guessed_ids, is_among, strangers_in

__all__ = ["Claim", "Ending", "Fold", "OrderFacts", "plan_facts"]


_ZERO = Decimal(0)


class Ending(Record):
    """An order that is given up; to be written only if it is still the same object."""

    order: Order
    update: OrderUpdate


class Claim(Record):
    """A tally that turns out to be of an order of ours, or not."""

    tally: Tally
    ours: bool
    client_oid: str | None = None


class Fold(Record):
    """A tally of an order that no slot can take in; *counted* of it, signed, stands in a slot."""

    tally: Tally
    counted: Decimal = Decimal(0)


class OrderFacts(Record):
    """What a pass does about orders.

    Attributes:
        join: facts that tell something new, each without a contradiction.
        adopted: client ids of PENDING orders that turn out, by *join*, to exist.
        endings: orders that can neither come nor be found any more.
        cancel: orders of ours that work there and are over here for sure.
        claims: whose order the trades of nobody's were.
        gone: tallies of orders that nobody will tell of any more. What their trades tell stays
            accounted for; a late event may still bring the order itself.
        folds: tallies of orders that no slot can take in: what is not counted of them becomes
            unattributed.
        foreign: listed orders of somebody else.
        hidden: orders that were acknowledged, not found, and found again: for how long they were
            hidden at least, in ms.
        dropped: for each slot, forgotten orders of which it need not know any more what it
            counted.
        findings: what is to be remembered.
    """

    join: tuple[OrderUpdate, ...] = ()
    adopted: tuple[str, ...] = ()
    endings: tuple[Ending, ...] = ()
    cancel: tuple[OrderUpdate, ...] = ()
    claims: tuple[Claim, ...] = ()
    gone: tuple[Tally, ...] = ()
    folds: tuple[Fold, ...] = ()
    foreign: tuple[OrderUpdate, ...] = ()
    hidden: tuple[tuple[str, int], ...] = ()
    dropped: tuple[tuple[str, tuple[str, ...]], ...] = ()
    findings: Findings = Findings()


class _Facts:
    """One run of `plan_facts`: what was found so far."""

    def __init__(
        self,
        slots: Slots,
        seen: OrdersSeen,
        ledger: Ledger,
        findings: Findings,
        config: GridConfig,
        promises: VenuePromises,
    ) -> None:
        self.slots = slots
        self.seen = seen
        self.ledger = ledger
        self.findings = findings
        self.config = config
        self.promises = promises
        self.strangers = strangers_in(slots, seen.listed or (), ledger, config, promises)
        # What was joined so far of each order, so that the same fact is not joined twice.
        self.known: dict[str, Order] = {}
        # By the venue's ids, where those of a tally are the only ones.
        self.named = {
            order.order_id: Placed(Place.FORGOTTEN, order.client_oid, key)
            for key, slot in slots.items()
            for order in slot.forgotten
            if order.order_id is not None
        }
        self.join: list[OrderUpdate] = []
        self.adopted: dict[str, None] = {}
        self.endings: list[Ending] = []
        self.cancel: list[OrderUpdate] = []
        self.claims: list[Claim] = []
        self.gone: list[Tally] = []
        self.folds: list[Fold] = []
        self.foreign: list[OrderUpdate] = []
        self.hidden: list[tuple[str, int]] = []

    def run(self) -> OrderFacts:
        listed = self.seen.listed or ()
        for update in listed:
            self._told(update)
        ghosts = ghosts_in(self.slots, listed, self.config)
        for ghost in self.findings.ghosts:
            if self.seen.complete and ghost.order_id not in ghosts:
                self.findings = self.findings.laid(ghost.order_id)
        for answer in self.seen.answers:
            self._answered(answer)
        self.named.update(places_of(self.known.values(), self.config))
        for tally in self.ledger.tallies:
            self._traded(tally)
        orders = [order for slot in self.slots.values() for order in slot.orders]
        alive = [order.client_oid for order in orders if not order.terminal]
        over = [order.client_oid for order in orders if order.terminal]
        unknown = (name_of(tally.order_id, tally.client_oid) for tally in self.ledger.tallies)
        guessed = guessed_ids(self.slots, self.strangers, self.config)
        missed = self.findings.absent or self.findings.given_up
        return OrderFacts(
            tuple(self.join),
            tuple(self.adopted),
            tuple(self.endings),
            tuple(self.cancel),
            tuple(self.claims),
            tuple(self.gone),
            tuple(self.folds),
            tuple(self.foreign),
            tuple(self.hidden),
            tuple((key, tuple(names)) for key, names in sorted(self._dropped().items())),
            self.findings.only((*alive, *unknown, *guessed), over if missed else ()),
        )

    def _told(self, update: OrderUpdate) -> Placed:
        """Use what the venue tells of one order."""
        placed = place_of(self.slots, update, self.config)
        if placed.place is Place.FOREIGN:
            self.foreign.append(update)
            return placed
        update = update.replace(client_oid=placed.client_oid)
        order = placed.order
        if placed.place is Place.KNOWN and order is not None and not is_another(order, update):
            self._is_there(order)
            self._learn(order, update)
            if order.terminal and not update.status.terminal:
                self._astray(update)
        elif placed.place is Place.NEW:
            self._take_in(placed, update)
        elif not update.status.terminal:
            self._astray(update)
        return placed

    def _learn(self, order: Order, update: OrderUpdate) -> None:
        found = certain(order, update, self.seen.now_ms)
        for dispute in found.disputes:
            self.findings = self.findings.disputed(dispute)
        known = self.known.get(order.client_oid, order)
        if known.order_id is not None and found.update.order_id not in (None, known.order_id):
            return  # two answers of this pass name two orders; the first was believed
        joined = join_order(known, found.update)
        if joined is known:
            return
        self.known[order.client_oid] = joined
        self.join.append(found.update)
        if not is_acknowledged(order):
            self.adopted[order.client_oid] = None

    def _take_in(self, placed: Placed, update: OrderUpdate) -> None:
        parts = parse_client_oid(update.client_oid, self.config.prefix)
        if parts is not None and parts.side is not update.side:
            ours, theirs = parts.side.value, update.side.value
            dispute = Dispute(
                update.client_oid, update.order_id, "side", ours, theirs, self.seen.now_ms
            )
            self.findings = self.findings.disputed(dispute)
            return
        known = self.known.get(update.client_oid)
        if known is None:
            # Another answer of this pass may tell of it as well, and otherwise.
            slot = apply_order_update(InventorySlot(Decimal(placed.slot)), update)
            (self.known[update.client_oid],) = slot.orders
            self.join.append(update)
        elif not is_another(known, update):
            self._learn(known, update)

    def _is_there(self, order: Order) -> None:
        if order.terminal:
            return  # what was over when it was not found was not hidden
        absent = self.findings.absence(order.client_oid)
        if absent is not None and is_acknowledged(order):
            hidden = absent.last_ms - absent.since_ms - self.promises.order_lag_ms
            if hidden > 0:
                self.hidden.append((order.client_oid, hidden))
        self.findings = self.findings.found(order.client_oid)

    def _astray(self, update: OrderUpdate) -> None:
        if update.order_id is not None:
            self.findings = self.findings.listed_though_over(
                update.order_id, update.client_oid, self.seen.now_ms
            )

    def _answered(self, answer: OrderAnswer) -> None:
        query, update = answer.query, answer.update
        if query.why is Asking.STRANGER and not is_among(self.strangers, update):
            return
        if answer.said is Said.TOLD and update is not None:
            self._told_of(answer, update)
        elif query.why is Asking.UNLISTED:
            self._not_told(answer)
        elif query.why is Asking.GHOST and query.order_id is not None:
            if answer.said is not Said.NOT_YET:
                self.findings = self.findings.laid(query.order_id)
        elif answer.said is not Said.NOT_YET:
            self._nobodys(answer)

    def _told_of(self, answer: OrderAnswer, update: OrderUpdate) -> None:
        query = answer.query
        if query.client_oid is not None and update.order_id is None:
            update = update.replace(client_oid=query.client_oid)
        if query.order_id is not None and update.order_id is None:
            update = update.replace(order_id=query.order_id)
        placed = self._told(update)
        if query.why is Asking.UNKNOWN:
            tally = self.ledger.tally(query.order_id, query.client_oid)
            if tally is not None and tally.ours is None:
                ours = placed.place is not Place.FOREIGN
                client_oid = placed.client_oid if ours else None
                if ours or not self._may_be_ours(update):
                    self.claims.append(Claim(tally, ours, client_oid))
        order_id = update.order_id
        ghost = None if order_id is None else self.findings.ghost(order_id)
        if ghost is None or order_id is None:
            return
        if update.status.terminal:
            self.findings = self.findings.laid(order_id)
        elif is_alive_for_sure(answer.asked_ms, ghost.since_ms, self.promises):
            self.cancel.append(update.replace(client_oid=placed.client_oid))
            self.findings = self.findings.laid(order_id)
            self._was_hidden(placed)

    def _may_be_ours(self, update: OrderUpdate) -> bool:
        """Whether an answer that does not name our id may be of an order whose own is not known."""
        return not self.promises.trades_carry_client_ids and any(
            order.order_id is None
            and not order.terminal
            and (order.side, order.price, order.quantity)
            == (update.side, update.price, update.quantity)
            for slot in self.slots.values()
            for order in slot.orders
        )

    def _was_hidden(self, placed: Placed) -> None:
        """Note an order that was given up, and works: it was hidden for longer than is promised."""
        absent = self.findings.gave_up(placed.client_oid)
        if absent is None:
            return
        came = self.promises.order_lag_ms
        if not absent.acknowledged:
            came += self.promises.lifetime_ms
        self.hidden.append((placed.client_oid, absent.last_ms - absent.since_ms - came))
        self.findings = self.findings.found(placed.client_oid)

    def _not_told(self, answer: OrderAnswer) -> None:
        name = answer.query.name
        key = self.slots.find_key("client_oid", name)
        order: Order | None = None if key is None else self.slots[key].order(name)
        if order is None or order.terminal or name in self.known:
            return
        symbol, now_ms = self.config.symbol, self.seen.now_ms
        if answer.said is Said.NOT_YET:
            self.findings = self.findings.found(name)
            return
        if answer.said is Said.PURGED:
            self.endings.append(Ending(order, purged(order, symbol, now_ms)))
            return
        acknowledged = answer.query.acknowledged
        self.findings = self.findings.not_found(name, answer.asked_ms, acknowledged)
        absent = self.findings.absence(name)
        # What was told of since it was asked for has come since.
        if absent is not None and acknowledged is is_acknowledged(order):
            end = given_up(order, absent, self.promises, symbol, now_ms)
            if end is not None:
                self.endings.append(Ending(order, end))

    def _nobodys(self, answer: OrderAnswer) -> None:
        """An order of which trades tell is not found: past all hiding it is gone."""
        tally = self.ledger.tally(answer.query.order_id, answer.query.client_oid)
        if tally is None:
            return
        self.findings = self.findings.not_found(answer.query.name, answer.asked_ms)
        absent = self.findings.absence(answer.query.name)
        gone = absent is not None and is_gone(absent, self.promises)
        if not gone and answer.said is not Said.PURGED:
            return
        if self._place(tally).place is Place.NAMELESS:
            self.claims.append(Claim(tally, ours=False))
        else:
            self.gone.append(tally)

    def _place(self, tally: Tally) -> Placed:
        """Return where it belongs; its order may be forgotten, or known since an answer came."""
        placed = place_of_tally(self.slots, tally, self.config)
        if placed.place is Place.NAMELESS and tally.order_id is not None:
            return self.named.get(tally.order_id, placed)
        return placed

    def _traded(self, tally: Tally) -> None:
        placed = self._place(tally)
        if placed.place is Place.KNOWN and placed.order is not None:
            order = placed.order
            known = self.known.get(order.client_oid, order)
            edited = any(
                each.about == "quantity" and each.client_oid == order.client_oid
                for each in self.findings.disputes
            )
            update = fact_of(known, tally, self.config.symbol, edited=edited)
            # Where ids may be used again, trades name an order only by the venue's id of it.
            sure = order.order_id is not None or self.promises.ids_unique_ms >= FOREVER
            if sure and (tally.ours is not True or tally.client_oid is None):
                self.claims.append(Claim(tally, True, order.client_oid))
            if update is not None and sure:
                self._learn(order, update)
        elif placed.place is Place.ANOTHER:
            self.folds.append(Fold(tally))
        elif placed.place is Place.FORGOTTEN and self._is_passed(tally.last_ms):
            kept = self._kept(placed)
            if kept is None:
                counted = _ZERO if tally.gone else tally.traded
                self.folds.append(Fold(tally, counted))
            elif self._is_passed(kept.ended_ms):
                other = None not in (kept.order_id, tally.order_id)
                other = other and kept.order_id != tally.order_id
                self.folds.append(Fold(tally, _ZERO if other else kept.filled))

    def _kept(self, placed: Placed) -> ForgottenOrder | None:
        for order in self.slots[placed.slot].forgotten:
            if order.client_oid == placed.client_oid:
                return order
        return None

    def _is_passed(self, moment_ms: int) -> bool:
        """Whether the list of trades was read beyond a moment that either clock may have told."""
        return self.ledger.since_ms > moment_ms + self.promises.clock_ms

    def _dropped(self) -> dict[str, list[str]]:
        """Forgotten orders all of whose trades were listed: by slot."""
        late = {
            placed.client_oid
            for tally in self.ledger.tallies
            if not self._is_passed(tally.last_ms)
            and (placed := self._place(tally)).place is Place.FORGOTTEN
        }
        dropped: dict[str, list[str]] = {}
        for key, slot in self.slots.items():
            for order in slot.forgotten:
                if self._is_passed(order.ended_ms) and order.client_oid not in late:
                    dropped.setdefault(key, []).append(order.client_oid)
        return dropped


def plan_facts(
    slots: Slots,
    seen: OrdersSeen,
    ledger: Ledger,
    findings: Findings,
    config: GridConfig,
    promises: VenuePromises,
) -> OrderFacts:
    """Return what is to be done about orders, by all that *seen* and *ledger* tell. Pure.

    Every fact is joined without an error: contradictions in it are disputes. An order is given up
    only when by the promises it can neither arrive nor be found any more, and cancelled only
    when the venue said that it was alive after we held it to be over. Costs O(slots + answers +
    tallies).

    Of an order that its slot has forgotten, what the slot counted is kept until the list of trades
    has passed its end, and then compared with its trades once. One of which nothing is kept was
    forgotten with all of its trades.
    """
    return _Facts(slots, seen, ledger, findings, config, promises).run()
