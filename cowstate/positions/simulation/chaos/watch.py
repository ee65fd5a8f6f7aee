"""The oracle at work: it watches the writes, halts and claims of one life after the other."""

from __future__ import annotations

from decimal import Decimal

from cowstate import Commit, Subscription

from ...book.model import EXACT
from ...book.reports import TradeKind
from ...book.slots import InventorySlot, Order
from ...book.store import Slots
from .client import ChaosExchange, promises_of, settling_ms
from .delays import Delays, LongHalt
from .faults import LIFETIME_MS
from .oracle import (
    Fact,
    Gap,
    HaltVerdict,
    Judgement,
    Truth,
    VenueOrder,
    gap_of,
    judge,
    judge_halt,
    known_orders,
    made_short,
    venue_order,
)
from .result import Ending, Finding, WorldResult
from .rules import Claim, Life, Said
from .venue import Venue

__all__ = ["Watch"]

_ZERO = Decimal(0)
# For how long more a verdict may wait where endpoints are silent.
_SILENCE_MS = 20_000
# How many passes in a row a divergence must have been there before "exact" is false, and "no halt"
# is a halt that is missing: whoever judges a look a pass later speaks of the pass before.
_OLD = 4
_LONG = 10
# What small corrections may come to in one world, of the position, before somebody must be told.
_MOST_CORRECTED = Decimal("0.25")


class Watch:
    """Judges what a rule does in one world, against the truth of its venue.

    Args:
        venue: the venue, which knows what is so and what is under way.
        prefix: what the client ids of our orders begin with.
        result: where it is counted.

    Attributes:
        inside: whether a pass is being made, and asks nobody just now.
        opened_ms: since when the two sides differ, by the ends of passes; None where they do not,
            or where trading is halted.
    """

    def __init__(self, venue: Venue, prefix: str, result: WorldResult) -> None:
        self.result = result
        self.inside = False
        self._sent: dict[str, int] = {}
        self._venue = venue
        self._prefix = prefix
        promises = promises_of(venue.faults)
        self._hidden_ms = LIFETIME_MS + promises.hidden_ms
        # A look that is judged when the trades of its time are listed speaks of before.
        self._judged_ms = promises.trades_lag_ms
        faults = venue.faults
        is_silent = faults.silent or faults.empty or faults.rate_limit
        self._patience_ms = settling_ms(faults) + (_SILENCE_MS if is_silent else 0)
        self._life: Life | None = None
        self._exchange: ChaosExchange | None = None
        self._subscription: Subscription[str, InventorySlot] | None = None
        self._orders: dict[int, VenueOrder] = {}
        self._seen = -1
        self._ordered: tuple[VenueOrder, ...] = ()
        self._known: tuple[Slots | None, dict[str, Order]] = (None, {})
        self._began: list[tuple[Gap, Decimal]] = []
        self._last: tuple[Gap, Decimal] = (Gap(), _ZERO)
        self.opened_ms: int | None = None
        self._same: tuple[Decimal, int, int] = (_ZERO, 0, venue.now_ms)
        lag_ms = promises.positions_lag_ms
        self._long_halt = LongHalt(self._patience_ms, lag_ms, venue.now_ms)
        self._silent_for = 0
        self._delays = Delays(result)
        self._was_halted = False
        self._fee = Decimal(str(venue.faults.fee))

    def follow(self, life: Life | None, exchange: ChaosExchange | None) -> None:
        """Watch *life*, which asks *exchange*, from now on, and the one before no longer."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
        self.inside = False
        self._life = life
        self._exchange = exchange
        self._was_halted = False
        if life is not None:
            self._subscription = life.manager.store.subscribe(self._on_commit)

    # What is so

    def truth(self) -> Truth:
        """Return what is so at the venue now, and what is under way."""
        venue, flight = self._venue, self._venue.flight
        self._look()
        facts: dict[str, Fact] = {}
        for update in flight.facts.values():
            fact = facts.get(update.client_oid)
            facts[update.client_oid] = Fact(
                update.order_id,
                update.filled if fact is None else max(fact.filled, update.filled),
                update.status.terminal or (fact is not None and fact.over),
            )
        return Truth(
            venue.ledger.position,
            self._ordered,
            facts,
            frozenset(flight.coming.values()),
            frozenset(flight.ending.values()),
            self._young(),
            self._fee,
        )

    def _look(self) -> None:
        ledger = self._venue.ledger
        if ledger.changes == self._seen:
            return
        self._seen = ledger.changes
        for order_id in ledger.take_changed():
            made = venue_order(ledger.engine.order(order_id, None), self._prefix)
            if made is not None:
                self._orders[order_id] = made
        self._ordered = tuple(self._orders.values())

    def sends(self, client_oid: str) -> None:
        """A request to place that order sets out now."""
        self._sent.pop(client_oid, None)
        self._sent[client_oid] = self._venue.now_ms

    def _young(self) -> frozenset[str]:
        now, sent = self._venue.now_ms, self._sent
        while sent:
            oldest = next(iter(sent))
            if now - sent[oldest] <= self._hidden_ms:
                break
            del sent[oldest]
        return frozenset(sent)

    def gap(self, slots: Slots, truth: Truth) -> Gap:
        """Return how far a version of the book is from *truth*."""
        assert self._life is not None
        known = self._known
        if known[0] is not slots:
            known = self._known = (slots, known_orders(slots.values()))
        total = self._life.total(slots)
        unread = self._life.unread(slots, self._venue.ledger.entries)
        if unread is not None:
            # What the list tells is a fact like any other: it is under way until it is read.
            total, truth = EXACT.add(total, unread), truth._replace(fee=_ZERO)
        return gap_of(slots, known[1], total, truth)

    # Writes

    def _on_commit(self, commit: Commit[str, InventorySlot]) -> None:
        if not self.inside:
            return
        truth = self.truth()
        before, after = self.gap(commit.before, truth), self.gap(commit.after, truth)
        judgement = judge(before, after)
        if judgement is Judgement.HARMFUL:
            judgement = self._harm(before, after)
        self.result.judgements[judgement] += 1
        if before.unexplained != after.unexplained:
            moved = EXACT.subtract(after.unexplained, before.unexplained)
            self.result.corrected = EXACT.add(self.result.corrected, moved.copy_abs())
        for old, new in commit.changes.values():
            slot = old if isinstance(old, InventorySlot) else None
            if isinstance(new, InventorySlot) and made_short(slot, new):
                self.result.shorts += 1
                self._find("SHORT", _keys(commit))
        if judgement not in (Judgement.NEEDED, Judgement.NEEDLESS):
            self._find(judgement.value, f"{_said(before)} -> {_said(after)}: {_keys(commit)}")
        elif self._venue.log is not None:
            self._venue.log(self._venue.now_ms, "oracle", f"{judgement}: {_said(after)}")

    def _harm(self, before: Gap, after: Gap) -> Judgement:
        """Return which harm it is: would there be none, were what nobody could see not so?"""
        exchange, ledger = self._exchange, self._venue.ledger
        if exchange is not None:
            if _is_harmless(before, after, ledger.outside_since(exchange.last_left_ms)):
                return Judgement.UNAVOIDABLE
            for moment in ledger.outside_moments():
                moved = ledger.outside_since(moment - 1, exchange.told_ms)
                if _is_harmless(before, after, moved) and exchange.sight.is_same_without(
                    moment - 1, exchange.told_ms
                ):
                    return Judgement.UNSEEN
        return Judgement.HARMFUL

    def canceled(self, order_id: int) -> None:
        """A pass has cancelled an order: was it one that the book counts on?"""
        self._look()
        order = self._orders.get(order_id)
        local = None
        if order is not None and self._life is not None:
            slots = self._life.manager.snapshot()
            local = known_orders(slots.values()).get(order.client_oid)
        if order is None:
            judgement = Judgement.HARMFUL  # somebody else's
        elif local is None or local.cancel_requested:
            judgement = Judgement.NEEDLESS
        elif local.status.terminal or local.order_id not in (None, order_id):
            judgement = Judgement.NEEDED
        else:
            judgement = Judgement.HARMFUL
        self.result.cancels[judgement] += 1
        if judgement is Judgement.HARMFUL:
            name = f"#{order_id}" if order is None else order.client_oid
            self._find("HARMFUL", f"cancelled {name}, which nobody wanted cancelled")

    # Passes

    def pass_begins(self) -> None:
        """A pass of the life that is followed begins."""
        self._began = [self._measured()]
        self._delays.pass_begins(self._began[0][0])
        self.inside = True

    def pass_ends(self, said: Said) -> None:
        """It has ended, and *said* that."""
        self.inside = False
        life, result = self._life, self.result
        assert life is not None
        gap, size = self._last = self._measured()
        result.passes += 1
        result.claims[said.claim] += 1
        if said.claim is Claim.WITHIN:
            result.widths.append(said.width)
        if self._exchange is not None:
            told = said.claim is Claim.DIVERGES or bool(life.halted())
            self._delays.pass_ends(
                gap, told, bool(life.halted()), self._exchange.sight, self._venue.ledger.untold_ms
            )
        self._silent_for = self._silent_for + 1 if said.claim is Claim.NONE else 0
        result.untold += self._silent_for > _LONG and not (life.alarmed() or life.halted())
        now, (number, times, since) = self._venue.now_ms, self._same
        if gap.unexplained != number:
            times, since = -1, now
        self._same = (gap.unexplained, times + 1, since)
        is_old = times + 1 >= _OLD and now - since > self._patience_ms + self._judged_ms
        result.false_exact += said.claim is Claim.EXACT and bool(gap.unexplained) and is_old
        bound = EXACT.multiply(life.bound, size)
        is_large = bool(gap.unexplained) and gap.unexplained.copy_abs() >= bound
        if not is_large or life.halted() or self._exchange is None:
            self._long_halt.begins_anew(now)
        else:
            halt, untold_ms = self._long_halt, self._venue.ledger.untold_ms
            halt.pass_ends(gap, bound, self._exchange.sight, untold_ms, now)
            # Who waits for the first exact look of its life does not trade, halted or not.
            if halt.is_missing(now) and life.may_trade():
                result.overdue += 1
                if result.overdue == 1:
                    self._find("OVERDUE", f"a halt, for {halt.passes} passes: {_said(gap)}")
        if gap.closed or life.halted():
            # What is halted is for people to heal.
            self.opened_ms = None
        elif self.opened_ms is None:
            self.opened_ms = now
        self._judge_halt(life, [*self._began, (gap, size), *self._taken_away(life, size)])
        if self._venue.log is not None:
            why = f" ({said.why})" if said.why else ""
            self._venue.log(self._venue.now_ms, "rule", f"says {said.claim}{why}")
            self._venue.log(self._venue.now_ms, "oracle", f"the truth: {_said(gap)}")

    def _taken_away(self, life: Life, size: Decimal) -> list[tuple[Gap, Decimal]]:
        """What the venue has liquidated, if a halt names it: a reason, though it is told."""
        if TradeKind.LIQUIDATION.value not in life.halted():
            return []
        return [
            (Gap(unexplained=entry.moved), size)
            for entry in self._venue.ledger.entries
            if entry.kind is TradeKind.LIQUIDATION
        ]

    def _judge_halt(self, life: Life, gaps: list[tuple[Gap, Decimal]]) -> None:
        reason = life.halted()
        if reason and not self._was_halted:
            verdict = judge_halt(gaps, life.bound)
            self.result.halts[verdict] += 1
            self._find(f"HALT {verdict}", reason)
            if verdict is HaltVerdict.WRONG:
                life.reset()
                reason = life.halted()
        self._was_halted = bool(reason)

    def ends(self) -> None:
        """The world ends: was all well after its last pass?"""
        life, result = self._life, self.result
        if life is None:
            return
        gap, size = self._last
        allowed = EXACT.add(EXACT.multiply(_MOST_CORRECTED, size), self._venue.ledger.told)
        if not life.halted() and result.corrected > allowed:
            result.unbounded = True
            self._find("UNBOUNDED", f"{result.corrected} corrected in all")
        if life.halted() and gap.unexplained:
            result.ending = Ending.HALTED
        elif self._long_halt.is_missing(self._venue.now_ms, _LONG - 1):
            result.ending = Ending.MISSING
        elif not gap.closed:
            undecided = self._delays.is_undecided(gap)
            result.ending = Ending.UNDECIDED if undecided else Ending.UNHEALED
        elif self._profit_is_wrong(life):
            result.profit_wrong = True
        if result.ending in (Ending.MISSING, Ending.UNHEALED, Ending.UNDECIDED):
            self._find(result.ending.value, _said(gap))

    def _profit_is_wrong(self, life: Life) -> bool:
        """Whether the profit is not what the venue's fills come to, though every fill is known."""
        slots = life.manager.snapshot()
        known = known_orders(slots.values())
        for order in self._ordered:
            local = known.get(order.client_oid)
            if local is not None and local.order_id == order.order_id:
                at_venue = self._venue.ledger.engine.order(order.order_id, None)
                if local.filled == at_venue.filled and local.cost != at_venue.cost:
                    return True
        return False

    def _measured(self) -> tuple[Gap, Decimal]:
        assert self._life is not None
        slots = self._life.manager.snapshot()
        truth = self.truth()
        size = max(self._life.total(slots).copy_abs(), truth.position.copy_abs())
        return self.gap(slots, truth), size

    def _find(self, what: str, detail: str) -> None:
        self.result.findings.append(Finding(self._venue.now_ms, what, detail))
        if self._venue.log is not None:
            self._venue.log(self._venue.now_ms, "oracle", f"{what}: {detail}")


def _is_harmless(before: Gap, after: Gap, moved: Decimal) -> bool:
    """Whether a harmful write would be none, had others not *moved* the position by so much."""
    then = judge(_without(before, moved), _without(after, moved))
    return bool(moved) and then is not Judgement.HARMFUL


def _without(gap: Gap, moved: Decimal) -> Gap:
    return gap._replace(unexplained=EXACT.subtract(gap.unexplained, moved))


def _said(gap: Gap) -> str:
    if gap.closed:
        return "the two sides are the same"
    parts = []
    if gap.wrong:
        parts.append(f"{gap.wrong} wrong about an order's life")
    if gap.behind:
        parts.append(f"{gap.behind} behind")
    if gap.missed:
        parts.append(f"{gap.missed} of fills missed")
    if gap.unexplained:
        parts.append(f"{gap.unexplained} unexplained")
    return ", ".join(parts)


def _held(slot: object) -> Decimal:
    return slot.position_qty if isinstance(slot, InventorySlot) else _ZERO


def _keys(commit: Commit[str, InventorySlot]) -> str:
    changed = [
        f"slot {key} holds {_held(old)} -> {_held(new)}"
        for key, (old, new) in commit.changes.items()
    ]
    return ", ".join(changed)
