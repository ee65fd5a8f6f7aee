"""The reconciler on a real (paper) exchange, and its loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from cowstate import ArgumentValueError
from cowstate.positions import (
    ActionKind,
    CorrectionKind,
    GridConfig,
    OrderAction,
    OrderStatus,
    OrderUpdate,
    PaperExchange,
    PassOutcome,
    PassReport,
    PositionManager,
    PositionVerdict,
    ReconcilePolicy,
    Reconciler,
    Side,
    SlotStatus,
    Trade,
    VirtualClock,
)
from cowstate.positions.errors import NetworkError, OrderNotFoundError

CONFIG = GridConfig("X", Decimal(10), Decimal("0.5"), 2, "grid")
POLICY = ReconcilePolicy(grace_ms=100, request_lifetime_ms=1_000, passes=2)
START = 1_000_000


class Desk:
    """A manager, a paper exchange whose stream is cut, and a reconciler, on a virtual clock."""

    def __init__(self, exchange: type[PaperExchange] = PaperExchange, **options: Any) -> None:
        self.clock = VirtualClock(START)
        self.exchange = exchange(self.clock, "X", latency_ms=10)
        self.manager = PositionManager(CONFIG, time_ms=lambda: self.clock.now_ms)
        self.reconciler = Reconciler(
            self.manager,
            self.exchange,
            time_ms=lambda: self.clock.now_ms,
            **{"policy": POLICY, **options},
        )

    def place(self, action: OrderAction) -> Any:
        return self.exchange.create_order(
            "X", "limit", action.side, action.quantity, action.price,
            {"clientOrderId": action.client_oid},
        )  # fmt: skip

    def trade(self, price: int, quantity: str) -> None:
        self.exchange.on_trade(
            Trade(self.clock.now_ms, 1, Decimal(price), Decimal(quantity), buyer_is_maker=True)
        )

    def later(self, ms: int = 5_000) -> PassReport:
        self.clock.run_until(self.clock.now_ms + ms)
        return self.reconciler.reconcile()


def kinds(report: PassReport) -> list[CorrectionKind]:
    return [correction.kind for correction in report.corrections]


def test_a_manager_that_hears_nothing_learns_everything_from_the_passes() -> None:
    desk = Desk()
    placed = desk.manager.calculate_adjustments(Decimal(105))
    for action in placed:
        desk.place(action)
    assert kinds(desk.later()) == [CorrectionKind.ADOPTED] * 2
    desk.trade(100, "0.2")
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot().total("position") == Decimal("0.2")
    desk.trade(100, "0.3")
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot().total("position") == Decimal("0.5")
    desk.exchange.cancel_order(desk.manager.snapshot()["90"].order_id, "X")  # type: ignore[arg-type]
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot()["90"].slot_status is SlotStatus.FREE
    report = desk.later()
    assert report.position is not None
    assert report.position.verdict is PositionVerdict.AGREES
    assert report.corrections == ()


def test_an_order_that_never_arrived_is_given_up_after_its_lifetime_only() -> None:
    desk = Desk()
    desk.manager.calculate_adjustments(Decimal(105))
    assert kinds(desk.later(500)) == []
    assert desk.manager.snapshot().total("active_orders") == 2
    assert kinds(desk.later(600)) == [CorrectionKind.EXPIRED] * 2
    assert desk.manager.snapshot().total("active_orders") == 0


@pytest.mark.parametrize("when", ["during the look", "after the decision"])
def test_an_order_that_is_heard_of_before_it_is_given_up_is_not(when: str) -> None:
    class Late(PaperExchange):
        told: Callable[[], object]

        def fetch_order(self, order_id: Any, symbol: str, client_oid: Any = None) -> Any:
            try:
                return super().fetch_order(order_id, symbol, client_oid)
            except OrderNotFoundError:
                if client_oid == "grid-100-B1":
                    self.told()
                raise

    desk = Desk(Late)
    action = desk.manager.calculate_adjustments(Decimal(105))[1]
    fact = OrderUpdate(
        "X", action.client_oid, 9, Side.BUY, action.price, action.quantity, OrderStatus.NEW
    )
    first, second = (lambda: desk.manager.on_order_update(fact)), (lambda: None)
    if when == "after the decision":
        first, second = second, first  # type: ignore[assignment]
    desk.exchange.told = first  # type: ignore[attr-defined]
    # Of the two orders the one at 90 is given up first.
    with desk.manager.store.subscribe(lambda commit: second(), keys=["90"]):
        report = desk.later(2_000)
    dropped = [CorrectionKind.DROPPED] * (when == "after the decision")
    assert kinds(report) == [CorrectionKind.EXPIRED, *dropped]
    assert desk.manager.snapshot()["100"].slot_status is SlotStatus.LOCKED
    assert desk.manager.snapshot()["90"].slot_status is SlotStatus.FREE


def stray(oid: str, price: int = 90) -> OrderAction:
    return OrderAction(ActionKind.PLACE, str(price), Side.BUY, Decimal(price), Decimal("0.5"), oid)


def test_an_order_of_ours_that_nobody_knows_is_cancelled_with_its_fills_counted() -> None:
    desk = Desk()
    desk.place(stray("grid-90-B7"))
    desk.place(stray("web_1"))
    desk.trade(90, "0.2")
    report = desk.later()
    assert kinds(report) == [CorrectionKind.CANCELED]
    assert [order.client_oid for order in report.orders.foreign] == ["web_1"]
    assert [order.client_oid for order in desk.exchange.audit().open_orders] == ["web_1"]
    assert desk.manager.snapshot().total("position") == Decimal("0.2")
    report = desk.later()
    assert report.position is not None
    assert report.position.verdict is PositionVerdict.AGREES


def test_an_order_that_becomes_known_before_it_is_cancelled_is_not() -> None:
    desk = Desk()
    unknown = desk.place(stray("grid-300-B7", 300))
    desk.place(desk.manager.calculate_adjustments(Decimal(105))[1])
    # That the order at 100 exists is joined first; just then the stream tells of the other.
    with desk.manager.store.subscribe(
        lambda commit: desk.manager.on_order_update(unknown), keys=["100"]
    ):
        report = desk.later(500)
    assert kinds(report) == [CorrectionKind.ADOPTED, CorrectionKind.DROPPED]
    assert len(desk.exchange.audit().open_orders) == 2
    assert desk.manager.snapshot()["300"].slot_status is SlotStatus.LOCKED


def test_the_fills_of_a_forgotten_process_are_found_by_its_trades() -> None:
    desk = Desk()
    desk.place(stray("grid-90-B7"))
    desk.trade(90, "0.5")
    assert kinds(desk.later()) == [CorrectionKind.JOINED]
    assert desk.manager.snapshot()["90"].position_qty == Decimal("0.5")
    assert desk.manager.snapshot()["90"].last_sequence == 7


def test_a_divergence_that_lasts_opens_the_breaker_once_and_shows_in_the_status() -> None:
    desk = Desk()
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")
    first = desk.later()
    assert first.position is not None
    assert first.position.verdict is PositionVerdict.DIVERGES
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]
    assert desk.reconciler.breaker.is_open("X")
    assert kinds(desk.later()) == []
    status = desk.reconciler.status()
    assert status.passes == 3
    assert dict(status.corrections) == {CorrectionKind.BREAKER: 1}
    assert status.divergence is not None
    assert status.divergence.passes == 3
    assert not status.running


def drifted(quantity: str) -> Desk:
    """A desk that holds 0.5 like the exchange, which then loses *quantity* by other hands."""
    desk = Desk()
    desk.place(stray("web_1"))
    desk.trade(90, "0.5")
    desk.manager.restore_from_exchange_position(Decimal("0.5") + Decimal(quantity), Decimal(105))
    return desk


def test_a_small_divergence_that_lasts_is_corrected_exactly() -> None:
    desk = drifted("0.02")
    assert kinds(desk.later()) == []
    (correction,) = desk.later().corrections
    assert correction.kind is CorrectionKind.POSITION
    assert correction.detail == "from 0.52 to 0.5"
    assert desk.manager.snapshot().total("position") == Decimal("0.5")
    assert desk.reconciler.status().divergence is None


def test_a_correction_that_falls_short_opens_the_breaker_and_changes_nothing() -> None:
    desk = drifted("0.02")
    for action in desk.manager.calculate_adjustments(Decimal(105)):
        desk.place(action)
    desk.later()
    before = desk.manager.snapshot()
    desk.later()
    assert kinds(desk.later()) == [CorrectionKind.BREAKER]
    assert "working order" in desk.reconciler.breaker.state("X").reason
    assert desk.manager.snapshot() is before
    assert kinds(desk.later()) == []


def test_while_the_breaker_is_open_no_position_is_corrected() -> None:
    desk = drifted("0.02")
    desk.reconciler.breaker.open("X", "by hand", 1)
    desk.later()
    assert kinds(desk.later()) == []
    assert desk.manager.snapshot().total("position") == Decimal("0.52")


class Mute(PaperExchange):
    """An exchange that gives no answer to the methods named."""

    mute: frozenset[str] = frozenset()
    amnesia = False

    def __getattribute__(self, name: str) -> Any:
        if name.startswith(("fetch", "cancel")) and name in super().__getattribute__("mute"):
            raise NetworkError("no answer")
        return super().__getattribute__(name)

    def fetch_open_orders(self, symbol: str) -> Any:
        return [] if self.amnesia else super().fetch_open_orders(symbol)

    def fetch_order(self, order_id: Any, symbol: str, client_oid: Any = None) -> Any:
        if self.amnesia:
            raise OrderNotFoundError("unknown")
        return super().fetch_order(order_id, symbol, client_oid)


@pytest.mark.parametrize("what", ["fetch_open_orders", "fetch_positions"])
def test_without_an_answer_the_pass_is_abandoned_and_nothing_concluded(what: str) -> None:
    desk = Desk(Mute)
    desk.manager.calculate_adjustments(Decimal(105))
    before = desk.manager.snapshot()
    desk.exchange.mute = frozenset([what])  # type: ignore[attr-defined]
    report = desk.later()
    assert (report.outcome, report.why) == (PassOutcome.ABANDONED, "no answer")
    assert desk.manager.snapshot() is before
    status = desk.reconciler.status()
    assert (status.passes, status.abandoned) == (0, 1)


def test_no_answer_about_an_order_leaves_it_in_doubt() -> None:
    desk = Desk(Mute)
    desk.manager.calculate_adjustments(Decimal(105))
    desk.exchange.mute = frozenset(["fetch_order"])  # type: ignore[attr-defined]
    report = desk.later()
    assert [query.client_oid for query in report.orders.query] == ["grid-90-B1", "grid-100-B1"]
    assert desk.manager.snapshot().total("active_orders") == 2


def test_no_answer_to_a_cancellation_leaves_it_for_the_next_pass() -> None:
    desk = Desk(Mute)
    desk.place(stray("grid-90-B7"))
    desk.exchange.mute = frozenset(["cancel_order"])  # type: ignore[attr-defined]
    assert kinds(desk.later()) == []
    desk.exchange.mute = frozenset()  # type: ignore[attr-defined]
    assert kinds(desk.later()) == [CorrectionKind.CANCELED]


def test_an_exchange_that_denies_what_it_acknowledged_halts_trading_and_frees_no_slot() -> None:
    desk = Desk(Mute)
    action = desk.manager.calculate_adjustments(Decimal(105))[0]
    desk.manager.on_order_update(desk.place(action))
    desk.exchange.amnesia = True  # type: ignore[attr-defined]
    assert kinds(desk.later(600)) == []
    assert dict(desk.reconciler.status().denied) == {"grid-90-B1": 1}
    assert CorrectionKind.BREAKER in kinds(desk.later(600))
    assert "denies" in desk.reconciler.breaker.state("X").reason
    assert desk.manager.snapshot()["90"].slot_status is SlotStatus.LOCKED


def test_a_pass_inside_a_pass_does_nothing() -> None:
    desk = Desk()
    inner: list[PassReport] = []
    desk.clock.call_at(START + 5_010, lambda: inner.append(desk.reconciler.reconcile()))
    assert desk.later().outcome is PassOutcome.DONE
    assert [report.outcome for report in inner] == [PassOutcome.BUSY]
    assert desk.reconciler.status().passes == 1


# The loop: its waiting is passed in, so the test says when an interval is over.


class Interval:
    """A wait that ends when the test says that the time is over, or when the loop is woken."""

    def __init__(self) -> None:
        self.waiting = threading.Semaphore(0)
        self.seconds: list[float] = []

    def __call__(self, event: threading.Event, seconds: float) -> None:
        self.seconds.append(seconds)
        self.end = event.set
        self.waiting.release()
        event.wait()


def test_the_loop_makes_a_pass_at_once_and_one_after_every_interval_and_then_stops() -> None:
    interval = Interval()
    desk = Desk(interval_s=7.0, wait=interval)
    desk.reconciler.start()
    desk.reconciler.start()
    for passes in (1, 2, 3):
        interval.waiting.acquire()
        assert desk.reconciler.status().passes == passes
        assert desk.reconciler.status().running
        if passes < 3:
            interval.end()
    desk.reconciler.stop()
    assert not desk.reconciler.status().running
    assert set(interval.seconds) == {7.0}
    desk.reconciler.stop()


def test_a_trigger_ends_the_wait_and_the_context_manager_stops_the_loop() -> None:
    passes = threading.Semaphore(0)

    class Counted(PaperExchange):
        def fetch_positions(self, symbols: Any) -> Any:
            passes.release()
            return super().fetch_positions(symbols)

    desk = Desk(Counted, interval_s=3_600)
    with desk.reconciler as running:
        passes.acquire()
        running.trigger()
        passes.acquire()
    assert not desk.reconciler.status().running
    assert desk.reconciler.status().passes == 2


def test_a_pass_that_raises_is_counted_and_the_loop_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    interval = Interval()

    class Broken(PaperExchange):
        def fetch_positions(self, symbols: Any) -> Any:
            raise ZeroDivisionError("a bug")

    desk = Desk(Broken, wait=interval)
    desk.reconciler.start()
    for _ in range(2):
        interval.waiting.acquire()
        interval.end()
    interval.waiting.acquire()
    status = desk.reconciler.status()
    assert (status.running, status.failures, status.passes) == (True, 3, 0)
    assert "a bug" in status.last_error
    assert "a reconcile pass failed" in caplog.text
    desk.reconciler.stop()
    with pytest.raises(ZeroDivisionError):
        desk.reconciler.reconcile()


def test_the_loop_can_be_stopped_from_inside_and_started_again() -> None:
    interval = Interval()
    desk = Desk(wait=interval)
    subscription = desk.manager.on_update(lambda update: desk.reconciler.stop())
    desk.place(stray("grid-90-B7"))
    desk.clock.run_until(START + 5_000)
    desk.reconciler.start()
    interval.waiting.acquire()
    desk.reconciler.stop()
    subscription.close()
    assert desk.reconciler.status().passes == 1
    desk.reconciler.start()
    interval.waiting.acquire()
    desk.reconciler.stop()
    assert desk.reconciler.status().passes == 2


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(ArgumentValueError, match="interval_s"):
        Desk(interval_s=0)
