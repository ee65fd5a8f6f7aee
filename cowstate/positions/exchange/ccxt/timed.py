"""Calls whose stamps and clock are looked at: `TimedCalls`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from ...errors import ExchangeError
from .calls import Answer, Calls
from .clock import Offset, offset_of
from .failures import StampRefusedError

__all__ = ["TimedCalls"]

T = TypeVar("T")

# A Date header is cut to the second, and clocks drift from one measurement to the next.
_WITHIN_MS: Final = 2_000


class TimedCalls:
    """Calls of a client, by a clock that is measured against the venue's. Thread-safe.

    Once it was measured, it is measured again when the venue refuses a request for its time, or
    stamps an answer as it could not have: then ours was set, or drifted.

    Args:
        calls: of the client.
        options: of the client, in which it looks for how far its clock is off.
        params: what the venue is to be asked with for the time.
        time_ms: our clock.
    """

    def __init__(
        self,
        calls: Calls,
        options: dict[str, Any],
        params: dict[str, Any],
        time_ms: Callable[[], int],
    ) -> None:
        self._calls = calls
        self._options = options
        self._params = params
        self._time_ms = time_ms
        self._offset: Offset | None = None

    @property
    def offset(self) -> Offset | None:
        """How far the venue's clock is from ours; None while that was not measured."""
        return self._offset

    def time_ms(self) -> int:
        """Return the time by the venue's clock, as far as it was measured; else by ours."""
        return self._time_ms() + (0 if self._offset is None else self._offset.middle)

    def measure(self) -> Offset:
        """Ask the venue for its time, and stamp requests by it from then on. One request.

        Raises:
            ExchangeError: the venue does not tell.
        """
        sent = self._time_ms()
        told = self._calls.ask("fetch_time", dict(self._params), read=int).value
        measured = offset_of(sent, told, self._time_ms())
        offset = measured if self._offset is None else self._offset.and_also(measured)
        self._offset = offset
        self._options["timeDifference"] = -offset.middle
        return offset

    def ask(self, name: str, *args: Any, read: Callable[[Any], T], **named: Any) -> Answer[T]:
        """Call, as `Calls.ask` does.

        Raises:
            ExchangeError: likewise. What is refused for its time is not sent again, and the next
                request bears another one.
        """
        try:
            return self._calls.ask(name, *args, read=read, **named)
        except StampRefusedError:
            if self._offset is not None:
                self._measure_again()
            raise

    def listing(self, name: str, *args: Any, read: Callable[[Any], T], **named: Any) -> Answer[T]:
        """Call for a list: a stamp that the venue's own clock contradicts counts as none.

        Raises:
            ExchangeError: likewise.
        """
        sent = self._time_ms()
        answer = self.ask(name, *args, read=read, **named)
        came, told = self._time_ms(), answer.answered_ms
        for again in (True, False):
            if self._offset is None or told is None:
                return answer
            if self._offset.allows(told, sent, came, _WITHIN_MS):
                return answer
            # The clock that stamps our trades decides whether it is the stamp or ours.
            if again and not self._measure_again():
                break
        return answer.replace(answered_ms=None)

    def _measure_again(self) -> bool:
        try:
            self.measure()
        except ExchangeError:
            return False
        return True
