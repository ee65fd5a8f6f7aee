"""What a reconciler keeps alive, and what is left of one that nobody holds any more."""

from __future__ import annotations

import gc
from typing import Any
from weakref import ref

from cowstate.positions import (
    CircuitBreaker,
    PaperExchange,
    PositionManager,
    Reconciler,
    VirtualClock,
)
from tests.positions.reconcile.desk import CONFIG, START


class Program:
    """As programs are: its clock is a method, and its subscriber knows the reconciler."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.breaker = CircuitBreaker()
        self.manager = PositionManager(CONFIG, time_ms=self.now)
        self.reconciler = Reconciler(
            self.manager,
            PaperExchange(self.clock, "X"),
            breaker=self.breaker,
            time_ms=self.now,
        )
        self.manager.store.subscribe(self.heard)
        self.breaker.on_change(self.heard)

    def now(self) -> int:
        return self.clock.now_ms

    def heard(self, *_: Any) -> None:
        self.reconciler.trigger()


def test_a_program_that_is_dropped_is_freed_with_its_reconciler() -> None:
    program = Program()
    program.reconciler.reconcile()
    gone = [ref(program), ref(program.manager), ref(program.manager.store), ref(program.breaker)]
    del program
    gc.collect()
    assert [each() for each in gone] == [None] * len(gone)


def test_a_reconciler_that_is_dropped_leaves_no_subscription() -> None:
    program = Program()
    manager, breaker = program.manager, program.breaker
    gc.collect()
    before = manager.store.statistics().subscriptions
    for _ in range(3):
        Reconciler(manager, PaperExchange(program.clock, "X"), breaker=breaker).reconcile()
    gc.collect()
    assert manager.store.statistics().subscriptions == before
    breaker.open("X", "a trial", START)
    assert manager.store.snapshot().meta.breaker.open
