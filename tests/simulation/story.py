"""What happened in a simulation, as far as it is worth telling: bounded, and written by anybody."""

from __future__ import annotations

import faulthandler
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable

LINES = 4_000
SHOWN = 25


class Story:
    """A log that threads, finalizers and signal handlers write to at once, without a lock."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, str, str]] = deque(maxlen=LINES)
        self.violations: list[str] = []

    def note(self, who: str, what: str) -> None:
        """Write a line."""
        # One C call with what was made before it: whatever is raised, a line is there or is not.
        line = (time.monotonic_ns(), who, what)
        self._lines.append(line)

    def latest(self) -> object:
        """Return the last line: another one whenever anybody has got on."""
        return self._lines[-1] if self._lines else None

    def accuse(self, who: str, what: str) -> None:
        """Write down that a law was broken."""
        self.violations.append(f"{who}: {what}")
        self.note(who, f"VIOLATION: {what}")

    def tell(self, shown: int = SHOWN) -> str:
        """Return the violations, and the last lines of each who has written any."""
        lines = sorted(self._lines)
        start = lines[0][0] if lines else 0
        left = Counter[str]()
        told: list[str] = []
        for when, who, what in reversed(lines):
            left[who] += 1
            if left[who] <= shown:
                told.append(f"{(when - start) / 1e6:10.3f} ms  {who:<12} {what}")
        found = [f"  {violation}" for violation in self.violations[:10]]
        more = len(self.violations) - len(found)
        if more > 0:
            found.append(f"  and {more} more")
        return "\n".join(["violations:", *found, "the end of the story:", *reversed(told)])


class Patience:
    """How long to wait for others: as long as any of them gets on, and so many *seconds* more.

    By the clock alone it would tell of a slow machine.
    """

    def __init__(self, seconds: float, reached: Callable[[], object]) -> None:
        self._seconds = seconds
        self._reached = reached
        self._seen: object = None
        self._until = time.monotonic() + seconds

    def over(self) -> bool:
        """Whether nobody has got on for so long."""
        seen, now = self._reached(), time.monotonic()
        if seen != self._seen:
            self._seen, self._until = seen, now + self._seconds
        return now > self._until


def stacks() -> str:
    """Return where every thread stands."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()
