"""What a thread is about to touch: what all partial-order reduction stands on.

Two steps of two threads that touch nothing in common, or only read it, come to the same in either
order. What a search makes of that is told in `backtracking`; where timeouts are tried out, it is
this.

A thread that is preempted before a step of this kind, and goes on before anything has
happened that does not commute with the step, might as well have taken the step first: that
schedule is another one of the search, and has no more preemptions. So the thread is put to sleep,
with the footprint of its next step, and wakes at the first step of another that does not commute
with it. A run in which a sleeping thread goes on is redundant, and nothing is varied after that.

**Why nothing is lost within the bound.** Let S be a schedule in which thread A is left at a point
where it could go on with step s, and the next step of A comes after the steps x1, ..., xn of
others, all of which commute with s. Let T be the one in which s comes before x1. Both end in the
same state. T leaves A one step later, at most at the price of a preemption, as S does; and where S
goes to A for s and on, T goes on at the same price or a lower one, for the steps that might make
that switch free, those that block or let go another thread, do not commute with s. So T costs no
more than S. T also goes on with the running thread where S first differs from it; there are
finitely many schedules, so at the end of a chain of such changes stands one that is not redundant,
with the outcome of S.

**What counts as commuting** is read off from the source by `reading`; what is not understood there
commutes with nothing but steps that touch no shared state at all. A primitive counts as written by
each operation, by a vain attempt to take it, and at the end of a block. A thread that goes on by a
timeout may have touched anything. A variable of the function around a thread's own that was bound
when it began, in the one place that binds it, stays what it is.

Switches away from a thread that waits or has ended are free and all tried: to reorder those would
cost preemptions, and the bound counts them. A switch to a thread that would at once wait for what
another holds is not tried: nothing would have happened, at the price of a preemption.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Hashable
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, Final

from .footprints import ANYTHING, NOTHING, Footprint
from .known import NotUnderstoodError
from .lines import Scope, lines_of
from .places import places_of
from .points import Territory
from .primitives import Primitive
from .reading import Reading, View
from .taking import may_take, taken_first
from .workers import Worker

__all__ = ["Reduction"]

# What runs the threads, and does nothing after them. The rest of this package may: a recorder does.
_RUNNERS: Final = frozenset(
    __file__.removesuffix("reduction.py") + name
    for name in ("scheduler.py", "workers.py", "threads.py")
)


class Reduction:
    """Tells the footprint of what a thread is about to do.

    Args:
        territory: the modules whose lines are switch points.

    Attributes:
        kinds: what the owners of the places in footprints are, by their ``id``.
    """

    def __init__(self, territory: Territory) -> None:
        self._territory = territory
        self._sources = {str(module.__file__): lines_of(module) for module in territory.modules}
        self.kinds: dict[int, str] = {}
        self._takes: dict[tuple[CodeType, int], bool] = {}
        sources = self._sources.values()
        self._stored = frozenset[str]().union(*(each.stored for each in sources))
        self._restored = frozenset[str]().union(*(each.restored for each in sources))
        rebound = (territory.rebound(file) or () for file in territory.files)
        self._rebound = frozenset[str]().union(*rebound)

    def footprint(self, worker: Worker) -> Footprint:
        """Return what the next step of *worker* may touch."""
        if worker.expired:
            return ANYTHING
        try:
            found = self._of_step(worker)
            used = worker.at
            if used is None:
                return found
            return found.writing(*places_of(used)) if isinstance(used, Primitive) else ANYTHING
        except Exception:  # not understood, or an object that is not what it says it is
            return ANYTHING

    def of_use(self, primitive: object) -> Footprint:
        """Return what a use of *primitive* touches."""
        if not isinstance(primitive, Primitive):
            return ANYTHING
        try:
            return NOTHING.writing(*places_of(primitive))
        except NotUnderstoodError:
            return ANYTHING

    def position(self, worker: Worker) -> str:
        """Return where *worker* stands, in words."""
        if worker.frame is not None:
            return f"{Path(worker.frame.f_code.co_filename).name}:{worker.frame.f_lineno}"
        try:
            view, _, line = self._standing(worker)
        except NotUnderstoodError:
            return "its start"
        return f"{Path(view.code.co_filename).name}:{line}"

    def is_in_vain(self, worker: Worker) -> bool:
        """Whether *worker* would at once wait for what another holds, and do nothing else."""
        if worker.ready is not None:
            return False
        taken = self.taken_first(worker)
        if not isinstance(taken, Primitive):
            return False
        return taken not in worker.entered and taken.holds_up(worker)

    def taken_first(self, worker: Worker) -> object:
        """Return what *worker* is about to take, or the store that it writes to, first of all.

        None if its next step may do something else before, or to look for that may lead to another
        one later.
        """
        if worker.rest or worker.at is not None:
            return None
        frame = worker.frame
        if frame is not None and not self._takes_one(frame.f_code, frame.f_lineno):
            return None
        try:
            view, scope, line = self._standing(worker)
            reading = self._reading(view, scope)
            taken = taken_first(reading, scope.at(line) or [])
            return None if self._unsteady(reading) else taken
        except Exception:  # likewise
            return None

    def _unsteady(self, reading: Reading) -> bool:
        """Whether some line may change what has been looked at, once that is there."""
        for place in reading.touched.reads:
            match place:
                case ("attribute" | "item", _, name):
                    steady = name not in self._restored
                case ("name", str(name)):
                    steady = name not in self._rebound and name not in self._restored
                case ("variable", str(name)):
                    steady = reading.is_bound_once(name)
                case _:
                    steady = False
            if not steady:
                return True
        return False

    def _takes_one(self, code: CodeType, line: int) -> bool:
        """Whether the line has the form of one that takes something and does nothing before."""
        found = self._takes.get((code, line))
        if found is None:
            source = self._sources.get(code.co_filename)
            scope = None if source is None else source.scope(code)
            nodes = None if scope is None else scope.at(line)
            found = nodes is not None and len(nodes) == 1 and may_take(nodes[0])
            self._takes[code, line] = found
        return found

    def _of_step(self, worker: Worker) -> Footprint:
        view, scope, line = self._standing(worker)
        nodes = scope.at(line)
        if nodes is None:
            raise NotUnderstoodError
        if worker.frame is not None:
            self._check_callers(worker.frame)
        if view.rest and isinstance(worker.at, Primitive) and _is_one_use(nodes, worker.at):
            return NOTHING
        reading = self._reading(view, scope)
        found = reading.of(nodes)
        self.kinds.update(reading.touched.kinds)
        if any(isinstance(node, ast.With) for node in nodes):
            for entered in worker.entered:
                if isinstance(entered, Primitive):
                    found = found.writing(*places_of(entered))
        return found or found._replace(reads=self._names_used(view.code, worker.frame))

    def _names_used(self, code: CodeType, frame: FrameType | None) -> frozenset[Hashable]:
        """Return the names that may be looked up on lines that are no points.

        What is not understood may rebind them, be they those of functions, built in or not there
        yet: a patch in a test does.
        """
        codes = [code]
        while frame is not None and frame.f_code.co_filename not in _RUNNERS:
            codes.append(frame.f_code)
            frame = frame.f_back
        return frozenset(
            ("name", name) for each in codes for name in self._territory.points(each).names
        )

    def _standing(self, worker: Worker) -> tuple[View, Scope, int]:
        frame = worker.frame
        if frame is None:
            return self._at_start(worker)
        settled = frozenset[str]()
        caller = frame.f_back
        job = getattr(worker.job, "__code__", None)
        if frame.f_code is job and caller is not None and caller.f_code.co_filename in _RUNNERS:
            settled = worker.settled
        view = View(frame.f_code, frame.f_locals, frame.f_globals, worker.rest, settled)
        return view, self._scope(view), frame.f_lineno

    def _at_start(self, worker: Worker) -> tuple[View, Scope, int]:
        job: Any = worker.job
        variables: dict[str, Any] = {}
        if isinstance(job, MethodType):
            function: Any = job.__func__
            own = getattr(function, "__code__", None)
            if own is None or not own.co_argcount:
                raise NotUnderstoodError
            variables[own.co_varnames[0]] = job.__self__
        else:
            function = job
        if worker.begun or not isinstance(function, FunctionType):
            raise NotUnderstoodError
        code = function.__code__
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for name, cell in cells.items():
            try:
                variables[name] = cell.cell_contents
            except ValueError:
                raise NotUnderstoodError from None
        settled = worker.settled if function is job else frozenset[str]()
        view = View(code, variables, function.__globals__, False, settled)
        scope = self._scope(view)
        # What is before the first point is not told.
        if scope.first not in self._territory.points(code).lines:
            raise NotUnderstoodError
        return view, scope, scope.first

    def _scope(self, view: View) -> Scope:
        source = self._sources.get(view.code.co_filename)
        scope = None if source is None else source.scope(view.code)
        if scope is None:
            raise NotUnderstoodError
        return scope

    def _reading(self, view: View, scope: Scope) -> Reading:
        file = view.code.co_filename
        rebound = self._territory.rebound(file)
        if rebound is None:
            raise NotUnderstoodError
        return Reading(
            view,
            scope,
            self._territory.files,
            self._stored,
            self._sources[file].nonlocals,
            rebound,
        )

    def _check_callers(self, frame: FrameType) -> None:
        """Refuse what may return, within the step, to code that is not stepped through."""
        code = frame.f_code
        caller = frame.f_back
        while caller is not None and caller.f_code.co_filename not in _RUNNERS:
            if caller.f_code.co_filename != threading.__file__:
                view = View(caller.f_code, caller.f_locals, caller.f_globals, False)
                scope = self._scope(view)
                nodes = scope.at(caller.f_lineno)
                if nodes is None:
                    raise NotUnderstoodError
                reading = self._reading(view, scope)
                reading.of(nodes)
                if code not in reading.touched.callees:
                    raise NotUnderstoodError
            code, caller = caller.f_code, caller.f_back


def _is_one_use(nodes: list[ast.AST], primitive: Primitive) -> bool:
    """Whether the line does nothing but use *primitive* once, by a method of its own."""
    match nodes:
        case [ast.With([ast.withitem(_, None)])]:
            return True
        case [ast.Expr(ast.Call(ast.Attribute(_, name)) as call)] if name != "wait_for":
            # What it waits for is a call of somebody's code.
            calls = [each for each in ast.walk(call) if isinstance(each, ast.Call)]
            return len(calls) == 1 and callable(getattr(type(primitive), name, None))
        case _:
            return False
