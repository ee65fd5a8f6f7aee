"""What happened in one schedule, made for reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Step", "Trace"]


class Step(NamedTuple):
    """One line of a trace: what a thread is about to run, or, with line 0, what befalls it.

    >>> print(Trace([Step("adder", "app.py", 3, "n = read()"), Step("adder", "", 0, "ends")], None))
    adder:
        app.py:3             n = read()
                             ends
    """

    thread: str
    file: str
    line: int
    text: str


class Trace:
    """What happened in one schedule, line by line. Its ``str`` is made for reading.

    Attributes:
        steps: every line of the modules under test, in the order in which they ran.
        error: what the schedule failed with, or None.
        lost: which shared accesses lost, in words: who wrote or went on by what it had read, when
            another had written since. As far as the source shows it; empty if nothing failed.

    >>> Trace([Step("adder", "app.py", 3, "n = read()")], LookupError("n"))
    <Trace of 1 steps, error=LookupError('n')>
    """

    def __init__(
        self, steps: Sequence[Step], error: BaseException | None, lost: Sequence[str] = ()
    ) -> None:
        self.steps = tuple(steps)
        self.error = error
        self.lost = tuple(lost)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        thread = None
        for step in self.steps:
            if step.thread != thread:
                thread = step.thread
                yield f"{thread}:"
            where = f"{Path(step.file).name}:{step.line}" if step.line else ""
            yield f"    {where:<20} {step.text}".rstrip()

        for told in self.lost:
            yield f"lost: {told}"

    def __repr__(self) -> str:
        return f"<Trace of {len(self.steps)} steps, error={self.error!r}>"
