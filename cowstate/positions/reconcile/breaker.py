"""The circuit breaker: for each symbol, whether trading goes on, and why it does not."""

from __future__ import annotations

from collections.abc import Callable

from cowstate import MISSING, ArgumentTypeError, Commit, Record, Store, Subscription

__all__ = ["BreakerState", "CircuitBreaker"]


class BreakerState(Record):
    """The state of one symbol's breaker. Open means: no trading. *trips* counts the openings.

    *reason* and *opened_ms* tell of the latest opening.
    """

    open: bool = False
    reason: str = ""
    opened_ms: int = 0
    trips: int = 0


_CLOSED = BreakerState()


class CircuitBreaker:
    """Says for each symbol whether trading may go on.

    It opens where a divergence is too large to be corrected by a program, and stays open until
    somebody who has looked at it calls `reset`. Who places orders asks `is_open` first.

    Every method may be called from any thread; reading takes no lock.

    >>> breaker = CircuitBreaker()
    >>> breaker.open("BTCUSDT", "the exchange holds 0.5 more", 1000)
    True
    >>> breaker.is_open("BTCUSDT"), breaker.is_open("ETHUSDT")
    (True, False)
    >>> breaker.reset("BTCUSDT")
    True
    >>> breaker.state("BTCUSDT").trips
    1
    """

    def __init__(self) -> None:
        self._states: Store[str, BreakerState] = Store()

    def is_open(self, symbol: str) -> bool:
        """Whether trading in *symbol* is halted."""
        return self.state(symbol).open

    def state(self, symbol: str) -> BreakerState:
        """Return the state of *symbol*; closed if nothing was ever heard of it."""
        state: BreakerState = self._states.snapshot().get(symbol, _CLOSED)
        return state

    def open(self, symbol: str, reason: str, time_ms: int) -> bool:
        """Halt *symbol*; False, and nothing changes, if it is halted already.

        Raises:
            ArgumentTypeError: *symbol* or *reason* is no str.
        """
        for name, value in (("symbol", symbol), ("reason", reason)):
            if not isinstance(value, str):
                raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, not str")
        with self._states.transaction() as tx:
            state = tx.get(symbol, _CLOSED)
            if not state.open:
                tx[symbol] = BreakerState(True, reason, time_ms, state.trips + 1)
        return bool(tx.result.changes)

    def reset(self, symbol: str) -> bool:
        """Let *symbol* go on; False, and nothing changes, if it was not halted."""
        with self._states.transaction() as tx:
            state = tx.get(symbol, _CLOSED)
            if state.open:
                tx[symbol] = state.replace(open=False)
        return bool(tx.result.changes)

    def on_change(
        self, callback: Callable[[str, BreakerState], object]
    ) -> Subscription[str, BreakerState]:
        """Have ``callback(symbol, state)`` called after every opening and reset, in order."""

        def deliver(commit: Commit[str, BreakerState]) -> None:
            for symbol, (_, state) in commit.changes.items():
                if state is not MISSING:
                    callback(symbol, state)

        return self._states.subscribe(deliver)
