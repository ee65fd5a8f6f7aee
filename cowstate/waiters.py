"""Who sleeps until something changes: parked by key, woken by the next commit."""

from __future__ import annotations

from collections.abc import Hashable
from threading import TIMEOUT_MAX, Lock
from time import monotonic
from typing import Any, Generic, Protocol, TypeVar

from .commit import Commit
from .members import Members, numbers

__all__ = ["ThreadWaiter", "Waiter", "Waiters"]

K = TypeVar("K", bound=Hashable)


class Waiter(Protocol):
    """A thread or task that sleeps.

    Notified by whichever thread writes, while it may write, so it must not block or raise; and as
    often as there are commits, whether or not it has woken up in between.

    Attributes:
        number: its place among the members.
    """

    number: int

    def notify(self) -> None:
        """Wake it."""


class ThreadWaiter:
    """Wakes one thread. A notification before the sleep is not lost."""

    __slots__ = ("_asleep", "number")

    def __init__(self) -> None:
        self.number = next(numbers)
        self._asleep = Lock()
        self._asleep.acquire()

    def notify(self) -> None:
        """Wake the thread."""
        try:
            self._asleep.release()
        except RuntimeError:  # notified before, and not heard yet
            pass

    def sleep(self, deadline: float | None) -> bool:
        """Sleep until notified; False if that took until *deadline* on the monotonic clock."""
        while deadline is not None:
            left = max(deadline - monotonic(), 0)
            if self._asleep.acquire(timeout=min(left, TIMEOUT_MAX)):
                return True
            if left <= TIMEOUT_MAX:
                return False
        return self._asleep.acquire()


class Waiters(Generic[K]):
    """The sleepers of one store.

    `notify` is called while the writer may write, just *before* the publication. Who is woken
    passes through the store's lock before it looks, so sees the publication; and a writer that
    fails between the two has woken somebody for nothing, never left somebody asleep.

    Attributes:
        parked: the sleepers, by number and by key.
        bells: what wakes the tasks of an event loop, by the loop's ``id``; see `cowstate.bells`.
    """

    def __init__(self) -> None:
        self.parked: Members[K, Waiter] = Members()
        self.bells: dict[int, object] = {}

    def notify(self, commit: Commit[K, Any]) -> None:
        """Wake those whom *commit* concerns. Costs O(those, and keys changed)."""
        for waiter in self.parked.concerned(commit._delta):
            waiter.notify()

    def notify_all(self) -> None:
        """Wake everybody, to look again at whether to go on."""
        for waiter in list(self.parked.all.values()):
            waiter.notify()

    def __len__(self) -> int:
        return len(self.parked.all)

    def after_fork_in_child(self) -> None:
        """Forget the sleepers: their threads are not in the child."""
        self.parked = Members()
        self.bells = {}
