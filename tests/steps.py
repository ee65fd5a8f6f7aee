"""The instructions of Python that a call takes: counted, or with something done before each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def steps_of(fn: Callable[[], object]) -> int:
    """How many instructions of Python this thread executes for ``fn()``, whatever they cost.

    For tests of what something costs: it is the same on every machine.
    """
    return at_each_instruction(fn, lambda: None, only=0)


def at_each_instruction(
    fn: Callable[[], object], between: Callable[[], object], only: int | None = None
) -> int:
    """Call ``fn()``, and have ``between()`` called before each instruction; or before one only.

    Returns how many instructions of Python there were.
    """
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        if event == "opcode":
            steps += 1
            if only in (None, steps):
                between()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        fn()
    finally:
        sys.settrace(before)
    return steps
