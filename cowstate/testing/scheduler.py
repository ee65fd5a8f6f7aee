"""Run real threads one at a time, by a plan: what happens in one schedule."""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import get_ident
from types import FrameType
from typing import Final, NamedTuple

from ..errors import DeadlockError, NondeterminismError, UnscheduledError
from .points import Territory
from .tracing import Tracer
from .workers import Aborted, Worker

__all__ = ["Decision", "Plan", "Scheduler"]

_STEPS_AT_MOST: Final = 20_000
_NEVER: Final = sys.maxsize
_HERE: Final = __file__.removesuffix("scheduler.py")


class Decision(NamedTuple):
    """A point at which the run went one way and might have gone others.

    Attributes:
        at: the number of the point.
        path: what stands for everything that happened before it.
        free: the threads that might have gone on instead, at no cost.
        costly: those whose going on would have been a preemption.
    """

    at: int
    path: int
    free: tuple[int, ...]
    costly: tuple[int, ...]


class Plan(NamedTuple):
    """What is settled of a schedule before it runs.

    Attributes:
        switches: ``(point, thread)``: at this point go on with that thread. Elsewhere the
            running thread runs on, and after a blocked one the first that can.
        path: what must have happened before the last of them; None if nobody knows.
        budget: how many preemptions may follow after the last of them.
    """

    switches: tuple[tuple[int, int], ...] = ()
    path: int | None = None
    budget: int = 0


class Scheduler:
    """Runs schedules one after the other in a pool of threads, of which one runs at a time.

    The thread that runs has the baton and hands it on itself. Everything here is therefore
    touched by one thread at a time, and needs no lock.

    Args:
        territory: the modules whose lines are switch points.
        instructions: make every instruction a switch point, not only every line.
        timeouts: a timed wait may time out while others can run.
        recording: keep a log of every line.
        patience: after how many seconds without a step a thread counts as stuck.
    """

    def __init__(
        self,
        territory: Territory,
        *,
        instructions: bool,
        timeouts: bool,
        recording: bool = False,
        patience: float = 10.0,
    ) -> None:
        self._territory = territory
        self._timeouts = timeouts
        self._patience = patience
        self._home = get_ident()
        self._pool: list[Worker] = []
        self._running: list[Worker] = []
        self._done: SimpleQueue[None] = SimpleQueue()
        self.log: list[tuple[str, str, int, str]] | None = [] if recording else None
        self.aborting = False
        note = self._note if recording else None
        self.trace = Tracer(territory, self.point, note, instructions)
        self.current: Worker | None = None
        self._reset(Plan())

    def _reset(self, plan: Plan) -> None:
        self.decisions: list[Decision] = []
        self.failure: BaseException | None = None
        self._clock = 0
        self._path = 0
        self._plan = plan
        self._budget = plan.budget
        self.trace.cold = False
        if self.log is not None:
            self.log.clear()
        self._upcoming = iter(plan.switches)
        self._frontier = plan.switches[-1][0] if plan.switches else -1
        self._next_at, self._next_to = next(self._upcoming, (_NEVER, -1))

    # The home thread: it sets up, waits, and tidies up.

    def run(self, bodies: Sequence[tuple[str, Callable[[], object]]], plan: Plan) -> None:
        """Run the functions of ``(name, function)`` by *plan*; see `failure`, `decisions`."""
        while len(self._pool) < len(bodies):
            self._pool.append(Worker(len(self._pool), self.trace, self.perform))
        self._reset(plan)
        self._running = self._pool[: len(bodies)]
        for worker, (name, job) in zip(self._running, bodies, strict=True):
            worker.begin(name, job)
        if self._running and self._choose_next(None):
            self._await_end()
        if self.failure is None and self._next_at != _NEVER:
            self.failure = NondeterminismError(
                f"the run was over before point {self._next_at}, where it should have switched"
            )
        self.current = None

    def _await_end(self) -> None:
        parked = False
        try:
            parked = self._all_parked()
        finally:
            if not parked or self.failure is not None:
                self._unwind(None if parked else self.current)

    def _all_parked(self) -> bool:
        """Wait until they are; False if one of them is stuck."""
        while True:
            steps = self._clock
            try:
                self._done.get(timeout=self._patience)
                return True
            except Empty:
                if self._clock == steps:
                    self.failure = self._stuck()
                    return False

    def _unwind(self, stuck: Worker | None) -> None:
        """End the threads that are still on their way, one after the other."""
        self.aborting = True
        # The one that is stuck last: what it is stuck at may be held by another.
        for worker in sorted(self._running, key=lambda worker: worker is stuck):
            if not worker.over:
                worker.lost = worker is stuck
                self.current = worker
                worker.go()
                try:
                    self._done.get(timeout=self._patience)
                except Empty:
                    continue
        self.aborting = stuck is not None

    def close(self) -> None:
        """End the threads of the pool."""
        for worker in self._pool:
            worker.close(self._patience)

    def _stuck(self) -> UnscheduledError:
        worker = self.current
        assert worker is not None
        return UnscheduledError(
            f"{worker.name} does not go on at {self._position(worker)}: it waits for something "
            "that this scheduler does not know, or loops where there is no switch point; name the "
            "module that makes the lock in `modules`"
        )

    # The threads of the pool.

    def perform(self, worker: Worker) -> None:
        """Run the job of *worker* and hand the baton on."""
        if sys.gettrace() is None:
            sys.settrace(self.trace)
        try:
            assert worker.job is not None
            worker.job()
        except Aborted:
            pass
        except BaseException as error:
            if self.failure is None:
                self.failure = error
        worker.over = True
        if self.aborting or self.failure is not None or not self._choose_next(worker):
            self._done.put(None)

    def _note(self, file: str, line: int, prefix: str) -> None:
        # How the threads are ended after a failure is no part of the schedule.
        if self.log is not None and self.current is not None and self.failure is None:
            self.log.append((self.current.name, file, line, prefix))

    def point(self, where: tuple[int, int]) -> None:
        """Let another thread go on here, if the plan says so, and note that it might have."""
        me = self.current
        assert me is not None
        if self.aborting:
            # Better to let it come to its end: an exception on the line event of a with
            # statement's exit would leave the lock taken.
            me.grace -= 1
            if not me.grace:
                sys.settrace(None)
                raise Aborted
            return
        me.fresh = True
        if not me.begun:
            # Nothing has happened since the thread was chosen to begin.
            me.begun = True
            return
        at = self._clock
        self._clock = at + 1
        self._path = hash((self._path, me.number, where))
        if at == self._next_at:
            chosen = self._planned()
            if chosen is not None:
                self._switch(me, chosen)
        elif at > self._frontier:
            if at > _STEPS_AT_MOST:
                self._give_up(
                    UnscheduledError(
                        f"{me.name} has not ended after {_STEPS_AT_MOST} switch points; a loop "
                        "that waits for another thread must wait for a lock or a condition"
                    )
                )
            elif self._budget:
                others = tuple(
                    worker.number
                    for worker in self._running
                    if worker is not me and self._can_go_on(worker, self._timeouts)
                )
                if others:
                    self.decisions.append(Decision(at, self._path, (), others))

    def block(self, ready: Callable[[], bool], timed: bool, awaited: str) -> bool:
        """Let others go on until ``ready()``; False if that timed out."""
        me = self.current
        if me is None:
            raise DeadlockError(
                f"outside the threads of the program, nobody is left to give back {awaited}"
            )
        if self.aborting:
            raise Aborted
        me.ready, me.timed, me.expired, me.awaited = ready, timed, False, awaited
        self._note("", 0, f"waits for {awaited}")
        self._choose_next(me)
        me.ready = None
        if self.aborting:
            raise Aborted
        me.fresh = True
        if me.expired:
            self._note("", 0, "times out")
        return not me.expired

    def operate(self) -> None:
        """A primitive is about to be used: a switch point, but where the line was one just now."""
        if self.aborting:
            return
        if get_ident() != (self._home if self.current is None else self.current.ident):
            raise UnscheduledError(
                "a thread that the exploration did not start uses one of its locks; "
                "return all threads of the program from the function that is explored"
            )
        me = self.current
        if me is None:
            return
        if not me.fresh:
            self.point((-1, me.number))
        me.fresh = False

    def knows(self, ident: int) -> bool:
        """Whether the thread *ident* takes part."""
        return ident == self._home or any(worker.ident == ident for worker in self._running)

    @staticmethod
    def _can_go_on(worker: Worker, by_timeout: bool) -> bool:
        if worker.over:
            return False
        return worker.ready is None or worker.ready() or (by_timeout and worker.timed)

    def _choose_next(self, me: Worker | None) -> bool:
        """Hand on the baton, since *me* cannot go on; False if the plan is not to be followed."""
        at = self._clock
        self._clock = at + 1
        self._path = hash((self._path, -1 if me is None else me.number, -2))
        able = [worker for worker in self._running if self._can_go_on(worker, False)]
        late = [worker for worker in self._running if not worker.over and worker.timed]
        late = [worker for worker in late if worker.ready is not None and worker not in able]
        if not able:
            able, late = late, []
        if not able:
            self._end(me)
            return True
        chosen: Worker | None = able[0]
        if at == self._next_at:
            chosen = self._planned()
        elif at > self._frontier:
            free = tuple(worker.number for worker in able[1:])
            costly = tuple(worker.number for worker in late)
            costly = costly if self._timeouts and self._budget else ()
            if free or costly:
                self.decisions.append(Decision(at, self._path, free, costly))
        if chosen is not None:
            self._switch(me, chosen)
        return chosen is not None

    def _planned(self) -> Worker | None:
        at, number = self._next_at, self._next_to
        self._next_at, self._next_to = next(self._upcoming, (_NEVER, -1))
        if number >= len(self._running) or not self._can_go_on(self._running[number], True):
            self._give_up(NondeterminismError(f"at point {at} no thread {number} can go on"))
            return None
        if self._next_at == _NEVER and self._plan.path not in (None, self._path):
            self._give_up(NondeterminismError(f"on the way to point {at} other lines were run"))
            return None
        return self._running[number]

    def _give_up(self, failure: BaseException) -> None:
        # Not raised here, where the program might catch it.
        self.failure = failure
        self.aborting = True

    def _switch(self, me: Worker | None, chosen: Worker) -> None:
        if chosen.ready is not None:
            chosen.expired = not chosen.ready()
        if chosen is me:
            return
        # Looked up first: with the baton gone, all this is somebody else's.
        goes_on = me if me is not None and not me.over else None
        self.current = chosen
        chosen.go()
        if goes_on is not None:
            goes_on.park()

    def _end(self, me: Worker | None) -> None:
        if me is None or all(worker.over for worker in self._running):
            self._done.put(None)
            return
        waits = "\n".join(
            f"  {worker.name} waits for {worker.awaited} at {self._position(worker)}"
            for worker in self._running
            if not worker.over
        )
        self.failure = DeadlockError()
        # Whole, however many threads: a line for each.
        self.failure.args = (f"every thread that is left waits for another:\n{waits}",)
        goes_on = None if me.over else me
        self._done.put(None)
        if goes_on is not None:
            goes_on.park()

    def _position(self, worker: Worker) -> str:
        frame: FrameType | None = sys._current_frames().get(worker.ident)
        inner = frame
        while frame is not None and frame.f_code.co_filename not in self._territory.files:
            frame = frame.f_back
        while frame is None and inner is not None:
            if not inner.f_code.co_filename.startswith((_HERE, threading.__file__)):
                frame = inner
            inner = inner.f_back
        if frame is None:
            return "its start"
        file, line = frame.f_code.co_filename, frame.f_lineno
        return f"{file}:{line}: {linecache.getline(file, line).strip()}"
