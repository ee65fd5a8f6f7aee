"""The main job: a grid traded over a tape, and at the end the question whether both sides agree.

Everything of this package takes part: the strategy places orders at a paper exchange, its
events stream into the position manager, the reconciler holds the manager's snapshots against
the exchange, all at the latency of a real line.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from decimal import Decimal
from itertools import chain
from time import perf_counter

from cowstate import ArgumentTypeError, ArgumentValueError, Record

from ..book.account import held
from ..book.config import GridConfig
from ..book.model import EXACT, OrderStatus, OrderUpdate, Side
from ..reconcile.reconciler import Reconciler
from ..reconcile.report import PassOutcome, PassReport
from ..trading.manager import PositionManager
from ..trading.strategy import GridStrategy
from .clock import Clock, Inbox, VirtualClock
from .comparing import count_fills, differences
from .options import ReplayOptions
from .paper import PaperExchange
from .suspending import Coming, Suspension, World
from .tape import Trade
from .threaded import ThreadedClock

__all__ = ["MAX_GAP_MS", "ReplayOptions", "ReplayReport", "replay"]

MAX_GAP_MS = 86_400_000
"""The longest pause between two trades of a tape. A pass comes every few seconds, also through a
pause: one time with a wrong unit would mean billions of them."""

_ONE = Decimal(1)

# Finer than any tick. Each change of price would make new slots, and none is ever used again.
_MOST_STEPS = Decimal(10) ** 7

# Where most answers are lost it takes many passes to learn all; where all are, it never ends.
_MOST_LAST_PASSES = 500
_LAST_MS = 500


class ReplayReport(Record):
    """What a replay came to.

    Attributes:
        trades: trades of the tape.
        orders_placed: orders that the exchange took.
        fills_full: fills that completed their order; *fills_partial*: those that did not.
        round_trips: sales that were filled, each of which ends what a purchase began.
        position: here, signed, in base units; *realized_profit*: in quote currency.
        open_orders: orders that work here at the end.
        versions: commits of the manager's store.
        passes: reconcile passes that were completed; *abandoned*: that got no answer.
        corrections: ``(kind, how many)`` of the reconciler's corrections, sorted.
        settled: whether the last pass found nothing left to learn or to correct. Else trading was
            halted, or answers came too rarely; then the two sides may differ for that alone.
        halted: why the circuit breaker stopped the trading; empty if it did not.
        differences: what the two sides disagree upon at the end, a sentence each.
        wall_seconds: how long it took.
    """

    trades: int
    orders_placed: int
    fills_full: int
    fills_partial: int
    round_trips: int
    position: Decimal
    realized_profit: Decimal
    open_orders: int
    versions: int
    passes: int
    abandoned: int
    corrections: tuple[tuple[str, int], ...]
    settled: bool
    halted: str
    differences: tuple[str, ...]
    wall_seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the working orders and the position here are the exchange's.

        Of each order its id, side, price, quantity and filled quantity are compared. With no
        order placed there is nothing to disagree upon, so see `orders_placed`, too.
        """
        return not self.differences


def replay(
    trades: Iterable[Trade],
    options: ReplayOptions,
    progress: Callable[[int], object] = lambda _: None,
    *,
    suspension: Suspension | None = None,
) -> ReplayReport:
    """Trade a grid over *trades*, settle, and compare both sides.

    Costs about 40 microseconds a trade for the usual grid, and memory for the orders only. Who
    interrupts it, by Ctrl-C or an exception out of *trades* or *progress*, gets that exception
    when the threads, if there are any, have ended.

    Args:
        trades: the tape, in order of time; it is read once, a trade at a time, and a
            generator is closed at the end.
        options: how.
        progress: called with the number of trades read, once for each.
        suspension: the files that the run is kept in, and goes on from where it stands in them: it
            ends as one that was never interrupted. Close it afterwards.

    Raises:
        ArgumentTypeError: something in *trades* is no `Trade`, or there are to be threads and a
            *suspension*.
        ArgumentValueError: the tape is empty, or pauses for more than `MAX_GAP_MS`; or the step
            does not suit its first price: none fits below it, or more than ten million do.
        TapeError: out of *trades*, if that reads a bad file.

    >>> from cowstate.positions.simulation.tape import synthetic_tape
    >>> grid = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 5, "grid")
    >>> report = replay(synthetic_tape(seed=1, count=2_000), ReplayOptions(grid))
    >>> report.agrees, report.fills_full > 10, report.passes > 5
    (True, True, True)
    """
    started = perf_counter()
    tape = iter(trades)
    try:
        world = None if suspension is None else suspension.world
        if world is not None:
            world.skip_in(tape)
        first = next(tape, None)
        if first is None and world is None:
            raise ArgumentValueError("the tape has no trades; give one with at least one")
        begins = [] if first is None else [_checked(first, None if world is None else world.last)]
        if world is None:
            _check_step(options.grid, begins[0])
        clock: Clock
        began_ms = begins[0].time_ms if world is None else world.now_ms
        if options.threads:
            clock = ThreadedClock(began_ms, lead_ms=max(1, options.latency_ms))
        else:
            clock = VirtualClock(began_ms)
        # Twice, for Ctrl-C may come up when the clock's own exit has begun and has done nothing.
        with closing(clock), clock:
            run = _Run(clock, options, suspension)
            if world is None:
                run.start()
            else:
                run.go_on(world)
            run.exchange.play(_counted(chain(begins, tape), run, progress))
            run.settle()
            return run.report(perf_counter() - started)
    finally:
        # A tape that reads a file has it open until then; not every interpreter closes it soon.
        if isinstance(tape, Generator):
            tape.close()


def _counted(
    trades: Iterable[Trade], run: _Run, progress: Callable[[int], object]
) -> Iterator[Trade]:
    last = None
    for trade in trades:
        if last is not None:
            run.suspend(last)
        last = _checked(trade, last)
        run.trades += 1
        progress(run.trades)
        yield trade


def _checked(trade: Trade, last: Trade | None) -> Trade:
    if not isinstance(trade, Trade):
        raise ArgumentTypeError(f"a tape is made of Trades; this is {trade!r}")
    if last is not None and trade.time_ms - last.time_ms > MAX_GAP_MS:
        days = (trade.time_ms - last.time_ms) // 86_400_000
        raise ArgumentValueError(
            f"trade {trade.trade_id} comes {days} days after the one before, trade "
            f"{last.trade_id}; correct its time, or cut the tape there"
        )
    return trade


def _check_step(grid: GridConfig, first: Trade) -> None:
    step, price = grid.price_step, first.price
    if step >= price:
        raise ArgumentValueError(
            f"a step of {step} leaves no room for a slot below the first price, {price}; give a "
            "smaller step"
        )
    if EXACT.divide(price, step) > _MOST_STEPS:
        raise ArgumentValueError(
            f"a step of {step} is less than a ten-millionth of the first price, {price}; give a "
            "larger step"
        )


class _Run:
    """One replay: who takes part, and what they do when."""

    def __init__(
        self, clock: Clock, options: ReplayOptions, suspension: Suspension | None = None
    ) -> None:
        grid = options.grid
        self.clock = clock
        self.options = options
        self.trades = 0
        self.settled = False
        self.exchange = PaperExchange(
            clock, grid.symbol, latency_ms=options.latency_ms, faults=options.faults
        )
        self.suspension = suspension
        if suspension is None:
            self.manager = PositionManager(grid, time_ms=self._now)
        else:
            self.manager = suspension.open_positions(self._now)
        self._first_version = self.manager.snapshot().version
        self.reconciler = Reconciler(
            self.manager,
            self.exchange,
            policy=options.policy,
            time_ms=self._now,
            pause=self._pause,
        )
        self.strategy = GridStrategy(self.manager, self.exchange, self._now, self.reconciler.permit)
        self._price: Decimal | None = None
        self._level: Decimal | None = None
        self._going = True
        # How many of them are in the middle of something.
        self._inside = 0
        self._to_strategy: Inbox[None] = clock.participant("strategy", self._trade)
        self._to_reconciler: Inbox[None] = clock.participant("reconciler", self._reconcile)

    def _now(self) -> int:
        return self.clock.now_ms

    def _pause(self, seconds: float) -> None:
        self.clock.wait_until(self._now() + round(seconds * 1_000))

    def start(self) -> None:
        """Connect the streams, have a first look taken, and set the first timer."""
        self._connect()
        self._tick()

    def _connect(self) -> None:
        self.exchange.subscribe(self._on_order)
        self.exchange.subscribe_trades(self._on_trade)

    def go_on(self, world: World) -> None:
        """Be the run that *world* is of, from there on."""
        self._connect()
        self.trades = world.trades
        self._first_version -= world.versions
        self._price, self._level = world.price, world.level
        assert self.suspension is not None
        self.exchange.go_on(world.exchange, self.suspension.orders(), self.suspension.fills())
        self.reconciler.go_on(world.life)
        for coming in world.coming:
            if coming.message is None:
                self.clock.call_at(coming.due_ms, self._tick)
            else:
                self.exchange.deliver_at(coming.due_ms, coming.message)

    def suspend(self, last: Trade) -> None:
        """Note how the world stands after the trade *last*, now and then, where it can be told."""
        if self.suspension is None or not self.suspension.is_due(self.trades) or self._inside:
            return
        coming = self._coming()
        life = None if coming is None else self.reconciler.life()
        if coming is None or life is None:
            return  # somebody is in the middle of something; after another trade, then
        now, audit = self.manager.snapshot(), self.exchange.audit()
        self.suspension.note(
            World(
                options=self.options,
                trades=self.trades,
                last=last,
                now_ms=self._now(),
                coming=coming,
                price=self._price,
                level=self._level,
                version=now.version,
                versions=now.version - self._first_version,
                exchange=self.exchange.state(),
                orders=len(audit.orders),
                fills=len(audit.fills),
                life=life,
            ),
            audit.orders,
            audit.fills,
        )

    def _coming(self) -> tuple[Coming, ...] | None:
        """Return what is to come, None if that is more than messages and the timer."""
        assert isinstance(self.clock, VirtualClock)
        found: list[Coming] = []
        for due_ms, fn in self.clock.to_come():
            message = self.exchange.message_of(fn)
            if message is None and fn != self._tick:
                return None
            found.append(Coming.of(due_ms, message))
        return tuple(found)

    def _on_order(self, update: OrderUpdate) -> None:
        self.manager.on_order_update(update)
        self._to_strategy.put(None)

    def _on_trade(self, trade: Trade) -> None:
        # The grid looks different only from another level; a price at a slot is still below it.
        self._price = trade.price
        level, above = EXACT.divmod(trade.price, self.options.grid.price_step)
        if not above:
            level = EXACT.subtract(level, _ONE)
        if level != self._level:
            self._level = level
            self._to_strategy.put(None)

    def _is_halted(self) -> bool:
        return self.reconciler.breaker.is_open(self.options.grid.symbol)

    def _tick(self) -> None:
        if self._going:
            self._to_reconciler.put(None)
            self.clock.call_at(self._now() + self.options.reconcile_ms, self._tick)

    def _trade(self, _: tuple[None, ...]) -> None:
        if self._price is not None:
            self._inside += 1
            self.strategy.step(self._price)
            self._inside -= 1

    def _reconcile(self, _: tuple[None, ...]) -> None:
        self._inside += 1
        self._look()
        self._inside -= 1

    def _look(self) -> None:
        waited = not self.reconciler.permit().trade
        report = self.reconciler.reconcile()
        if report.corrections or (waited and self.reconciler.permit().trade):
            self._to_strategy.put(None)

    def settle(self) -> None:
        """Let everything under way arrive, then reconcile until there is nothing left to judge."""
        self._going = False
        self.clock.settle()
        for number in range(_MOST_LAST_PASSES):
            # Often at first, for what happened last and what the passes change; now and then past
            # the lifetime of a request, for orders that may never arrive.
            lifetime_ms = self.exchange.promises.lifetime_ms
            self.clock.run_until(self._now() + (lifetime_ms + 1 if number % 3 == 2 else _LAST_MS))
            report = self.reconciler.reconcile()
            self.clock.settle()
            self.settled = _nothing_left(report)
            # An open breaker stays open, and what it stopped at stays so.
            if self.settled or (self._is_halted() and not report.corrections):
                break

    def report(self, wall_seconds: float) -> ReplayReport:
        """Compare both sides."""
        audit = self.exchange.audit()
        now = self.manager.snapshot()
        status = self.reconciler.status()
        full, partial = count_fills(audit)
        breaker = self.reconciler.breaker.state(self.options.grid.symbol)
        return ReplayReport(
            trades=self.trades,
            orders_placed=len(audit.orders),
            fills_full=full,
            fills_partial=partial,
            round_trips=sum(
                order.side is Side.SELL and order.status is OrderStatus.FILLED
                for order in audit.orders
            ),
            position=held(now),
            realized_profit=now.total("realized_profit"),
            open_orders=now.total("active_orders"),
            versions=now.version - self._first_version,
            passes=status.passes,
            abandoned=status.abandoned,
            corrections=tuple((kind.value, count) for kind, count in sorted(status.corrections)),
            settled=self.settled,
            halted=breaker.reason if breaker.open else "",
            differences=tuple(differences(now, audit)),
            wall_seconds=wall_seconds,
        )


def _nothing_left(report: PassReport) -> bool:
    return (
        report.outcome is PassOutcome.DONE
        and report.agrees
        and not report.corrections
        and not report.errors
        and not report.facts.findings.absent
        and not report.facts.findings.ghosts
    )
