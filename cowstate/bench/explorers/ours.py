"""Our own explorer on the programs."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

from cowstate.errors import ScheduleError
from cowstate.testing.schedules import STORE, Exploration, Granularity, explore, replay
from cowstate.testing.tasks import explore_tasks, replay_tasks
from cowstate.testing.traces import Trace

from . import programs
from .attempts import Attempt, cannot, timed
from .programs import Trial

__all__ = ["by_instructions", "by_lines"]

_MODULES: tuple[str | ModuleType, ...] = (*STORE, programs)


def by_lines(trial: Trial) -> Attempt:
    """Explore it as `explore` does unless told otherwise, or `explore_tasks`."""
    if trial.tasks:
        return _attempt(
            lambda: explore_tasks(_program(trial), reorderings=trial.preemptions),
            lambda text: replay_tasks(_program(trial), text),
        )
    return _by(trial, "line")


def by_instructions(trial: Trial) -> Attempt:
    """Explore it with every instruction a switch point."""
    return cannot("tasks switch at awaits") if trial.tasks else _by(trial, "instruction")


def _by(trial: Trial, every: Granularity) -> Attempt:
    bound = trial.preemptions
    return _attempt(
        lambda: explore(_program(trial), modules=_MODULES, preemptions=bound, every=every),
        lambda text: replay(_program(trial), text, modules=_MODULES, every=every),
    )


def _program(trial: Trial) -> Callable[[], Any]:
    def program() -> Any:
        state = trial.make()

        def check() -> None:
            assert state.holds()

        return [MethodType(body, state) for body in trial.bodies], check

    return program


def _attempt(search: Callable[[], Exploration], again: Callable[[str], Trace]) -> Attempt:
    found, seconds = timed(lambda: _told(search))
    if isinstance(found, Exploration):
        return Attempt("passed", found.schedules, seconds, found.complete)
    text: str = getattr(found.schedule, "text", "")
    return Attempt(
        "failed",
        found.schedules,
        seconds,
        replayed=type(again(text).error) is type(found.error),
        text=len(text),
        said=f"{type(found.error).__name__} by {text}",
    )


def _told(search: Callable[[], Exploration]) -> Exploration | ScheduleError:
    try:
        return search()
    except ScheduleError as failure:
        return failure
