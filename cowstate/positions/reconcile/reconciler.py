"""The reconciler: passes that hold a position manager against the exchange, and their loop.

What a look means is decided by the pure functions of `cowstate.positions.reconcile.plan`; here is
who looks, asks, writes and waits.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from decimal import Decimal
from types import TracebackType
from typing import Self

from cowstate import ArgumentValueError, ConflictError, Observation

from ..book.ids import parse_client_oid
from ..book.model import EXACT, OrderUpdate
from ..book.orders import apply_order_update
from ..book.slots import InventorySlot
from ..book.store import Slots
from ..errors import ExchangeError, OrderNotFoundError, ShortfallError
from ..exchange.protocol import Exchange
from ..trading.manager import PositionManager, wall_clock_ms
from ..trading.outcomes import UpdateOutcome
from .breaker import CircuitBreaker
from .plan import (
    Answer,
    ExchangeView,
    Look,
    OrderPlan,
    OrderQuery,
    PositionPlan,
    PositionVerdict,
    ReconcilePolicy,
    plan_orders,
    plan_position,
)
from .report import Correction, CorrectionKind, PassOutcome, PassReport, ReconcilerStatus

__all__ = ["Reconciler"]

_log = logging.getLogger(__name__)
_LEARNED = (UpdateOutcome.APPLIED, UpdateOutcome.OVERFILLED)


class Reconciler:
    """Holds the snapshots of a position manager against what the exchange says.

    A pass looks at the exchange between two snapshots, joins the facts that are missing, and
    corrects what then still differs, each correction on the condition that nothing it was
    derived from has changed. So it does no harm, however much moves meanwhile. One pass runs at
    a time; every method may be called from any thread.

    Args:
        manager: whose state is reconciled, for the symbol of its grid.
        exchange: whom to ask.
        policy: when to judge and what to correct.
        breaker: opened at a divergence that is not to be corrected; own one if None.
        interval_s: seconds between the passes of the loop.
        time_ms: the clock, the same as the manager's.
        wait: ``wait(event, seconds)`` returns when the event is set or the seconds have passed;
            how the loop waits.

    >>> from cowstate.positions import GridConfig, PaperExchange, VirtualClock
    >>> clock = VirtualClock()
    >>> exchange = PaperExchange(clock, "BTCUSDT")
    >>> manager = PositionManager(
    ...     GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 2, "grid"),
    ...     time_ms=lambda: clock.now_ms)
    >>> reconciler = Reconciler(manager, exchange, time_ms=lambda: clock.now_ms)
    >>> report = reconciler.reconcile()
    >>> report.outcome.value, report.position.verdict.value
    ('DONE', 'AGREES')
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
    ) -> None:
        if not interval_s > 0:
            raise ArgumentValueError(f"interval_s must be more than zero, not {interval_s!r}")
        self.breaker = CircuitBreaker() if breaker is None else breaker
        self.policy = policy
        self._manager = manager
        self._config = manager.config
        self._symbol = manager.config.symbol
        self._exchange = exchange
        self._interval_s = interval_s
        self._time_ms = time_ms
        self._wait = wait
        self._pass = threading.Lock()
        self._status = ReconcilerStatus()
        self._status_lock = threading.Lock()
        self._life = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def status(self) -> ReconcilerStatus:
        """Return how it is doing; never waits for a pass."""
        thread = self._thread
        return self._status.replace(running=thread is not None and thread.is_alive())

    def reconcile(self) -> PassReport:
        """Make one pass, in this thread, and report.

        If a pass is running, in another thread or, on a virtual clock, further down this very
        stack, nothing is done, and the report says BUSY.
        """
        if not self._pass.acquire(blocking=False):
            return PassReport(PassOutcome.BUSY, self._time_ms(), why="another pass is running")
        try:
            report = self._run()
            with self._status_lock:
                self._status = self._status.after(report)
            return report
        finally:
            self._pass.release()

    # The loop

    def start(self) -> None:
        """Start the loop in a thread of its own: a pass at once, then one every interval.

        Does nothing if it runs. What a pass raises is logged and counted; the loop goes on.
        """
        with self._life:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stopping = False
            self._wake.clear()
            self._thread = threading.Thread(target=self._loop, name="reconciler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop the loop and return when its pass has ended. May be called twice."""
        with self._life:
            self._stopping = True
            self._wake.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

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
                _log.exception("a reconcile pass failed; the next one comes in its turn")
                with self._status_lock:
                    self._status = self._status.replace(
                        failures=self._status.failures + 1, last_error=repr(error)
                    )
            self._wait(self._wake, self._interval_s)
            self._wake.clear()

    # One pass

    def _run(self) -> PassReport:
        now = self._time_ms()
        try:
            with self._manager.store.observe() as window:
                view = self._view(window.before, now)
        except ExchangeError as error:
            # No answer, or a refusal: nothing is known, so nothing is concluded.
            return PassReport(PassOutcome.ABANDONED, now, why=str(error))
        orders = plan_orders(window.before, window.after, view, self._config, self.policy)
        corrections = self._join(orders)
        corrections += [self._give_up(window, update) for update in orders.expired]
        for update in orders.cancel:
            corrections += self._cancel(window, update)
        for update in orders.foreign:
            _log.info("the exchange lists an order that is not ours: %r", update)
        position = plan_position(
            window.before,
            self._manager.snapshot(),
            view,
            orders,
            self._status.divergence,
            self.policy,
        )
        if position.verdict is PositionVerdict.CORRECT:
            corrections += self._correct(window, position)
            position = position.replace(divergence=None)
        elif position.verdict is PositionVerdict.BREAK:
            why = f"holds {position.local} here, {position.remote} at the exchange"
            corrections += self._break(why)
        lasted = dict(self._status.denied)
        for client_oid in orders.denied:
            if lasted.get(client_oid, 0) + 1 >= self.policy.passes:
                corrections += self._break(f"the exchange denies its own order {client_oid!r}")
        return PassReport(PassOutcome.DONE, now, orders, position, tuple(corrections))

    def _view(self, before: Slots, now: int) -> ExchangeView:
        """Ask the exchange all that the pass needs to know; *before* says what that is."""
        view = ExchangeView(now, self._look())
        view = self._asked(before, view)
        plan = self._plan(before, view)
        if not plan.settled or before.total("position") == view.first.position:
            return view
        # They differ. Perhaps by a fill of an order that is not known here, or not enough.
        since = now - self.policy.trades_back_ms
        trades = self._exchange.fetch_my_trades(self._symbol, since)
        view = self._asked(before, view.replace(trades=tuple(trades)))
        if self._plan(before, view).settled:
            view = view.replace(second=self._look())
        return view

    def _plan(self, before: Slots, view: ExchangeView) -> OrderPlan:
        return plan_orders(before, before, view, self._config, self.policy)

    def _look(self) -> Look:
        listed = self._exchange.fetch_open_orders(self._symbol)
        position = Decimal(0)
        for report in self._exchange.fetch_positions([self._symbol]):
            if report.symbol == self._symbol:
                position = EXACT.add(position, report.quantity)
        return Look(tuple(listed), position)

    def _asked(self, before: Slots, view: ExchangeView) -> ExchangeView:
        answers = [self._ask(query) for query in self._plan(before, view).query]
        known = [answer for answer in answers if answer is not None]
        return view.replace(answers=(*view.answers, *known)) if known else view

    def _ask(self, query: OrderQuery) -> Answer | None:
        try:
            update = self._exchange.fetch_order(query.order_id, self._symbol, query.client_oid)
        except OrderNotFoundError:
            return Answer(query.client_oid, None)
        except ExchangeError:
            return None
        if parse_client_oid(update.client_oid, self._config.prefix) is None:
            update = update.replace(client_oid=query.client_oid)
        return Answer(query.client_oid, update)

    # What it does about it

    def _join(self, orders: OrderPlan) -> list[Correction]:
        corrections = []
        for update in orders.join:
            if self._manager.on_order_update(update) in _LEARNED:
                adopted = update.client_oid in orders.adopted
                kind = CorrectionKind.ADOPTED if adopted else CorrectionKind.JOINED
                corrections.append(Correction(kind, update.client_oid, update.status.value))
        return corrections

    def _give_up(self, window: Observation[str, InventorySlot], update: OrderUpdate) -> Correction:
        key = self._key(update)
        draft = window.draft()
        draft[key] = apply_order_update(draft[key], update)
        try:
            draft.commit()
        except ConflictError as error:
            return Correction(CorrectionKind.DROPPED, update.client_oid, str(error))
        return Correction(CorrectionKind.EXPIRED, update.client_oid)

    def _cancel(
        self, window: Observation[str, InventorySlot], update: OrderUpdate
    ) -> list[Correction]:
        if update.order_id is None:
            return []
        draft = window.draft()
        draft.get(self._key(update))
        try:
            # Writes nothing: it asks whether the slot is still as it was when that was decided.
            draft.commit()
        except ConflictError as error:
            return [Correction(CorrectionKind.DROPPED, update.client_oid, str(error))]
        try:
            answer = self._exchange.cancel_order(update.order_id, self._symbol)
        except ExchangeError as error:
            _log.warning("%r was to be cancelled: %s", update, error)
            return []
        self._manager.on_order_update(answer.replace(client_oid=update.client_oid))
        return [Correction(CorrectionKind.CANCELED, update.client_oid)]

    def _correct(
        self, window: Observation[str, InventorySlot], position: PositionPlan
    ) -> list[Correction]:
        if self.breaker.is_open(self._symbol):
            return []
        detail = f"from {position.local} to {position.remote}"
        draft = window.draft()
        try:
            self._manager.draft_force_sync(draft, position.remote)
            draft.commit()
        except ConflictError as error:
            return [Correction(CorrectionKind.DROPPED, self._symbol, str(error))]
        except ShortfallError as error:
            return self._break(f"{detail}: {error}")
        return [Correction(CorrectionKind.POSITION, self._symbol, detail)]

    def _break(self, why: str) -> list[Correction]:
        if not self.breaker.open(self._symbol, why, self._time_ms()):
            return []
        _log.error("circuit breaker of %s opened: %s", self._symbol, why)
        return [Correction(CorrectionKind.BREAKER, self._symbol, why)]

    def _key(self, update: OrderUpdate) -> str:
        parts = parse_client_oid(update.client_oid, self._config.prefix)
        return "" if parts is None else parts.slot
