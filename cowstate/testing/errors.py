"""The errors of the checker of histories and of the kit; those of the explorer are the library's.

They have the base and the manners of the library's own: see `cowstate.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import CowstateError

__all__ = [
    "HangError",
    "NotLinearizableError",
    "ScenarioError",
    "UndecidedError",
    "UnrecordedError",
]


class NotLinearizableError(CowstateError, AssertionError):
    """No order of the recorded calls explains what they returned.

    Attributes:
        calls: the shortest beginning of the history that is refuted, by the time of beginning.
            What had not returned when the misfit did counts as not returned.
        misfit: the call whose return refutes it, and which fits nowhere.
        fitting: results that the misfit might have had instead, at most eight; none where the model
            says that it would have had to wait.
        order: what had taken effect before that, in an order that explains all other returns; what
            had not returned may be among it, the misfit too.
        key: the part of the history that this is about, where the model has keys; else None.
        timeline: all this drawn, one line for each of the last calls.
    """

    def __init__(
        self,
        calls: Sequence[object],
        misfit: object,
        fitting: Sequence[object],
        order: Sequence[object],
        key: object,
        problem: str,
        timeline: str,
    ) -> None:
        self.calls = tuple(calls)
        self.misfit = misfit
        self.fitting = tuple(fitting)
        self.order = tuple(order)
        self.key = key
        self.timeline = timeline
        # Whole: each line of it is of bounded length, and so is their number.
        self.args = (f"{problem}\n{timeline}",)


class ScenarioError(CowstateError, AssertionError):
    """A generated program of a few calls fails in one order of its threads.

    Attributes:
        scenario: the program, as small as it could be made.
        error: what it failed with: a `NotLinearizableError`, a `cowstate.DeadlockError`.
        schedule: the order, for ``cowstate.testing.schedules.replay``.
        trace: what happened in it, line by line.
    """

    def __init__(
        self, scenario: object, error: BaseException, schedule: Any, trace: object
    ) -> None:
        self.scenario = scenario
        self.error = error
        self.schedule = schedule
        self.trace = trace
        # Whole: it is there to be read, and to be pasted.
        told = f"{type(error).__name__}: {error}\n\n{scenario}\n\n{trace}"
        program = "program = scenario.program(make, model)"
        again = f"scenario = {scenario!r}\n{program}\n{schedule.how}"
        self.args = (f"{told}\n\nTo run it again:\n{again}",)


class UndecidedError(CowstateError, RuntimeError):
    """A history was neither explained nor refuted within the bound on the search.

    Attributes:
        steps: how often the model was asked.
    """

    def __init__(self, steps: int, calls: int) -> None:
        self.steps = steps
        super().__init__(
            f"undecided after {steps} steps of the model, {calls} calls: give the model a `key`, "
            "record fewer calls at a time or fewer that never return, or raise `most_steps`"
        )


class UnrecordedError(CowstateError, AttributeError):
    """Something was done to a recorded object that would pass by the recording."""


class HangError(CowstateError, TimeoutError):
    """Threads did not end in time.

    Attributes:
        hanging: their names.
        stacks: where each of them stood, as text.
    """

    def __init__(self, timeout: float, hanging: Sequence[str], stacks: str) -> None:
        self.hanging = tuple(hanging)
        self.stacks = stacks
        # Whole: without the stacks nobody knows why.
        self.args = (f"{len(self.hanging)} threads have not ended in {timeout:g} s\n{stacks}",)
