"""The simulation: rounds in which everybody is at work, and between them the laws."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue
from random import Random
from typing import Any

from cowstate import Store
from tests.simulation.deeds import SHARED, UNNUMBERED
from tests.simulation.faults import Boom, Interrupts, Quiet, Striker, StuckError, in_child
from tests.simulation.laws import Laws
from tests.simulation.story import Patience, Story
from tests.simulation.workers import Crew, Followers, Tasks, Worker
from tests.simulation.world import Entry, World

WORKERS = ("ann", "bob", "cyd")
STEPS = 60
PATIENCE = 120.0
"""Seconds after which whoever has not got on is called stuck; never waited when all is well."""
PATIENCE_WITH_A_CHILD = 30.0
"""At least so many seconds: a child is born, and does all that it does."""


class LawBrokenError(AssertionError):
    """A simulation came to what must never be; its message is the story."""


@dataclass
class Report:
    """How much a simulation did."""

    rounds: int = 0
    operations: int = 0
    strikes: int = 0
    versions: int = 0
    forks: int = 0


def simulate(
    seed: int,
    rounds: int = 4,
    *,
    kind: type[Store[Any, Any]] = Store,
    patience: float = PATIENCE,
    steps: int = STEPS,
) -> Report:
    """Run a few rounds from a *seed*, in the main thread.

    Raises:
        LawBrokenError: and tells the story.
    """
    assert threading.current_thread() is threading.main_thread(), "signals go to the main thread"
    story = Story()
    report = Report()
    stuck = ""
    with _agitated(Random(f"{seed} interval")), Quiet(lambda what: story.accuse("nobody", what)):
        world = World(str(seed), story, kind)
        world.open_counters([SHARED, *UNNUMBERED, "baton", "main", *WORKERS])
        laws = Laws(world, patience)
        for number in range(rounds):
            try:
                _round(world, laws, f"{seed} {number}", report, patience, steps)
            except StuckError as error:
                world.at_work = False
                stuck = error.stacks
                story.accuse("simulation", str(error))
            except Exception:
                story.accuse("simulation", traceback.format_exc())
            if story.violations:
                break
            report.rounds += 1
        report.versions = world.source.snapshot().version
    if story.violations:
        raise LawBrokenError(
            f"seed {seed}, round {report.rounds} (again: python -m tests.simulation --seed {seed} "
            f"--seeds 1 --rounds {report.rounds + 1})\n{story.tell()}\n{stuck}"
        )
    return report


def _round(
    world: World, laws: Laws, seed: str, report: Report, patience: float, steps: int
) -> None:
    rng = Random(f"{seed} round")
    world.budget[:] = [None] * rng.randrange(30)
    crew = Crew(world.story.accuse)
    readers = Crew(world.story.accuse)
    followers = Followers(world)
    world.at_work = True
    fork_at = rng.randrange(2 * steps) if _gil_is_on() else None
    with Striker() as striker:
        workers = [Worker(world, striker, name, seed, steps) for name in WORKERS]
        for worker in workers:
            crew.add(worker.name, worker.run)
        crew.add("tasks", Tasks(world, seed, steps, patience).run)
        for name in ("reader 1", "reader 2"):
            readers.add(name, followers.run)
        readers.start()
        crew.start()
        with Interrupts(Patience(patience, world.story.latest)) as interrupts:
            main = Worker(world, striker, "main", seed, steps, interrupts)
            main.run_with(fork_at, lambda: _fork(world, report, patience))
            if late := crew.join(Patience(patience, world.story.latest)):
                raise StuckError(f"still at work: {', '.join(late)}")
            gc.collect()
    world.at_work = False
    everybody = (*workers, main)
    strikes = sum(worker.landed for worker in everybody)
    report.operations += sum(worker.done for worker in everybody)
    report.strikes += strikes
    world.pins += sum(worker.deeds.pins_tried for worker in everybody)
    world.handles += sum(worker.deeds.handles_tried for worker in everybody)
    laws.both_stores_can_be_written_from_two_threads()
    followers.catch_up(world.source.snapshot().version, patience)
    followers.feed.close()
    if late := readers.join(Patience(patience, world.story.latest)):
        raise StuckError(f"still reading a closed feed: {', '.join(late)}")
    followers.check()
    if rng.random() < 0.5:
        _fork(world, report, patience)
    laws.check(strikes, world.pins, world.handles)


def _fork(world: World, report: Report, patience: float) -> None:
    report.forks += 1
    seconds = max(patience, PATIENCE_WITH_A_CHILD)
    if problem := in_child(lambda: _works_in_a_child(world, seconds), 2 * seconds):
        world.story.accuse("fork", problem)


def _works_in_a_child(world: World, patience: float) -> None:
    gc.disable()
    for store in (world.source, world.mirror):
        told: SimpleQueue[Any] = SimpleQueue()
        subscription = store.subscribe(told.put)
        for write in (_set, _update, _write_in_a_block, _commit_a_draft):
            try:
                write(store)
            except Boom:
                pass
        last = store.snapshot().version
        # By a thread of the store's, if the parent left much to deliver, and then there may be
        # more commits than these, of callbacks that write.
        versions: list[int] = []
        while not versions or versions[-1] < last:
            versions.append(told.get(timeout=patience).version)
        assert versions == list(range(subscription.since + 1, versions[-1] + 1)), versions
        subscription.close()
        store.wait_for(lambda now, last=last: now.version >= last, timeout=0)
    assert world.source.snapshot()["child"].number == 4, "a write of the child's is lost"


def _set(store: Store[str, Entry]) -> None:
    store.set("child", Entry(1))


def _update(store: Store[str, Entry]) -> None:
    store.update("account 0", lambda entry: entry.replace())
    store.set("child", Entry(2))


def _write_in_a_block(store: Store[str, Entry]) -> None:
    with store.transaction() as tx:
        tx["child"] = Entry(3)


def _commit_a_draft(store: Store[str, Entry]) -> None:
    # Again, if what the parent's threads left to be mirrored comes in between.
    store.retry(lambda draft: draft.update(child=Entry(4)))


def _gil_is_on() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


@contextmanager
def _agitated(rng: Random) -> Iterator[None]:
    """Have threads take short turns, and garbage collected often."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(rng.choice((1e-5, 5e-5)))
    gc.set_threshold(70, 5, 5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
