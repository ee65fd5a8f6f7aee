"""How a store measures itself: `Meter`, `Measures`, and the figures that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import perf_counter

from .errors import ArgumentTypeError, ConflictError, CowstateError
from .records import Record
from .showing import shown

__all__ = ["Figures", "Measures", "Meter", "Stopwatch", "Timing"]


class Meter(Record):
    """Has a store measure itself: how long it is waited for and held, and what it refused.

    Without one a store does nothing for this, not even a look; with one an update takes 1.7 times
    the instructions. Immutable: one serves any number of stores, each of which keeps figures of its
    own, to be read by ``statistics()``.

    Args:
        clock: where the seconds come from. It is called under the lock and must not raise, or go
            back.

    >>> from cowstate import Meter, Store
    >>> store = Store({"a": 1}, meter=Meter())
    >>> commit = store.set("a", 2)
    >>> measured = store.statistics().measured
    >>> measured.holds.count, measured.conflicts, measured.refused
    (1, 0, ())
    """

    clock: Callable[[], float] = perf_counter

    def __post_init__(self) -> None:
        if not callable(self.clock):
            raise ArgumentTypeError(
                f"clock must be a function that returns seconds, not {shown(self.clock)}"
            )


class Timing(Record):
    """How often something took how long, in seconds, since the store was made.

    Attributes:
        count: how often.
        total: how long together.
        longest: how long at the most.
        who: whose the longest was, in words: the line that called the write and its thread, or the
            callback. None while there was none.

    >>> from cowstate import Meter, Store
    >>> Store(meter=Meter()).statistics().measured.callbacks
    Timing(count=0, total=0.0, longest=0.0, who=None)
    """

    count: int
    total: float
    longest: float
    who: str | None


class Measures(Record):
    """What a store with a `Meter` has measured, since it was made. All of it only grows.

    Attributes:
        waits: how long writes waited for the lock and for the transactions of others.
        holds: how long they held the lock, user functions included; a transaction block takes it
            at its begin and for its commit.
        blocks: how long transaction blocks were open before their commit; one that was torn does
            not count.
        callbacks: how long the calls of subscribers took.
        conflicts: how many commits of drafts conflicted, and comparisons found something else.
        refused: ``(error, how many writes)`` for each other error of this package's that a write
            ended with; ``"other"`` for what the user's functions raised.
        syncs: how long writes to the file, or the server, took, each of what had come since the one
            before; who is the line that called the write that made it. None for a store without a
            journal.

    >>> from cowstate import Measures, Meter, Store
    >>> isinstance(Store(meter=Meter()).statistics().measured, Measures)
    True
    """

    waits: Timing
    holds: Timing
    blocks: Timing
    callbacks: Timing
    conflicts: int
    refused: tuple[tuple[str, int], ...]
    syncs: Timing | None = None


class Stopwatch:
    """Adds up durations. One thread at a time notes, any may read.

    Attributes:
        state: ``(count, total, longest, who)``, replaced as a whole, so always of one moment.
    """

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state: tuple[int, float, float, str | None] = (0, 0.0, 0.0, None)

    def note(self, seconds: float, who: Callable[[], str]) -> None:
        """Add *seconds*; *who* is asked only if none was longer."""
        name = who() if seconds >= self.state[2] else None
        # A straight line: noted or not, and nothing in between.
        count, total, longest, last = self.state
        if name is not None:
            longest, last = seconds, name
        self.state = (count + 1, total + seconds, longest, last)


class Figures:
    """What one store has measured.

    Counts are exact where one thread at a time can count: under the lock, or having the turn to
    deliver. What is refused is counted outside of both, and each event loop has a turn of its own:
    without the GIL two of these at the very same instant may count as one, which is no reason for
    a lock.

    Attributes:
        clock: the meter's.
        waits: from asking for the lock to having it, by writes and transactions.
        holds: from having it to giving it back.
        blocks: from the begin of a transaction block to its end.
        callbacks: the calls of subscribers, by who makes them.
        conflicts: how many drafts and comparisons found something else.
        refused: how many writes failed for which other reason.
        syncs: writes to a journal, by who has the turn; None where there is none.
    """

    __slots__ = ("blocks", "callbacks", "clock", "conflicts", "holds", "refused", "syncs", "waits")

    def __init__(self, meter: Meter) -> None:
        self.clock = meter.clock
        self.waits = Stopwatch()
        self.holds = Stopwatch()
        self.blocks = Stopwatch()
        self.callbacks = {by: Stopwatch() for by in ("writer", "thread", "loop")}
        self.conflicts = 0
        self.refused: dict[str, int] = {}
        self.syncs: Stopwatch | None = None

    def callbacks_by(self, via: object) -> Stopwatch:
        """Return what the calls are noted in that *via* makes, as `Store.subscribe` takes it."""
        return self.callbacks[via if isinstance(via, str) else "loop"]

    def failed(self, error: BaseException) -> None:
        """Count a write that failed with *error*."""
        if isinstance(error, ConflictError):
            self.conflicts += 1
            return
        kind = type(error).__name__ if isinstance(error, CowstateError) else "other"
        self.refused.setdefault(kind, 0)
        self.refused[kind] += 1

    def told(self) -> Measures:
        """Return all of it."""
        return Measures(
            _timing([self.waits]),
            _timing([self.holds]),
            _timing([self.blocks]),
            _timing(list(self.callbacks.values())),
            self.conflicts,
            tuple(sorted(self.refused.copy().items())),
            None if self.syncs is None else _timing([self.syncs]),
        )


def _timing(watches: Iterable[Stopwatch]) -> Timing:
    count, total, longest, who = 0, 0.0, 0.0, None
    for watch in watches:
        more, seconds, most, name = watch.state
        count, total = count + more, total + seconds
        if most >= longest:
            longest, who = most, name or who
    return Timing(count, total, longest, who)
