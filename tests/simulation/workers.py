"""Who acts in a simulation: workers that are struck, followers that are not, and tasks."""

from __future__ import annotations

import asyncio
import threading
import traceback
from collections.abc import Callable
from queue import SimpleQueue
from random import Random
from typing import Any

from cowstate import (
    ClosedError,
    CowstateError,
    DeadlockError,
    Feed,
    Lagged,
    ReentrantWriteError,
    WaitTimeoutError,
    aio,
)
from tests.simulation.deeds import SHARED, Deeds, unheard
from tests.simulation.faults import SLICE, Boom, Interrupts, Kind, Strike, Striker, Struck
from tests.simulation.story import Patience
from tests.simulation.world import NOISE, Entry, World, one_more

STRIKES: tuple[Kind, ...] = ("none", "none", "instruction", "thread")
MAIN_STRIKES: tuple[Kind, ...] = (*STRIKES, "signal", "signal")


class Worker:
    """Does one thing after the other, and is struck at some; the main thread by signals, too."""

    def __init__(
        self,
        world: World,
        striker: Striker,
        name: str,
        seed: str,
        steps: int,
        interrupts: Interrupts | None = None,
    ) -> None:
        self.world = world
        self.name = name
        self.deeds = Deeds(world, name)
        self.landed = 0
        self.done = 0
        self._striker = striker
        self._seed = f"{seed} {name}"
        self._steps = steps
        self._interrupts = interrupts
        self._strikes = STRIKES if interrupts is None else MAIN_STRIKES

    def run(self) -> None:
        """Do it all."""
        self.run_with(None, lambda: None)

    def run_with(self, when: int | None, what: Callable[[], object]) -> None:
        """Do it all, and something else before the step of that number."""
        for number in range(self._steps):
            if number == when:
                what()
            self._step(number)
            self.done += 1
        for feed, *_ in self.deeds.feeds:
            feed.close()

    def _step(self, number: int) -> None:
        # Of its own, so that what is chosen here does not hang on where the last one was struck.
        rng = Random(f"{self._seed} {number}")
        name, deed = self.deeds.choose(rng)
        strike = self._strike(rng)
        times = rng.choice((1, 2, 6)) if strike.kind in ("thread", "signal") else 1
        if self._interrupts is not None:
            self._interrupts.current = strike
        outcome = ""
        try:
            try:
                strike.begin(self._striker)
                _repeat(deed, times)
                outcome = "done"
            except CowstateError as error:
                outcome = f"refused, {error!r}"
                self._expect(error, name)
            except Boom:
                outcome = "done, and a callback boomed"
            except Exception:
                outcome = traceback.format_exc()
                self._accuse(f"{name} raised\n{outcome}")
            strike.settle()
        except Struck as error:
            strike.clear()
            self.landed += 1
            outcome = f"struck{_where(error)}"
            self._write_while_it_is_handled(name, outcome)
        told = "" if strike.kind == "none" else f" (strike by {strike.kind}, {strike.number})"
        self.world.story.note(self.name, f"{number}: {name}{told}: {outcome}"[:300])

    def _strike(self, rng: Random) -> Strike:
        kind = rng.choice(self._strikes)
        if kind == "instruction":
            return Strike(kind, rng.choice((rng.randrange(1, 60), rng.randrange(1, 400))))
        deed = None
        if kind == "signal" and rng.random() < 0.5:
            deed = unheard(self.deeds.trouble(rng, "handlers"))
        return Strike(kind, int(10 ** rng.uniform(0, 3.5)), deed)

    def _expect(self, error: CowstateError, name: str) -> None:
        # Nothing is open in this thread, so it is inside of no write and waited for by nobody.
        across = name == "write across"
        if isinstance(error, ReentrantWriteError | ClosedError) or (
            isinstance(error, DeadlockError) and not across
        ):
            self._accuse(f"{name} raised\n{traceback.format_exc()}")

    def _write_while_it_is_handled(self, name: str, outcome: str) -> None:
        count = self.deeds.mine[self.name]
        count.tried += 1
        try:
            self.world.source.update(self.name, one_more)
            count.told += 1
        except Boom:
            pass
        except Exception as error:
            self._accuse(f"{name} {outcome}, and in its except block: {error!r}")
        try:
            self.world.mirror.set(f"scratch {self.name}", Entry())
        except Boom:
            pass
        except Exception as error:
            self._accuse(f"{name} {outcome}, and in its except block, the mirror: {error!r}")

    def _accuse(self, what: str) -> None:
        self.world.story.accuse(self.name, what)


def _repeat(deed: Callable[[], object], times: int) -> None:
    for _ in range(times):
        deed()


def _where(error: BaseException) -> str:
    frames = [
        f"{frame.f_code.co_name}:{line}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if "cowstate" in frame.f_code.co_filename
    ]
    return f" in {' > '.join(frames[-3:])}" if frames else ""


class Followers:
    """Two threads that share one feed of each version, and are never struck."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.items: SimpleQueue[Any] = SimpleQueue()
        self.since = world.source.snapshot().version
        self.feed: Feed[str, Entry] = world.source.feed(since=self.since)
        self._given = 0

    def run(self) -> None:
        """Read until the feed is closed."""
        for item in self.feed:
            self.items.put(item)

    def catch_up(self, version: int, patience: float) -> None:
        """Wait until everything up to *version* was given out."""
        while self.since + self._given < version:
            self._count(self.items.get(timeout=patience))

    def check(self) -> None:
        """Everything up to where the feed was closed was given out once, or told to be missed."""
        while not self.items.empty():
            self._count(self.items.get())
        if self.since + self._given != self.feed.version:
            self.world.story.accuse(
                "followers",
                f"{self._given} items of a feed that came from {self.since} to {self.feed.version}",
            )

    def _count(self, item: Any) -> None:
        lagged = isinstance(item, Lagged)
        self._given += item.snapshot.version - item.missed_from + 1 if lagged else 1


class Tasks:
    """An event loop in a thread, with tasks that wait, follow, and are cancelled."""

    def __init__(self, world: World, seed: str, steps: int, patience: float) -> None:
        self.world = world
        self._seed = seed
        self._steps = steps
        self._patience = patience

    def run(self) -> None:
        """Run the event loop."""
        try:
            asyncio.run(self._main())
        except Exception:
            self.world.story.accuse("tasks", traceback.format_exc())

    async def _main(self) -> None:
        rng = Random(f"{self._seed} tasks")
        source = self.world.source
        loop = asyncio.get_running_loop()
        listener = self.world.subscribe(source, what="by loop", via=loop)
        running: list[asyncio.Task[None]] = []
        for number in range(self._steps):
            how = rng.choice((self._wait, self._follow, self._write))
            running.append(asyncio.create_task(how(Random(f"{self._seed} {number}"))))
            self.world.story.note("tasks", f"{number}: to {how.__name__[1:]}")
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            if len(running) > 6 or rng.random() < 0.2:
                running.pop(rng.randrange(len(running))).cancel()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._catch_up(listener)
        listener.handle.close()

    async def _catch_up(self, listener: Any) -> None:
        """Give the event loop turns until the listener knows what is known now."""
        version, handle = self.world.source.snapshot().version, listener.handle
        patience = Patience(self._patience / 2, lambda: handle.delivered)
        while handle.delivered < version:
            await asyncio.sleep(0)
            assert not patience.over(), "a loop's listener is not told"

    async def _wait(self, rng: Random) -> None:
        wanted = self.world.source.snapshot()[SHARED].number + rng.randrange(5)
        timeout = rng.choice((None, None, 0.002))
        try:
            found = await aio.wait_for(
                self.world.source, lambda now: now[SHARED].number >= wanted, timeout
            )
        except WaitTimeoutError:
            return
        assert found[SHARED].number >= wanted

    async def _follow(self, rng: Random) -> None:
        keys = rng.choice((None, NOISE))
        async with aio.feed(self.world.source, keys=keys) as feed:
            before = feed.version
            async for item in feed:
                if keys is None and isinstance(item, Lagged):
                    assert item.missed_from == before + 1
                elif keys is None:
                    assert feed.version == before + 1
                before = feed.version

    async def _write(self, rng: Random) -> None:
        try:
            self.world.source.set(rng.choice(NOISE), Entry(rng.randrange(3)))
        except Boom:
            pass


class Crew:
    """Threads that are started together, and waited for together."""

    def __init__(self, accuse: Callable[[str, str], None]) -> None:
        self._accuse = accuse
        self._threads: list[threading.Thread] = []

    def add(self, name: str, run: Callable[[], None]) -> None:
        """Have *run* run in a thread of that name."""

        def guarded() -> None:
            try:
                run()
            except BaseException:
                self._accuse(name, traceback.format_exc())

        self._threads.append(threading.Thread(target=guarded, name=name, daemon=True))

    def start(self) -> None:
        """Start them all."""
        for thread in self._threads:
            thread.start()

    def join(self, patience: Patience) -> list[str]:
        """Return the names of those that have not ended when *patience* is over."""
        for thread in self._threads:
            while thread.is_alive() and not patience.over():
                thread.join(SLICE)
        return [thread.name for thread in self._threads if thread.is_alive()]
