"""simloom on the programs: its search of all schedules within a bound on delays."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from types import MethodType

from .attempts import Attempt, cannot, timed
from .programs import Trial

__all__ = ["by_delays"]


def by_delays(trial: Trial) -> Attempt:
    """Search within a bound on delays: choices of another task than the one ready longest."""
    if not trial.tasks:
        return cannot("it knows tasks of asyncio, and no threads")
    peer = import_module("simloom")

    async def main() -> None:
        state = trial.make()
        await asyncio.gather(*(MethodType(body, state)() for body in trial.bodies))
        assert state.holds()

    result, seconds = timed(lambda: peer.explore_systematic(main, max_delays=trial.preemptions))
    if not result.failed:
        return Attempt("passed", result.schedules, seconds, result.exhaustive)
    # As its plugin keeps what it found.
    text = json.dumps([[draw.label, draw.value, draw.bound] for draw in result.first.tape])
    tape = [peer.Draw(*draw) for draw in json.loads(text)]
    again = peer.replay(main, tape=tape, raise_on_error=False)
    return Attempt(
        "failed",
        result.schedules,
        seconds,
        replayed=type(again.error) is type(result.first.error),
        text=len(text),
        said=f"{result.failures[0].error} {result.failures[0].message}",
    )
