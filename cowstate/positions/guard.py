"""A lock for the length of one call, which no exception leaves taken: `Guard`.

Ctrl-C comes up after any call, `acquire` and `__enter__` among them: the lock is taken, and nobody
knows of it yet. On CPython 3.14 ``with lock:`` has that window, and so has a
`threading.Condition` on every release. docs/explanation/interruptions.md tells where the
interpreter looks for what is pending, and by which rules code is written that loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["Guard"]

R = TypeVar("R")
Ts = TypeVarTuple("Ts")


class Guard:
    """Has one thread at a time do what it is given, and is free again whatever comes up.

    Thread-safe. Who is called in the middle of its own work, by a finalizer or a signal handler,
    is let in: what it finds may be half done, and waiting for itself would take for ever.

    Attributes:
        lock: what is held; for a `threading.Condition`, and not to be entered by a ``with``.

    >>> guard, told = Guard(), []
    >>> guard.run(told.append, "done")
    >>> guard.attempt(sum, [1, 2]), told
    (3, ['done'])
    """

    def __init__(self) -> None:
        # Reentrant in kind, because only such a lock knows its owner at every instruction.
        self.lock = RLock()
        self._owned: Callable[[], bool] = self.lock._is_owned  # type: ignore[attr-defined]
        self._acquire = self.lock.acquire
        self._release = self.lock.release
        # A step of it gives the lock back, and nothing comes up between that and what follows.
        self._unlock = iter(self.lock.release, 0)

    def run(self, work: Callable[[*Ts], R], *args: *Ts) -> R:
        """Return ``work(*args)``, done while holding the lock."""
        if self._owned():
            return work(*args)
        found: R = self._held(True, work, args)
        return found

    def attempt(self, work: Callable[[*Ts], R], *args: *Ts) -> R | None:
        """The same without waiting: None if somebody holds it, this thread among others."""
        if self._owned():
            return None
        found: R | None = self._held(False, work, args)
        return found

    def _held(self, waits: bool, work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        try:
            if not self._acquire(waits):
                return None
            result = work(*args)
            self._release()
        except BaseException:
            # It was not ours before, so if it is now, it was taken here.
            try:
                for _ in self._unlock:
                    break
            except RuntimeError:  # it is not ours
                pass
            raise
        return result
