"""Run real threads one at a time, by a plan: what happens in one schedule."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from itertools import count
from queue import Empty, SimpleQueue
from threading import get_ident
from types import FrameType
from typing import Final

from ..errors import DeadlockError, UnscheduledError
from .plans import Course, Decision, Plan
from .points import Territory
from .sleepers import Watcher
from .telling import deadlock_of, endless, stuck
from .tracing import Tracer
from .workers import Aborted, Worker

__all__ = ["Scheduler"]

_STEPS_AT_MOST: Final = 20_000
_EXPIRED_AT_MOST: Final = 20
# One that has not moved for long is not waited for as long again.
_PATIENCE_AFTER: Final = 0.5


class Scheduler:
    """Runs schedules one after the other in a pool of threads, of which one runs at a time.

    The thread that runs has the baton and hands it on itself. Everything here is therefore
    touched by one thread at a time, and needs no lock.

    Args:
        territory: the modules whose lines are switch points.
        instructions: make every instruction a switch point, not only every line.
        timeouts: a timed wait may time out while others can run.
        recording: keep a log of every line.
        watcher: is told what the threads do, and asked which of them are worth trying.
        patience: after how many seconds without a step a thread counts as stuck.

    Attributes:
        current: the thread that has the baton; None while the home thread has it.
        switches: ``(point, thread)`` for each time that the baton was handed on.
        preempting: for each of these, whether the thread that was left could go on.
        decisions: where it might have gone another way.
        failure: what the schedule failed with, or None.
        aborting: whether what is left of it is being ended.
    """

    def __init__(
        self,
        territory: Territory,
        *,
        instructions: bool,
        timeouts: bool,
        recording: bool = False,
        watcher: Watcher | None = None,
        patience: float = 10.0,
    ) -> None:
        self._territory = territory
        self._timeouts = timeouts
        self._patience = patience
        self._watcher = watcher or Watcher()
        self._home = get_ident()
        self._pool: list[Worker] = []
        self._running: list[Worker] = []
        self._done: SimpleQueue[None] = SimpleQueue()
        self._open = True
        self.log: list[tuple[str, str, int, str]] | None = [] if recording else None
        self.aborting = False
        note = self._note if recording else None
        self.trace = Tracer(territory, self.point, note, instructions)
        self.current: Worker | None = None
        self.begin(Plan())

    # The home thread: it sets up, waits, and tidies up.

    def begin(self, plan: Plan) -> None:
        """Forget the last schedule; the next one, whose threads may be enlisted now, is *plan*."""
        self._running = []
        self.switches: list[tuple[int, int]] = []
        self.preempting: list[bool] = []
        self.decisions: list[Decision] = []
        self.failure: BaseException | None = None
        self._clock = self._path = self._expired = 0
        self._course = Course(plan)
        self._chooser = None if plan.chooser is None else plan.chooser()
        self._budget = plan.budget
        self._driven = False
        self._watcher.begin()
        self.trace.cold = False
        if self.log is not None:
            self.log.clear()
        frontier = plan.switches[-1][0] if plan.switches else -1
        self._noted = -1 if self._watcher.looks_back else frontier

    def enlist(self, name: str, job: Callable[[], object], idle: bool = False) -> Worker:
        """Have *job* run as one more thread of this schedule; called by who has the baton."""
        if self.aborting:
            raise Aborted
        number = len(self._running)
        if number == len(self._pool):
            self._pool.append(Worker(number, self.trace, self.perform))
        taken = {worker.name for worker in self._running}
        names = (name if n == 1 else f"{name}-{n}" for n in count(1))
        worker = self._pool[number]
        worker.begin(next(each for each in names if each not in taken), job, idle)
        self._running.append(worker)
        self._watcher.note_begin(worker)
        return worker

    def run(self, bodies: Sequence[tuple[str, Callable[[], object]]]) -> None:
        """Run the functions of ``(name, function)`` by the plan; see `failure`, `decisions`."""
        for name, job in bodies:
            self.enlist(name, job)
        if any(each.can_go_on(True) for each in self._running) and self._choose_next(None):
            self._await_end()
        if self.failure is None:
            self.failure = self._course.cut_short()
        self.current = None

    def finish(self) -> None:
        """End the threads that wait for ever, as those of a pool do."""
        if any(not worker.over and not worker.lost for worker in self._running):
            self._unwind(None)
            self.current = None

    def close(self) -> None:
        """End the threads of the pool."""
        self._open = False
        for worker in self._pool:
            worker.close(min(self._patience, _PATIENCE_AFTER))

    def _drive(self, ready: Callable[[], bool], timed: bool, awaited: str) -> bool:
        """Let the threads run, each as far as it can, until ``ready()``; False if it never is."""
        self._driven = True
        try:
            return self._drive_on(ready, timed, awaited)
        finally:
            self._driven = False

    def _drive_on(self, ready: Callable[[], bool], timed: bool, awaited: str) -> bool:
        while not ready():
            if not any(worker.can_go_on(False) for worker in self._running):
                if timed:
                    return False
                raise DeadlockError(
                    f"outside the threads of the program, nobody is left to give back {awaited}"
                )
            self._choose_next(None)
            self._await_end()
            self.current = None
            if self.failure is not None:
                raise self.failure
        return True

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
                    assert self.current is not None
                    names = [module.__name__ for module in self._territory.modules]
                    self.failure = stuck(self.current, self._territory.files, names)
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
                patience = self._patience if stuck is None else _PATIENCE_AFTER
                try:
                    self._done.get(timeout=min(patience, self._patience))
                except Empty:
                    continue
        self.aborting = stuck is not None

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
            if self.failure is None and not self.aborting:
                self.failure = error
        worker.over = True
        self._watcher.note_end(worker)
        if self.aborting or self.failure is not None or not self._choose_next(worker):
            self._done.put(None)

    def _note(self, file: str, line: int, prefix: str) -> None:
        # How the threads are ended after a failure is no part of the schedule.
        if self.log is not None and self.current is not None and not self.aborting:
            self.log.append((self.current.name, file, line, prefix))

    def point(
        self,
        where: tuple[int, int],
        frame: FrameType | None,
        rest: bool,
        primitive: object = None,
    ) -> None:
        """Let another thread go on here, if the plan says so, and note that it might have.

        *where* tells the point from others; *frame* stands there, if *rest* amid a line, about
        to use *primitive*.
        """
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
        self._expired = 0
        me.fresh = True
        me.frame, me.rest, me.at, me.expired = frame, rest, primitive, False
        if not me.begun:
            # Nothing has happened since the thread was chosen to begin.
            me.begun = True
            return
        at = self._clock
        self._clock = at + 1
        self._path = hash((self._path, me.number, where))
        if at > self._noted and self._budget and not self._driven:
            others = self._watcher.worth_trying(
                each for each in self._running if each is not me and each.can_go_on(self._timeouts)
            )
            if others:
                self.decisions.append(
                    Decision(at, self._path, len(self.switches), (), others, me.number)
                )
        if at == self._course.at:
            chosen = self._planned(True)
            if chosen is not None:
                self._watcher.preempt(me)
                self._switch(me, chosen, at, True)
            return
        if at > _STEPS_AT_MOST:
            self._give_up(endless(me, _STEPS_AT_MOST))
        elif self._chooser is not None and not self._driven:
            able = [each for each in self._running if each.can_go_on(self._timeouts)]
            chosen = self._chooser.choose(me, able)
            if chosen is not me:
                self._switch(me, chosen, at, True)
                return
        self._watcher.proceed(me, at)

    def block(self, ready: Callable[[], bool], timed: bool, awaited: str) -> bool:
        """Let others go on until ``ready()``; False if that timed out."""
        if self.aborting:
            raise Aborted
        me = self.current
        if me is None:
            return self._drive(ready, timed, awaited)
        me.ready, me.timed, me.expired, me.awaited = ready, timed, False, awaited
        me.rest = True
        self._note("", 0, f"waits for {awaited}")
        self._choose_next(me)
        me.ready = None
        if self.aborting:
            raise Aborted
        me.fresh = True
        if me.expired:
            self._note("", 0, "times out")
        return not me.expired

    def operate(self, primitive: object) -> None:
        """*primitive* is about to be used: a switch point, but where the line was one just now."""
        if self.aborting or not self._open:
            return
        if get_ident() != (self._home if self.current is None else self.current.ident):
            raise UnscheduledError(
                "a thread that the exploration did not start uses one of its locks; start the "
                "threads of the program with threading.Thread, or return them from the function "
                "that is explored"
            )
        me = self.current
        if me is None:
            return
        frame = self._watcher.user(me)
        if not me.fresh and not getattr(primitive, "quiet", False):
            self.point((-1, me.number), frame, True, primitive)
        me.frame, me.at, me.fresh = frame, primitive, False
        self._watcher.note_use(primitive)

    @property
    def steps(self) -> int:
        """How many points the run has come to."""
        return self._clock

    def knows(self, ident: int) -> bool:
        """Whether the thread *ident* takes part."""
        if not self._open:
            return False
        return ident == self._home or any(worker.ident == ident for worker in self._running)

    def _choose_next(self, me: Worker | None) -> bool:
        """Hand on the baton, since *me* cannot go on; False if the plan is not to be followed."""
        at = self._clock
        self._clock = at + 1
        self._path = hash((self._path, -1 if me is None else me.number, -2))
        able = [worker for worker in self._running if worker.can_go_on(False)]
        late = [worker for worker in self._running if not worker.over and worker.timed]
        late = [worker for worker in late if worker.ready is not None and worker not in able]
        if not able and not all(worker.over or worker.idle for worker in self._running):
            # In turn: who waits in slices, and asks in between, may find out about the others.
            first = self._expired % (len(late) or 1)
            self._expired += 1
            able = [*late[first:], *late[:first]] if self._expired <= _EXPIRED_AT_MOST else []
            late = []
        if not able:
            self._end(me)
            return True
        chosen: Worker | None = next((each for each in able if each not in self._watcher), able[0])
        if at > self._noted and self._chooser is None and not self._driven:
            free = self._watcher.worth_trying((each for each in able if each is not chosen), False)
            costly = self._watcher.worth_trying(late) if self._timeouts and self._budget else ()
            if free or costly:
                self.decisions.append(Decision(at, self._path, len(self.switches), free, costly))
        if at == self._course.at:
            chosen = self._planned(False)
        elif self._chooser is not None:
            able += late if self._timeouts else ()
            chosen = self._chooser.choose(None, able)
        if chosen is not None:
            self._switch(me, chosen, at, False)
        return chosen is not None

    def _planned(self, preempting: bool) -> Worker | None:
        found = self._course.turn(self._running, len(self.switches), preempting, self._path)
        if isinstance(found, Worker):
            return found
        self._give_up(found)
        return None

    def _give_up(self, failure: BaseException) -> None:
        # Not raised here, where the program might catch it.
        self.failure = failure
        self.aborting = True

    def _switch(self, me: Worker | None, chosen: Worker, at: int, preempting: bool) -> None:
        if not self._driven:
            self.switches.append((at, chosen.number))
            self.preempting.append(preempting)
        if chosen.ready is not None:
            chosen.expired = not chosen.ready()
        self._watcher.proceed(chosen, at)
        if chosen is me:
            return
        # Looked up first: with the baton gone, all this is somebody else's.
        goes_on = me if me is not None and not me.over else None
        self.current = chosen
        chosen.go()
        if goes_on is not None:
            goes_on.park()

    def _end(self, me: Worker | None) -> None:
        left = [worker for worker in self._running if not worker.over]
        if not self._driven and not all(worker.idle for worker in left):
            self.failure = deadlock_of(left, self._territory.files)
        self._watcher.note_left(left)
        goes_on = None if me is None or me.over else me
        self._done.put(None)
        if goes_on is not None:
            goes_on.park()
