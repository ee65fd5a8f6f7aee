"""Ctrl-C at every point of an operation, and once more while the first one is being handled.

The exception is asynchronous: armed at a point, it comes up where the interpreter next looks for
one, as that of a signal handler does. Raising at the opcode instead would try places where no
exception can come up, and would miss those after a call where one does.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any

from cowstate import Store
from tests.laws.hands import Slot
from tests.laws.operations import Operation
from tests.laws.points import (
    RUNS,
    Tracer,
    Violations,
    Where,
    count_points,
    in_package,
    sample,
    unraisable,
)
from tests.laws.worlds import Make, World
from tests.standing import HungError


class Struck(KeyboardInterrupt):
    """The exception: like Ctrl-C, so that asyncio and others let it through as they do that."""


CAN_GO_ASTRAY = sys.version_info < (3, 12)

Place = tuple[object, ...]
"""Where an exception came up: the same place twice in a row leaves the same state twice."""


def place_of(error: BaseException) -> Place:
    place: list[object] = []
    link: BaseException | None = error
    while link is not None:
        traceback = link.__traceback__
        while traceback is not None:
            place += (traceback.tb_frame.f_code, traceback.tb_lasti)
            traceback = traceback.tb_next
        link = link.__context__ if link.__context__ is not error else None
    return tuple(place)


def in_words(error: BaseException) -> str:
    """The innermost place of the traceback that is not the harness."""
    traceback, words = error.__traceback__, "?"
    while traceback is not None:
        code = traceback.tb_frame.f_code
        words = f"{code.co_qualname}:{traceback.tb_lineno} (instruction {traceback.tb_lasti})"
        traceback = traceback.tb_next
    return words


class _Arm:
    """``-arm`` sends this thread an asynchronous exception without running a line of Python.

    The interpreter looks for one when it enters or leaves a call or jumps backward. An operator
    whose method is a foreign function does none of these, so a trace function that ends with it
    lets the exception come up in the traced code, at the next point where one really can.
    """


_set_async = ctypes.pythonapi.PyThreadState_SetAsyncExc


def _arm(kind: type[BaseException]) -> Any:
    ident = ctypes.c_ulong(threading.get_ident())
    call = partial(_set_async, ident, ctypes.py_object(kind))
    return type("_Armed", (_Arm,), {"__neg__": staticmethod(call)})()


class Strike:
    """One run of an operation, with an exception armed at one point, and perhaps a second one.

    The second is armed at a point that is counted from where the first one came up. Its creation
    says that it came up: the interpreter makes an asynchronous exception of the class that it
    was given when it raises it, or, until 3.11, when the first handler is entered, and from the
    one to the other no code of the package runs. Tracing begins again from there.

    Until 3.11, a thread that was started, and has not begun to run, counts as the one that
    started it, and may be sent the exception in its place. So a strike may go *astray*, and must
    be tried again, patiently: threads are let begin before the exception is armed.
    """

    def __init__(self, first: int, second: int | None, where: Where, patient: bool = False) -> None:
        self.armed = False
        self.came_up = False
        self.second_armed = False
        self.second_came_up = False
        self.after = 0
        """How many points there were after the first exception had come up."""
        self.seen = 0
        """How many points there were up to the first one."""
        self._first, self._second = first, second
        self._where = where
        self._patient = patient
        ident = threading.get_ident()

        class First(Struck):
            def __init__(this) -> None:  # noqa: N805
                if threading.get_ident() == ident:
                    self._on_first()

        class Second(Struck):
            def __init__(this) -> None:  # noqa: N805
                if threading.get_ident() == ident:
                    self.second_came_up = True

        self._arm_first = _arm(First)
        self._arm_second = _arm(Second)

    @property
    def astray(self) -> bool:
        """Whether an exception that was armed did not come up in this thread."""
        return self.armed > self.came_up or self.second_armed > self.second_came_up

    def run(self, act: Callable[[], object]) -> None:
        """Do *act*; an exception that is pending comes up in here, at the latest."""
        before = sys.gettrace()
        sys.settrace(Tracer(self._count, self._where))
        try:
            self._run(act)
        finally:
            sys.settrace(before)

    def _run(self, act: Callable[[], object]) -> None:
        try:
            act()
            if self.armed:
                _let_it_come()
        except Struck:
            if self.second_armed:
                _let_it_come()
            raise

    def _count(self, frame: FrameType) -> bool:
        self.seen += 1
        if self.seen != self._first:
            return False
        sys.settrace(None)
        if self._patient:
            _let_threads_begin()
        self.armed = True
        arm = self._arm_first
        -arm
        return True

    def _on_first(self) -> None:
        self.came_up = True
        if self._second is None:
            return
        tracer = Tracer(self._count_after, self._where)
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if self._where(frame.f_code):
                tracer.trace(frame)
            frame = frame.f_back
        sys.settrace(tracer)

    def _count_after(self, frame: FrameType) -> bool:
        self.after += 1
        if self.after != self._second:
            return False
        sys.settrace(None)
        if self._patient:
            _let_threads_begin()
        self.second_armed = True
        arm = self._arm_second
        -arm
        return True


def _let_threads_begin() -> None:
    threading.Event().wait(0.005)


def _let_it_come() -> None:
    # In a function of its own: from 3.12 on, what comes up at a backward jump is not covered by
    # the try statement that the loop stands in. A bounded one, for it may have been swallowed.
    for _ in range(1000):
        pass


def _in_a_finalizer() -> bool:
    return any(isinstance(error, Struck) for error in unraisable)


@dataclass
class Course:
    """What an operation does when nobody disturbs it."""

    points: int
    versions: list[dict[str, Slot]] = field(default_factory=list)

    @classmethod
    def of(cls, operation: Operation, make: Make, where: Where) -> Course:
        """The shortest of some runs: a wait has more points, the longer others take."""
        return min((cls._once(operation, make, where) for _ in range(RUNS)), key=_length)

    @classmethod
    def _once(cls, operation: Operation, make: Make, where: Where) -> Course:
        world = _prepared(operation, make)
        points = count_points(partial(operation.act, world, world.outer), where)
        current = world.store.snapshot().version
        versions = [dict(world.store.at(version)) for version in range(current + 1)]
        world.check()
        world.leave()
        return cls(points, versions)


def _length(course: Course) -> int:
    return course.points


def _prepared(operation: Operation, make: Make) -> World:
    world = World(make)
    operation.prepare(world, world.outer)
    return world


class Interrupts:
    """Tries the points of one operation.

    Inside the ``except`` block both threads write to the store; or, if *quiet*, nobody does. Then
    nobody finds out for the store that something is over, and what is published elsewhere must
    reach its subscribers all the same.
    """

    def __init__(
        self,
        operation: Operation,
        violations: Violations,
        make: Make = Store,
        where: Where = in_package,
        quiet: bool = False,
    ) -> None:
        self._quiet = quiet
        self._operation = operation
        self._violations = violations
        self._make = make
        self._where = where
        self._course = Course.of(operation, make, where)
        self._place: Place | None = None
        self.struck = 0
        """At how many different places an exception came up."""

    def once(self, most: int) -> None:
        """An exception at each point, or at *most* of them."""
        for point in sample(self._operation.name, range(1, self._course.points + 1), most):
            if self._violations.enough:
                return
            self._try(point, None)

    def twice(self, most: int, most_after: int) -> None:
        """A second exception at each point after the first, or at some of the first and second."""
        name = self._operation.name
        firsts = sample(f"{name} twice", range(1, self._course.points + 1), most)
        place: Place | None = None
        for first in firsts:
            # A second point that is never reached: to count those that there are.
            strike = self._try(first, 1_000_000)
            if self._place is not None and self._place == place:
                continue
            place = self._place
            for second in sample(f"{name} {first}", range(1, strike.after + 1), most_after):
                if self._violations.enough:
                    return
                self._try(first, second)

    def _try(self, first: int, second: int | None) -> Strike:
        violations = self._violations
        violations.points += 1
        if violations.points % 200 == 0:
            gc.collect()
        for patient in (False, True, True, True):
            later = f" and {second} later" if second else ""
            what = violations.now = f"{self._operation}, struck at {first}{later}"
            unraisable.clear()
            world = _prepared(self._operation, self._make)
            strike = Strike(first, second, self._where, patient)
            failed: Exception | None = None
            try:
                self._strike_and_check(world, strike)
            except Exception as error:
                failed = error
            world.leave()
            if failed is None and not strike.armed:
                # This run was shorter than those that were counted: who waits looks at what the
                # threads are about. Another point of it, then.
                first = (first - 1) % max(strike.seen, 1) + 1
            elif not (strike.astray and CAN_GO_ASTRAY) or _in_a_finalizer():
                if failed is not None:
                    violations.add(what, failed)
                return strike
        if strike.armed:
            violations.add(what, AssertionError("the exception went astray, time and again"))
        else:
            violations.missed += 1
        return strike

    def _strike_and_check(self, world: World, strike: Strike) -> None:
        reached = self._strike(world, strike)
        if reached is not None and not (strike.astray and CAN_GO_ASTRAY):
            world.check(self._course.versions, reached)

    def _strike(self, world: World, strike: Strike) -> int | None:
        """Run; return the version that was reached, or None if there is nothing new to check."""
        try:
            strike.run(partial(self._operation.act, world, world.outer))
        except Struck as error:
            reached = world.store.snapshot().version
            # The traceback is alive, and with it whatever the frames hold. Also at a place that
            # was checked before: who waits is who finds a block that was left by an exception.
            try:
                if self._quiet:
                    world.write_beside()
                else:
                    world.write_at_once()
            except Exception as failed:
                kind = HungError if isinstance(failed, HungError) else AssertionError
                raise kind(
                    f"inside the except block of what came up in {in_words(error)}: "
                    f"{type(failed).__name__}: {failed}"
                ) from None
            place = place_of(error)
            if place == self._place:
                return None
            self._place = place
            self.struck += 1
            return reached
        if not strike.armed:
            return None
        # In a dying generator, whose close has nobody to raise to, the store can do nothing.
        assert _in_a_finalizer(), (
            f"the exception {'was swallowed' if strike.came_up else 'never came up'}"
        )
        self._place = None
        return world.store.snapshot().version
