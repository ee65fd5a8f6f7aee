"""What is settled of a schedule before it runs, how that is followed, and what else there was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from ..errors import NondeterminismError
from .workers import Worker

__all__ = ["Chooser", "Course", "Decision", "Plan"]

_GOES_ON: Final = "can go on"
_ENDS: Final = "waits or has ended"
_NEVER: Final = sys.maxsize


class Decision(NamedTuple):
    """A point at which the run went one way and might have gone others.

    Attributes:
        at: the number of the point.
        path: what stands for everything that happened before it.
        before: how many switches the run had made before it; see `Scheduler.switches`.
        free: the threads that might have gone on instead, at no cost.
        costly: those whose going on would have been a preemption.
        running: the thread that could go on; -1 if there was none.
    """

    at: int
    path: int
    before: int
    free: tuple[int, ...]
    costly: tuple[int, ...]
    running: int = -1


class Chooser(Protocol):
    """Says who goes on."""

    def choose(self, running: Worker | None, able: Sequence[Worker]) -> Worker:
        """Return one of *able*; *running* is the one that could go on, or None."""
        ...


class Plan(NamedTuple):
    """What is settled of a schedule before it runs.

    Attributes:
        switches: ``(point, thread)``: at this point go on with that thread. Elsewhere the
            running thread runs on, and after a blocked one the first that can.
        path: what must have happened before the last of them; None if nobody knows.
        budget: how many preemptions may follow after the last of them.
        preempting: for each of them, whether it leaves a thread that could go on; empty if nobody
            knows.
        chooser: makes what says who goes on at each point after the last of them; None for
            whoever runs.
    """

    switches: tuple[tuple[int, int], ...] = ()
    path: int | None = None
    budget: int = 0
    preempting: tuple[bool, ...] = ()
    chooser: Callable[[], Chooser] | None = None


class Course:
    """A plan, and how far a run has come in it.

    Attributes:
        at: the number of the point at which the plan asks for its next switch; one that no run
            comes to, if there is none left.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._upcoming = iter(plan.switches)
        self.at, self._to = next(self._upcoming, (_NEVER, -1))

    def turn(
        self, running: Sequence[Worker], place: int, preempting: bool, path: int
    ) -> Worker | NondeterminismError:
        """Return which of *running* goes on at the point asked for, or why the plan does not fit.

        Args:
            running: the threads that take part.
            place: how many switches the run has made.
            preempting: whether the thread that is left could go on.
            path: what stands for everything that has happened.
        """
        at, number = self.at, self._to
        plan = self._plan
        self.at, self._to = next(self._upcoming, (_NEVER, -1))
        wrong = None
        if number >= len(running) or not running[number].can_go_on(True):
            wrong = f"at point {at} no thread {number} can go on"
        elif plan.preempting and plan.preempting[place] != preempting:
            now, then = _GOES_ON, _ENDS
            if not preempting:
                now, then = then, now
            wrong = f"at point {at} the thread {now}, where it should be one that {then}"
        elif self.at == _NEVER and plan.path not in (None, path):
            wrong = f"on the way to point {at} other lines were run"
        return running[number] if wrong is None else NondeterminismError(wrong)

    def cut_short(self) -> NondeterminismError | None:
        """Return what is wrong if the run ends here: the plan asks for more; None if nothing."""
        if self.at == _NEVER:
            return None
        return NondeterminismError(
            f"the run was over before point {self.at}, where it should have switched"
        )
