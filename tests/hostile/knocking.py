"""To put many inputs in at one door, in a process of its own: `run`."""

from __future__ import annotations

import faulthandler
import multiprocessing
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from tests.hostile.doors import DOORS, choices

__all__ = ["knock_at", "limited", "run"]

HANGS: Final = 60
"""After how many seconds an input is said to hang."""

MEMORY: Final = 3 << 30
"""How many bytes one process may have in all."""

_MOST_TOLD: Final = 10_000

Told = dict[str, int]


def limited() -> None:
    """From here on an allocation beyond the limit fails, where that can be had."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def knock_at(
    name: str, seed: int, inputs: int, until: float, at: Any, told: Callable[[Any], object]
) -> None:
    """Put inputs in at one door; tell how many there were, what came of them, and what broke."""
    limited()
    faulthandler.enable()
    found: Counter[str] = Counter()
    with DOORS[name].opened() as knock:
        for number in range(inputs):
            if time.monotonic() > until:
                break
            at.value = number
            faulthandler.dump_traceback_later(HANGS, exit=True)
            try:
                found[knock(choices(seed, number))] += 1
            except Exception:
                # It is read when this process has ended, so no more than a pipe holds.
                told((found, f"input {number}:\n{traceback.format_exc()[:_MOST_TOLD]}"))
                return
        faulthandler.cancel_dump_traceback_later()
    told((found, None))


def run(name: str, seed: int, inputs: int, seconds: float) -> tuple[Told, str | None]:
    """Knock at a door in a process of its own; return what came of it, and what broke."""
    context = multiprocessing.get_context("spawn")
    at, told = context.Value("q", -1), context.SimpleQueue()
    until = time.monotonic() + seconds
    process = context.Process(target=knock_at, args=(name, seed, inputs, until, at, told.put))
    process.start()
    process.join()
    if process.exitcode or told.empty():
        return {}, f"input {at.value}: the process ended with {process.exitcode}"
    found, broken = told.get()
    return found, broken
