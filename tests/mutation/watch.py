"""When tests have run for too long: by what they used, however busy the machine was meanwhile."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

LOOK = 0.25  # seconds between two looks
IDLE = 0.02  # of a core: who uses less over some seconds waits for something
PROC = Path("/proc")
UNIT = os.sysconf("SC_CLK_TCK")


class Limits(NamedTuple):
    """How many seconds something may take, of which kind."""

    used: float
    """Of processor time, all that it has started together."""
    idle: float
    """In which it does nothing."""
    passed: float
    """By the clock."""


NONE = Limits(float("inf"), float("inf"), float("inf"))


class Look(NamedTuple):
    """What was seen at a moment: the seconds since the start, and those of the processor used."""

    at: float
    used: float


class Watch:
    """Looks at a session of processes from its start on, and says when it is beyond its limits.

    What is used can be seen on Linux only; elsewhere, by the clock alone.
    """

    def __init__(self, limits: Limits = NONE) -> None:
        self._limits = limits
        self._began = monotonic()
        self._looks = [Look(0.0, 0.0)]

    def alarm(self) -> int:
        """The seconds after which it is to end itself, if nobody else has; 0 for never."""
        passed = self._limits.passed
        return 0 if passed == float("inf") else int(passed) + 60

    def is_over(self, session: int) -> bool:
        self._looks.append(Look(monotonic() - self._began, used_by(session)))
        return beyond(self._looks, self._limits)

    def limits(self, times: float, spare: float, patience: float) -> Limits:
        """Those of whoever may take *times* as much as this one did, and *spare* seconds."""
        passed = times * (monotonic() - self._began) + spare
        return Limits(
            times * self._looks[-1].used + spare if PROC.exists() else float("inf"),
            times * longest_idle(self._looks) + spare if PROC.exists() else float("inf"),
            patience * passed if PROC.exists() else passed,
        )


def beyond(looks: list[Look], limits: Limits) -> bool:
    """Whether what was seen is too much of anything."""
    now = looks[-1]
    return (
        now.at > limits.passed or now.used > limits.used or idle_since(looks) + limits.idle < now.at
    )


def idle_since(looks: list[Look]) -> float:
    """From when on nothing was done, as of the last look."""
    now = looks[-1]
    since = now.at
    for look in reversed(looks):
        if now.used - look.used > IDLE * max(now.at - look.at, 1.0):
            break
        since = look.at
    return since


def longest_idle(looks: list[Look]) -> float:
    return max(
        (looks[n].at - idle_since(looks[: n + 1]) for n in range(len(looks))),
        default=0.0,
    )


def used_by(session: int) -> float:
    """The seconds of processor time that the processes of a session, and their dead, have used."""
    total = 0
    for entry in PROC.glob("[0-9]*/stat") if PROC.exists() else ():
        with suppress(OSError):  # it has ended
            # See proc_pid_stat(5); the name, in parentheses, may have any character in it.
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += sum(map(int, fields[11:15]))
    return total / UNIT
