"""The programs that every explorer is given: small, each with one question.

A program is a class: its objects are the state, some of its methods are run at once, and `holds`
says afterwards whether all is well. That is the form which all explorers take without a detour.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import Queue
from typing import Any, NamedTuple

from cowstate import Store

__all__ = ["TRIALS", "Trial"]


class Trial(NamedTuple):
    """One program, and what is right to say of it.

    Attributes:
        name: for the table, and to ask for it.
        make: makes the state afresh.
        bodies: what is run at once: functions of the state; of tasks, coroutine functions.
        wrong: whether there is an order in which it goes wrong.
        tasks: whether these are tasks of asyncio, not threads.
        preemptions: the bound that each explorer which has one is given.
    """

    name: str
    make: Callable[[], Any]
    bodies: tuple[Callable[[Any], Any], ...]
    wrong: bool
    tasks: bool = False
    preemptions: int = 2


class TwoLines:
    """A counter that is read in one line and written in the next."""

    def __init__(self) -> None:
        self.value = 0

    def add(self) -> None:
        """Lose an update of another that comes between."""
        value = self.value
        self.value = value + 1

    def holds(self) -> bool:
        """Whether both were counted."""
        return self.value == 2


class OneLine(TwoLines):
    """The same, with both in one line."""

    def add(self) -> None:
        """Lose an update of another that comes between two instructions."""
        self.value += 1


class LookThenSet:
    """A cache that makes what it does not have, and should do so once."""

    def __init__(self) -> None:
        self.cache: dict[str, int] = {}
        self.made = 0

    def get(self) -> None:
        """Look, then set."""
        if "key" not in self.cache:
            self.cache["key"] = 1
            self.made += 1

    def holds(self) -> bool:
        """Whether it was made once."""
        return self.made == 1


class Guarded(TwoLines):
    """The counter under a lock."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = self.lock()

    def lock(self) -> Any:
        """Make what guards it."""
        return threading.Lock()

    def add(self) -> None:
        """Read and write, alone."""
        with self.guard:
            value = self.value
            self.value = value + 1


class GuardedBySemaphore(Guarded):
    """The counter under a semaphore of one."""

    def lock(self) -> Any:
        """Make what guards it."""
        return threading.Semaphore(1)


class Crosswise:
    """Two locks that are taken in either order."""

    def __init__(self) -> None:
        self.left = threading.Lock()
        self.right = threading.Lock()
        self.done = 0

    def one(self) -> None:
        """Take the left one first."""
        with self.left, self.right:
            self.done += 1

    def other(self) -> None:
        """Take the right one first."""
        with self.right, self.left:
            self.done += 1

    def holds(self) -> bool:
        """Whether both got them."""
        return self.done == 2


class MissedWakeUp:
    """One waits until it is told, and looks before it takes the lock."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.ready = False
        self.awake = False

    def wait(self) -> None:
        """Wait for ever, if it is told between the look and the lock."""
        if not self.ready:
            with self.changed:
                self.changed.wait()
        self.awake = True

    def tell(self) -> None:
        """Tell it."""
        self.ready = True
        with self.changed:
            self.changed.notify()

    def holds(self) -> bool:
        """Whether it woke up."""
        return self.awake


class WakeUp(MissedWakeUp):
    """The same as it should be: looked at under the lock, and again after each wait."""

    def wait(self) -> None:
        """Wait until it is ready."""
        with self.changed:
            self.changed.wait_for(lambda: self.ready)
        self.awake = True

    def tell(self) -> None:
        """Tell it."""
        with self.changed:
            self.ready = True
            self.changed.notify()


class Handover:
    """Two things go through a queue."""

    def __init__(self) -> None:
        self.queue: Queue[int] = Queue()
        self.got: list[int] = []

    def put(self) -> None:
        """Put them in."""
        self.queue.put(1)
        self.queue.put(2)

    def get(self) -> None:
        """Get them out."""
        self.got.append(self.queue.get())
        self.got.append(self.queue.get())

    def holds(self) -> bool:
        """Whether they came in their order."""
        return self.got == [1, 2]


class InAStore:
    """A counter in a store of ours, which both update."""

    def __init__(self) -> None:
        self.store = Store({"n": 0})

    def add(self) -> None:
        """Add one."""
        self.store.update("n", _one_more)

    def holds(self) -> bool:
        """Whether both were counted."""
        return self.store.snapshot()["n"] == 2


def _one_more(n: int) -> int:
    return n + 1


class ThreeThreads:
    """What goes wrong only where a third thread comes between two others."""

    def __init__(self) -> None:
        self.open = False
        self.seen = False
        self.both = False

    def blink(self) -> None:
        """Be open for a moment."""
        self.open = True
        self.open = False

    def look(self) -> None:
        """Note that it is open."""
        if self.open:
            self.seen = True

    def compare(self) -> None:
        """Find it noted, and still open."""
        # Two lines, so that an explorer which takes a line for one step can come between, too.
        if self.seen:  # noqa: SIM102
            if self.open:
                self.both = True

    def holds(self) -> bool:
        """Whether nobody found both."""
        return not self.both


class ThreePreemptions:
    """What goes wrong only where two threads take turns four times, by three preemptions."""

    def __init__(self) -> None:
        self.step = 0
        self.reached = False

    def odd(self) -> None:
        """Take the odd steps, and see the last."""
        self.step = 1
        # The other thread writes it, too, which no type checker can know.
        if self.step == 2:  # pyright: ignore[reportUnnecessaryComparison]
            self.step = 3
        if self.step == 4:  # pyright: ignore[reportUnnecessaryComparison]
            self.reached = True

    def even(self) -> None:
        """Take the even steps."""
        if self.step == 1:
            self.step = 2
        if self.step == 3:
            self.step = 4

    def holds(self) -> bool:
        """Whether nobody saw the last."""
        return not self.reached


class AcrossAnAwait(TwoLines):
    """The counter, with an await between reading and writing."""

    async def add_later(self) -> None:
        """Lose an update of a task that comes between."""
        value = self.value
        await asyncio.sleep(0)
        self.value = value + 1


class GuardedAcrossAnAwait(AcrossAnAwait):
    """The same under a lock of asyncio."""

    def __init__(self) -> None:
        super().__init__()
        self.guard = asyncio.Lock()

    async def add_alone(self) -> None:
        """Read and write, alone."""
        async with self.guard:
            await self.add_later()


class CrosswiseTasks:
    """Two locks of asyncio that are taken in either order."""

    def __init__(self) -> None:
        self.left = asyncio.Lock()
        self.right = asyncio.Lock()
        self.done = 0

    async def one(self) -> None:
        """Take the left one first."""
        await self._both(self.left, self.right)

    async def other(self) -> None:
        """Take the right one first."""
        await self._both(self.right, self.left)

    async def _both(self, first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0)
            async with second:
                self.done += 1

    def holds(self) -> bool:
        """Whether both got them."""
        return self.done == 2


def _trials() -> tuple[Trial, ...]:
    twice = (TwoLines.add, TwoLines.add)
    crossed = (CrosswiseTasks.one, CrosswiseTasks.other)
    across = (AcrossAnAwait.add_later, AcrossAnAwait.add_later)
    alone = (GuardedAcrossAnAwait.add_alone, GuardedAcrossAnAwait.add_alone)
    return (
        Trial("lost update, two lines", TwoLines, twice, wrong=True),
        Trial("lost update, one line", OneLine, (OneLine.add, OneLine.add), wrong=True),
        Trial("dict: look, then set", LookThenSet, (LookThenSet.get, LookThenSet.get), wrong=True),
        Trial("two locks, crosswise", Crosswise, (Crosswise.one, Crosswise.other), wrong=True),
        Trial(
            "condition, missed", MissedWakeUp, (MissedWakeUp.wait, MissedWakeUp.tell), wrong=True
        ),
        Trial(
            "three threads",
            ThreeThreads,
            (ThreeThreads.blink, ThreeThreads.look, ThreeThreads.compare),
            wrong=True,
        ),
        Trial(
            "three preemptions",
            ThreePreemptions,
            (ThreePreemptions.odd, ThreePreemptions.even),
            wrong=True,
            preemptions=3,
        ),
        Trial("asyncio: lost update", AcrossAnAwait, across, wrong=True, tasks=True),
        Trial("asyncio: two locks", CrosswiseTasks, crossed, wrong=True, tasks=True),
        Trial("lock", Guarded, (Guarded.add, Guarded.add), wrong=False),
        Trial(
            "semaphore of one",
            GuardedBySemaphore,
            (GuardedBySemaphore.add, GuardedBySemaphore.add),
            wrong=False,
        ),
        Trial("condition", WakeUp, (WakeUp.wait, WakeUp.tell), wrong=False),
        Trial("queue", Handover, (Handover.put, Handover.get), wrong=False),
        Trial("update of a store", InAStore, (InAStore.add, InAStore.add), wrong=False),
        Trial("asyncio: lock", GuardedAcrossAnAwait, alone, wrong=False, tasks=True),
    )


TRIALS = {trial.name: trial for trial in _trials()}
"""By name: first those that go wrong, then those that are right."""
