"""The loop of a reconciler: its waiting is passed in, so the test says when an interval is over."""

from __future__ import annotations

import threading
from types import CodeType
from typing import Any

import pytest

from cowstate import ArgumentValueError
from cowstate.positions.reconcile.report import PassOutcome
from tests.faults.injection import interrupt_at_opcode
from tests.positions.reconcile.desk import START, Desk, Paper, stray


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

    class Counted(Paper):
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

    class Broken(Paper):
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


def begins_or_ends_a_pass(code: CodeType) -> bool:
    return code.co_name in ("reconcile", "attempt") and "positions" in code.co_filename


def test_a_pass_that_is_interrupted_wherever_it_begins_or_ends_is_over() -> None:
    number = 0
    while True:
        number += 1
        desk = Desk()
        place = interrupt_at_opcode(desk.reconciler.reconcile, number, where=begins_or_ends_a_pass)
        after = desk.reconciler.reconcile()
        assert after.outcome is not PassOutcome.BUSY, f"interrupted at instruction {number}"
        if place is None:
            break
    assert number > 20, "hardly anything was tried"
