"""One thread at a time writes to the disk, and wakes those who wait for it: `Turn`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from time import monotonic
from typing import Any, Final, Generic, TypeVar

from cowstate.errors import ReentrantWriteError
from cowstate.locks import BUSY
from cowstate.waiters import ThreadWaiter
from cowstate.writelock import WriteLock

from .staging import Staged, Staging

__all__ = ["Turn"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

NAP: Final = 0.1
"""How long, in seconds, who waits for another one's sync sleeps before it looks itself.

So that it goes on if whoever should have woken it was struck between two instructions."""

INSIDE: Final = (
    "this is inside a write to the disk of this very store (in a signal handler, or a finalizer); "
    "write after it"
)


class Turn(Generic[K, V]):
    """The turn to write to the disk, and those who sleep until somebody has.

    *Everybody* who had it rings, after giving it back: it wakes who need not wait any more, and
    the one that is to have it next. No thread of its own.

    Args:
        staging: what is waited for.
    """

    def __init__(self, staging: Staging[K, V]) -> None:
        self._staging = staging
        # One of those that `is_writing` asks: so what is called in the middle of a write to the
        # disk does not wait there for another store's.
        self._lock = WriteLock(None)
        self._sleepers: dict[int, tuple[Staged[K, V], ThreadWaiter]] = {}

    def ensure_outside(self) -> None:
        """Raise `ReentrantWriteError` if this thread has it."""
        if self._lock.owned():
            raise ReentrantWriteError(INSIDE)

    def attempt(self, work: Callable[[Any, Any], None], argument: object) -> bool:
        """Have the turn and do *work*; False if somebody else has it."""
        try:
            if self._lock.attempt(0, work, argument) is BUSY:
                return False
        except BaseException:
            self._ring()
            raise
        self._ring()
        return True

    def take(self, work: Callable[[Any, Any], None], argument: object) -> None:
        """Have the turn, when it is given back, and do *work*."""
        try:
            self._take(work, argument)
        finally:
            self._ring()

    def _take(self, work: Callable[[Any, Any], None], argument: object) -> None:
        while self._lock.attempt(1.0, work, argument) is BUSY:
            pass

    def wait(
        self,
        entry: Staged[K, V],
        is_over: Callable[[Staged[K, V]], bool],
        work: Callable[[Any, Any], None],
        argument: object,
    ) -> None:
        """Return when *entry* is published: by whoever has the turn, or by doing *work* in it.

        Args:
            entry: what is waited for.
            is_over: whether it is published; raises if it never will be.
            work: as for `attempt`.
            argument: likewise.
        """
        waiter = ThreadWaiter()
        number = waiter.number
        try:
            self._sleepers[number] = entry, waiter
            self._await(waiter, partial(is_over, entry), work, argument)
        finally:
            self._sleepers.pop(number, None)

    def _await(
        self,
        waiter: ThreadWaiter,
        is_over: Callable[[], bool],
        work: Callable[[Any, Any], None],
        argument: object,
    ) -> None:
        # The turn is tried once more after the waiter can be found: whoever had it before rings
        # after giving it back, and may have looked before.
        while not is_over():
            if not self.attempt(work, argument):
                waiter.sleep(monotonic() + NAP)

    def _ring(self) -> None:
        if not self._sleepers:
            return
        published = self._staging.published.current.version
        first: tuple[Staged[K, V], ThreadWaiter] | None = None
        for sleeper in list(self._sleepers.values()):
            entry, waiter = sleeper
            if entry.failure is not None or entry.version <= published:
                waiter.notify()
            elif first is None or entry.version < first[0].version:
                first = sleeper
        if first is not None:
            first[1].notify()

    def after_fork_in_child(self) -> None:
        """Be free, and forget the sleepers: who had it, and they, are not in the child."""
        self._lock.after_fork_in_child()
        self._sleepers = {}
