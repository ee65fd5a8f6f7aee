"""frontrun on the programs: ``frontrun.explore``, under its command, as its documents say.

With its virtual clock: with the real one a thread that waits on a `Condition` ends the search after
five seconds, undecided, whether it would be woken or not.
"""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import Any

from .attempts import Attempt, Verdict, timed
from .programs import Trial

__all__ = ["at_random", "by_dpor"]

_SEED = 0
_VERDICTS: dict[bool | None, Verdict] = {True: "passed", False: "failed", None: "undecided"}


def by_dpor(trial: Trial) -> Attempt:
    """Explore by dynamic partial-order reduction, which is what it does unless told otherwise."""
    options = {"preemption_bound": trial.preemptions, "reproduce_on_failure": 0}
    attempt, _ = _explored(trial, **options)
    if attempt.verdict == "failed" and not trial.tasks:
        # It finds its own finding again, ten times; that is not what is timed.
        _, again = _explored(trial, preemption_bound=trial.preemptions)
        times = f"{again.reproduction_successes} of {again.reproduction_attempts}"
        attempt.said = f"again in {times}; {attempt.said}"
    return attempt


def at_random(trial: Trial) -> Attempt:
    """Draw as many schedules as it does unless told otherwise."""
    options: dict[str, Any] = {"strategy": "random", "seed": _SEED}
    if trial.tasks:
        return _explored(trial, **options)[0]
    attempt, result = _explored(trial, **options, reproduce_on_failure=0)
    # A deadlock has no state to be asked afterwards, so whether it comes again is not asked here.
    if attempt.verdict == "failed" and "Deadlock" not in attempt.said:
        attempt.replayed, attempt.text = _again(trial, json.dumps(result.counterexample))
    return attempt


def _explored(trial: Trial, **options: Any) -> tuple[Attempt, Any]:
    frontrun = import_module("frontrun")

    def search() -> Any:
        return frontrun.explore(
            setup=trial.make,
            workers=list(trial.bodies),
            invariant=lambda state: state.holds(),
            clock="virtual",
            trace_packages=["cowstate.*"],
            **options,
        )

    if trial.tasks:

        async def searched() -> Any:
            return await search()

        result, seconds = timed(lambda: asyncio.run(searched()))
    else:
        result, seconds = timed(search)
    said = result.inconclusive_reason or result.explanation or ""
    verdict = _VERDICTS[result.property_holds]
    return Attempt(verdict, result.num_explored, seconds, result.exhausted, said=said), result


def _again(trial: Trial, text: str) -> tuple[bool, int]:
    run = import_module("frontrun.bytecode").run_with_schedule
    state = run(json.loads(text), trial.make, list(trial.bodies), clock="virtual")
    return not state.holds(), len(text)
