"""The main job: a grid traded over a tape, and at the end the question whether both sides agree.

Everything of this package takes part: the strategy places orders at a paper exchange, its
events stream into the position manager, the reconciler holds the manager's snapshots against
the exchange, all at the latency of a real line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import chain
from time import perf_counter

from cowstate import ArgumentValueError, Record

from .clock import Clock, Inbox, VirtualClock
from .grid import GridConfig
from .line import Faults
from .manager import PositionManager
from .model import EXACT, OrderStatus, OrderUpdate, Side
from .paper import Audit, PaperExchange
from .reconcile import PositionVerdict, ReconcilePolicy
from .reconciler import Reconciler
from .report import PassOutcome, PassReport
from .strategy import GridStrategy
from .tape import Trade
from .threaded import ThreadedClock

__all__ = ["ReplayOptions", "ReplayReport", "replay"]


class ReplayOptions(Record):
    """How a tape is replayed.

    Attributes:
        grid: what is traded.
        reconcile_ms: virtual milliseconds between two reconcile passes.
        latency_ms: how long each message takes, in each direction.
        threads: whether feed, strategy and reconciler are real threads; else everything
            happens on one, and the same options give the same report.
        faults: what goes wrong on the line.
        policy: when the reconciler judges; None for one that suits the latency.
    """

    grid: GridConfig
    reconcile_ms: int = 5_000
    latency_ms: int = 50
    threads: bool = False
    faults: Faults = Faults()
    policy: ReconcilePolicy | None = None

    def __post_init__(self) -> None:
        if type(self.reconcile_ms) is not int or self.reconcile_ms < 1:
            raise ArgumentValueError(
                f"reconcile_ms must be an int of 1 or more, not {self.reconcile_ms!r}"
            )


class ReplayReport(Record):
    """What a replay came to.

    Attributes:
        trades: trades of the tape.
        orders_placed: orders that the exchange took.
        fills_full: fills that completed their order; *fills_partial*: those that did not.
        round_trips: sales that were filled, each of which ends what a purchase began.
        position: signed, in base units; *realized_profit*: in quote currency.
        versions: commits of the manager's store.
        snapshots: snapshots that strategy and reconciler took to decide upon.
        passes: reconcile passes that were completed; *abandoned*: that got no answer.
        corrections: ``(kind, how many)`` of the reconciler's corrections.
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
    snapshots: int
    passes: int
    abandoned: int
    corrections: tuple[tuple[str, int], ...]
    differences: tuple[str, ...]
    wall_seconds: float

    @property
    def agrees(self) -> bool:
        """Whether the local orders and position are the exchange's."""
        return not self.differences


def replay(
    trades: Iterable[Trade],
    options: ReplayOptions,
    progress: Callable[[int], object] = lambda _: None,
) -> ReplayReport:
    """Trade a grid over *trades*, settle, and compare both sides.

    Args:
        trades: the tape, in order of time; it is read once, a trade at a time.
        options: how.
        progress: called with the number of trades read, once for each.

    Raises:
        ArgumentValueError: the tape is empty.
        TapeError: out of *trades*, if that reads a bad file.

    >>> from cowstate.positions.tape import synthetic_tape
    >>> grid = GridConfig("BTCUSDT", Decimal(10), Decimal("0.05"), 5, "grid")
    >>> report = replay(synthetic_tape(seed=1, count=2_000), ReplayOptions(grid))
    >>> report.agrees, report.fills_full > 10, report.passes > 5
    (True, True, True)
    """
    started = perf_counter()
    tape = iter(trades)
    first = next(tape, None)
    if first is None:
        raise ArgumentValueError("the tape has no trades; give a file with at least one")
    clock: Clock
    if options.threads:
        clock = ThreadedClock(first.time_ms, lead_ms=max(1, options.latency_ms))
    else:
        clock = VirtualClock(first.time_ms)
    with clock:
        run = _Run(clock, options)
        run.start()
        run.exchange.play(_counted(chain([first], tape), run, progress))
        run.settle()
        return run.report(perf_counter() - started)


def _counted(
    trades: Iterable[Trade], run: _Run, progress: Callable[[int], object]
) -> Iterator[Trade]:
    for trade in trades:
        run.trades += 1
        progress(run.trades)
        yield trade


class _Run:
    """One replay: who takes part, and what they do when."""

    def __init__(self, clock: Clock, options: ReplayOptions) -> None:
        grid = options.grid
        self.clock = clock
        self.options = options
        self.trades = 0
        self.steps = 0
        self.exchange = PaperExchange(
            clock, grid.symbol, latency_ms=options.latency_ms, faults=options.faults
        )
        self.manager = PositionManager(grid, time_ms=self._now)
        self.policy = options.policy or _policy_for(options)
        self.reconciler = Reconciler(
            self.manager, self.exchange, policy=self.policy, time_ms=self._now
        )
        self.strategy = GridStrategy(self.manager, self.exchange, self._now)
        self._price: Decimal | None = None
        self._level: Decimal | None = None
        self._going = True
        self._to_strategy: Inbox[None] = clock.participant("strategy", self._trade)
        self._to_reconciler: Inbox[None] = clock.participant("reconciler", self._reconcile)

    def _now(self) -> int:
        return self.clock.now_ms

    def start(self) -> None:
        """Connect the streams and set the first timer."""
        self.exchange.subscribe(self._on_order)
        self.exchange.subscribe_trades(self._on_trade)
        self.clock.call_at(self._now() + self.options.reconcile_ms, self._tick)

    def _on_order(self, update: OrderUpdate) -> None:
        self.manager.on_order_update(update)
        self._to_strategy.put(None)

    def _on_trade(self, trade: Trade) -> None:
        # The grid looks different only from another level.
        self._price = trade.price
        level = EXACT.divide_int(trade.price, self.options.grid.price_step)
        if level != self._level:
            self._level = level
            self._to_strategy.put(None)

    def _tick(self) -> None:
        if self._going:
            self._to_reconciler.put(None)
            self.clock.call_at(self._now() + self.options.reconcile_ms, self._tick)

    def _trade(self, _: tuple[None, ...]) -> None:
        if self._price is not None and not self.reconciler.breaker.is_open(
            self.options.grid.symbol
        ):
            self.steps += 1
            self.strategy.step(self._price)

    def _reconcile(self, _: tuple[None, ...]) -> None:
        report = self.reconciler.reconcile()
        if report.corrections:
            self._to_strategy.put(None)

    def settle(self) -> None:
        """Let everything under way arrive, then reconcile until there is nothing left to judge."""
        self._going = False
        self.clock.settle()
        # Past the grace period twice: for what happened last, and for what that pass changed;
        # past the lifetime of a request, for orders that may never have arrived.
        pauses = [self.policy.grace_ms + 1] * 2 + [self.policy.request_lifetime_ms + 1]
        pauses += [self.policy.grace_ms + 1] * (self.policy.passes + 2)
        for pause in pauses:
            self.clock.run_until(self._now() + pause)
            report = self.reconciler.reconcile()
            self.clock.settle()
            if _nothing_left(report):
                break

    def report(self, wall_seconds: float) -> ReplayReport:
        """Compare both sides."""
        audit = self.exchange.audit()
        now = self.manager.snapshot()
        status = self.reconciler.status()
        full, partial = _count_fills(audit)
        passes = status.passes + status.abandoned
        return ReplayReport(
            trades=self.trades,
            orders_placed=len(audit.orders),
            fills_full=full,
            fills_partial=partial,
            round_trips=sum(
                order.side is Side.SELL and order.status is OrderStatus.FILLED
                for order in audit.orders
            ),
            position=now.total("position"),
            realized_profit=now.total("realized_profit"),
            open_orders=now.total("active_orders"),
            versions=now.version,
            # A step of the strategy plans on one, a pass looks through a window between two.
            snapshots=self.steps + 2 * passes,
            passes=status.passes,
            abandoned=status.abandoned,
            corrections=tuple((kind.value, count) for kind, count in sorted(status.corrections)),
            differences=tuple(_differences(self.manager, audit)),
            wall_seconds=wall_seconds,
        )


def _policy_for(options: ReplayOptions) -> ReconcilePolicy:
    faults = options.faults
    slowest = 4 * options.latency_ms + faults.max_delay_ms
    return ReconcilePolicy(
        grace_ms=max(500, slowest), request_lifetime_ms=max(5_000, slowest, faults.timeout_ms)
    )


def _nothing_left(report: PassReport) -> bool:
    return (
        report.outcome is PassOutcome.DONE
        and report.position is not None
        and report.position.verdict is PositionVerdict.AGREES
        and not report.corrections
    )


def _count_fills(audit: Audit) -> tuple[int, int]:
    """Return how many fills completed their order, and how many did not."""
    quantities = {order.order_id: order.quantity for order in audit.orders}
    filled: defaultdict[int, Decimal] = defaultdict(Decimal)
    full = 0
    for fill in audit.fills:
        filled[fill.order_id] = EXACT.add(filled[fill.order_id], fill.quantity)
        full += filled[fill.order_id] == quantities[fill.order_id]
    return full, len(audit.fills) - full


def _differences(manager: PositionManager, audit: Audit) -> Iterator[str]:
    """Say, a sentence each, what the manager and the exchange disagree upon."""
    now = manager.snapshot()
    position = now.total("position")
    if position != audit.position:
        yield f"position: {position} here, {audit.position} at the exchange"
    here = {
        order.client_oid: (order.order_id, order.filled)
        for slot in now.values()
        for order in slot.orders
        if not order.terminal
    }
    there = {order.client_oid: (order.order_id, order.filled) for order in audit.open_orders}
    for client_oid in sorted(here.keys() - there.keys()):
        yield f"order {client_oid} works here and not at the exchange"
    for client_oid in sorted(there.keys() - here.keys()):
        yield f"order {client_oid} works at the exchange and not here"
    for client_oid in sorted(here.keys() & there.keys()):
        if here[client_oid] != there[client_oid]:
            yield (
                f"order {client_oid}: (id, filled) is {here[client_oid]} here, "
                f"{there[client_oid]} at the exchange"
            )
