"""The points of an operation: the opcodes of package code that it executes; a worker to try them.

A point is the number of an opcode, counted from the start of the operation. Opcodes of the
package and of contextlib count, for contextlib stands between a user's ``with`` and the package.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread, get_ident
from types import CodeType, FrameType
from typing import Any, TypeVar

import cowstate
from tests import standing
from tests.standing import HungError, stacks
from tests.sweeps import EVERYTHING, as_many

T = TypeVar("T")

PACKAGE = str(Path(cowstate.__file__).parent) + os.sep
FEW = 3
"""How many violations are shown of one test."""

SEED = int(os.environ.get("COWSTATE_LAWS_SEED", "1"))

Where = Callable[[CodeType], bool]


def in_package(code: CodeType) -> bool:
    """Whether it is code of the package, or of contextlib, that somebody calls.

    What a dying weak reference calls, in `cowstate.process`, has nobody to raise to.
    """
    finalizer = code.co_name == "<lambda>" and code.co_filename.endswith("process.py")
    inside = code.co_filename.startswith(PACKAGE) or code.co_filename == contextlib.__file__
    return inside and not finalizer


def and_in(kind: type) -> Where:
    """Whether it is code of the package or of the class *kind*."""
    name = kind.__name__

    def where(code: CodeType) -> bool:
        return in_package(code) or code.co_qualname.startswith(name + ".")

    return where


class Tracer:
    """A trace function that calls *at* before each opcode of code that *where* is true of.

    When *at* returns something true, it has put an end to the tracing.
    """

    def __init__(self, at: Callable[[FrameType], object], where: Where) -> None:
        self._at = at
        self._where = where

    def __call__(self, frame: FrameType, event: str, argument: object) -> Any:
        if self._where(frame.f_code):
            self.trace(frame)
        return frame.f_trace

    def trace(self, frame: FrameType) -> None:
        """Trace the opcodes of *frame*, which may have begun."""
        # In this order: from 3.13 on, code is made to tell of its opcodes only if the frame has
        # a trace function, and the first call of each function would go by untold.
        frame.f_trace = self._local
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True

    def _local(self, frame: FrameType, event: str, _: object) -> Any:
        if event == "opcode" and self._at(frame):
            return None
        return self._local


unraisable: list[BaseException] = []
"""What came up in a finalizer, where nobody can be told of it, since it was last cleared."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Keep the collector from running finalizers of an earlier world in this one.

    And keep what comes up in finalizers of this thread in `unraisable`.
    """
    ident = get_ident()

    def note(args: sys.UnraisableHookArgs) -> None:
        if args.exc_value is not None and get_ident() == ident:
            unraisable.append(args.exc_value.with_traceback(None))

    hook = sys.unraisablehook
    sys.unraisablehook = note
    # What was there before is not looked at, so that to collect costs little.
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        gc.enable()
        gc.unfreeze()
        sys.unraisablehook = hook


RUNS = 3
"""Of how many undisturbed runs the one with the fewest points counts."""


def count_points(act: Callable[[], object], where: Where = in_package) -> int:
    """How many points *act* has."""
    count = 0

    def at(frame: FrameType) -> None:
        nonlocal count
        count += 1

    before = sys.gettrace()
    sys.settrace(Tracer(at, where))
    try:
        act()
    finally:
        sys.settrace(before)
    return count


def sample(name: str, points: Sequence[T], most: int) -> Sequence[T]:
    """Some of the *points*, the same each time; all of them if everything is asked for.

    *most* of them, or, with ``COWSTATE_LAWS=10``, ten times as many.
    """
    most = as_many(most)
    if EVERYTHING or len(points) <= most:
        return points
    chosen = random.Random(zlib.crc32(f"{SEED} {name}".encode())).sample(range(len(points)), most)
    return [points[number] for number in sorted(chosen)]


def spread(points: int, most: int) -> range:
    """Some of so many *points*, from the first on, at even distances: as many as `sample` takes."""
    if EVERYTHING:
        return range(1, points + 1)
    return range(1, points + 1, max(1, -(-points // as_many(most))))


class Violations:
    """What was found to be untrue, at which points."""

    def __init__(self, enough: int = FEW) -> None:
        self.found: list[str] = []
        self.points = 0
        self.missed = 0
        """Points that were not reached: threads run as they like, and so do event loops."""
        self.now: object = None
        """What is being tried at the moment."""
        self._enough = enough

    @property
    def enough(self) -> bool:
        """Whether to stop: each one that hangs takes its time."""
        return len(self.found) >= self._enough

    def add(self, what: object, error: BaseException) -> None:
        self.found.append(f"{what}: {type(error).__name__}: {error}")
        if isinstance(error, HungError) and self._enough <= FEW:
            self._enough = 0

    def check(self) -> None:
        """Fail if there are any, or if too few points were tried to say that there are none."""
        few = max(1, self.points // 10)
        assert self.missed <= few, f"{self.missed} of {self.points} were not reached"
        if self.found:
            seed = "" if EVERYTHING else f" (seed {SEED}; COWSTATE_LAWS_SEED chooses another)"
            raise AssertionError(
                f"{len(self.found)} violations at {self.points} points{seed}\n"
                + "\n\n".join(self.found)
            )


def watched(try_all: Callable[[Violations], object], enough: int = FEW) -> Violations:
    """Run *try_all* in a thread of its own, as long as it gets on from point to point.

    A point at which it stands still is a violation, too: something waits for ever. The thread is
    left where it stands, so that the tests that follow can run.
    """
    violations = Violations(enough)
    done: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            with undisturbed():
                try_all(violations)
        except BaseException as error:
            done.put(error)
        else:
            done.put(None)

    Thread(target=run, daemon=True, name="watched").start()
    before: object = None
    while True:
        try:
            error = done.get(timeout=3 * standing.PATIENCE)
        except Empty:
            if before == (at := (violations.points, violations.now)):
                hung = HungError(f"it stands still\n{stacks()}")
                violations.add(violations.now, hung)
                return violations
            before = at
            continue
        if error is not None:
            raise error
        return violations
