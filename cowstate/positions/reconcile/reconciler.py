"""The reconciler: passes that hold a position manager against the exchange, and their loop.

What a pass is, is in `runner`; here is when it is made, in which thread, what others may ask and
what an operator may do.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cowstate import ArgumentValueError

from ..book.account import Account, QuantityCorrection
from ..book.findings import Dispute
from ..book.kept import wait_on_disk
from ..exchange.protocol import Exchange
from ..guard import Guard
from ..trading.manager import PositionManager, wall_clock_ms
from ..trading.permit import TRADING, Permit
from .alarms import Watch, waits_for
from .breaker import CircuitBreaker
from .life import Life
from .policy import ReconcilePolicy, Remedy
from .report import PassOutcome, PassReport, ReconcilerStatus
from .runner import PassRunner

__all__ = ["Reconciler"]

_log = logging.getLogger(__name__)


class Reconciler:
    """Holds the snapshots of a position manager against what the exchange says.

    A pass asks for the position, the open orders, the orders in doubt and the trades, in this
    order. All that any answer tells is joined, and the position is compared with every value that
    the book had in the moments of which the answer may be. So every pass says something, however
    much moves: see the page on why it does no harm. All that a pass writes is one commit.

    One pass runs at a time; every method may be called from any thread, but not by a subscriber of
    the manager's store.

    Args:
        manager: whose state is reconciled, for the symbol of its grid.
        exchange: whom to ask; its `VenuePromises` say what may be concluded from its answers.
        policy: when to judge and what to do about it.
        breaker: opened at a divergence that is not to be corrected; own one if None. What is saved
            of it with the manager's state is taken over.
        interval_s: seconds between the passes of the loop.
        time_ms: the clock, the same as the manager's.
        wait: ``wait(event, seconds)`` returns when the event is set or the seconds have passed;
            how the loop waits.
        pause: ``pause(seconds)`` returns when they have passed; how a pass waits before it asks
            again.

    >>> from decimal import Decimal
    >>> from cowstate.positions import GridConfig, PaperExchange, VirtualClock
    >>> clock = VirtualClock()
    >>> exchange = PaperExchange(clock, "BTCUSDT")
    >>> manager = PositionManager(
    ...     GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid"),
    ...     time_ms=lambda: clock.now_ms)
    >>> reconciler = Reconciler(manager, exchange, time_ms=lambda: clock.now_ms)
    >>> reconciler.permit().why
    'no look of this life has agreed exactly yet'
    >>> report = reconciler.reconcile()
    >>> report.outcome.value, report.verdict.kind.value, reconciler.permit().trade
    ('DONE', 'AGREES', True)
    """

    def __init__(
        self,
        manager: PositionManager,
        exchange: Exchange,
        *,
        policy: ReconcilePolicy = ReconcilePolicy(),  # noqa: B008  (immutable)
        breaker: CircuitBreaker | None = None,
        interval_s: float = 60.0,
        time_ms: Callable[[], int] = wall_clock_ms,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        if not interval_s > 0:
            raise ArgumentValueError(f"interval_s must be more than zero, not {interval_s!r}")
        self.breaker = CircuitBreaker() if breaker is None else breaker
        self.policy = policy
        self._store = manager.store
        self._symbol = manager.config.symbol
        self._interval_s = interval_s
        self._time_ms = time_ms
        self._wait = wait
        self._runner = PassRunner(manager, exchange, policy, self.breaker, time_ms, pause)
        self._pass = Guard()
        self._status = ReconcilerStatus(self._symbol)
        self._telling = Guard()
        self._life = Guard()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    # What others may ask

    def status(self) -> ReconcilerStatus:
        """Return how it is doing; never waits for a pass."""
        thread = self._thread
        status, memory, account = self._status, self._runner.memory, self._runner.account()
        watch, said = memory.watch, status.verdict
        known = said is not None and said.fresh and said.width == 0
        since_ms = watch.began_ms if watch.exact_ms is None else watch.exact_ms
        permit = self.permit()
        halted = self.breaker.is_open(self._symbol)
        return status.replace(
            time_ms=self._time_ms(),
            running=thread is not None and thread.is_alive(),
            in_doubt_since_ms=None if known else since_ms,
            agreed_ms=account.agreed_ms,
            halted=permit.why if halted else "",
            waits_for="" if halted else permit.why,
            disputes=account.findings.disputes,
            divergences=account.divergences,
        )

    def permit(self) -> Permit:
        """Say whether orders may be placed now. Never waits; O(1).

        Not while the breaker is open, nor before the first look of a life that agrees exactly:
        what was saved may be old. A dry run holds nobody back.
        """
        if self.policy.dry_run:
            return TRADING
        state = self.breaker.state(self._symbol)
        if state.open:
            return Permit(trade=False, flatten=state.flatten, why=state.reason)
        account: Account = self._store.snapshot().meta
        memory = self._runner.memory
        watch = memory.watch
        if account.restored != memory.restored:
            watch = Watch(watch.began_ms)
        why = waits_for(watch, self.policy)
        return TRADING if why is None else Permit(trade=False, why=why)

    # What an operator may do

    def resume(self, told: str) -> bool:
        """Let trading go on; False, and nothing changes, if it was not halted.

        What others did in the account, and halted it, is taken for ours. A divergence that is
        still there halts it again.

        Args:
            told: the reason that it is halted for, as ``status().halted`` says it.

        Raises:
            ArgumentValueError: it is halted for another reason; the message says which.
        """
        if not self.breaker.reset(self._symbol, told):
            return False

        def adopted(account: Account) -> Account:
            ledger = account.ledger
            for kind, moved in sorted(ledger.others.items()):
                if moved and self.policy.remedy_of(kind) in (Remedy.HALT, Remedy.FLATTEN):
                    ledger = ledger.adopted(kind)
            return account.replace(ledger=ledger)

        self._store.update_meta(adopted)
        wait_on_disk(self._store)
        return True

    def undo(self, correction: QuantityCorrection) -> bool:
        """Take back a correction of the last hour; False if it is not there any more."""
        before = self._store.update_meta(lambda account: account.undone(correction))
        wait_on_disk(self._store)
        return before.before is not before.after

    def settle(self, dispute: Dispute) -> bool:
        """Say that somebody has looked at *dispute*; False if it is not there any more."""

        def settled(account: Account) -> Account:
            return account.replace(findings=account.findings.settled(dispute))

        known = dispute in self._runner.account().findings.disputes
        self._store.update_meta(settled)
        wait_on_disk(self._store)
        return known

    def reconcile(self) -> PassReport:
        """Make one pass, in this thread, and report.

        If a pass is running, in another thread or, on a virtual clock, further down this very
        stack, nothing is done, and the report says BUSY.
        """
        report = self._pass.attempt(self._make_pass)
        if report is None:
            return PassReport(PassOutcome.BUSY, self._time_ms(), why="another pass is running")
        return report

    def _make_pass(self) -> PassReport:
        report = self._runner.run()
        self._telling.run(self._tell, report)
        return report

    def _tell(self, report: PassReport) -> None:
        self._status = self._status.after(report)

    def _tell_failure(self, error: Exception) -> None:
        self._status = self._status.replace(
            failures=self._status.failures + 1, last_error=repr(error)
        )

    # A life that goes on in another process

    def life(self) -> Life | None:
        """Return what this life knows beside the book; None while a pass runs. For `go_on`."""
        return self._pass.attempt(self._life_now)

    def _life_now(self) -> Life:
        return self._runner.life(self._status)

    def go_on(self, life: Life) -> None:
        """Be that life, from where it was, on a book that is equal to the one that it had.

        For a simulation that is suspended: time has stood still meanwhile. A process that begins
        anew must not: what it heard is older than what it holds.
        """
        self._pass.run(self._runner.go_on, life)
        self._status = life.status

    # The loop

    def start(self) -> None:
        """Start the loop in a thread of its own: a pass at once, then one every interval.

        Does nothing if it runs. What a pass raises is logged and counted; the loop goes on.
        """
        self._life.run(self._begin)

    def _begin(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopping = False
        self._wake.clear()
        self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the loop and return when its pass has ended. May be called twice."""
        thread = self._life.run(self._end)
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _end(self) -> threading.Thread | None:
        self._stopping = True
        self._wake.set()
        return self._thread

    def trigger(self) -> None:
        """Have the loop make a pass now (or right after the present one); does not wait."""
        self._wake.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _loop(self) -> None:
        while not self._stopping:
            try:
                self.reconcile()
            except Exception as error:
                _log.exception(
                    "a reconcile pass failed; the next one comes in its turn",
                    extra={"cowstate_event": "pass_failed", "cowstate_symbol": self._symbol},
                )
                self._telling.run(self._tell_failure, error)
            self._wait(self._wake, self._interval_s)
            self._wake.clear()
