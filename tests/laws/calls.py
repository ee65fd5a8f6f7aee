"""One operation called in the middle of another one, in the same thread, at every point of it.

So call a finalizer, a weak reference's callback and a signal handler: whatever the outer
operation is doing, the inner one runs from its beginning to its end, and then the outer one goes
on. Here a trace function calls it, which the interpreter does not trace in turn.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from types import FrameType

from cowstate import CowstateError, Store
from tests.laws.operations import SEMANTIC_ERRORS, Operation
from tests.laws.points import RUNS, Tracer, Violations, Where, count_points, in_package
from tests.laws.worlds import Make, World
from tests.standing import HungError


def call_inside(
    act: Callable[[], object], point: int, inner: Callable[[], object], where: Where = in_package
) -> str | int:
    """Do *act*, and *inner* at one *point* of it.

    Return where that was; or, if it was not reached, how many points there were.
    """
    seen = 0
    reached: str | None = None

    def at(frame: FrameType) -> bool:
        nonlocal seen, reached
        seen += 1
        if seen != point:
            return False
        sys.settrace(None)
        reached = f"{frame.f_code.co_qualname}:{frame.f_lineno} (instruction {frame.f_lasti})"
        inner()
        return True

    before = sys.gettrace()
    sys.settrace(Tracer(at, where))
    try:
        act()
    finally:
        sys.settrace(before)
    return seen if reached is None else reached


class Calls:
    """Tries the points of one outer operation."""

    def __init__(
        self,
        outer: Operation,
        violations: Violations,
        make: Make = Store,
        where: Where = in_package,
    ) -> None:
        self._outer = outer
        self._violations = violations
        self._make = make
        self._where = where
        # The shortest of some runs: a wait has more points, the longer others take.
        self.points = min(self._count() for _ in range(RUNS))
        self.refused: Counter[str] = Counter()
        """How often an inner operation was refused, by its name."""

    def _count(self) -> int:
        world = self._prepared()
        points = count_points(partial(self._outer.act, world, world.outer), self._where)
        world.check()
        world.leave()
        return points

    def inners(self, operations: list[Operation]) -> list[Operation]:
        """Those that can be called inside: a thread runs one event loop at a time."""
        return [
            inner
            for inner in operations
            if not inner.alone and not (inner.on_loop and self._outer.on_loop)
        ]

    def try_call(self, inner: Operation, point: int) -> None:
        """Call *inner* at *point*, and check all laws after."""
        violations = self._violations
        violations.points += 1
        if violations.points % 200 == 0:
            gc.collect()
        for _ in range(3):
            violations.now = f"{inner}, called inside {self._outer} at {point}"
            world = self._prepared()
            try:
                points = self._try(world, inner, point)
            except Exception as error:
                points = None
                violations.add(violations.now, error)
            world.leave()
            if points is None:
                return
            # This run was shorter than those that were counted: who waits looks at what the
            # threads are about. Another point of it, then.
            point = (point - 1) % max(points, 1) + 1
        violations.missed += 1

    def _prepared(self) -> World:
        world = World(self._make)
        self._outer.prepare(world, world.outer)
        return world

    def _try(self, world: World, inner: Operation, point: int) -> int | None:
        """Try it; or return how many points there were, if that one was not reached."""
        inner.prepare(world, world.inner)
        ended: list[BaseException | None] = []

        def call() -> None:
            try:
                inner.act(world, world.inner)
            except BaseException as error:
                ended.append(error)
            else:
                ended.append(None)

        outcome: BaseException | None = None
        place: str | int = "?"
        try:
            place = call_inside(
                partial(self._outer.act, world, world.outer), point, call, self._where
            )
        except BaseException as error:
            outcome = error
        if not ended:
            assert outcome is None, f"undisturbed, it failed with {outcome!r}"
            assert isinstance(place, int)
            return place
        try:
            self._check_inner(inner, ended[0])
            self._check_outer(inner, outcome)
            world.check()
        except Exception as error:
            kind = HungError if isinstance(error, HungError) else AssertionError
            raise kind(
                f"at {place}; the inner one ended with {ended[0]!r}, the outer one with "
                f"{outcome!r}: {type(error).__name__}: {error}"
            ) from error
        return None

    def _check_inner(self, inner: Operation, error: BaseException | None) -> None:
        if error is None:
            return
        assert isinstance(error, CowstateError), f"the inner one failed with {error!r}"
        self.refused[inner.name] += 1
        assert inner.refusable, f"the inner one needs no lock, and was refused: {error!r}"

    def _check_outer(self, inner: Operation, error: BaseException | None) -> None:
        if error is None:
            return
        assert isinstance(error, SEMANTIC_ERRORS), f"the outer one failed with {error!r}"
        assert self._outer.relies_on_all or inner.disturbs, f"the outer one failed with {error!r}"
