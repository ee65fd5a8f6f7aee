"""One pass from its first request to its last: `PassRunner`.

Who asks the venue is in `asking`, what a pass comes to is the pure function in `passes`, and what
it writes is in `writing`.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from functools import partial

from cowstate import ArgumentValueError, Commit, Store

from ..book.account import Account
from ..book.kept import wait_on_disk
from ..book.learnt import FillLog
from ..book.model import OrderUpdate
from ..book.remembered import BreakerState
from ..book.slots import InventorySlot
from ..errors import ExchangeError
from ..exchange.protocol import Exchange
from ..trading.manager import PositionManager
from .alarms import Watch
from .asking import Asker, Heard
from .breaker import CircuitBreaker
from .lags import taught
from .life import Life
from .memory import Memory
from .passes import PassPlan, plan_pass
from .places import place_of
from .policy import ReconcilePolicy, Remedy
from .reading import begin, keep_ms
from .report import Correction, CorrectionKind, PassOutcome, PassReport, ReconcilerStatus
from .writing import fits, write_pass

__all__ = ["PassRunner"]

_log = logging.getLogger(__name__)
# How often a pass is planned anew because somebody wrote to the account meanwhile.
_ATTEMPTS = 4


class PassRunner:
    """Makes the passes of one reconciler, one at a time.

    Args:
        manager: whose state is reconciled.
        exchange: whom to ask.
        policy: what may be done.
        breaker: opened where trading is to stop.
        time_ms: our clock.
        pause: ``pause(seconds)`` returns when they have passed.

    Attributes:
        memory: what this life remembers.
    """

    def __init__(
        self,
        manager: PositionManager,
        exchange: Exchange,
        policy: ReconcilePolicy,
        breaker: CircuitBreaker,
        time_ms: Callable[[], int],
        pause: Callable[[float], object],
    ) -> None:
        self._manager = manager
        self._store = manager.store
        self._config = manager.config
        self._symbol = manager.config.symbol
        self._exchange = exchange
        self._policy = policy
        self._breaker = breaker
        self._time_ms = time_ms
        self._asker = Asker(exchange, manager.config, policy, time_ms, pause)
        self._fills = FillLog(keep_ms(exchange.promises), time_ms)
        # Of a dry run: the account that it would have written.
        self._imagined: Account | None = None
        # What is called holds nothing but weakly: a finalizer keeps what it calls until it does,
        # and the clock, or a subscriber of the store, may well hold the reconciler.
        followed = self._store.subscribe(partial(_note_fills, weakref.ref(self._fills)))
        weakref.finalize(self, followed.close)
        self.memory = self._begin()
        if not policy.dry_run:
            store = weakref.ref(self._store)
            kept = breaker.on_change(partial(_keep_breaker, store, self._symbol))
            weakref.finalize(self, kept.close)

    def account(self) -> Account:
        """Return what is known beside the slots; in a dry run, what would be."""
        if self._imagined is not None:
            return self._imagined
        account: Account = self._store.snapshot().meta
        return account

    def _begin(self) -> Memory:
        """Begin a life on the state that there is: its ledger, and the breaker that was saved."""
        now = self._time_ms()
        snapshot = self._store.snapshot()
        account: Account = snapshot.meta
        if account.ledger.began_ms is None:
            ledger = begin(account.ledger, snapshot, self._exchange.promises, now)
            if self._policy.dry_run:
                self._imagined = account.replace(ledger=ledger)
            else:
                self._store.update_meta(
                    lambda each: each if each.ledger.began_ms is not None
                    else each.replace(ledger=ledger)
                )  # fmt: skip
        held, saved = self._breaker.state(self._symbol), account.breaker
        # One that was never used takes over how often it has opened, too.
        if not held.open and (saved.open or saved.trips > held.trips):
            self._breaker.restore(self._symbol, saved)
        self._store.flush()
        adjusted = self._fills.history().adjusted
        return Memory(Watch(now), account.restored, adjusted=adjusted)

    def life(self, status: ReconcilerStatus) -> Life:
        """Return what this life knows; to be called by nobody while a pass runs."""
        self._store.flush()
        return Life.of(self.memory, self.account(), self._fills.history(), status)

    def go_on(self, life: Life) -> None:
        """Know what another life knew, on an equal book."""
        self.memory = life.memory_on(self.account())
        self._fills.go_on(life.fills)

    def run(self) -> PassReport:
        """Make one pass and report; to be called by one thread at a time."""
        began = self._time_ms()
        if self._was_replaced():
            self._imagined = None
            self.memory = self._begin()
        account = self.account()
        promises = taught(self._exchange.promises, account.sightings)
        heard = self._asker.ask(
            self._store.snapshot,
            account.ledger,
            account.findings,
            promises,
            patiently=self.memory.read_ms is None,
        )
        asked_again = False
        for _ in range(_ATTEMPTS):
            if self._was_replaced():
                # What was heard is not about what is held now.
                break
            plan, base = self._plan(heard)
            if plan.verdict.remedy is Remedy.REQUERY and not asked_again:
                asked_again = True
                heard = self._asker.ask_again(heard, account.ledger, promises)
                continue
            if not heard.answered and not heard.orders.answers:
                why = "; ".join(heard.errors) or "nothing was answered"
                self.memory = plan.memory.replace(ledger=self.memory.ledger)
                return self._told(began, plan, heard, PassOutcome.ABANDONED, [], why)
            made = self._write(plan, base)
            if made is not None:
                self.memory = plan.memory
                made += self._act(plan)
                return self._told(began, plan, heard, PassOutcome.DONE, made, "")
        return PassReport(
            PassOutcome.ABANDONED,
            began,
            queries=len(heard.asked),
            requests=heard.requests,
            errors=heard.errors,
            dry_run=self._policy.dry_run,
            why="what is held was replaced or corrected by somebody else meanwhile",
        )

    def _was_replaced(self) -> bool:
        account: Account = self._store.snapshot().meta
        return account.restored != self.memory.restored

    def _plan(self, heard: Heard) -> tuple[PassPlan, Account]:
        slots = self._store.snapshot()
        # Past the flush the history tells of everything that the snapshot holds.
        self._store.flush()
        base = slots.meta if self._imagined is None else self._imagined
        plan = plan_pass(
            slots,
            base,
            heard,
            self._fills.history(),
            self.memory,
            self._breaker.state(self._symbol),
            self._config,
            self._exchange.promises,
            self._policy,
            self._time_ms(),
        )
        return plan, base

    def _write(self, plan: PassPlan, base: Account) -> list[Correction] | None:
        """Write *plan* in one commit; None if *base* is not what is known any more."""
        now = self._time_ms()
        if self._policy.dry_run:
            draft = self._store.draft()
            draft.meta = base
            made = write_pass(draft, plan, base, self._config, now)
            self._imagined = draft.meta
            return made
        with self._store.transaction() as tx:
            if not fits(base, tx.meta):
                return None
            made = write_pass(tx, plan, base, self._config, now)
            # What could not be saved when the breaker moved, because the disk was full, say.
            tx.meta = tx.meta.replace(breaker=self._breaker.state(self._symbol))
            return made

    # What is done beside the commit

    def _act(self, plan: PassPlan) -> list[Correction]:
        made: list[Correction] = []
        if plan.correction is not None and not self._policy.dry_run:
            _log.warning(
                "what is held of %s is corrected by %s",
                self._symbol,
                plan.correction,
                extra={"cowstate_event": "position_corrected", "cowstate_symbol": self._symbol},
            )
        if plan.halt is not None:
            made += self._break(plan)
        elif plan.closes is not None:
            made += self._close(plan.closes.reason)
        for update in plan.facts.cancel:
            made += self._cancel(update)
        for update in plan.facts.foreign:
            _log.info(
                "the exchange lists an order that is not ours: %r",
                update,
                extra={"cowstate_event": "foreign_order", "cowstate_symbol": self._symbol},
            )
        return made

    def _break(self, plan: PassPlan) -> list[Correction]:
        halt = plan.halt
        assert halt is not None
        made = [Correction(CorrectionKind.BREAKER, self._symbol, halt.why)]
        if self._policy.dry_run:
            return made
        if not self._breaker.open(
            self._symbol,
            halt.why,
            self._time_ms(),
            flatten=halt.flatten,
            proof_closes=halt.proof_closes,
        ):
            return []
        _log.error(
            "circuit breaker of %s opened: %s",
            self._symbol,
            halt.why,
            extra={"cowstate_event": "breaker_opened", "cowstate_symbol": self._symbol},
        )
        return made

    def _close(self, reason: str) -> list[Correction]:
        if not self._policy.dry_run:
            try:
                closed = self._breaker.reset(self._symbol, reason)
            except ArgumentValueError:
                closed = False  # opened anew meanwhile, for another reason
            if not closed:
                return []
            _log.warning(
                "circuit breaker of %s closed: both sides agree",
                self._symbol,
                extra={"cowstate_event": "breaker_closed", "cowstate_symbol": self._symbol},
            )
        return [Correction(CorrectionKind.CLOSED, self._symbol, "both sides are proven to agree")]

    def _cancel(self, update: OrderUpdate) -> list[Correction]:
        if update.order_id is None:
            return []
        made = [Correction(CorrectionKind.CANCELED, update.client_oid, f"#{update.order_id}")]
        if self._policy.dry_run:
            return made
        order = place_of(self._store.snapshot(), update, self._config).order
        if order is not None and order.order_id == update.order_id and not order.terminal:
            return [Correction(CorrectionKind.DROPPED, update.client_oid, "it works here by now")]
        try:
            answer = self._exchange.cancel_order(update.order_id, self._symbol)
        except ExchangeError as error:
            _log.warning(
                "%r was to be cancelled: %s",
                update,
                error,
                extra={"cowstate_event": "cancel_failed", "cowstate_symbol": self._symbol},
            )
            return []
        self._manager.on_order_update(answer.replace(client_oid=update.client_oid))
        return made

    def _told(
        self,
        began: int,
        plan: PassPlan,
        heard: Heard,
        outcome: PassOutcome,
        made: list[Correction],
        why: str,
    ) -> PassReport:
        return PassReport(
            outcome,
            began,
            plan.verdict,
            plan.standing,
            plan.facts,
            tuple(made),
            plan.alarms,
            tuple(sorted(plan.account.ledger.others.items())),
            len(heard.asked),
            heard.requests,
            heard.errors,
            self._policy.dry_run,
            why,
        )


def _note_fills(kept: weakref.ref[FillLog], commit: Commit[str, InventorySlot, Account]) -> None:
    fills = kept()
    if fills is not None:
        fills.record(commit)


def _keep_breaker(
    kept: weakref.ref[Store[str, InventorySlot]], symbol: str, changed: str, state: BreakerState
) -> None:
    """Have the state of the breaker saved with the rest."""
    store = kept()
    if store is not None and changed == symbol and store.snapshot().meta.breaker != state:
        store.update_meta(lambda account: account.replace(breaker=state))
        wait_on_disk(store)
