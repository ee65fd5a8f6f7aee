"""What one pass comes to: a pure plan, from what is held, was heard, and is remembered."""

from __future__ import annotations

from decimal import Decimal

from cowstate import Record

from ..book.account import Account
from ..book.config import GridConfig
from ..book.learnt import FillHistory
from ..book.ledger import Entry, Ledger
from ..book.remembered import BreakerState, PastDivergence, Sighting
from ..book.reports import FeeAsset
from ..book.store import Slots
from ..exchange.promises import VenuePromises
from .alarms import Alarm, alarms_of, halted_by
from .asking import ENDPOINTS, Heard
from .evidence import Evidence
from .lags import age_of, contradictions, late_trades, sighted, taught
from .looks import PositionLook, TradesReading
from .memory import Memory
from .orderfacts import OrderFacts, plan_facts
from .others import OthersPlan, plan_others
from .policy import ReconcilePolicy, Remedy
from .reading import keep_ms, take_in
from .standing import Standing, held_orders, standing_of
from .untraded import judge_untraded
from .verdicts import Judgement, Verdict, VerdictKind, judge_looks, verdict_of
from .waiting import gained, unexplained

__all__ = ["Halt", "PassPlan", "plan_pass"]


class Halt(Record):
    """Why trading is to stop.

    *flatten* says that the position is to be closed, *proof_closes* that a proof of agreement ends
    it.
    """

    why: str
    flatten: bool = False
    proof_closes: bool = False


class PassPlan(Record):
    """What one pass comes to.

    Attributes:
        facts: what is done about orders.
        account: what is known beside the slots when all of this is written.
        standing: what is held, and how the list of trades would have it.
        verdict: what is said of the position.
        others: what is done about what is not ours.
        alarms: what somebody should look at.
        halt: why trading is to stop; None if it need not.
        closes: the halt that ends, because both sides are proven to agree; None: none does.
        correction: what is added to the unattributed quantity.
        memory: what is remembered for the next pass.
    """

    facts: OrderFacts
    account: Account
    standing: Standing
    verdict: Verdict
    others: OthersPlan
    alarms: tuple[Alarm, ...]
    halt: Halt | None
    closes: BreakerState | None
    correction: Decimal | None
    memory: Memory


def plan_pass(
    slots: Slots,
    account: Account,
    heard: Heard,
    history: FillHistory,
    memory: Memory,
    breaker: BreakerState,
    config: GridConfig,
    promises: VenuePromises,
    policy: ReconcilePolicy,
    now_ms: int,
) -> PassPlan:
    """Return what a pass comes to. Pure; O(orders + entries).

    Args:
        slots: what is held, of a moment after the last answer came.
        account: what is known beside them.
        heard: what the venue said.
        history: when fills became known, of the version of *slots* or a later one.
        memory: what the passes before have left.
        breaker: whether trading is halted.
        config: the grid.
        promises: what the venue says it keeps to.
        policy: what may be done.
        now_ms: our clock.
    """
    return _Plan(
        slots, account, heard, history, memory, breaker, config, promises, policy, now_ms
    ).run()


class _Plan:
    def __init__(
        self,
        slots: Slots,
        account: Account,
        heard: Heard,
        history: FillHistory,
        memory: Memory,
        breaker: BreakerState,
        config: GridConfig,
        promises: VenuePromises,
        policy: ReconcilePolicy,
        now_ms: int,
    ) -> None:
        self.slots = slots
        self.account = account
        self.heard = heard
        self.history = history
        self.memory = memory.fitting(account, history.adjusted, now_ms)
        self.before = self.memory.evidence
        self.breaker = breaker
        self.config = config
        self.promised = promises
        self.promises = taught(promises, account.sightings)
        self.policy = policy
        self.now_ms = now_ms

    def run(self) -> PassPlan:
        account, heard, config, policy = self.account, self.heard, self.config, self.policy
        ledger, fresh = take_in(account.ledger, heard.read, self.slots, config, self.promises)
        findings = account.findings.asking(heard.asked, self.now_ms)
        facts = plan_facts(self.slots, heard.orders, ledger, findings, config, self.promises)
        standing = self._standing(ledger)
        judgement = self._judge(ledger, standing, facts)
        self._hear()
        sightings = self._sight(ledger, fresh, standing, facts, judgement)
        verdict = self._verdict(ledger, standing, facts, judgement)
        ledger = _settled(ledger, facts)
        others = plan_others(ledger, judgement.agreed_from_ms, policy)
        for kind in others.adopt:
            ledger = ledger.adopted(kind)
        ledger = ledger.forgotten(self._kept_from())
        account = account.replace(ledger=ledger, findings=facts.findings, sightings=sightings)
        if judgement.agreed_ms is not None:
            account = account.replace(agreed_ms=judgement.agreed_ms)
        broken = contradictions(sightings, self.promised)
        alarms = alarms_of(
            self.memory.watch,
            self.now_ms,
            policy,
            standing.overdue,
            broken,
            facts.findings.disputes,
        )
        halt = self._halt(verdict, others, alarms)
        correction = self._correction(verdict, halt)
        ended = "it is gone"
        if correction is not None:
            account = account.corrected(correction, self.now_ms)
            ended = f"corrected by {correction}"
            self.memory = self.memory.replace(
                evidence=self.memory.evidence.moved(correction), agreements=0
            )
        account = self._remember(account, ended)
        return PassPlan(
            facts,
            account,
            standing,
            verdict,
            others,
            alarms,
            halt,
            self._closes(verdict, halt),
            correction,
            self.memory.replace(ledger=account.ledger),
        )

    # What is held, and what the looks say of it

    def _reading(self) -> TradesReading | None:
        return self.heard.read.reading

    def _standing(self, ledger: Ledger) -> Standing:
        orders = held_orders(self.slots, self.history, self._reading(), self.promises)
        return standing_of(ledger, self.slots.total("position"), orders)

    def _judge(self, ledger: Ledger, standing: Standing, facts: OrderFacts) -> Judgement:
        memory, heard, reading = self.memory, self.heard, self._reading()
        looks = (*memory.pending, *heard.looks)
        if reading is not None and reading.complete:
            if memory.untraded:
                # What others did meanwhile was no part of what those looks were compared with.
                self.memory = memory = memory.replace(evidence=Evidence(), agreements=0)
            judgement = judge_looks(
                looks, reading, ledger, standing, memory.evidence, self.promises
            )
            self.memory = memory.replace(read_ms=self.now_ms).judged(judgement, untraded=False)
            return judgement
        if heard.looks and self._does_without_trades():
            judgement = judge_untraded(
                heard.looks[-1],
                self.slots,
                ledger,
                standing,
                facts,
                heard.orders,
                self.history,
                memory.evidence if memory.untraded else Evidence(),
                self.promises,
            )
            self.memory = memory.judged(judgement, untraded=True)
            return judgement
        judgement = Judgement(memory.evidence, looks)
        self.memory = memory.judged(judgement, untraded=memory.untraded)
        return judgement

    def _does_without_trades(self) -> bool:
        if self.promises.fee_asset is FeeAsset.BASE and self.promises.base_fee:
            return False  # each fee that no trade tells would be a divergence
        read_ms = self.memory.read_ms
        return read_ms is None or self.now_ms - read_ms > self.policy.untraded_ms

    def _hear(self) -> None:
        watch = self.memory.watch
        for endpoint in ENDPOINTS:
            watch = watch.asked(endpoint, endpoint in self.heard.answered, self.now_ms)
        self.memory = self.memory.replace(watch=watch)

    def _sight(
        self,
        ledger: Ledger,
        fresh: tuple[Entry, ...],
        standing: Standing,
        facts: OrderFacts,
        judgement: Judgement,
    ) -> tuple[Sighting, ...]:
        sightings, now_ms = self.account.sightings, self.now_ms
        late = late_trades(fresh, self.account.ledger.since_ms, self.promises)
        if late is not None:
            sightings = sighted(sightings, "trades_lag_ms", late, now_ms)
        for _, hidden in facts.hidden:
            if hidden > self.promises.hidden_ms:
                sightings = sighted(sightings, "hidden_ms", hidden, now_ms)
        seen = judgement.evidence.last
        if judgement.judged and seen is not None and Decimal(0) not in seen and self.heard.looks:
            age = age_of(
                self.heard.looks[-1],
                standing,
                ledger.entries,
                kept_ms=ledger.kept_ms,
                promises=self.promises,
            )
            if age is not None and age > self.promises.positions_lag_ms:
                sightings = sighted(sightings, "positions_lag_ms", age, now_ms)
        return sightings

    def _verdict(
        self, ledger: Ledger, standing: Standing, facts: OrderFacts, judgement: Judgement
    ) -> Verdict:
        verdict = verdict_of(
            judgement.evidence,
            now_ms=self.now_ms,
            fresh=judgement.judged > 0,
            accounted=standing.accounted,
            lot=self.config.quantity,
            policy=self.policy,
            corrected=self.account.corrected_lately(self.now_ms),
        )
        if verdict.kind is not VerdictKind.CORRECT:
            return verdict
        but = ""
        if self.memory.untraded and self._may_still_be_read():
            but = "the trades, which may explain it, cannot be read"
        elif self.memory.untraded and _is_wide(self.memory.evidence):
            but = "the newest look, judged without trades, allows others as well"
        elif self._newer_look(ledger, standing, facts, verdict) is not None:
            but = "a newer look, which waits for its trades, does not fit it"
        if not but:
            return verdict
        why = f"{verdict.why}; {but}"
        return verdict.replace(kind=VerdictKind.DIVERGES, remedy=Remedy.REPORT, why=why)

    def _may_still_be_read(self) -> bool:
        """Whether the trades, which were never read in this life, may only be late."""
        if self.memory.read_ms is not None:
            return False  # or they would not be done without
        return self.now_ms - self.memory.watch.began_ms <= self.policy.untraded_ms

    def _newer_look(
        self, ledger: Ledger, standing: Standing, facts: OrderFacts, verdict: Verdict
    ) -> PositionLook | None:
        """Return a look that came after all that were judged and that does not fit *verdict*."""
        divergence = None if verdict.possible is None else verdict.possible.exact
        if divergence is None or not self.memory.pending:
            return None
        _, growths = gained(self.slots, ledger, facts, self.now_ms)
        return unexplained(
            self.memory.pending, divergence, standing, ledger.entries, growths, self.promises
        )

    # What follows

    def _kept_from(self) -> int:
        pending = self.memory.pending
        oldest = min((look.sent_ms for look in pending), default=self.now_ms)
        return oldest - keep_ms(self.promises)

    def _halt(self, verdict: Verdict, others: OthersPlan, alarms: tuple[Alarm, ...]) -> Halt | None:
        for remedy, why in others.stops:
            return Halt(why, flatten=remedy is Remedy.FLATTEN)
        acted_on = verdict.kind in (VerdictKind.BREAK, VerdictKind.CORRECT)
        if acted_on and verdict.remedy in (Remedy.HALT, Remedy.FLATTEN):
            flatten = verdict.remedy is Remedy.FLATTEN
            return Halt(verdict.why, flatten=flatten, proof_closes=not flatten)
        silent = halted_by(alarms)
        return None if silent is None else Halt(silent, proof_closes=True)

    def _correction(self, verdict: Verdict, halt: Halt | None) -> Decimal | None:
        wanted = verdict.kind is VerdictKind.CORRECT and verdict.remedy is Remedy.CORRECT
        if not wanted or halt is not None or self.breaker.open or verdict.possible is None:
            return None
        return verdict.possible.exact

    def _closes(self, verdict: Verdict, halt: Halt | None) -> BreakerState | None:
        memory, policy = self.memory, self.policy
        lasted_ms = memory.evidence.last_ms - memory.agreed_since_ms
        proven = (
            self.breaker.open
            and self.breaker.proof_closes
            and halt is None
            and verdict.fresh
            and verdict.kind is VerdictKind.AGREES
            and memory.agreements >= policy.looks
            and lasted_ms >= policy.lasting_ms
        )
        return self.breaker if proven else None

    def _remember(self, account: Account, ended: str) -> Account:
        before, now = self.before, self.memory.evidence
        if not before.proven or before.possible is None or now.proven:
            return account
        least = before.possible.least
        return account.ended(PastDivergence(before.proven_ms, self.now_ms, least, ended))


def _is_wide(evidence: Evidence) -> bool:
    """Whether the latest look leaves more than one number."""
    return evidence.last is not None and evidence.last.exact is None


def _settled(ledger: Ledger, facts: OrderFacts) -> Ledger:
    """Return *ledger* with what turned out about the orders of its tallies."""
    for claim in facts.claims:
        ledger = ledger.claimed(claim.tally, claim.ours, claim.client_oid)
    for tally in facts.gone:
        ledger = ledger.given_up(tally)
    for fold in facts.folds:
        ledger = ledger.folded(fold.tally, fold.counted)
    return ledger
