"""Who does an operation, and what it was given, opened and left behind."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

from cowstate import MISSING, ChangeSet, Commit, Feed, Pin, Record, Store, Subscription
from tests import standing
from tests.standing import eventually

AnyStore = Store[Any, Any]
AnyCommit = Commit[Any, Any]
AnyChanges = ChangeSet[Any, Any]


class Slot(Record):
    order_id: int | None = None
    quantity: int = 0


class Listener:
    """A subscriber, and what it was given.

    Its callback is a function in C. Of one in Python, which can be interrupted before its first
    line, nobody could say whether it was given the commit.
    """

    def __init__(
        self,
        keys: Iterable[str] | None = None,
        callback: Callable[[Any], object] | None = None,
        initial: bool = False,
    ) -> None:
        self.keys = None if keys is None else frozenset(keys)
        self.initial = initial
        self.handle: Subscription[Any, Any] | None = None
        self.got: list[AnyCommit] = []
        self._calls: SimpleQueue[AnyCommit] = SimpleQueue()
        self._notes = callback is None
        self.callback: Callable[[AnyCommit], object] = callback or self._calls.put

    def concerned(self, changes: list[AnyChanges], since: int) -> list[int]:
        """The versions after *since* that it is to be given."""
        return [
            version
            for version, change in enumerate(changes, 1)
            if version > since and (self.keys is None or any(key in change for key in self.keys))
        ]

    def receive(self, count: int) -> None:
        """Take what it was given, and wait for as many calls as there must be in all."""
        try:
            while len(self.got) < count:
                self.got.append(self._calls.get(timeout=standing.PATIENCE))
            while True:
                self.got.append(self._calls.get_nowait())
        except Empty:
            pass

    def check(self, store: AnyStore, changes: list[AnyChanges]) -> None:
        """It was given every commit that it is for, once and in order, while it was open."""
        if not self._notes:
            return
        since = 0 if self.handle is None else self.handle.since
        is_open = self.handle is not None and not self.handle.closed
        begun = self.begun(since, is_open) if self.initial else []
        must = begun + self.concerned(changes, begun[0] if begun else since)
        self.receive(len(must) if is_open else 0)
        got = [commit.version for commit in self.got]
        if is_open:
            assert got == must, f"a subscriber since {since} was given {got}, not {must}"
        elif self.handle is not None:
            assert got == must[: len(got)], f"before it was closed it was given {got} of {must}"
        elif got:  # opened, perhaps, and the handle taken from whoever asked for it
            must = must[must.index(got[0]) :]
            assert got == must[: len(got)], f"without a handle it was given {got} of {must}"
        for place, commit in enumerate(self.got):
            assert commit.after is store.at(commit.version), "a commit that was never published"
            if place or not self.initial:
                self.check_changes(commit, changes[commit.version - 1])
            else:
                there = {key: (MISSING, record) for key, record in commit.after.items()}
                self.check_changes(commit, ChangeSet(there))

    def begun(self, since: int, is_open: bool) -> list[int]:
        """The version of what was there: it came first, if anything came."""
        self.receive(1 if is_open else 0)
        assert self.got or not is_open, "it was not given what was there"
        if self.got:
            first = self.got[0]
            assert first.before.version == -1, f"{first!r} comes before what was there"
            assert first.version >= since, f"since {since} it was given what was there at {first!r}"
        return [commit.version for commit in self.got[:1]]

    def check_changes(self, commit: Any, whole: AnyChanges) -> None:
        changes = getattr(commit, "changes", None)  # a twin's commit has none
        wanted = whole if self.keys is None else whole.only(self.keys.__contains__)
        assert changes is None or changes == wanted, f"{commit!r} is to tell {wanted}"


class Kept:
    """A pin that an operation asks for, and how far it got with letting it go."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.pin: Pin[Any, Any] | None = None
        self.ending = False
        self.ended = False

    @property
    def must_be_there(self) -> bool:
        return self.pin is not None and not self.ending

    @property
    def may_be_there(self) -> bool:
        return not self.ended


class Sleeper:
    """A thread that sleeps in a call until the store wakes it."""

    def __init__(self, store: AnyStore, call: Callable[[], object]) -> None:
        self.woken: list[object] = []
        self._call = call
        self._thread = Thread(target=self._run, daemon=True, name="sleeper")
        waiting = store.statistics().waiting
        self._thread.start()
        eventually(lambda: store.statistics().waiting > waiting, "the sleeper does not lie down")

    def _run(self) -> None:
        try:
            self.woken.append(self._call())
        except Exception as error:
            self.woken.append(error)

    def check(self) -> None:
        self._thread.join(standing.PATIENCE)
        assert not self._thread.is_alive(), f"a sleeper was not woken\n{standing.stacks()}"


class Holder:
    """A thread that has a transaction open until it is told, or has waited for a while."""

    def __init__(self, store: AnyStore, seconds: float | None = None) -> None:
        self._store, self._seconds = store, seconds
        self._told, entered = Event(), Event()
        self._thread = Thread(target=self._hold, args=(entered,), daemon=True, name="holder")
        self._thread.start()
        assert entered.wait(standing.PATIENCE), "the holder cannot begin"

    def _hold(self, entered: Event) -> None:
        with self._store.transaction():
            entered.set()
            self._told.wait(self._seconds)

    def end(self) -> None:
        self._told.set()
        self._thread.join(standing.PATIENCE)
        assert not self._thread.is_alive(), f"the holder does not end\n{standing.stacks()}"


class Hand:
    """Who does one operation: its keys, what it was given back, and what it left behind."""

    def __init__(self, a: str, b: str, c: str, new: str, first_id: int) -> None:
        self.a, self.b, self.c, self.new = a, b, c, new
        self.order_id = first_id
        self.commits: dict[int, AnyCommit | None] = {}
        self.elsewhere: dict[int, AnyCommit | None] = {}
        self.listeners: list[Listener] = []
        self.kept: list[Kept] = []
        self.items: dict[int, Any] = {}
        self.keyed_items: dict[int, Any] = {}
        self.feeds: dict[int, Feed[Any, Any]] = {}
        self.closed: dict[int, Subscription[Any, Any] | Feed[Any, Any]] = {}
        """What a call has closed and come back from."""
        self.seen: dict[int, Any] = {}
        self.sleepers: list[Sleeper] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.holders: list[Holder] = []
        self.more: Callable[[], object] = lambda: None
        """A write after which every sleeper must be awake."""

    def slot(self, quantity: int) -> Slot:
        """A record like no other."""
        self.order_id += 1
        return Slot(self.order_id, quantity)

    def listen(
        self,
        keys: Iterable[str] | None = None,
        callback: Callable[[Any], object] | None = None,
        initial: bool = False,
    ) -> Listener:
        listener = Listener(keys, callback, initial)
        self.listeners.append(listener)
        return listener

    def keep(self, why: str) -> Kept:
        kept = Kept(why)
        self.kept.append(kept)
        return kept

    def end_holders(self) -> None:
        """Have the other threads leave their transactions."""
        for holder in self.holders:
            holder.end()
        self.holders.clear()

    def end_loop(self) -> None:
        """Do as `asyncio.run` does when its task is over, whatever became of it."""
        loop, self.loop = self.loop, None
        if loop is not None:
            _stop_running(loop)
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            for task in tasks:
                coroutine = task.get_coro()
                # One whose wake-up was lost in asyncio's own code, between a future that is done
                # and the call that says so, never runs again.
                if not task.done() and coroutine is not None:
                    coroutine.close()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def _stop_running(loop: Any) -> None:
    # An exception that comes up in asyncio's own cleaning up, as a second Ctrl-C may, leaves a
    # loop that takes itself for running. What becomes of a store must not depend upon that.
    loop._thread_id = None
    asyncio._set_running_loop(None)
    sys.set_asyncgen_hooks(None, None)
