"""The circuit breaker: for each symbol, whether trading goes on, and why it does not."""

from __future__ import annotations

from collections.abc import Callable

from cowstate import (
    MISSING,
    ArgumentTypeError,
    ArgumentValueError,
    Commit,
    Store,
    Subscription,
)

from ..book.remembered import BreakerState

__all__ = ["CircuitBreaker"]

_CLOSED = BreakerState()


class CircuitBreaker:
    """Says for each symbol whether trading may go on.

    It opens where a divergence is too large to be corrected by a program, and stays open until
    both sides are proven to agree, where that is what it waits for, or somebody who has looked at
    it calls `reset`. Who places orders asks `is_open` first.

    Every method may be called from any thread; reading takes no lock.

    >>> breaker = CircuitBreaker()
    >>> breaker.open("BTCUSDT", "the exchange holds 0.5 more", 1000)
    True
    >>> breaker.is_open("BTCUSDT"), breaker.is_open("ETHUSDT")
    (True, False)
    >>> breaker.reset("BTCUSDT", told="the exchange holds 0.5 more")
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

    def open(
        self,
        symbol: str,
        reason: str,
        time_ms: int,
        *,
        flatten: bool = False,
        proof_closes: bool = False,
    ) -> bool:
        """Halt *symbol*; False, and nothing changes, if it is halted already.

        Args:
            symbol: what is not to be traded.
            reason: why, in words; who closes it has to name it.
            time_ms: our clock.
            flatten: whether the position is to be closed meanwhile.
            proof_closes: whether a proof that both sides agree closes it.

        Raises:
            ArgumentTypeError: *symbol* or *reason* is no str.
        """
        for name, value in (("symbol", symbol), ("reason", reason)):
            if not isinstance(value, str):
                raise ArgumentTypeError(f"{name} is of type {type(value).__name__}, not str")
        with self._states.transaction() as tx:
            state = tx.get(symbol, _CLOSED)
            if not state.open:
                trips = state.trips + 1
                tx[symbol] = BreakerState(True, reason, time_ms, trips, flatten, proof_closes)
        return bool(tx.result.changes)

    def reset(self, symbol: str, told: str) -> bool:
        """Let *symbol* go on; False, and nothing changes, if it was not halted.

        Args:
            symbol: what may be traded again.
            told: the reason that it is halted for, word for word: whoever lets trading go on has
                been told what is open.

        Raises:
            ArgumentValueError: it is halted for another reason; the message says which.
        """
        with self._states.transaction() as tx:
            state = tx.get(symbol, _CLOSED)
            if state.open:
                if told != state.reason:
                    raise ArgumentValueError(
                        f"{symbol} is halted because {state.reason!r}; look at that, and then say "
                        "so: reset(symbol, told=breaker.state(symbol).reason)"
                    )
                tx[symbol] = state.replace(open=False)
        return bool(tx.result.changes)

    def restore(self, symbol: str, state: BreakerState) -> None:
        """Put *symbol* into a saved *state*."""
        self._states.set(symbol, state)

    def on_change(
        self, callback: Callable[[str, BreakerState], object]
    ) -> Subscription[str, BreakerState]:
        """Have ``callback(symbol, state)`` called after every opening and reset, in order."""

        def deliver(commit: Commit[str, BreakerState]) -> None:
            for symbol, (_, state) in commit.changes.items():
                if state is not MISSING:
                    callback(symbol, state)

        return self._states.subscribe(deliver)
