"""interleave-test on the programs: ``interleave_test.explore`` of models that start the threads."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import MethodType
from typing import Any

import cowstate

from . import programs
from .attempts import Attempt, cannot, timed
from .programs import Trial

__all__ = ["at_random", "by_instructions", "by_lines"]

_MOST = 500
"""Schedules of a search that may have many times more: the bound that its documents call for."""

_SEED = 0


def by_lines(trial: Trial) -> Attempt:
    """Search within the bound, with lines as places to switch at, as ours does."""
    options = {"strategy": "dfs", "granularity": "line", "iterations": _MOST}
    return _attempt(trial, max_preemptions=trial.preemptions, **options)


def by_instructions(trial: Trial) -> Attempt:
    """Search within the bound, with instructions as such places."""
    return _attempt(trial, strategy="dfs", iterations=_MOST, max_preemptions=trial.preemptions)


def at_random(trial: Trial) -> Attempt:
    """Draw as many schedules as it does unless told otherwise."""
    return _attempt(trial)


def _attempt(trial: Trial, **options: Any) -> Attempt:
    if trial.tasks:
        return cannot("it knows threads, and an event loop is one")
    peer = import_module("interleave_test")
    # What is not user code is not traced, and our package is none where it is installed.
    of_a_store = trial.make is programs.InAStore
    traced = str(Path(cowstate.__file__).parent) if of_a_store else programs.__file__

    def model() -> None:
        state = trial.make()
        threads = [peer.spawn(MethodType(body, state)) for body in trial.bodies]
        for thread in threads:
            thread.join()
        assert state.holds()

    result, seconds = timed(
        lambda: peer.explore(model, seed=_SEED, include=traced, raise_on_failure=False, **options)
    )
    # Sampling is never complete, and it does not claim so.
    complete = result.exhausted if options.get("strategy") == "dfs" else False
    failure = result.failure
    if failure is None:
        return Attempt("passed", result.schedules_run, seconds, complete)
    text = failure.schedule.to_json()
    again = peer.replay(model, text, include=traced, raise_on_failure=False).failure
    return Attempt(
        "undecided" if failure.kind == "hang" else "failed",
        result.schedules_run,
        seconds,
        replayed=again is not None and again.kind == failure.kind,
        text=len(text),
        said=f"{failure.kind} {failure.details}",
    )
