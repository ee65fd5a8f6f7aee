"""What ends a loop, or a wait: `Bell`, which a signal handler may ring; `rung_by_signals`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import current_thread, main_thread
from time import monotonic
from types import FrameType
from typing import Any, Final

__all__ = ["Bell", "Rung", "rung_by_signals", "striking"]

_AT_ONCE: Final = (signal.SIGINT, signal.SIGTERM)
_ENDING: Final = _AT_ONCE + ((signal.SIGHUP,) if sys.platform != "win32" else ())

_SOON: Final = 0.5
"""The longest wait in one piece: to a signal that comes just before one begins, CPython has its
handler called when that ends."""


class Bell:
    """Says that it is time to end, and why. Any thread may ring it, and any signal handler.

    A `threading.Event` may not be set by a handler: whoever is interrupted may hold its lock.

    Attributes:
        why: who rang first; empty: nobody has.
        strikes: whether the next signal that rings it raises `Rung`, too; see `striking`.

    >>> bell = Bell()
    >>> bell.ring("SIGTERM")
    >>> bell.wait(60)
    >>> bell.why
    'SIGTERM'
    """

    def __init__(self) -> None:
        self.why = ""
        self.strikes = False
        # Its put never waits, and may come in the middle of another call of the same thread.
        self._rung: SimpleQueue[None] = SimpleQueue()

    def ring(self, why: str) -> None:
        """Ring it; who rings later changes nothing."""
        self.why = self.why or why
        self._rung.put(None)

    def wait(self, seconds: float) -> None:
        """Return when it has rung, or *seconds* later. For one thread.

        What a signal handler rings is heard half a second later at the most.
        """
        end = monotonic() + seconds
        while not self.why and (left := end - monotonic()) > 0:
            try:
                self._rung.get(timeout=min(left, _SOON))
            except Empty:
                pass


class Rung(KeyboardInterrupt):
    """A signal rang a bell that strikes."""


@contextmanager
def striking(bell: Bell) -> Generator[None]:
    """Have a signal that rings *bell* raise `Rung` here, too. For the main thread.

    For what waits without a look at the bell, as the driver of a database does. What has opened
    something is to be ready to lose it, as at any Ctrl-C.

    Raises:
        Rung: also if the bell has rung before.

    >>> bell = Bell()
    >>> bell.ring("SIGTERM")
    >>> try:
    ...     with striking(bell):
    ...         print("waits")
    ... except Rung as rung:
    ...     print("ended by", rung)
    ended by SIGTERM
    """
    try:
        bell.strikes = True
        if bell.why:
            raise Rung(bell.why)
        yield
    finally:
        bell.strikes = False


@contextmanager
def rung_by_signals(bell: Bell) -> Generator[None]:
    """Have SIGINT, SIGTERM and SIGHUP ring *bell*; a second one ends the process at once.

    Not a second SIGHUP: of a terminal that is closed one may come from the system and one from the
    shell. What was ignored stays so. Does nothing outside the main thread, where no handler can be
    set.
    """
    if current_thread() is not main_thread():
        yield
        return
    before: dict[signal.Signals, Any] = {each: signal.getsignal(each) for each in _ENDING}
    # None is a handler that was not set from Python, which could not be put back.
    heard = [each for each, handler in before.items() if handler not in (signal.SIG_IGN, None)]

    def ring(number: int, _: FrameType | None) -> None:
        _handle({each: signal.SIG_DFL for each in heard if each in _AT_ONCE})
        bell.ring(signal.Signals(number).name)
        if bell.strikes:
            # Once: a second SIGHUP would come into what the first one has ended.
            bell.strikes = False
            raise Rung(bell.why)

    try:
        _handle(dict.fromkeys(heard, ring))
        yield
    finally:
        _handle({each: before[each] for each in heard})


def _handle(handlers: Mapping[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
