"""Locks that know their owner, and that no exception can leave taken.

An asynchronous exception (Ctrl-C, say), a signal handler, another thread's turn under the GIL
and, from CPython 3.12 on, a garbage collection come up only where the interpreter looks for them:
at the start of a Python function, at a backward jump, and after a call. Everything in this package
that holds something is written by four rules which follow from that; the page
docs/explanation/interruptions.md tells them with their reasons.

1. Code without a call and without a backward jump is a *straight line*: its own thread cannot be
   interrupted in it.
2. ``for x in iterator:`` calls the C function behind the iterator without the look that follows
   an ordinary call. ``for _ in self.unlock: break``, with ``unlock = iter(lock.release, 0)``,
   gives the lock back, and nothing can come between that and what follows.
3. A handler that must give something back does so in a straight line, first of all.
4. Nothing loops while it holds something: from 3.12 on the backward jump of a loop may not be
   covered by the ``try`` or ``with`` that the loop stands in, which depends on its shape. The loop
   goes into a function of its own, the call of which is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from threading import RLock
from typing import Any, Final, Literal, TypeAlias, TypeVar

__all__ = ["BUSY", "Busy", "OwnedLock"]

R = TypeVar("R")


class _Sentinel(Enum):
    BUSY = "BUSY"


BUSY: Final = _Sentinel.BUSY
"""What `OwnedLock.attempt` returns when somebody has the lock."""

Busy: TypeAlias = Literal[_Sentinel.BUSY]


class OwnedLock:
    """A lock that is asked who holds it, and is never entered twice.

    Reentrant in kind, because only such a lock knows its owner, and knows it exactly, at every
    instruction: the owner is set and reset in C, together with the lock. A record of the owner
    beside a plain lock has an instruction before it and one after it.

    Attributes:
        owned: whether the calling thread holds it.
    """

    owned: Callable[[], bool]
    acquire: Callable[..., bool]
    release: Callable[[], None]
    unlock: Iterator[object]

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Take a new lock in place of one whose owner does not exist (in the child of a fork)."""
        lock = RLock()
        self._lock = lock
        self.owned = lock._is_owned  # type: ignore[attr-defined]
        self.acquire, self.release = lock.acquire, lock.release
        self.unlock = iter(lock.release, 0)

    def after_fork_in_child(self) -> None:
        """Renew it, unless the thread that forked holds it: that one goes on in the child."""
        if not self.owned():
            self.renew()

    def attempt(
        self, seconds: float, work: Callable[[Any, Any], R], a: Any = None, b: Any = None
    ) -> R | Busy:
        """Return ``work(a, b)``, done while holding it; `BUSY` if that takes longer than *seconds*.

        Who is called in the middle of its own work (by a finalizer or a signal handler) is told
        that it is busy, like everybody else.
        """
        if self.owned():
            return BUSY
        try:
            if not self.acquire(True, seconds):
                return BUSY
            result = work(a, b)
            self.release()
        except BaseException:
            # It was not ours before, so if it is now, it was taken here.
            try:
                for _ in self.unlock:
                    break
            except RuntimeError:  # it is not ours
                pass
            raise
        return result
