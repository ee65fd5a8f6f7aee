"""A venue, whoever asks it, and what the stream brought: a desk to try things at."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cowstate.positions import OrderRequest, Side, Trade, VirtualClock
from cowstate.positions.simulation.chaos.client import ChaosExchange
from cowstate.positions.simulation.chaos.faults import WorldFaults
from cowstate.positions.simulation.chaos.ledger import Ledger
from cowstate.positions.simulation.chaos.script import START_MS, Dice, Hours, script_of
from cowstate.positions.simulation.chaos.venue import Venue

__all__ = ["LOT", "Desk"]

LOT = Decimal("0.5")


class Desk:
    """A venue, whoever asks it, and what the stream brought."""

    def __init__(self, seed: int = 1, active_ms: int = 60_000, **faults: float) -> None:
        self.faults = WorldFaults(**{"market": 0, "latency": 20, **faults})
        self.clock = VirtualClock(START_MS)
        self.ledger = Ledger(
            "X", fee=Decimal(str(self.faults.fee)), reuse=bool(self.faults.reuse), held=Decimal(2)
        )
        script = script_of(seed, self.faults, active_ms, 10_000)
        self.venue = Venue(self.clock, self.ledger, script, self.faults, Dice(seed))
        self.events: list[Any] = []
        self.venue.listen(lambda event: self.events.append((self.clock.now_ms, event)))
        self.exchange = ChaosExchange(self.venue)

    def place(self, number: int = 1, price: int = 100) -> Any:
        request = OrderRequest("X", Side.BUY, LOT, Decimal(price), f"g-{price}-B{number}")
        (answer,) = self.exchange.create_orders([request])
        return answer

    def fill(self, price: int = 100, lots: str = "0.2") -> None:
        now = self.clock.now_ms
        self.venue.trade(Trade(now, now, Decimal(price), Decimal(lots), True))

    def wait(self, ms: int) -> None:
        self.clock.run_until(self.clock.now_ms + ms)

    def hours(self, kind: str, begin: int, end: int) -> None:
        self.venue.script.hours[kind] = Hours([(START_MS + begin, START_MS + end)])
