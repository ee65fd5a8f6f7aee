"""The line between a client and a paper exchange: how long messages take, and which are lost."""

from __future__ import annotations

from random import Random

from cowstate import ArgumentValueError, Record

__all__ = ["Faults", "Line", "Passage"]


class Faults(Record):
    """What goes wrong on the line, and how often: probabilities from 0 to 1.

    Attributes:
        lose_event: an event of the order stream never arrives.
        double_event: it arrives twice.
        delay_event: an arrival is up to *max_delay_ms* late, so that later events overtake it.
        lose_request: a request never reaches the exchange; nothing is done.
        delay_request: it reaches the exchange up to *max_delay_ms* late, perhaps when its
            sender has given up already.
        lose_answer: it is done, and the answer never arrives.
        max_delay_ms: the longest delay.
        timeout_ms: how long a sender waits for an answer before a `NetworkError`.
        seed: which faults, of all that are that probable.

    Raises:
        ArgumentValueError: a probability is not one, or a time is not a positive int.
    """

    lose_event: float = 0.0
    double_event: float = 0.0
    delay_event: float = 0.0
    lose_request: float = 0.0
    delay_request: float = 0.0
    lose_answer: float = 0.0
    max_delay_ms: int = 1_000
    timeout_ms: int = 5_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__[:6]:
            value = getattr(self, name)
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ArgumentValueError(f"{name} is a probability, from 0 to 1; not {value!r}")
        for name in ("max_delay_ms", "timeout_ms"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ArgumentValueError(f"{name} must be an int of 1 or more, not {value!r}")
        if type(self.seed) is not int:
            raise ArgumentValueError(f"seed must be an int, not {self.seed!r}")


class Passage(Record):
    """The way of one request, as delays from the moment of sending; None for never."""

    arrives: int | None
    answered: int | None
    waited: int


class Line:
    """The way between client and exchange. Not thread-safe; the same calls give the same faults.

    >>> line = Line(50, Faults(double_event=1))
    >>> line.request()
    Passage(arrives=50, answered=100, waited=100)
    >>> line.event()
    [50, 50]
    """

    def __init__(self, latency_ms: int, faults: Faults) -> None:
        self._latency = latency_ms
        self._faults = faults
        self._random = Random(faults.seed)

    @property
    def slowest_ms(self) -> int:
        """How long after it was sent a request may arrive, at most."""
        return self._latency + self._faults.max_delay_ms

    @property
    def chances(self) -> tuple[int, ...]:
        """Where it is in its chances; another line that is set to that has the same faults."""
        chances: tuple[int, ...] = self._random.getstate()[1]
        return chances

    @chances.setter
    def chances(self, chances: tuple[int, ...]) -> None:
        version, _, rest = self._random.getstate()
        self._random.setstate((version, chances, rest))

    def request(self) -> Passage:
        """Return how the next request fares."""
        faults = self._faults
        if self._happens(faults.lose_request):
            return Passage(None, None, faults.timeout_ms)
        arrives = self._latency + self._delay(faults.delay_request)
        answered = arrives + self._latency
        late = arrives > self._latency and answered > faults.timeout_ms
        if late or self._happens(faults.lose_answer):
            return Passage(arrives, None, faults.timeout_ms)
        return Passage(arrives, answered, answered)

    def event(self) -> list[int]:
        """Return after how long the event arrives, for each time that it does."""
        faults = self._faults
        if self._happens(faults.lose_event):
            return []
        copies = 2 if self._happens(faults.double_event) else 1
        return [self._latency + self._delay(faults.delay_event) for _ in range(copies)]

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def _delay(self, probability: float) -> int:
        if not self._happens(probability):
            return 0
        return 1 + int(self._random.random() * self._faults.max_delay_ms)
