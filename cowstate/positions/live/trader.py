"""A grid that trades until it is told to stop: `Trader`, its loop, and how it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal

from cowstate import Record
from cowstate.journal import JournalError

from ..book.account import held
from ..book.ids import parse_client_oid
from ..book.kept import ensure_writable
from ..book.model import OrderStatus, OrderUpdate
from ..book.slots import Order
from ..errors import ExchangeError, OrderNotFoundError, OrderNotFoundYetError, RateLimitedError
from ..exchange.pages import Pages, read_pages
from ..exchange.polled import PolledOrders
from ..exchange.protocol import Exchange
from ..exchange.streamed import StreamedOrders
from ..reconcile.reconciler import Reconciler
from ..reconcile.report import CorrectionKind
from ..trading.manager import PositionManager
from ..trading.strategy import GridStrategy, action_result
from .bell import Bell
from .course import Course, Telling, Turn, after, next_pass_s, rest_s
from .fills import FillTeller
from .gate import Gate
from .markets import Market
from .unwritten import Unwritten

__all__ = ["Ending", "Trader"]

_log = logging.getLogger(__name__)

_PAGES = 10


class Ending(Record):
    """How a trader ended, and what it leaves at the venue.

    Attributes:
        why: what ended it: the name of a signal, or that its tape is over.
        position: what is held by the book, signed, in base units.
        profit: what was realized, in quote currency.
        version: of the positions.
        passes: reconcile passes that were completed in this life.
        corrections: how often they corrected what is held; facts that they learnt are none.
        halted: why trading is halted; empty if it is not.
        working: our orders that still work, as the venue lists them.
        unasked: why the venue did not say so; then *working* is as the book has them.
        uncertain: the client ids of orders that the venue has said nothing of yet.
        uncancelled: how many cancellations were refused or not answered.
        unwritten: why the positions cannot be written, if that ended it; then *position* and
            *profit* are those that were written last.
        spared: why nothing was cancelled, where that was wanted.
    """

    why: str
    position: Decimal
    profit: Decimal
    version: int
    passes: int
    corrections: int
    halted: str
    working: tuple[OrderUpdate, ...]
    unasked: str = ""
    uncertain: tuple[str, ...] = ()
    uncancelled: int = 0
    unwritten: Unwritten | None = None
    spared: str = ""


class Trader:
    """Grid, order events and reconciler, together. `run` it in one thread, once.

    Nothing is placed before the reconciler has had a look that agrees exactly. Between two turns
    and between two orders it can be stopped: ring the bell.

    Args:
        manager: the positions.
        exchange: where orders go.
        market: where prices come from.
        bell: what ends it.
        time_ms: the clock, the same as the manager's.
        every_s: seconds from one turn to the next.
        reconcile_s: seconds from one pass of the reconciler to the next.
        orders: who tells of the orders; None: the exchange is asked for them each turn.
        fresh_s: for how many seconds what a turn notes may go out; what is left then is refused,
            and wanted anew by the next. None: for ever, for a file is nobody else's meanwhile.

    Attributes:
        reconciler: what holds the positions against the venue.
    """

    def __init__(
        self,
        manager: PositionManager,
        exchange: Exchange,
        market: Market,
        bell: Bell,
        *,
        time_ms: Callable[[], int],
        every_s: float = 1.0,
        reconcile_s: float = 60.0,
        orders: StreamedOrders | None = None,
        fresh_s: float | None = None,
    ) -> None:
        self._manager = manager
        self._exchange = exchange
        self._market = market
        self._bell = bell
        self._time_ms = time_ms
        self._every_s = every_s
        self._reconcile_s = reconcile_s
        self._symbol = manager.config.symbol
        self._ending = threading.Event()
        self._orders: PolledOrders | StreamedOrders = (
            PolledOrders(exchange, self._symbol, pages=_PAGES) if orders is None else orders
        )
        # Of the last turn: the answers to them may not have been noted.
        self._taken: list[OrderUpdate] = []
        self._gate = Gate(exchange, self._why_closed, self._note_taken, fresh_s)
        self.reconciler = Reconciler(
            manager,
            exchange,
            interval_s=reconcile_s,
            time_ms=time_ms,
            wait=self._wait,
            pause=self._ending.wait,
        )
        self._strategy = GridStrategy(manager, self._gate, time_ms, self.reconciler.permit)

    def _why_closed(self) -> str:
        return f"ended by {self._bell.why}" if self._bell.why else ""

    def _note_taken(self, order: OrderUpdate) -> None:
        self._orders.expect(order)
        self._taken.append(order)

    def _wait(self, wake: threading.Event, interval_s: float) -> None:
        waiting = bool(self.reconciler.status().waits_for)
        wake.wait(next_pass_s(waiting, interval_s, self._exchange.promises))

    # The loop

    def run(self) -> str:
        """Trade until the bell rings or the market is over, and return which.

        Raises:
            ExchangeError: the venue refuses the first question, the keys perhaps. Later it is
                asked again and again, ever more rarely.
            JournalError: the positions, or those of a paper account, could not be written. Nothing
                more is sent then; see `abandon`.
        """
        self._manager.store.subscribe(FillTeller(self._symbol))
        self._hear()
        _log.info(
            "%s: trading begins",
            self._symbol,
            extra={"cowstate_event": "trading_began", "cowstate_symbol": self._symbol},
        )
        try:
            self.reconciler.start()
            self._turns()
        finally:
            self._ending.set()
            self.reconciler.stop()
        _log.info(
            "%s: trading ends: %s",
            self._symbol,
            self._bell.why,
            extra={"cowstate_event": "trading_ended", "cowstate_symbol": self._symbol},
        )
        return self._bell.why

    def _turns(self) -> None:
        course = Course()
        while not self._bell.why:
            turn = self._turn()
            if turn is None:
                self._bell.ring("the end of the tape")
                break
            # What only the reconciler's passes meet, or nobody, where the market stands still.
            ensure_writable(self._manager.store)
            course, told = after(course, turn)
            for each in told:
                self._tell(each, turn)
            self._bell.wait(rest_s(course, self._every_s))

    def _turn(self) -> Turn | None:
        """Make one turn; None: there will be no more prices."""
        try:
            price = self._market.advance()
            if price is None:
                return None
            self._hear()
        except RateLimitedError as error:
            return Turn(str(error), error.retry_after_ms, holds=self._holds())
        except ExchangeError as error:
            return Turn(str(error), holds=self._holds())
        self._gate.begin()
        self._taken.clear()
        if not self._bell.why:
            self._strategy.step(price)
        gate = self._gate
        return Turn("", gate.wait_ms, gate.taken, gate.refused, gate.why, self._holds())

    def _holds(self) -> str:
        permit = self.reconciler.permit()
        return "" if permit.trade or permit.flatten else permit.why

    def _hear(self) -> None:
        for update in self._orders.poll():
            self._manager.on_order_update(update)

    def _tell(self, telling: Telling, turn: Turn) -> None:
        match telling:
            case Telling.FAILING:
                _log.warning(
                    "%s: the venue does not tell: %s; asked again, ever more rarely",
                    *(self._symbol, turn.failed),
                    extra={"cowstate_event": "venue_failing", "cowstate_symbol": self._symbol},
                )
            case Telling.ANSWERED:
                _log.info(
                    "%s: the venue tells again",
                    self._symbol,
                    extra={"cowstate_event": "venue_answers", "cowstate_symbol": self._symbol},
                )
            case Telling.REFUSED:
                _log.warning(
                    "%s: orders were refused: %s; tried again, ever more rarely",
                    *(self._symbol, turn.why),
                    extra={"cowstate_event": "orders_refused", "cowstate_symbol": self._symbol},
                )
            case Telling.HOLDS:
                _log.warning(
                    "%s: no order is placed: %s",
                    *(self._symbol, turn.holds),
                    extra={"cowstate_event": "trading_waits", "cowstate_symbol": self._symbol},
                )
            case Telling.TRADES:
                _log.info(
                    "%s: orders are placed",
                    self._symbol,
                    extra={"cowstate_event": "trading_goes_on", "cowstate_symbol": self._symbol},
                )

    # The end

    def finish(self, *, cancel: bool = False) -> Ending:
        """Cancel what works, if that is wanted; ask what still does; and tell. After `run`.

        Where the venue answers, a last pass learns what came since the last turn.

        Raises:
            JournalError: what was learnt could not be written; see `abandon`.
        """
        uncancelled = 0
        if cancel:
            # An order whose request had no answer may work, and has no id yet to cancel it by.
            with suppress(ExchangeError):
                self._hear()
            uncancelled = self._cancel()
        working, unasked = self._working()
        if not unasked:
            self.reconciler.reconcile()
        return self._left(working, unasked, uncancelled)

    def abandon(self, unwritten: Unwritten, *, cancel: bool = False) -> Ending:
        """Ask the venue what still works, where nothing can be written any more, and tell.

        After `run` or `finish` has raised `JournalError`. Nothing is written, and no order sent.

        Args:
            unwritten: what that error means.
            cancel: whether to cancel what works, if nobody else may trade with the positions. It
                is noted nowhere: the next life hears of it from the venue.
        """
        self._bell.ring("an error of the journal")
        _log.error(
            "%s: nothing more is sent, for the positions cannot be written: %s",
            *(self._symbol, unwritten.why),
            extra={"cowstate_event": "positions_unwritten", "cowstate_symbol": self._symbol},
        )
        working, unasked = self._working()
        uncancelled, ended = 0, frozenset[str]()
        if cancel and not unwritten.others:
            uncancelled, ended = self._cancel_unnoted(working)
            working, unasked = self._working()
        ending = self._left(working, unasked, uncancelled)
        listed = {each.client_oid for each in working}
        noted = {each.client_oid for each in self._unended()}
        return ending.replace(
            # What another process knows by now is not to be guessed at.
            uncertain=() if unwritten.others else tuple(sorted(noted - listed - ended)),
            unwritten=unwritten,
            spared=unwritten.others if cancel else "",
        )

    def _left(self, working: tuple[OrderUpdate, ...], unasked: str, uncancelled: int) -> Ending:
        now, status = self._manager.snapshot(), self.reconciler.status()
        listed = {each.client_oid for each in working}
        unheard = {each.client_oid for each in self._unended() if each.order_id is None}
        return Ending(
            why=self._bell.why,
            position=held(now),
            profit=now.total("realized_profit"),
            version=now.version,
            passes=status.passes,
            corrections=dict(status.corrections).get(CorrectionKind.POSITION, 0),
            halted=status.halted,
            working=working,
            unasked=unasked,
            uncertain=tuple(sorted(unheard - listed)),
            uncancelled=uncancelled,
        )

    def _cancel_unnoted(self, listed: Sequence[OrderUpdate]) -> tuple[int, frozenset[str]]:
        """Return how many were not cancelled, and the client ids of those that work no more."""
        # A list may lag behind what was taken just now.
        orders = {str(each.order_id): each for each in (*self._taken, *self._booked(), *listed)}
        ids = [each.order_id for each in orders.values() if each.order_id is not None]
        self._gate.begin()
        try:
            answers = self._gate.cancel_orders(ids, self._symbol)
        except JournalError:  # of a paper account, on the same disk
            return len(orders), frozenset()
        ended = frozenset(
            order.client_oid
            for order, answer in zip(orders.values(), answers, strict=True)
            if not isinstance(answer, ExchangeError)
            or (
                isinstance(answer, OrderNotFoundError)
                and not isinstance(answer, OrderNotFoundYetError)
            )
        )
        return len(orders) - len(ended), ended

    def _cancel(self) -> int:
        failed = 0
        for actions in (
            self._manager.cancel_all_buy_orders(),
            self._manager.cancel_all_sell_orders(),
        ):
            ids = [each.order_id for each in actions if each.order_id is not None]
            try:
                answers = self._exchange.cancel_orders(ids, self._symbol) if ids else ()
            except ExchangeError as error:
                answers = [error] * len(actions)
            now, prefix = self._time_ms(), self._manager.config.prefix
            self._manager.apply_action_results(
                action_result(action, answer, now, prefix)
                for action, answer in zip(actions, answers, strict=True)
            )
            failed += sum(isinstance(each, ExchangeError) for each in answers)
        return failed

    def _working(self) -> tuple[tuple[OrderUpdate, ...], str]:
        """Return our orders that work, by the venue, or by the book and why the venue is silent."""
        try:
            read = read_pages(
                lambda cursor: self._exchange.fetch_open_orders(self._symbol, cursor), _PAGES
            )
        except JournalError as error:  # of a paper account
            read = Pages(error=ExchangeError(str(error)))
        prefix = self._manager.config.prefix
        ours = [each for each in read.items if parse_client_oid(each.client_oid, prefix)]
        if read.complete:
            return tuple(sorted(ours, key=lambda each: each.price)), ""
        why = "its list goes on for too long" if read.error is None else str(read.error)
        return tuple(sorted(self._booked(), key=lambda each: each.price)), why

    def _booked(self) -> list[OrderUpdate]:
        return [
            OrderUpdate(
                symbol=self._symbol,
                client_oid=each.client_oid,
                order_id=each.order_id,
                side=each.side,
                price=each.price,
                quantity=each.quantity,
                status=OrderStatus.PARTIALLY_FILLED if each.filled else OrderStatus.NEW,
                filled=each.filled,
                cost=each.cost,
            )
            for each in self._unended()
            if each.order_id is not None
        ]

    def _unended(self) -> list[Order]:
        return [
            each
            for slot in self._manager.snapshot().values()
            for each in slot.orders
            if not each.terminal
        ]
